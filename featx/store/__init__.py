"""The cache: features in immutable HDF5 shards, and the catalog of images they belong to."""

from featx.store.alike import keep_alike, kept_alike
from featx.store.cache import FeatureCache
from featx.store.cache_writer import CacheWriter
from featx.store.documents import read_recipe, writing_named
from featx.store.folder import describe_differences, find_cache, no_cache
from featx.store.inside import QUANTIZED
from featx.store.join import COPIED, LINKED, PRESENT, bring, check_content, needed_shards, shards_of
from featx.store.listing.catalog import EXTRACTED, REJECTED, SPLITS, Catalog
from featx.store.listing.part import NOT_GIVEN, PartOf
from featx.store.listing.parts import part_path, part_paths, rejects_path, write_part
from featx.store.listing.rejects import check_something_is_left, write_rejects
from featx.store.listing.repeats import Repeats, find_repeats
from featx.store.listing.said import differ, in_conflict, said_of
from featx.store.network import Count, Name, Network
from featx.store.packed import is_pack, pack
from featx.store.pooling import POOLINGS, check_pooling, pool_maps, sums_by_cell
from featx.store.pruning import Listed, drop_foreign, find_repeated, prune
from featx.store.repair import Damage, Survey, is_unfinished, missing_rows, restore, set_aside, survey
from featx.store.rows import CachedRows
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import expected_bytes
from featx.store.writer import ShardsWriter

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
    "Count",
    "Damage",
    "FeatureCache",
    "Listed",
    "Name",
    "Network",
    "PartOf",
    "Repeats",
    "Shard",
    "ShardsWriter",
    "Survey",
    "bring",
    "check_content",
    "check_pooling",
    "check_something_is_left",
    "describe_differences",
    "differ",
    "drop_foreign",
    "expected_bytes",
    "find_cache",
    "find_repeated",
    "find_repeats",
    "in_conflict",
    "is_pack",
    "is_unfinished",
    "keep_alike",
    "kept_alike",
    "missing_rows",
    "needed_shards",
    "no_cache",
    "pack",
    "part_path",
    "part_paths",
    "pool_maps",
    "prune",
    "read_recipe",
    "rejects_path",
    "restore",
    "said_of",
    "set_aside",
    "shards_of",
    "sums_by_cell",
    "survey",
    "write_part",
    "write_rejects",
    "writing_named",
]
