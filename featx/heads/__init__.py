"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.head import HEADS, Features, Head, HeadSpec, Rows, check_seed, head_spec, make_head, rebuild_head
from featx.heads.losses import best_epoch
from featx.heads.scaling import Scaling, check_scale
from featx.heads.span import Span
from featx.heads.temperature import HIGHEST, LOWEST, fit_temperature, scaled, unscaled

__all__ = [
    "HEADS",
    "HIGHEST",
    "LOWEST",
    "Features",
    "Head",
    "HeadSpec",
    "Rows",
    "Scaling",
    "Span",
    "best_epoch",
    "check_scale",
    "check_seed",
    "fit_temperature",
    "head_spec",
    "make_head",
    "rebuild_head",
    "scaled",
    "unscaled",
]
