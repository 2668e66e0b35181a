"""The cache: features in immutable HDF5 shards, and the catalog of images they belong to."""

from featx.store.cache import FeatureCache, find_cache, no_cache
from featx.store.catalog import EXTRACTED, REJECTED, SPLITS, Catalog
from featx.store.documents import read_recipe
from featx.store.packed import pack
from featx.store.pooling import POOLINGS, check_pooling, pool_maps
from featx.store.repair import (
    Damage,
    Listed,
    Survey,
    drop_foreign,
    is_unfinished,
    missing_rows,
    prune_shard,
    set_aside,
    survey,
)
from featx.store.rows import CachedRows
from featx.store.shard import expected_bytes
from featx.store.writer import CacheWriter, ShardsWriter

__all__ = [
    "EXTRACTED",
    "POOLINGS",
    "REJECTED",
    "SPLITS",
    "CacheWriter",
    "CachedRows",
    "Catalog",
    "Damage",
    "FeatureCache",
    "Listed",
    "ShardsWriter",
    "Survey",
    "check_pooling",
    "drop_foreign",
    "expected_bytes",
    "find_cache",
    "is_unfinished",
    "missing_rows",
    "no_cache",
    "pack",
    "pool_maps",
    "prune_shard",
    "read_recipe",
    "set_aside",
    "survey",
]
