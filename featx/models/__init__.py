"""Models: a head with all that its predictions take, its file, and the way of images through it."""

from featx.models.classify import FileProbabilities, classify_files
from featx.models.compute import Compute
from featx.models.features import HeadFeatures, weights_hint
from featx.models.file import check_model_path, find_model, library_versions, load_model, save_model
from featx.models.int8 import (
    drop_other_networks,
    find_network,
    keep_network,
    network_given,
    network_of_cache,
    network_path,
    one_at_a_time,
    refuse_int8,
)
from featx.models.model import TRAINED_ON_BYTES, FineTuned, Model

__all__ = [
    "TRAINED_ON_BYTES",
    "Compute",
    "FileProbabilities",
    "FineTuned",
    "HeadFeatures",
    "Model",
    "check_model_path",
    "classify_files",
    "drop_other_networks",
    "find_model",
    "find_network",
    "keep_network",
    "library_versions",
    "load_model",
    "network_given",
    "network_of_cache",
    "network_path",
    "one_at_a_time",
    "refuse_int8",
    "save_model",
    "weights_hint",
]
