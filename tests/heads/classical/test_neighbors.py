"""The knn head: scikit-learn's votes, ties settled by the order of the rows, training rows kept in single precision."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

import featx.heads.classical.distances
from featx.errors import HeadError
from featx.heads import make_head, rebuild_head
from featx.heads.classical.scaling import SCALES, Scaling


def made_rows(n: int, seed: int, n_columns: int = 20) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes of ReLU-like features."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centres = np.random.default_rng(5).normal(0, 1, (3, n_columns))
    return np.maximum(centres[y] + rng.normal(0, 1, (n, n_columns)), 0).astype(np.float32), y


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("neighbors", [1, 5, 60])
@pytest.mark.parametrize("block", [1, 500, 10**6], ids="{} distances a block".format)
def test_votes_are_scikit_learns(scale: str, neighbors: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the scaled features, whatever the size of the blocks that distances are taken in."""
    monkeypatch.setattr(featx.heads.classical.distances, "_DISTANCES_A_BLOCK", block)
    monkeypatch.setattr(featx.heads.classical.distances, "_ROWS_WIDENED", max(1, block // 20))
    X, y = made_rows(60, 0)
    X_new, _ = made_rows(50, 1)
    scaling = Scaling.learn(scale, X)
    reference = KNeighborsClassifier(neighbors).fit(scaling(X), y)
    head = make_head("knn", neighbors=neighbors, scale=scale).fit(X, y)
    np.testing.assert_allclose(head.predict_proba(X_new), reference.predict_proba(scaling(X_new)), rtol=0, atol=1e-6)
    assert head.notes_ == []
    assert head.arrays()["rows"].dtype == np.float32


def test_of_rows_equally_far_the_first_are_taken() -> None:
    """Copies of one row with different labels, and rows on both sides: the order of the training set decides."""
    X = np.repeat(np.array([[0.1, 0.7], [5.3, 1.9]], np.float32), [6, 4], axis=0)
    y = np.array([2, 0, 0, 1, 1, 1, 2, 2, 1, 0])
    head = make_head("knn", neighbors=3, scale="none").fit(X, y)
    np.testing.assert_allclose(head.predict_proba(X[:1]), [[2 / 3, 0, 1 / 3]])
    np.testing.assert_allclose(head.predict_proba(X[-1:]), [[0, 1 / 3, 2 / 3]])
    np.testing.assert_allclose(head.predict_proba(np.tile(X[:1], (33, 1))), np.tile([2 / 3, 0, 1 / 3], (33, 1)))
    between = make_head("knn", neighbors=1, scale="none").fit(np.array([[3.0], [1.0], [-1.0]]), np.array([1, 0, 1]))
    np.testing.assert_allclose(between.predict_proba(np.array([[2.0], [0.0]])), [[0, 1], [1, 0]])


def test_a_training_row_is_its_own_nearest() -> None:
    """At distance 0 to the bit, for rows far from 0 as well, where a product of matrices has lost it."""
    X, y = made_rows(40, 0)
    for offset in (0, 1000):
        head = make_head("knn", neighbors=1).fit(X + np.float32(offset), y)
        np.testing.assert_array_equal(head.predict_proba(X + np.float32(offset)).argmax(axis=1), y)


def test_fewer_rows_than_neighbors_all_vote() -> None:
    """And the notes say so."""
    X, y = made_rows(4, 0)
    head = make_head("knn").fit(X, y)
    assert head.notes_ == ["knn: there are only 4 training images: all of them vote, not 5"]
    np.testing.assert_allclose(head.predict_proba(X), np.tile([0.5, 0.25, 0.25], (4, 1)))


@pytest.mark.parametrize(
    "labels", [np.array([0, 1, 3, 0]), np.array([0, 1, -1, 2]), np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 2.0, 0.0])], ids=str
)
def test_labels_that_are_no_classes_are_refused(labels: NDArray[np.number]) -> None:
    """Each must be the position of a class, and each class must have one."""
    head = make_head("knn").fit(*made_rows(4, 0))
    with pytest.raises(HeadError, match="labels must"):
        rebuild_head("knn", head.settings(), head.arrays() | {"labels": labels})
