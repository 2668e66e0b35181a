"""The nearest rows by cosine are those that brute force finds, however the work is cut."""

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.models.alike import nearest_rows


def brute_force(X: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Return the k nearest of each row by comparing all with all, on the grid that the rows are rounded to."""
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    rows = np.rint(X / np.where(lengths > 0, lengths, 1) * 4000).astype(np.int64)
    products = rows @ rows.T
    found = []
    for row in range(len(X)):
        others = [other for other in range(len(X)) if other != row]
        found.append(sorted(others, key=lambda other: (-products[row, other], other))[:k])
    return np.array(found, np.int64).reshape(len(X), -1)


@pytest.mark.parametrize("blocks", [(1, 1), (3, 7), (7, 3), (16, 1000), (1000, 16), (1000, 1000)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_any_blocks_and_threads_give_what_brute_force_gives(blocks: tuple[int, int], threads: int) -> None:
    """Rows with ties, copies and a row of zeros among them; of equally near ones the first is taken."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    X[10:20] = X[0]
    X[25] = 0
    X[30:40] = np.sign(X[30:40])
    found = nearest_rows(X, 4, threads=threads, block_rows=blocks[0], block_columns=blocks[1])
    assert found.tolist() == brute_force(X, 4).tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_fewer_rows_than_wanted_neighbors(n: int) -> None:
    """All others are the nearest then; alone, a row has none."""
    found = nearest_rows(np.random.default_rng(1).normal(size=(n, 3)), 5)
    assert found.shape == (n, max(n - 1, 0))
    assert all(sorted([*row, number]) == list(range(n)) for number, row in enumerate(found.tolist()))


def test_progress_adds_up() -> None:
    """Each row is reported once."""
    done: list[int] = []
    nearest_rows(np.random.default_rng(2).normal(size=(50, 3)), 2, block_rows=7, progress=done.append)
    assert sum(done) == 50
