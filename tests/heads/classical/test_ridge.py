"""The ridge head: scikit-learn's decisions, exact leave-one-out, and features that are read a block at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier

import featx.heads.classical.judged
import featx.heads.classical.ridge
from featx.errors import HeadError
from featx.heads import Head, Rows, make_head
from featx.heads.classical.base import row_weights
from featx.heads.classical.judged import choose_judged
from featx.heads.classical.platt import fit_sigmoid, sigmoid_probabilities
from featx.heads.classical.ridge import ALPHAS
from featx.heads.classical.scaling import SCALES, Scaling


class InBlocks:
    """Rows that come seven at a time, never whole."""

    def __init__(self, X: NDArray[np.floating], whole: bool = False) -> None:
        self._X = X
        self._whole = whole
        self.shape: tuple[int, int] = X.shape
        self.dtype = X.dtype
        self.passes = 0

    def __len__(self) -> int:
        return len(self._X)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        assert self._whole, "asked for everything at once"
        return self._X if dtype is None else self._X.astype(dtype)

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield positions and rows, out of order as a shuffled reader may."""
        assert not self._whole
        self.passes += 1
        order = np.random.default_rng(3).permutation(len(self._X))
        for start in range(0, len(order), 7):
            yield order[start : start + 7], self._X[order[start : start + 7]]


def made_rows(n: int, n_classes: int, n_columns: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes far from 0 in columns of different size, the first class twice as large as the others."""
    rng = np.random.default_rng(seed)
    y = np.maximum(np.arange(n) % (n_classes + 1) - 1, 0)
    X = np.random.default_rng(5).normal(0, 0.7, (n_classes, n_columns))[y] + rng.normal(0, 1, (n, n_columns))
    return (X * np.logspace(-1, 1, n_columns) + 5).astype(np.float32), y


def decisions(head: Head, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what the arrays of a fitted head decide."""
    arrays = head.arrays()
    scaled = Scaling(head.settings()["scale"], arrays["mean"], arrays["scale"])(X)
    decided: NDArray[np.float64] = scaled @ arrays["coef"].T + arrays["intercept"]
    return decided


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n_columns", [8, 150], ids=["tall", "wide"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", [0.01, 50])
def test_decisions_equal_scikit_learns(n_classes: int, n_columns: int, class_weight: Any, scale: str, alpha: float) -> None:
    """RidgeClassifier on the scaled features, within 1e-6."""
    X, y = made_rows(60, n_classes, n_columns)
    X_new, _ = made_rows(40, n_classes, n_columns, seed=1)
    scaling = Scaling.learn(scale, X)
    reference = RidgeClassifier(alpha, class_weight=class_weight, solver="svd").fit(scaling(X), y)
    head = make_head("ridge", alpha=alpha, scale=scale, class_weight=class_weight).fit(X, y)
    wanted = reference.decision_function(scaling(X_new)).reshape(40, -1)
    np.testing.assert_allclose(decisions(head, X_new), wanted, rtol=0, atol=1e-6)
    assert head.arrays()["alpha"].tolist() == [alpha]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_columns", [5, 60], ids=["tall", "wide"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("alpha", [0.1, 30.0])
