"""Labels are judged, and outliers told, by what scikit-learn and NumPy find in plain code."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from featx.heads.classical.platt import sigmoid_probabilities
from featx.heads.classical.ridge import RidgeHead
from featx.verbs.audit.labels import confused, distances_from_classes, far_out, judge_labels


class Rows:
    """Features as the cache gives them, in blocks of ten."""

    def __init__(self, X: NDArray[np.float64]) -> None:
        self._X = X.astype(np.float32)
        self.shape = X.shape
        self.dtype = self._X.dtype

    def __len__(self) -> int:
        return len(self._X)

    def __array__(self, dtype: object = None, copy: object = None) -> NDArray[np.float32]:
        return self._X

    def blocks(self, seed: int | None = None) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Return all rows in order."""
        return [(at, self._X[at]) for at in np.array_split(np.arange(len(self._X)), len(self._X) // 10)]


def made(seed: int = 0, n: int = 90, d: int = 12, classes: int = 3) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return rows of overlapping classes and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return rng.normal(0, 1, (classes, d))[labels] + rng.normal(0, 1, (n, d)), labels


@pytest.mark.parametrize("d", [12, 120], ids=["fewer columns", "more columns"])
def test_labels_are_judged_as_by_cross_val_predict(d: int) -> None:
    """Each row by scikit-learn's ridge classifier without it, at the same penalty; odds and suggestion follow from that."""
    X, labels = made(d=d)
    judged = judge_labels(Rows(X), labels)  # type: ignore[arg-type] # has all that CachedRows has
    head = RidgeHead().fit(Rows(X), labels)  # type: ignore[arg-type] # the same
    scaled = StandardScaler().fit_transform(X.astype(np.float32).astype(np.float64))
    decision = cross_val_predict(
        RidgeClassifier(alpha=head.alpha_[0]), scaled, labels, cv=LeaveOneOut(), method="decision_function"
    )
    # What each fit without a row adds for the share of its class among the others is no word about the row.
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    decision = decision + (targets - targets.mean(axis=0)) / (len(labels) - 1)
    wanted = sigmoid_probabilities(decision, head.slope_, head.offset_)
    assert judged.probabilities == pytest.approx(wanted, abs=1e-6)
    for row, label in enumerate(labels):
        best = max((other for other in range(3) if other != label), key=lambda other: wanted[row, other])
        assert judged.suggested[row] == best
        assert judged.odds[row] == pytest.approx(wanted[row, best] / wanted[row, label], rel=1e-3)


def test_wrong_labels_stand_at_the_top() -> None:
    """Six of 90 labels changed, classes well apart: the six have the highest odds, and their suggestion is the true class."""
    X, true = made()
    X += 5 * np.eye(12)[true]
    labels = true.copy()
    changed = np.arange(0, 60, 10)
    labels[changed] = (true[changed] + 1) % 3
    judged = judge_labels(Rows(X), labels)  # type: ignore[arg-type] # has all that CachedRows has
    assert set(np.argsort(-judged.odds)[:6]) == set(changed)
    assert (judged.suggested[changed] == true[changed]).all()


def test_the_only_image_of_a_class_is_not_judged() -> None:
    """Without it nobody knows the class: its odds are 0, not endless."""
    X, labels = made()
    labels[5] = 3
    assert judge_labels(Rows(X), labels).odds[5] == 0  # type: ignore[arg-type] # has all that CachedRows has


def test_confusion_is_counted_pair_by_pair() -> None:
    """The share of images of either class that fit the other better."""
    X, labels = made(seed=4)
    judged = judge_labels(Rows(X), labels)  # type: ignore[arg-type] # has all that CachedRows has
    shares = confused(judged, labels)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        count = sum(judged.probabilities[row, {one: other, other: one}[labels[row]]] > judged.probabilities[row, labels[row]]
                    for row in range(90) if labels[row] in (one, other))  # fmt: skip
        assert shares[one, other] == shares[other, one] == pytest.approx(count / 60)


def test_distance_is_to_the_nearest_class_without_the_image_itself() -> None:
    """Computed again row by row, with each row's own class averaged over the others."""
    X, labels = made(seed=2)
    X[:, 3] = 7.0  # a column that says nothing
    X = X.astype(np.float32).astype(np.float64)
    found = distances_from_classes(Rows(X), labels)  # type: ignore[arg-type] # has all that CachedRows has
    within = sum(((X[labels == label] - X[labels == label].mean(axis=0)) ** 2).sum(axis=0) for label in range(3)) / 87
    used = within > 0
    for row in range(90):
        distances = []
        for label in range(3):
            others = (labels == label) & (np.arange(90) != row)
            distances.append(np.sqrt((((X[row] - X[others].mean(axis=0)) ** 2)[used] / within[used]).mean()))
        assert found[row] == pytest.approx(min(distances), rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_only_image_of_a_class_is_as_far_as_the_nearest_other_class(seed: int) -> None:
    """It has no class of its own to be compared with; rounding must not make that 0, nor anything warn."""
    X, labels = made(seed, n=91)
    X[90], labels[90] = X[90] + 3.3, 3
    found = distances_from_classes(Rows(X), labels)  # type: ignore[arg-type] # has all that CachedRows has
    within = sum(((X[labels == label] - X[labels == label].mean(axis=0)) ** 2).sum(axis=0) for label in range(4)) / 87
    wanted = min(np.sqrt(((X[90] - X[labels == label].mean(axis=0)) ** 2 / within).mean()) for label in range(3))
    assert found[90] == pytest.approx(wanted, rel=1e-4)


def test_far_out_is_counted_from_what_is_usual() -> None:
    """Of 1,000 normal values about one lies beyond; ten far ones do not move what is usual."""
    values = np.random.default_rng(0).normal(5, 2, 1000)
    assert (far_out(values, 1000) > 1).sum() <= 5
    spoilt = np.concatenate([values, np.full(10, 100.0)])
    found = far_out(spoilt, len(spoilt))
    assert (found[-10:] > 1).all()
    # One in 1,000 of a normal distribution lies beyond 3.09 standard deviations.
    assert far_out(values, 1000)[0] == pytest.approx((values[0] - 5) / 2 / 3.09, abs=0.1)


def test_equal_values_are_no_outliers() -> None:
    """Nothing deviates from anything."""
    assert (far_out(np.ones(20), 20) <= 0).all()
