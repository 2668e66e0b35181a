"""Scaling: computed by hand, the same in blocks as in one piece, and scikit-learn's own where it has one."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

import featx.heads.classical.scaling
from featx.errors import HeadError
from featx.heads import make_head
from featx.heads.classical.scaling import SCALES, Scaling, row_blocks

ROWS = np.array([[3.0, -4.0, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 5.0]], np.float32)

BY_HAND = {
    # Means 4/3, -1, 1/3 and 10/3; the columns less these, over the root of their mean square.
    "standard": [
        [5 / 3 / np.sqrt(14 / 9), -3 / np.sqrt(14 / 3), -1 / 3 / np.sqrt(2 / 9), 5 / 3 / np.sqrt(50 / 9)],
        [-4 / 3 / np.sqrt(14 / 9), 1 / np.sqrt(14 / 3), -1 / 3 / np.sqrt(2 / 9), -10 / 3 / np.sqrt(50 / 9)],
        [-1 / 3 / np.sqrt(14 / 9), 2 / np.sqrt(14 / 3), 2 / 3 / np.sqrt(2 / 9), 5 / 3 / np.sqrt(50 / 9)],
    ],
    # Lengths sqrt(50) and sqrt(28) to sqrt(4).
    "l2": [
        [6 / np.sqrt(50), -8 / np.sqrt(50), 0, 10 / np.sqrt(50)],
        [0, 0, 0, 0],
        [2 / np.sqrt(28), 2 / np.sqrt(28), 2 / np.sqrt(28), 10 / np.sqrt(28)],
    ],
    # The roots' squared lengths are the sums of absolute values, 12 and 8.
    "sqrt": [
        [np.sqrt(3 * 4 / 12), -np.sqrt(4 * 4 / 12), 0, np.sqrt(5 * 4 / 12)],
        [0, 0, 0, 0],
        [np.sqrt(4 / 8), np.sqrt(4 / 8), np.sqrt(4 / 8), np.sqrt(5 * 4 / 8)],
    ],
    "none": ROWS.tolist(),
}


def varied_rows() -> NDArray[np.float32]:
    """Return 50 rows of 9 columns of very different size, one constant, one nearly so, one of zeros; one row of zeros."""
    X = np.random.default_rng(0).normal(0, 1, (50, 9)) * np.logspace(-3, 3, 9) + 7
    X[:, 4], X[:, 5], X[:, 6] = 0.1, 1e8, 0
    X[3] = 0
    X[0, 5] += 8
    return X.astype(np.float32)


@pytest.mark.parametrize("kind", SCALES)
def test_each_scale_is_what_a_hand_computes(kind: str) -> None:
    """Three rows, one of them zeros, which only the standard scale moves."""
    np.testing.assert_allclose(Scaling.learn(kind, ROWS)(ROWS), BY_HAND[kind], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [2, 7, 50])
def test_the_standard_scale_is_scikit_learns_to_the_bit(dtype: type[np.floating], n_rows: int) -> None:
    """Constant columns and all."""
    X = (varied_rows()[:n_rows] / 1e5).astype(dtype)
    reference = StandardScaler().fit(X.astype(np.float64))
    scaling = Scaling.learn("standard", X)
    assert scaling.mean.tobytes() == reference.mean_.tobytes()
    assert scaling.scale.tobytes() == reference.scale_.tobytes()
    assert scaling(X).tobytes() == reference.transform(X.astype(np.float64)).tobytes()


@pytest.mark.parametrize("kind", ["standard", "l2", "sqrt"])
def test_the_mean_square_of_scaled_values_is_one(kind: str) -> None:
    """So that the same C means the same."""
    X = np.random.default_rng(0).normal(0, 30, (40, 11))
    assert np.mean(Scaling.learn(kind, X)(X) ** 2) == pytest.approx(1)


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("block_bytes", [1, 1000, 10**9])
def test_blocks_of_columns_are_the_whole(kind: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their size, in order, each column once, and the scaling learned in such blocks is the same."""
    X = varied_rows()
    whole = Scaling.learn(kind, X)
    monkeypatch.setattr(featx.heads.classical.scaling, "_BLOCK_BYTES", block_bytes)
    scaling = Scaling.learn(kind, X)
    np.testing.assert_allclose((scaling.mean, scaling.scale), (whole.mean, whole.scale), rtol=1e-12)
    columns, values = zip(*scaling.by_columns(X), strict=True)
    assert np.concatenate([np.arange(9)[part] for part in columns]).tolist() == list(range(9))
    np.testing.assert_allclose(np.hstack(values), scaling(X), rtol=1e-12, atol=1e-12)
    assert np.concatenate([np.arange(50)[part] for part in row_blocks(X.shape)]).tolist() == list(range(50))


@pytest.mark.parametrize("name", ["logreg", "svm", "ridge", "knn"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n_columns", [3, 40], ids=["narrow", "wide"])
def test_features_that_are_no_numbers_are_refused(name: str, bad: float, n_columns: int) -> None:
    """By every head, before anything is learned from them."""
    X, y = np.random.default_rng(0).normal(0, 1, (12, n_columns)), np.arange(12) % 2
    X[5, 1] = bad
    with pytest.raises(HeadError, match="infinite or no numbers"):
        make_head(name).fit(X, y)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["logreg", "svm", "ridge", "knn"])
def test_every_head_predicts_on_the_scale_it_learned_on(name: str, scale: str) -> None:
    """The head on features is the head with no scale on features scaled beforehand, on rows it has not seen."""
    X, y = np.random.default_rng(0).normal(2, 1, (60, 5)) * [1, 5, 1, 2, 3], np.arange(60) % 3
    X[:, 0] += y
    scaling = Scaling.learn(scale, X[:40])
    wanted = make_head(name, scale="none").fit(scaling(X[:40]), y[:40]).predict_proba(scaling(X[40:]))
    found = make_head(name, scale=scale).fit(X[:40], y[:40]).predict_proba(X[40:])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
