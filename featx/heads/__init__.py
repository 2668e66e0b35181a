"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.head import HEADS, Features, Head, HeadSpec, Rows, head_spec, make_head, rebuild_head

__all__ = ["HEADS", "Features", "Head", "HeadSpec", "Rows", "head_spec", "make_head", "rebuild_head"]
