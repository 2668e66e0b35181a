"""Backbones: which networks exist, and running one. Importing this loads no Keras; ``load_backbone`` does."""

from featx.backbones.engines import ENGINES, check_engine, check_engine_name, engine_asked
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
from featx.backbones.rates import int8_rates, measure_engines
from featx.backbones.resolve import Resolved, resolve_backbone
from featx.backbones.table import BACKBONES, BackboneSpec, backbone_spec
from featx.backbones.weights import find_weights, is_name_of_weights, resolve_weights, weights_by_name
from featx.backbones.winograd import is_winograd_installed

__all__ = [
    "BACKBONES",
    "ENGINES",
    "RESTORE",
    "Backbone",
    "BackboneSpec",
    "ImportedNetwork",
    "QuantizedNetwork",
    "Resolved",
    "backbone_spec",
    "check_device",
    "check_engine",
    "check_engine_name",
    "check_image_size",
    "check_int8_installed",
    "choose_batch_size",
    "describe_network",
    "engine_asked",
    "find_weights",
    "int8_rates",
    "is_name_of_weights",
    "is_winograd_installed",
    "list_devices",
    "load_backbone",
    "load_tail",
    "measure_engines",
    "quantize_backbone",
    "resolve_backbone",
    "resolve_weights",
    "weights_by_name",
]
