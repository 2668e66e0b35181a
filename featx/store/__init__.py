"""The cache: features in immutable HDF5 shards, and the catalog of images they belong to."""

from featx.store.cache import FeatureCache, find_cache
from featx.store.catalog import EXTRACTED, REJECTED, SPLITS, Catalog
from featx.store.pooling import POOLINGS, check_pooling, pool_maps

__all__ = [
    "EXTRACTED",
    "POOLINGS",
    "REJECTED",
    "SPLITS",
    "Catalog",
    "FeatureCache",
    "check_pooling",
    "find_cache",
    "pool_maps",
]
