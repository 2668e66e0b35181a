"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.checks import check_seed
from featx.heads.classical.scaling import Scaling, check_scale
from featx.heads.classical.span import Span
from featx.heads.epochs.losses import balanced_weights, best_epoch, probabilities_of, row_losses
from featx.heads.head import Features, Head, Rows
from featx.heads.linear_form import LinearForm
from featx.heads.registry import HEADS, HeadSpec, head_spec, make_head, rebuild_head
from featx.heads.settings import HeadSettings
from featx.heads.temperature import HIGHEST, LOWEST, fit_temperature, scaled, unscaled

__all__ = [
    "HEADS",
    "HIGHEST",
    "LOWEST",
    "Features",
    "Head",
    "HeadSettings",
    "HeadSpec",
    "LinearForm",
    "Rows",
    "Scaling",
    "Span",
    "balanced_weights",
    "best_epoch",
    "check_scale",
    "check_seed",
    "fit_temperature",
    "head_spec",
    "make_head",
    "probabilities_of",
    "rebuild_head",
    "row_losses",
    "scaled",
    "unscaled",
]
