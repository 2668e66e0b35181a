"""The support vector machine in inner products: at its minimum to rounding, which scikit-learn walks towards."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from featx.heads.classical import hinge
from featx.heads.classical.hinge import HingeProblem, fit_hinge

Values = NDArray[np.float64]


def made_rows(n: int, n_columns: int, seed: int = 0) -> tuple[Values, Values]:
    """Return overlapping rows of two classes with columns of mean 0, and +1 or -1 for each."""
    rng = np.random.default_rng(seed)
    signs = np.where(rng.uniform(size=n) < 0.4, 1.0, -1.0)
    X = rng.normal(size=(n, n_columns)) * np.linspace(0.2, 2, n_columns) + 0.3 * signs[:, None] * rng.normal(size=n_columns)
    return X - X.mean(axis=0), signs


SHAPES = {"wide": (90, 200), "tall": (160, 12)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("C", [1e-5, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["alike", "weights"])
def test_decisions_are_those_that_scikit_learn_walks_towards(shape: tuple[int, int], C: float, is_weighted: bool) -> None:
    """On two rows in three, about all of them: by inner products, and by columns."""
    X, signs = made_rows(*shape)
    used = np.arange(len(X)) % 3 != 0
    weights = np.random.default_rng(1).uniform(0.5, 3, len(X)) if is_weighted else None
    machine = LinearSVC(C=C, dual=False, tol=1e-12, max_iter=100_000)
    machine.fit(X[used], signs[used], sample_weight=None if weights is None else weights[used])
    wanted = machine.decision_function(X)
    of_rows, decision = HingeProblem(X @ X.T, C).fit(used, signs, weights)
    np.testing.assert_allclose(decision, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(decision, X @ (of_rows @ X) + of_rows.sum(), rtol=0, atol=1e-9 * np.abs(wanted).max())
    costs = C * (np.ones(len(X)) if weights is None else weights)
    coef, intercept = fit_hinge(X[used], signs[used, None], costs[used, None])
    np.testing.assert_allclose(X @ coef[0] + intercept[0], decision, rtol=0, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("shape", "C"), [*((shape, C) for shape in SHAPES.values() for C in (1e-5, 1e-2, 10)), ((90, 200), 1e6)]
)
def test_each_row_pulls_by_what_it_lacks(shape: tuple[int, int], C: float) -> None:
    """The condition of a minimum, to rounding; of wide rows also where nearly no penalty is left."""
    X, signs = made_rows(*shape)
    used = np.arange(len(X)) % 4 != 1
    weights = np.random.default_rng(2).uniform(0.5, 3, len(X))
    of_rows, decision = HingeProblem(X @ X.T, C).fit(used, signs, weights)
    ridge = max(1 / (2 * C), 1e-10 * float((X**2).sum(axis=1).mean())) / weights
    lacking = np.where(used, np.maximum(1 - signs * decision, 0), 0)
    np.testing.assert_allclose(ridge * of_rows, signs * lacking, rtol=0, atol=1e-8)


@pytest.mark.parametrize("changed", [0.0, 0.1, 1.0], ids=["factor anew", "as it is", "one factor"])
def test_the_way_to_the_minimum_does_not_matter(changed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where it starts, nor how often the system is factored."""
    X, signs = made_rows(120, 80)
    used = np.arange(120) % 5 != 0
    problem = HingeProblem(X @ X.T, 0.01)
    _, wanted = problem.fit(used, signs)
    monkeypatch.setattr(hinge, "_MOST_CHANGED", changed)
    rng = np.random.default_rng(0)
    for start in (None, used, ~used, rng.uniform(size=120) < 0.5, signs > 0):
        np.testing.assert_allclose(problem.fit(used, signs, start=start)[1], wanted, rtol=0, atol=1e-11)


def test_copies_and_empty_rows_are_no_hindrance() -> None:
    """Their inner products have no inverse; a row that stands twice counts as one of twice the weight."""
    X, signs = made_rows(40, 60)
    X[7] = 0
    twice = np.concatenate([np.arange(40), np.arange(10)])
    _, decision = HingeProblem(X[twice] @ X[twice].T, 100.0).fit(np.ones(50, np.bool_), signs[twice])
    weights = np.where(np.arange(40) < 10, 2.0, 1.0)
    _, wanted = HingeProblem(X @ X.T, 100.0).fit(np.ones(40, np.bool_), signs, weights)
    np.testing.assert_allclose(decision[:40], wanted, rtol=0, atol=1e-7)


def test_classes_at_once_are_as_one_after_the_other() -> None:
    """By columns, each with costs of its own."""
    X, _ = made_rows(150, 10)
    signs = np.where(np.random.default_rng(3).integers(0, 3, 150)[:, None] == np.arange(3), 1.0, -1.0)
    costs = np.where(signs > 0, 0.3, 0.1)
    coef, intercept = fit_hinge(X, signs, costs)
    for column in range(3):
        own, own_intercept = fit_hinge(X, signs[:, [column]], costs[:, [column]])
        np.testing.assert_allclose(coef[column], own[0], rtol=0, atol=1e-8)
        np.testing.assert_allclose(intercept[column], own_intercept[0], rtol=0, atol=1e-8)
