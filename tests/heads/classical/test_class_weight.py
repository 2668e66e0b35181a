"""``class_weight="balanced"``: what the weights gain is kept by the probabilities, too."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.class_weight import compute_sample_weight

from featx.heads import make_head

Rows = tuple[NDArray[np.float32], NDArray[np.int64]]

# Each head, and the classifier of scikit-learn whose decision by sign or by the largest it should come up to.
CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "svm": ("svm", {}, LinearSVC(C=0.001, class_weight="balanced")),
    "svm-rbf": ("svm", {"kernel": "rbf"}, OneVsRestClassifier(SVC(C=3, class_weight="balanced"))),
    "ridge": ("ridge", {}, RidgeClassifierCV(np.logspace(-2, 8, 21), class_weight="balanced")),
    "logreg": ("logreg", {}, LogisticRegression(C=0.01, class_weight="balanced")),
}


def uneven_rows(counts: list[int], seed: int) -> Rows:
    """Return rows of heaps that overlap, as many of each class as ``counts`` says; the heaps are the same for each seed."""
    middles = np.random.default_rng(7).normal(size=(len(counts), 30)) * (0.35 if len(counts) > 2 else 0.18)
    y = np.repeat(np.arange(len(counts)), counts)
    return (np.random.default_rng(seed).normal(size=(len(y), 30)) + middles[y]).astype(np.float32), y


@pytest.mark.parametrize("counts", [[400, 20], [400, 100, 40, 20]], ids=["400:20", "four classes"])
@pytest.mark.parametrize("case", CASES)
def test_balanced_heads_are_as_balanced_as_scikit_learns(case: str, counts: list[int]) -> None:
    """Balanced accuracy on new rows, over five draws, is at most 0.02 below scikit-learn's on the same rows."""
    name, settings, reference = CASES[case]
    ours, theirs = [], []
    for seed in range(5):
        X, y = uneven_rows(counts, seed)
        X_new, y_new = uneven_rows([500] * len(counts), 100 + seed)
        scaler = StandardScaler().fit(X)
        head = make_head(name, class_weight="balanced", **settings).fit(X, y)
        ours.append(balanced_accuracy_score(y_new, head.predict_proba(X_new).argmax(axis=1)))
        theirs.append(balanced_accuracy_score(y_new, reference.fit(scaler.transform(X), y).predict(scaler.transform(X_new))))
    assert np.mean(ours) >= np.mean(theirs) - 0.02, (ours, theirs)


@pytest.mark.parametrize("counts", [[400, 20], [400, 100, 40, 20]], ids=["400:20", "four classes"])
@pytest.mark.parametrize("case", ["svm", "svm-rbf", "ridge"])
def test_balanced_sigmoids_suit_balanced_classes(case: str, counts: list[int]) -> None:
    """Where every class weighs the same, the log loss is lower than with sigmoids fitted without weights."""
    name, settings, reference = CASES[case]
    X, y = uneven_rows(counts, 0)
    X_new, y_new = uneven_rows(counts, 100)
    weights = compute_sample_weight("balanced", y_new)
    head = make_head(name, class_weight="balanced", **settings).fit(X, y)
    scaler = StandardScaler().fit(X)
    machine = LinearSVC(C=0.001, class_weight="balanced") if case == "ridge" else reference
    plain = CalibratedClassifierCV(machine, method="sigmoid", ensemble=False).fit(scaler.transform(X), y)
    ours = log_loss(y_new, head.predict_proba(X_new), sample_weight=weights)
    theirs = log_loss(y_new, plain.predict_proba(scaler.transform(X_new)), sample_weight=weights)
    assert ours < theirs


def test_ridge_judges_penalties_by_the_weights_of_its_rows() -> None:
    """With 400 rows of one class and 20 of another, always answering the first is right about 95 % of rows, not of classes."""
    X, y = uneven_rows([400, 20], 0)
    (note,) = make_head("ridge", class_weight="balanced").fit(X, y).notes_
    share = float(note.split("right about ")[1].split("%")[0]) / 100
    best = max(balanced_accuracy_score(y, left_out_labels(X, y, alpha)) for alpha in np.logspace(-2, 8, 21))
    assert note.endswith(", all classes weighted alike")
    assert share == pytest.approx(best, abs=0.0006)  # the note gives three digits


def left_out_labels(X: NDArray[np.float32], y: NDArray[np.int64], alpha: float) -> NDArray[np.bool_]:
    """Return what weighted ridge regressions without each row decide about it, by plain algebra."""
    scaled = StandardScaler().fit_transform(X.astype(np.float64))
    columns = np.hstack([scaled, np.ones((len(y), 1))])
    penalty = alpha * np.eye(31)
    penalty[-1, -1] = 0  # the intercept is free
    weights, targets = compute_sample_weight("balanced", y), np.where(y == 1, 1.0, -1.0)
    decided = np.empty(len(y), np.bool_)
    for row in range(len(y)):
        others = np.arange(len(y)) != row
        left = columns[others].T * weights[others]
        decided[row] = columns[row] @ np.linalg.solve(left @ columns[others] + penalty, left @ targets[others]) > 0
    return decided
