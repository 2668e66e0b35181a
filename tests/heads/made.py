"""Features for the tests of heads: rows that are read in blocks, as a cache gives them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BlockRows:
    """Features that may only be read in blocks of ``block_rows``: asking for all of them at once fails the test.

    With a seed, rows from all over are mixed, as the protocol demands. ``seeds`` lists what was asked for.
    """

    def __init__(self, X: NDArray[Any], block_rows: int) -> None:
        self._X = X
        self._block_rows = block_rows
        self.shape: tuple[int, int] = X.shape
        self.dtype = X.dtype
        self.seeds: list[int | None] = []

    def __len__(self) -> int:
        return len(self._X)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise AssertionError("all features were read at once")

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield (positions, X) a block at a time."""
        self.seeds.append(seed)
        n = len(self)
        # Within a block rows stand sorted: whoever takes them must shuffle them again.
        order = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
        for start in range(0, n, self._block_rows):
            positions = np.sort(order[start : start + self._block_rows])
            yield positions, self._X[positions]
