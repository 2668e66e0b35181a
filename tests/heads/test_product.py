"""A product whose sums are exact: the same bits in any company, and as close as its parts allow."""

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.heads.product import steady_product


def made(n: int, n_features: int, n_units: int, dtype: type[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return rows with many zeros and weights, both of very different sizes."""
    rng = np.random.default_rng(n_features)
    rows = np.maximum(rng.normal(-0.5, 1, (n, n_features)), 0) * 10.0 ** rng.integers(-3, 4, (n, n_features))
    return rows.astype(dtype), (rng.normal(size=(n_features, n_units)) * 10.0 ** rng.integers(-3, 4, n_units)).astype(dtype)


@pytest.mark.parametrize("n_parts", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 7, 512, 513, 3000])
@pytest.mark.parametrize("n_units", [1, 3, 40])
def test_a_rows_product_has_the_same_bits_in_any_company(
    n_parts: int, dtype: type[np.floating], n_features: int, n_units: int
) -> None:
    """Alone, in subsets, in another order and in another layout, of rows and of weights; in more blocks than one, too."""
    rows, weights = made(700, n_features, n_units, dtype)
    together = steady_product(rows, weights, n_parts)
    for some in ([0], [699], [5, 698], list(range(0, 700, 7)), list(range(699, -1, -1))):
        assert steady_product(rows[some], weights, n_parts).tobytes() == together[some].tobytes()
    assert steady_product(np.asfortranarray(rows), np.asfortranarray(weights), n_parts).tobytes() == together.tobytes()
    columns = np.random.default_rng(0).permutation(min(n_features, 512))  # one block of columns: any order of these, too
    one_block = steady_product(rows[:, : len(columns)], weights[: len(columns)], n_parts)
    assert steady_product(rows[:, columns], weights[columns], n_parts).tobytes() == one_block.tobytes()


@pytest.mark.parametrize(("n_parts", "bits"), [(1, 22), (2, 44)])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_products_are_as_exact_as_their_parts(n_parts: int, bits: int, size: float) -> None:
    """Every value is rounded by half of its last bit, counted from the largest of its row or column."""
    rows, weights = made(20, 3000, 4, np.float64)
    rows *= size
    wide = (array.astype(np.longdouble) for array in (rows, weights))
    wanted = np.matmul(*wide)
    largest = np.abs(rows).max(axis=1, keepdims=True), np.abs(weights).max(axis=0)
    # Half a bit of each factor times the other, and for two parts the product of the second ones that is left out.
    within = 2.0**-bits * (np.abs(rows).sum(axis=1, keepdims=True) * largest[1] + largest[0] * np.abs(weights).sum(axis=0))
    within += 3000 * 2.0**-bits * largest[0] * largest[1]
    assert (np.abs(steady_product(rows, weights, n_parts) - wanted) <= within).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_and_next_to_nothing_are_multiplied_too(dtype: type[np.floating]) -> None:
    """Rows of zeros, no rows, and values that are tiny or huge: numbers, and no warning."""
    _, weights = made(1, 9, 3, dtype)
    assert steady_product(np.zeros((2, 9), dtype), weights).tolist() == [[0, 0, 0]] * 2
    assert steady_product(np.zeros((0, 9), dtype), weights).shape == (0, 3)
    for size in (float(np.finfo(dtype).tiny), float(np.finfo(dtype).max) ** 0.5):
        rows = np.full((1, 9), size, dtype)
        found = steady_product(rows, np.full((9, 1), 1 / 16, dtype))
        np.testing.assert_allclose(found, 9 * size / 16, rtol=1e-6, atol=1e-30)
