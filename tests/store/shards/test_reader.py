"""Reading in blocks: bounded, complete, and well mixed when shuffled."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featx
import featx.store.writer
from featx.store.shards.reader import RUN_ROWS, shuffled_blocks


@pytest.fixture
def cache(photos: Path, extract: Callable[..., featx.ExtractResult], monkeypatch: pytest.MonkeyPatch) -> featx.FeatureCache:
    """36 rows of 12 features in five shards."""
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 1)
    return featx.FeatureCache.open(extract(photos).cache)


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("pooling", ["flatten", "avgmax"])
@pytest.mark.parametrize("block_bytes", [1, 200, 10**9])
def test_blocks_hold_every_row_once_with_its_own_features(
    cache: featx.FeatureCache, seed: int | None, pooling: str, block_bytes: int
) -> None:
    """Whatever the block size and order; and no block is larger than asked, one row aside."""
    rows = np.random.default_rng(0).permutation(cache.catalog.rows())[:30]
    whole = cache.features(rows, pooling=pooling)
    seen: list[int] = []
    for positions, X in cache.blocks(rows, pooling=pooling, block_bytes=block_bytes, seed=seed):
        np.testing.assert_array_equal(X, whole[positions])
        assert X.nbytes <= max(block_bytes, whole[0].nbytes)
        seen += positions.tolist()
    assert sorted(seen) == list(range(30))
    if seed is None:
        assert seen == list(range(30))


def test_a_shuffled_pass_is_a_function_of_the_seed(cache: featx.FeatureCache) -> None:
    """The same seed, the same order; another seed, another."""
    rows = cache.catalog.rows()

    def order(seed: int) -> list[int]:
        return [int(p) for positions, _ in cache.blocks(rows, block_bytes=480, seed=seed) for p in positions]

    assert order(3) == order(3) != order(4)


@given(st.permutations(range(50)), st.integers(1, 60), st.integers(0, 5))
def test_shuffled_blocks_deal_every_position_once(places: list[int], block_rows: int, seed: int) -> None:
    """For any layout on disk, block size and seed."""
    blocks = list(shuffled_blocks(np.array(places, np.int64), block_rows, seed))
    assert sorted(np.concatenate(blocks).tolist()) == list(range(50))
    assert all(len(block) == block_rows for block in blocks[:-1])


def test_a_block_of_a_class_sorted_cache_holds_many_classes() -> None:
    """100 classes of 100 rows, sorted on disk as extract writes them: no block of 2,000 is short of classes."""
    labels = np.repeat(np.arange(100), 100)
    for block in shuffled_blocks(np.arange(10_000), block_rows=2000, seed=0):
        counts = Counter(labels[block].tolist())
        assert len(counts) >= 35
        assert max(counts.values()) <= 100


def test_a_shuffled_block_is_read_in_runs() -> None:
    """A block of 2,000 rows takes about 2,000 / 32 reads of neighbours, not 2,000 single ones."""
    for block in shuffled_blocks(np.arange(100_000), block_rows=2000, seed=0):
        runs = 1 + int((np.diff(np.sort(block)) != 1).sum())
        assert runs <= 2 * len(block) / RUN_ROWS + 2


def test_a_block_of_small_rows_visits_a_bounded_number_of_places() -> None:
    """However many shards there are: 100,000 rows of a million come from some 256 places, still from all over."""
    for block in shuffled_blocks(np.arange(1_000_000), block_rows=100_000, seed=0):
        ascending = np.sort(block)
        assert 1 + int((np.diff(ascending) != 1).sum()) <= 300
        assert (np.bincount(ascending // 100_000, minlength=10) > 1000).all()