def test_leave_one_out_equals_as_many_refits(n_classes: int, n_columns: int, class_weight: Any, alpha: float) -> None:
    """Every row left out in turn, the scaling and the weights of the others kept."""
    X, y = made_rows(24, n_classes, n_columns)
    head = make_head("ridge", alpha=alpha, class_weight=class_weight).fit(X, y)
    scaled, weights = Scaling.learn("standard", X)(X), row_weights(y, class_weight)
    for row in range(24):
        others = np.arange(24) != row
        refit = RidgeClassifier(alpha, solver="svd").fit(scaled[others], y[others], sample_weight=weights[others])
        wanted = refit.decision_function(scaled[row : row + 1]).ravel()
        np.testing.assert_allclose(head.left_out_[row], wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_columns", [5, 60], ids=["tall", "wide"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_penalty_is_chosen_by_left_out_accuracy(n_columns: int, n_classes: int) -> None:
    """Of the grid, the larger of equals; the notes say which, and how often it was right."""
    X, y = made_rows(40, n_classes, n_columns)
    right = []
    for alpha in ALPHAS:
        decided = make_head("ridge", alpha=alpha).fit(X, y).left_out_
        found = (decided[:, 0] > 0) if n_classes == 2 else decided.argmax(axis=1)
        right.append((found == y).mean())
    best = max(alpha for alpha, accuracy in zip(ALPHAS, right, strict=True) if accuracy == max(right))
    assert len(set(right)) > 2, "the penalty should matter"
    head = make_head("ridge").fit(X, y)
    assert head.arrays()["alpha"].tolist() == [best]
    assert head.settings()["alpha"] is None
    assert head.notes_ == [
        f"ridge: alpha {best:.3g} was chosen, right about {max(right):.1%} of training images left out in turn"
    ]
    fixed = make_head("ridge", alpha=best).fit(X, y)
    assert fixed.notes_ == []
    for name, array in fixed.arrays().items():
        np.testing.assert_array_equal(array, head.arrays()[name])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_features_read_in_blocks_give_the_same_head(scale: str, class_weight: Any) -> None:
    """Within 1e-9, the sigmoids too, without ever asking for all rows at once."""
    X, y = made_rows(80, 3, 12)
    rows: Rows = InBlocks(X)
    settings = {"scale": scale, "class_weight": class_weight}
    streamed, whole = make_head("ridge", **settings).fit(rows, y), make_head("ridge", **settings).fit(X, y)
    for name, array in whole.arrays().items():
        # Sums in another order differ by 1e-15, and a basis whose curvatures span 1e5 makes 1e-11 of it. The sigmoid of
        # decisions that are 1e-13 apart is no farther: its steps end at the rounding of the gradient.
        np.testing.assert_allclose(streamed.arrays()[name], array, rtol=1e-9, atol=1e-9, err_msg=name)
    assert rows.passes == 3
    rows.passes = 0
    make_head("ridge", alpha=1.0).fit(rows, y)
    assert rows.passes == 2


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("scale", SCALES)
def test_a_fit_judged_by_a_part_of_the_rows_learns_from_all(
    n_classes: int, class_weight: Any, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pass over the features; RidgeClassifier's decisions; of the rows judged, what a fit that judges all says."""
    X, y = made_rows(400, n_classes, 6)
    whole = make_head("ridge", alpha=3.0, scale=scale, class_weight=class_weight).fit(X, y)
    monkeypatch.setattr(featx.heads.classical.judged, "MOST_JUDGED", 100)
    rows = InBlocks(X)
    head = make_head("ridge", alpha=3.0, scale=scale, class_weight=class_weight).fit(rows, y)
    assert rows.passes == 1
    scaling = Scaling.learn(scale, X)
    reference = RidgeClassifier(3.0, class_weight=class_weight, solver="svd").fit(scaling(X), y)
    np.testing.assert_allclose(decisions(head, X), reference.decision_function(scaling(X)).reshape(400, -1), rtol=0, atol=1e-6)
    assert 100 <= len(head.judged_) < 200
    np.testing.assert_allclose(head.left_out_, whole.left_out_[head.judged_], rtol=0, atol=1e-8)
    # A hundred rows tell the sigmoids about as well as four hundred.
    assert np.abs(head.predict_proba(X) - whole.predict_proba(X)).max() < 0.2
    # Asked for, the decisions about all rows are there too: those of the fit, the sigmoids being the same.
    head.slope_, head.offset_ = whole.slope_, whole.offset_
    np.testing.assert_allclose(head.left_out_proba(rows, y), whole.left_out_proba_, rtol=0, atol=1e-8)


def test_the_penalty_chosen_by_a_part_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The notes give the number of rows; the accuracy counts each class by the rows it has, not by those judged."""
    X, y = made_rows(400, 3, 6)
    monkeypatch.setattr(featx.heads.classical.judged, "MOST_JUDGED", 100)
    head = make_head("ridge").fit(X, y)
    decided = make_head("ridge", alpha=float(head.arrays()["alpha"][0])).fit(X, y).left_out_
    right = decided.argmax(axis=1) == y[head.judged_]
    share = sum((y == label).mean() * right[y[head.judged_] == label].mean() for label in range(3))
    alpha = head.arrays()["alpha"][0]
    assert head.notes_ == [
        f"ridge: alpha {alpha:.3g} was chosen, right about {share:.1%} of training images left out in turn, "
        f"judged by {len(head.judged_)} of them"
    ]


@given(counts=st.lists(st.integers(1, 400), min_size=2, max_size=6), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_judged_rows_are_an_even_draw_of_each_class(counts: list[int], seed: int) -> None:
    """No class is left out, none is without a few rows, and together they stand for every row."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(featx.heads.classical.judged, "MOST_JUDGED", 60)
        rows, shares = choose_judged(labels, 4, seed)
    assert (np.diff(rows) > 0).all()
    assert len(rows) == len(labels) if len(labels) <= 60 else len(rows) <= 120
    of_class = np.bincount(labels[rows], minlength=len(counts))
    assert (of_class >= np.minimum(counts, 60 // len(counts) if len(labels) > 60 else counts)).all()
    np.testing.assert_allclose(np.bincount(labels[rows], shares), counts)


def test_a_row_that_stands_for_many_counts_as_many() -> None:
    """Twice in the sigmoid's rows, or once with a count of two: the same slope and offset."""
    rng = np.random.default_rng(0)
    decision, positive = rng.normal(size=30), rng.random(30) < 0.4
    counts = rng.integers(1, 4, 30)
    found = fit_sigmoid(decision, positive, counts.astype(np.float64))
    np.testing.assert_allclose(found, fit_sigmoid(np.repeat(decision, counts), np.repeat(positive, counts)), rtol=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_the_sigmoid_is_exact_to_rounding(seed: int) -> None:
    """The gradient vanishes to rounding, so that decisions a last bit apart give sigmoids that hardly are."""
    rng = np.random.default_rng(seed)
    decision = rng.normal(size=60) * 10.0 ** rng.integers(-3, 4)
    positive = rng.random(60) < 1 / (1 + np.exp(-3 * decision / np.abs(decision).max()))
    slope, offset = fit_sigmoid(decision, positive)
    wanted = np.where(positive, (positive.sum() + 1) / (positive.sum() + 2), 1 / (60 - positive.sum() + 2))
    residual = wanted - 1 / (1 + np.exp(slope * decision + offset))
    assert abs(residual.sum()) < 1e-12
    assert abs(residual @ decision) < 1e-12 * np.abs(decision).max()
    moved = fit_sigmoid(np.nextafter(decision, np.inf), positive)
    np.testing.assert_allclose(moved, (slope, offset), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["logreg", "svm", "ridge", "knn"])
def test_wide_rows_and_other_heads_take_everything_at_once(name: str) -> None:
    """The same head to the last bit."""
    X, y = made_rows(30, 3, 90)
    taken, given = make_head(name).fit(InBlocks(X, whole=True), y), make_head(name).fit(X, y)
    for key, array in given.arrays().items():
        assert taken.arrays()[key].tobytes() == array.tobytes()


def test_large_features_keep_the_digits_of_small_differences() -> None:
    """Sums are taken about a point near the mean: a large offset in every column changes nothing."""
    X, y = (array.astype(np.float64) for array in made_rows(60, 3, 6))
    found = decisions(make_head("ridge", alpha=1.0).fit(X + 1e6, y.astype(int)), X + 1e6)
    np.testing.assert_allclose(found, decisions(make_head("ridge", alpha=1.0).fit(X, y.astype(int)), X), rtol=0, atol=1e-7)


def test_what_no_decomposition_can_do_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows of many columns: the message says which pooling has fewer."""
    monkeypatch.setattr(featx.heads.classical.ridge, "LARGEST_DECOMPOSITION", 20)
    make_head("ridge").fit(*made_rows(20, 2, 90))
    make_head("ridge").fit(*made_rows(90, 2, 20))
    with pytest.raises(HeadError, match=r"21 images of 90 features.*--pooling avgmax"):
        make_head("ridge").fit(*made_rows(21, 2, 90))


@pytest.mark.parametrize("alpha", [1e6, 1e9])
def test_a_penalty_far_too_large_still_ranks_the_classes(alpha: float) -> None:
    """Left-out decisions are then mostly the others' mean, which lies lower for rows of the class; that is not learned."""
    X, y = made_rows(120, 4, 10)
    X_new, y_new = made_rows(80, 4, 10, seed=1)
    head = make_head("ridge", alpha=alpha).fit(X, y)
    assert (head.arrays()["slope"] < 0).all()
    assert (head.predict_proba(X_new).argmax(axis=1) == y_new).mean() > 0.6


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_sigmoid_is_scikit_learns(n_classes: int) -> None:
    """Platt's, with smoothed targets, on given decisions: within 1e-6, the gradient at which scikit-learn's optimiser stops."""
    X, y = made_rows(90, n_classes, 6)
    X = X.astype(np.float64)  # given float32, scikit-learn decides in float32, and its loss cannot tell steps below 1e-4 apart
    machine = LogisticRegression(C=0.1, max_iter=2000).fit(X, y)
    reference = CalibratedClassifierCV(FrozenEstimator(machine), method="sigmoid").fit(X, y)
    decided = machine.decision_function(X).reshape(90, -1)
    targets = (y[:, None] == np.arange(n_classes))[:, 1 if n_classes == 2 else 0 :]
    slope, offset = zip(*(fit_sigmoid(*columns) for columns in zip(decided.T, targets.T, strict=True)), strict=True)
    found = sigmoid_probabilities(decided, np.array(slope), np.array(offset))
    np.testing.assert_allclose(found, reference.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_the_sigmoid_is_found_for_decisions_of_any_size(size: float) -> None:
    """Rows told apart without error have a finite slope; rows of one decision have their share."""
    positive = np.arange(20) % 2 == 0
    slope, offset = fit_sigmoid(np.where(positive, size, -size), positive)
    np.testing.assert_allclose(1 / (1 + np.exp(slope * size + offset)), 11 / 12, rtol=1e-6)
    slope, offset = fit_sigmoid(np.full(20, size), np.arange(20) < 5)
    expected = (5 * 6 / 7 + 15 / 17) / 20
    np.testing.assert_allclose(1 / (1 + np.exp(slope * size + offset)), expected, rtol=1e-6)
