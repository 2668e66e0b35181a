"""Backbones: which networks exist, and running one. Importing this loads no Keras; ``load_backbone`` does."""

from featx.backbones.imported.found import describe_network
from featx.backbones.imported.network import ImportedNetwork
from featx.backbones.load import (
    Backbone,
    check_device,
    check_image_size,
    choose_batch_size,
    list_devices,
    load_backbone,
    load_tail,
)
from featx.backbones.quantize import check_int8_installed, quantize_backbone
from featx.backbones.quantized import RESTORE, QuantizedNetwork
from featx.backbones.resolve import Resolved, resolve_backbone
from featx.backbones.table import BACKBONES, BackboneSpec, backbone_spec
from featx.backbones.weights import find_weights, is_name_of_weights, resolve_weights, weights_by_name

__all__ = [
    "BACKBONES",
    "RESTORE",
    "Backbone",
    "BackboneSpec",
    "ImportedNetwork",
    "QuantizedNetwork",
    "Resolved",
    "backbone_spec",
    "check_device",
    "check_image_size",
    "check_int8_installed",
    "choose_batch_size",
    "describe_network",
    "find_weights",
    "is_name_of_weights",
    "list_devices",
    "load_backbone",
    "load_tail",
    "quantize_backbone",
    "resolve_backbone",
    "resolve_weights",
    "weights_by_name",
]
