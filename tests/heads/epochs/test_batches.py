"""Batches for training: every row once a pass, shuffled, never sorted by class, in bounded memory."""

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.heads.epochs import batches
from featx.heads.head import Features
from tests.heads.made import BlockRows


def numbered_rows(n: int, dtype: type[np.floating] = np.float16) -> NDArray[Any]:
    """Return rows that hold their own position."""
    return np.repeat(np.arange(n, dtype=dtype)[:, None], 3, axis=1)


def as_given(X: NDArray[Any], block_rows: int | None) -> Features:
    """Return the array itself, or rows that can only be read in blocks."""
    return X if block_rows is None else BlockRows(X, block_rows)


@pytest.mark.parametrize("n", [1, 7, 64, 100])
@pytest.mark.parametrize("batch_size", [1, 8, 33, 200])
@pytest.mark.parametrize("block_rows", [None, 1, 5, 8, 40, 1000])
def test_a_pass_holds_every_row_once(n: int, batch_size: int, block_rows: int | None) -> None:
    """Whatever the sizes of batch and block; all batches but the last are full, and hold the rows they say."""
    X = numbered_rows(n)
    epochs = batches.epochs(as_given(X, block_rows), batch_size, None, np.random.default_rng(0))
    for epoch in itertools.islice(epochs, 2):
        found = list(epoch)
        assert sorted(np.concatenate([positions for positions, _ in found])) == list(range(n))
        assert [len(rows) for _, rows in found[:-1]] == [batch_size] * (len(found) - 1)
        for positions, rows in found:
            assert rows.dtype == np.float16
            np.testing.assert_array_equal(rows, X[positions])


@pytest.mark.parametrize("block_rows", [None, 120], ids=["array", "blocks"])
def test_no_batch_is_sorted_by_class(block_rows: int | None) -> None:
    """Rows sorted by class, as a folder lists them: batches hold about what all rows hold, in no order."""
    y = np.repeat(np.arange(4), 300)
    epochs = batches.epochs(as_given(numbered_rows(len(y)), block_rows), 40, None, np.random.default_rng(0))
    orders = []
    for epoch in itertools.islice(epochs, 2):
        labels = [y[positions] for positions, _ in epoch]
        orders.append(np.concatenate(labels))
        for batch in labels:
            assert np.bincount(batch, minlength=4).max() < 25
        # Of 1199 neighbours a quarter are of one class, give or take 45 (three standard deviations).
        assert abs((orders[-1][1:] == orders[-1][:-1]).sum() - 300) < 45
    assert not np.array_equal(*orders)


@pytest.mark.parametrize("block_rows", [None, 30], ids=["array", "blocks"])
def test_the_order_is_a_function_of_the_seed(block_rows: int | None) -> None:
    """The same seed, the same batches; another seed, others."""

    def order(seed: int) -> list[int]:
        epochs = batches.epochs(as_given(numbered_rows(100), block_rows), 9, None, np.random.default_rng(seed))
        return [int(p) for epoch in itertools.islice(epochs, 2) for positions, _ in epoch for p in positions]

    assert order(1) == order(1)
    assert order(1) != order(2)


@pytest.mark.parametrize("block_rows", [None, 30], ids=["array", "blocks"])
def test_short_epochs_go_on_where_the_last_one_stopped(block_rows: int | None) -> None:
    """Ten batches of 10 rows in epochs of 4 steps: after five epochs every row was seen twice."""
    epochs = batches.epochs(as_given(numbered_rows(100), block_rows), 10, 4, np.random.default_rng(0))
    seen = [[positions for positions, _ in epoch] for epoch in itertools.islice(epochs, 5)]
    assert [len(epoch) for epoch in seen] == [4] * 5
    shown = np.concatenate([positions for epoch in seen for positions in epoch])
    assert np.bincount(shown).tolist() == [2] * 100
    assert len(np.unique(shown[:100])) == 100


def test_an_epoch_may_have_more_steps_than_there_are_batches() -> None:
    """Then rows are shown again, in another order."""
    epochs = batches.epochs(numbered_rows(10), 5, 6, np.random.default_rng(0))
    seen = np.concatenate([positions for positions, _ in next(epochs)])
    assert np.bincount(seen).tolist() == [3] * 10
    assert not np.array_equal(seen[:10], seen[10:20])


def test_what_fits_into_memory_is_read_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own type; the limit counts bytes of that type."""

    class Rows(BlockRows):
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
            return self._X

    X = numbered_rows(100)
    monkeypatch.setattr(batches, "MEMORY_BYTES", X.nbytes)
    assert batches.held(X) is X
    whole = batches.held(Rows(X, 10))
    assert isinstance(whole, np.ndarray)
    assert whole.dtype == np.float16
    monkeypatch.setattr(batches, "MEMORY_BYTES", X.nbytes - 1)
    larger = Rows(X, 10)
    assert batches.held(larger) is larger
    assert batches.held(X) is X  # it is in memory already


@pytest.mark.parametrize("block_rows", [None, 30], ids=["array", "blocks"])
def test_rows_in_order_come_in_order(block_rows: int | None) -> None:
    """At most so many at a time, each with its position; none of none."""
    X = numbered_rows(100)
    parts = list(batches.in_order(as_given(X, block_rows), 16))
    assert np.concatenate([positions for positions, _ in parts]).tolist() == list(range(100))
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in parts]), X)
    assert max(len(rows) for _, rows in parts) <= 16
    assert list(batches.in_order(as_given(X[:0], block_rows), 16)) == []


def test_the_mean_length_is_that_of_all_rows_or_of_a_block() -> None:
    """In a type wide enough for half-precision rows; of many rows, some from all over stand for the whole."""
    X = np.sort(np.random.default_rng(0).uniform(0, 60_000, (5000, 8)).astype(np.float16), axis=0)
    wanted = np.linalg.norm(X.astype(np.float64), axis=1)
    assert batches.mean_length(X[:2000], seed=0) == pytest.approx(wanted[:2000].mean(), rel=1e-6)
    wanted = wanted.mean()
    assert batches.mean_length(X, seed=0) == pytest.approx(wanted, rel=0.01)
    assert batches.mean_length(BlockRows(X, 1000), seed=0) == pytest.approx(wanted, rel=0.06)


def test_an_epoch_makes_no_copy_of_all_rows() -> None:
    """Neither wide nor narrow: a pass and the measuring of the lengths take a few blocks of memory."""
    X = np.ones((8000, 2000), np.float16)
    tracemalloc.start()
    try:
        batches.mean_length(X, seed=0)
        for _ in next(batches.epochs(X, 32, None, np.random.default_rng(0))):
            pass
        assert tracemalloc.get_traced_memory()[1] < X.nbytes * 0.9
    finally:
        tracemalloc.stop()
