"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.head import HEADS, Features, Head, HeadSpec, Rows, check_seed, head_spec, make_head, rebuild_head
from featx.heads.layers import plain_layers
from featx.heads.losses import balanced_weights, best_epoch, probabilities_of, row_losses
from featx.heads.pipeline import make_pipeline, run_pipeline, save_pipeline
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
    "balanced_weights",
    "best_epoch",
    "check_scale",
    "check_seed",
    "fit_temperature",
    "head_spec",
    "make_head",
    "make_pipeline",
    "plain_layers",
    "probabilities_of",
    "rebuild_head",
    "row_losses",
    "run_pipeline",
    "save_pipeline",
    "scaled",
    "unscaled",
]
