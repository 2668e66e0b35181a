"""Models: a head with all that its predictions take, its file, and the way of images through it."""

from featx.models.advice import advise, advised, no_cache_at, open_cache, refuse_swapped
from featx.models.baseline import largest_share
from featx.models.blank import blank_notes, describe_blank
from featx.models.bounds import bounds_of, check_bounds
from featx.models.classify import FileProbabilities, classify_files
from featx.models.compute import Engine, Extractor, Maps, decode_files
from featx.models.confidence import SetMaker
from featx.models.copies import Copies, TrainingCopies, find_copies, find_training_copies
from featx.models.familiarity import Familiarity
from featx.models.features import HeadFeatures, recorded_weights, weights_hint
from featx.models.file import check_model_path, find_model, library_versions, load_model, save_model
from featx.models.found import kind_at
from featx.models.int8 import (
    DraftEngine,
    drop_other_networks,
    find_engine,
    given_engine,
    keep_network,
    network_of_cache,
    network_path,
    refuse_int8,
)
from featx.models.leaks import MOST_COMPARED, near_duplicates_across_splits, showing_training_images
from featx.models.listed import CHANGED, ListedFiles
from featx.models.model import TRAINED_ON_BYTES, Model
from featx.models.pictures import MeasuredPictures, measure_missing, stored_pictures
from featx.models.separation import LEVEL, Judged, Separation, tell_apart, wilson
from featx.models.settings import Compute
from featx.models.strangers import learn_familiarity
from featx.models.tail import FineTuned
from featx.models.transform import Transform

__all__ = [
    "CHANGED",
    "LEVEL",
    "MOST_COMPARED",
    "TRAINED_ON_BYTES",
    "Compute",
    "Copies",
    "DraftEngine",
    "Engine",
    "Extractor",
    "Familiarity",
    "FileProbabilities",
    "FineTuned",
    "HeadFeatures",
    "Judged",
    "ListedFiles",
    "Maps",
    "MeasuredPictures",
    "Model",
    "Separation",
    "SetMaker",
    "TrainingCopies",
    "Transform",
    "advise",
    "advised",
    "blank_notes",
    "bounds_of",
    "check_bounds",
    "check_model_path",
    "classify_files",
    "decode_files",
    "describe_blank",
    "drop_other_networks",
    "find_copies",
    "find_engine",
    "find_model",
    "find_training_copies",
    "given_engine",
    "keep_network",
    "kind_at",
    "largest_share",
    "learn_familiarity",
    "library_versions",
    "load_model",
    "measure_missing",
    "near_duplicates_across_splits",
    "network_of_cache",
    "network_path",
    "no_cache_at",
    "open_cache",
    "recorded_weights",
    "refuse_int8",
    "refuse_swapped",
    "save_model",
    "showing_training_images",
    "stored_pictures",
    "tell_apart",
    "weights_hint",
    "wilson",
]
