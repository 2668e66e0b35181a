"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.head import HEADS, Features, Head, HeadSpec, Rows, check_seed, head_spec, make_head, rebuild_head
from featx.heads.layers import plain_layers
from featx.heads.losses import best_epoch
from featx.heads.pipeline import make_pipeline, run_pipeline, save_pipeline
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
    "best_epoch",
    "check_scale",
    "check_seed",
    "head_spec",
    "make_head",
    "make_pipeline",
    "plain_layers",
    "rebuild_head",
    "run_pipeline",
    "save_pipeline",
]
