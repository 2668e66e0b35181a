"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.head import HEADS, Features, Head, HeadSpec, Rows, check_seed, head_spec, make_head, rebuild_head
from featx.heads.losses import balanced_weights, best_epoch, probabilities_of, row_losses
from featx.heads.scaling import Scaling, check_scale
from featx.heads.span import Span

__all__ = [
    "HEADS",
    "Features",
    "Head",
    "HeadSpec",
    "Rows",
    "Scaling",
    "Span",
    "balanced_weights",
    "best_epoch",
    "check_scale",
    "check_seed",
    "head_spec",
    "make_head",
    "probabilities_of",
    "rebuild_head",
    "row_losses",
]
