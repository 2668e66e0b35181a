"""The cache: features in immutable HDF5 shards, and the catalog of images they belong to."""

from featx.store.cache import FeatureCache, find_cache
from featx.store.catalog import EXTRACTED, REJECTED, SPLITS, Catalog
from featx.store.documents import read_recipe
from featx.store.packed import pack
from featx.store.pooling import POOLINGS, check_pooling, pool_maps
from featx.store.repair import Damage, missing_rows, prune_shard, set_aside, survey, unlisted_rows

__all__ = [
    "EXTRACTED",
    "POOLINGS",
    "REJECTED",
    "SPLITS",
    "Catalog",
    "Damage",
    "FeatureCache",
    "check_pooling",
    "find_cache",
    "missing_rows",
    "pack",
    "pool_maps",
    "prune_shard",
    "read_recipe",
    "set_aside",
    "survey",
    "unlisted_rows",
]
