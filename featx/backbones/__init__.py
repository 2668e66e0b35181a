"""Backbones: which networks exist, and running one. Importing this loads no Keras; ``load_backbone`` does."""

from featx.backbones.formats import export_network
from featx.backbones.registry import (
    BACKBONES,
    Backbone,
    BackboneSpec,
    backbone_spec,
    check_image_size,
    load_backbone,
    resolve_weights,
)

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "backbone_spec",
    "check_image_size",
    "export_network",
    "load_backbone",
    "resolve_weights",
]
