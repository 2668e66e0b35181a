"""The cache: features in immutable HDF5 shards, and the catalog of images they belong to."""

from featx.store.cache import FeatureCache, find_cache, no_cache, say_differences
from featx.store.catalog import EXTRACTED, REJECTED, SPLITS, Catalog
from featx.store.documents import QUANTIZED, read_recipe, writing_named
from featx.store.join import COPIED, LINKED, PRESENT, bring, check_content, needed_shards, shards_of
from featx.store.packed import pack
from featx.store.parts import NOT_GIVEN, PartOf, part_path, part_paths, rejects_path, write_part
from featx.store.pooling import POOLINGS, check_pooling, pool_maps
from featx.store.repair import (
    Damage,
    Listed,
    Survey,
    drop_foreign,
    find_repeated,
    is_unfinished,
    missing_rows,
    prune_shard,
    set_aside,
    survey,
)
from featx.store.rows import CachedRows
from featx.store.shard import Shard, expected_bytes
from featx.store.writer import CacheWriter, ShardsWriter

__all__ = [
    "COPIED",
    "EXTRACTED",
    "LINKED",
    "NOT_GIVEN",
    "POOLINGS",
    "PRESENT",
    "QUANTIZED",
    "REJECTED",
    "SPLITS",
    "CacheWriter",
    "CachedRows",
    "Catalog",
    "Damage",
    "FeatureCache",
    "Listed",
    "PartOf",
    "Shard",
    "ShardsWriter",
    "Survey",
    "bring",
    "check_content",
    "check_pooling",
    "drop_foreign",
    "expected_bytes",
    "find_cache",
    "find_repeated",
    "is_unfinished",
    "missing_rows",
    "needed_shards",
    "no_cache",
    "pack",
    "part_path",
    "part_paths",
    "pool_maps",
    "prune_shard",
    "read_recipe",
    "rejects_path",
    "say_differences",
    "set_aside",
    "shards_of",
    "survey",
    "write_part",
    "writing_named",
]
