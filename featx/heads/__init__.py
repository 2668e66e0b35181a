"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.head import HEADS, Head, HeadSpec, head_spec, make_head, rebuild_head

__all__ = ["HEADS", "Head", "HeadSpec", "head_spec", "make_head", "rebuild_head"]
