"""Backbones: which networks exist, and running one. Importing this loads no Keras; ``load_backbone`` does."""

from featx.backbones.formats import export_network
from featx.backbones.registry import Backbone, check_image_size, find_weights, load_backbone, load_tail, resolve_weights
from featx.backbones.table import BACKBONES, BackboneSpec, backbone_spec

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "backbone_spec",
    "check_image_size",
    "export_network",
    "find_weights",
    "load_backbone",
    "load_tail",
    "resolve_weights",
]
