"""Heads of labels: each label as scikit-learn learns it alone, from what is known of it."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from featx.errors import HeadError, TooFewImages
from featx.heads import HEADS_OF, make_head, rebuild_head
from tests.heads.columns.made import TALL, WIDE, made_columns, scaled

ALL = list(HEADS_OF["labels"])
CLASSICAL = [name for name in ALL if name != "dense"]


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_logreg_is_scikit_learns_of_each_label(shape: tuple[int, int], class_weight: str | None, unknown: float) -> None:
    """Coefficients to 1e-6, of the rows where the label is known."""
    X, labels, _ = made_columns(shape, unknown=unknown)
    head: Any = make_head("logreg", "labels", C=0.1, class_weight=class_weight).fit(X, labels)
    for at, column in enumerate(labels.T):
        known = ~np.isnan(column)
        alone = LogisticRegression(C=0.1, class_weight=class_weight, solver="newton-cholesky", tol=1e-12)
        alone.fit(scaled(X)[known], column[known])
        assert_allclose(head.coef_[at], alone.coef_[0], rtol=0, atol=1e-6)
        assert_allclose(head.intercept_[at], alone.intercept_[0], rtol=0, atol=1e-6)
        assert_allclose(head.predict_proba(X)[:, at], alone.predict_proba(scaled(X))[:, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_svm_is_scikit_learns_of_each_label(shape: tuple[int, int], unknown: float) -> None:
    """The machine's coefficients to 1e-6, and its probabilities as ``CalibratedClassifierCV`` gives them on the same folds."""
    X, labels, _ = made_columns(shape, unknown=unknown)
    head: Any = make_head("svm", "labels", C=0.01, seed=5).fit(X, labels)
    for at, column in enumerate(labels.T):
        known = ~np.isnan(column)
        rows, of = scaled(X)[known], column[known].astype(int)
        machine = LinearSVC(C=0.01, tol=1e-10, max_iter=200_000).fit(rows, of)
        assert_allclose(head.coef_[at], machine.coef_[0], rtol=0, atol=1e-6)
        assert_allclose(head.intercept_[at], machine.intercept_[0], rtol=0, atol=1e-6)
        folds = StratifiedKFold(min(5, np.bincount(of).min()), shuffle=True, random_state=5)
        alone = CalibratedClassifierCV(LinearSVC(C=0.01, tol=1e-10, max_iter=200_000), cv=folds, ensemble=False).fit(rows, of)
        assert_allclose(head.predict_proba(X)[:, at], alone.predict_proba(scaled(X))[:, 1], rtol=0, atol=1e-4)


