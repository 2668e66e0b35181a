"""What a search computes once: inner products and turned rows of the scaled features, to a stated precision."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.classical import shared
from featx.heads.classical.scaling import SCALES, Scaling
from featx.heads.classical.shared import SharedRows, are_compared
from featx.heads.copies import row_digests


def made_features(n: int, n_columns: int, dtype: type[np.floating] = np.float16) -> NDArray[np.floating]:
    """Return ReLU-like features of very different columns, two of them the same in every row and one row of zeros."""
    rng = np.random.default_rng(n)
    X = np.maximum(rng.normal(size=(n, n_columns)) + rng.normal(-0.5, 1, n_columns), 0) * np.logspace(-1, 2, n_columns)
    X[:, 3], X[:, 5], X[2] = 0, 7, 0
    return X.astype(dtype)


def share(X: NDArray[np.floating], scale: str, weights: Any = None, **options: Any) -> SharedRows:
    """Share rows without labels."""
    return SharedRows(X, scale, row_digests(X, np.zeros(len(X), np.int64)), weights, **options)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(40, 9000), (60, 20)], ids=["wide", "tall"])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["alike", "weights"])
@pytest.mark.parametrize("is_exact", [True, False], ids=["float64", "float32"])
def test_inner_products_are_those_of_the_scaled_rows(
    scale: str, shape: tuple[int, int], is_weighted: bool, is_exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64 to rounding; in float32, as large ones are, within 1e-6 of the lengths of both rows."""
    X = made_features(*shape)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) if is_weighted else None
    scaled = Scaling.learn(scale, X, weights)(X)
    wanted = scaled @ scaled.T
    if not is_exact:
        monkeypatch.setattr(shared, "_EXACT_PRODUCTS", 0)
    found = share(X, scale, weights)
    assert found.gram is not None
    assert found.rows is not None
    lengths = np.sqrt(np.diagonal(wanted))
    # float32 rounds by 6e-8, and over how many numbers a sum runs before it is added to the others is the processor's.
    allowed = (1e-12 if is_exact else 1e-6) * (np.outer(lengths, lengths) + 1e-9)
    assert np.max(np.abs(found.gram - wanted) / allowed) <= 1
    np.testing.assert_allclose(found.sums, scaled.sum(axis=1), rtol=0, atol=1e-5 * np.abs(scaled).sum(axis=1).max())
    products = found.rows @ found.rows.T
    if is_exact or shape[0] > shape[1]:
        assert np.abs(products - wanted).max() <= 1e-11 * wanted.max()
    columns = found.rows.T @ found.rows
    assert np.abs(columns - np.diag(np.diagonal(columns))).max() < 1e-6 * columns.max(), "at right angles"
    distances = ((scaled[:5, None] - scaled[None, 5:12]) ** 2).sum(axis=2)
    near = found.distances(np.arange(5), np.arange(5, 12))
    np.testing.assert_allclose(near, distances, rtol=0, atol=1e-6 * (lengths.max() ** 2))


def test_exact_is_exact_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """For heads that tell near rows from nearer ones."""
    monkeypatch.setattr(shared, "_EXACT_PRODUCTS", 0)
    X = made_features(30, 500)
    scaled = Scaling.learn("l2", X)(X)
    found = share(X, "l2", exact=True)
    np.testing.assert_allclose(found.gram, scaled @ scaled.T, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_copies_stay_copies_to_the_bit(scale: str) -> None:
    """In every inner product, distance and turned row."""
    X = made_features(37, 600)
    X[[11, 30]] = X[4]
    found = share(X, scale)
    assert found.gram is not None
    assert found.rows is not None
    for copy in (11, 30):
        assert found.gram[copy].tobytes() == found.gram[4].tobytes()
        assert found.gram[:, copy].tobytes() == found.gram[:, 4].tobytes()
        assert found.rows[copy].tobytes() == found.rows[4].tobytes()
        assert found.distances(np.array([copy]), np.array([4]))[0, 0] == 0


def test_few_rows_are_compared_and_many_are_not() -> None:
    """12,000 of more columns than that, 3,000 of any."""
    assert [are_compared(*shape) for shape in ((12_000, 12_001), (12_001, 99_999), (3000, 512), (3001, 512), (5000, 5000))] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_nothing_is_made_that_nobody_needs() -> None:
    """A decomposition takes longer than the inner products."""
    X = made_features(20, 50)
    assert share(X, "l2", turned=False).rows is None
    tall = share(X.T.copy(), "l2", compared=False)
    assert tall.gram is None
    assert len(tall) == 50


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("scale", SCALES)
def test_what_is_no_number_is_refused(value: float, scale: str) -> None:
    """By any of its columns."""
    X = made_features(20, 50, np.float32)
    X[7, 31] = value
    with pytest.raises(HeadError, match=r"infinite or no numbers, in row"):
        share(X, scale)


def test_it_stops_where_it_is_asked_to() -> None:
    """Between blocks of columns."""

    class Enough(Exception):
        """Raised by the caller."""

    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Enough

    with pytest.raises(Enough):
        share(made_features(10, 9000), "l2", check=check)