def test_a_kernel_serves_all_labels() -> None:
    """With rbf the decisions are those of scikit-learn's ``SVC`` of each label, gamma from all rows."""
    X, labels, _ = made_columns(WIDE, unknown=0.3)
    head: Any = make_head("svm", "labels", kernel="rbf", C=2.0).fit(X, labels)
    rows = scaled(X)
    gamma = 1 / (rows.shape[1] * rows.var())
    kernel = np.exp(-gamma * ((rows[:, None] - rows) ** 2).sum(axis=2))
    support = np.exp(-gamma * ((rows[:, None] - head.rows_) ** 2).sum(axis=2))
    for at, column in enumerate(labels.T):
        known = np.flatnonzero(~np.isnan(column))
        alone = SVC(C=2.0, kernel="precomputed", tol=1e-8).fit(kernel[np.ix_(known, known)], column[known])
        wanted = alone.decision_function(kernel[:, known])
        assert_allclose(support @ head.coef_[at] + head.intercept_[at], wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_ridge_is_scikit_learns_of_each_label(shape: tuple[int, int], class_weight: str | None, unknown: float) -> None:
    """Coefficients to 1e-6."""
    X, labels, _ = made_columns(shape, unknown=unknown)
    head: Any = make_head("ridge", "labels", alpha=20.0, class_weight=class_weight).fit(X, labels)
    for at, column in enumerate(labels.T):
        known = ~np.isnan(column)
        alone = RidgeClassifier(alpha=20.0, class_weight=class_weight).fit(scaled(X)[known], column[known])
        assert_allclose(head.coef_[at], np.ravel(alone.coef_), rtol=0, atol=1e-6)
        assert_allclose(head.intercept_[at], np.ravel(alone.intercept_)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_knn_is_scikit_learns_of_each_label(unknown: float) -> None:
    """The share among the nearest rows of which the label is known."""
    X, labels, _ = made_columns(WIDE, unknown=unknown)
    queries = np.random.default_rng(9).normal(0, 2, X.shape).astype(np.float32)
    head = make_head("knn", "labels", neighbors=3, scale="none").fit(X, labels)
    for at, column in enumerate(labels.T):
        known = ~np.isnan(column)
        alone = KNeighborsClassifier(3).fit(X[known], column[known])
        assert_allclose(head.predict_proba(queries)[:, at], alone.predict_proba(queries)[:, 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CLASSICAL)  # initial weights of dense are drawn for all labels at once
def test_a_label_does_not_hear_of_the_others(name: str) -> None:
    """Alone or among others, a label's probabilities are the same where all cells are known."""
    X, labels, _ = made_columns(TALL)
    together = make_head(name, "labels").fit(X, labels).predict_proba(X)
    for at in range(labels.shape[1]):
        alone = make_head(name, "labels").fit(X, labels[:, [at]]).predict_proba(X)
        assert_allclose(together[:, at], alone[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL)
def test_rows_of_which_nothing_is_known_do_not_matter(name: str) -> None:
    """A row without any known cell is as good as none, and so is one of weight 0."""
    X, labels, _ = made_columns(TALL)
    blank = labels.copy()
    blank[::5] = np.nan
    left = np.delete(np.arange(len(X)), np.arange(0, len(X), 5))
    wanted = make_head(name, "labels").fit(X[left], labels[left]).predict_proba(X)
    assert_allclose(make_head(name, "labels").fit(X, blank).predict_proba(X), wanted, rtol=0, atol=1e-12)
    weights = np.where(np.isnan(blank[:, 0]), 0, 1)
    assert_allclose(
        make_head(name, "labels").fit(X, labels, sample_weight=weights).predict_proba(X), wanted, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_row_of_weight_two_is_one_that_stands_twice(name: str) -> None:
    """In coefficients and sigmoids alike."""
    X, labels, _ = made_columns(TALL, unknown=0.2)
    twice = np.concatenate([np.arange(len(X)), np.arange(0, len(X), 3)])
    weights = np.where(np.arange(len(X)) % 3 == 0, 2.0, 1.0)
    wanted = make_head(name, "labels").fit(X[twice], labels[twice]).predict_proba(X)
    found = make_head(name, "labels").fit(X, labels, sample_weight=weights).predict_proba(X)
    assert_allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_head_comes_back_from_its_arrays(name: str) -> None:
    """Settings and arrays are enough for the same bits, one label included."""
    X, labels, _ = made_columns(TALL, unknown=0.2)
    for columns in (labels, labels[:, -1:]):
        head = make_head(name, "labels").fit(X, columns)
        again = rebuild_head(name, head.settings(), head.arrays(), "labels")
        assert again.predict_proba(X).tobytes() == head.predict_proba(X).tobytes()
        assert head.outputs(X).tobytes() == head.predict_proba(X).tobytes()
        assert head.classes_.tolist() == list(range(columns.shape[1]))


@pytest.mark.parametrize("name", ALL)
def test_probabilities_of_a_row_do_not_depend_on_its_company(name: str) -> None:
    """The same bits alone, in part and in another order; each from 0 to 1."""
    X, labels, _ = made_columns(WIDE)
    head = make_head(name, "labels").fit(X, labels)
    together = head.predict_proba(X)
    assert together.min() >= 0
    assert together.max() <= 1
    for rows in ([3], [7, 2], list(range(49, -1, -1))):
        assert head.predict_proba(X[rows]).tobytes() == together[rows].tobytes()


@pytest.mark.parametrize("name", ALL)
def test_labels_that_tell_nothing_are_refused(name: str) -> None:
    """A label that all known rows have, or none; a cell that is no label; a row too many."""
    X, labels, _ = made_columns(TALL)
    for value in (0.0, 1.0):
        constant = labels.copy()
        constant[:, 1] = value
        constant[:3, 1] = np.nan
        with pytest.raises(TooFewImages, match=r"0 of label 1"):
            make_head(name, "labels").fit(X, constant)
    with pytest.raises(HeadError, match=r"1, 0 or NaN. Received: 2 in row 4, column 2"):
        make_head(name, "labels").fit(X, np.where(np.arange(len(X))[:, None] == 4, [0, 0, 2, 0], labels))
    with pytest.raises(HeadError, match="finite"):
        make_head(name, "labels").fit(X, np.where(labels == 1, np.inf, labels))


def test_damaged_neighbours_are_refused() -> None:
    """Known cells are 0 or 1, some of each column, and what is not known is 0."""
    X, labels, _ = made_columns(TALL, unknown=0.2)
    head = make_head("knn", "labels").fit(X, labels)
    for name, value in (("known", 2), ("known", 0), ("targets", 1.0)):
        arrays = {key: array.copy() for key, array in head.arrays().items()}
        if name == "targets":
            arrays[name][arrays["known"] == 0] = value
        else:
            arrays[name][:, 0] = value
        with pytest.raises(HeadError, match="known"):
            rebuild_head("knn", head.settings(), arrays, "labels")


def test_conv_learns_no_labels() -> None:
    """It is refused by name, with the heads that do."""
    with pytest.raises(HeadError, match=r"conv: learns no labels. Those that do: dense, logreg"):
        make_head("conv", "labels")
    with pytest.raises(HeadError, match=r"logreg: learns no numbers. Those that do: dense, svm"):
        make_head("logreg", "numbers")
