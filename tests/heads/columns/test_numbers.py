"""Heads of numbers: each target as scikit-learn learns it alone, in its own units."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR

from featx.errors import HeadError
from featx.heads import HEADS_OF, make_head, rebuild_head
from featx.heads.classical.ridge import ALPHAS
from tests.heads.columns.made import TALL, WIDE, made_columns, scaled

ALL = list(HEADS_OF["numbers"])
CLASSICAL = [name for name in ALL if name != "dense"]


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_ridge_is_ridge_cv(shape: tuple[int, int], unknown: float) -> None:
    """The penalty by leave-one-out, the coefficients, and what each left-out row would be given, to 1e-6."""
    X, _, numbers = made_columns(shape, unknown=unknown)
    head: Any = make_head("ridge", "numbers").fit(X, numbers)
    for at, column in enumerate(numbers.T):
        known = ~np.isnan(column)
        rows = scaled(X)[known]
        alone = RidgeCV(alphas=ALPHAS, store_cv_results=True).fit(rows, column[known])
        assert head.alpha_[at] == pytest.approx(alone.alpha_)
        assert_allclose(head.coef_[at], alone.coef_, rtol=0, atol=1e-6)
        assert_allclose(head.intercept_[at], alone.intercept_, rtol=0, atol=1e-6)
        assert_allclose(head.predict(X)[:, at], alone.predict(scaled(X)), rtol=0, atol=1e-6)
        squared = alone.cv_results_[:, list(ALPHAS).index(alone.alpha_)]
        assert_allclose((head.left_out_[known, at] - column[known]) ** 2, squared, rtol=1e-6)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_svm_is_svr(kernel: str, shape: tuple[int, int]) -> None:
    """Of the standardised target, in its units again."""
    X, _, numbers = made_columns(shape, unknown=0.3)
    head: Any = make_head("svm", "numbers", kernel=kernel, C=0.5, epsilon=0.2).fit(X, numbers)
    for at, column in enumerate(numbers.T):
        known = ~np.isnan(column)
        rows, spread = scaled(X), column[known].std()
        gamma = 1 / (rows.shape[1] * rows.var())
        alone = SVR(kernel=kernel, gamma=gamma, C=0.5, epsilon=0.2, tol=1e-9)
        alone.fit(rows[known], (column[known] - column[known].mean()) / spread)
        wanted = alone.predict(rows) * spread + column[known].mean()
        assert_allclose(head.predict(X)[:, at], wanted, rtol=0, atol=1e-4)
        if kernel == "linear":
            assert_allclose(head.coef_[at], alone.coef_[0] * spread, rtol=0, atol=1e-5)


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_knn_is_scikit_learns(unknown: float) -> None:
    """The mean of the nearest rows of which the target is known."""
    X, _, numbers = made_columns(WIDE, unknown=unknown)
    queries = np.random.default_rng(9).normal(0, 2, X.shape).astype(np.float32)
    head: Any = make_head("knn", "numbers", neighbors=4, scale="none").fit(X, numbers)
    for at, column in enumerate(numbers.T):
        known = ~np.isnan(column)
        alone = KNeighborsRegressor(4).fit(X[known], column[known])
        assert_allclose(head.predict(queries)[:, at], alone.predict(queries), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_numbers_keep_their_units(name: str) -> None:
    """A target in metres or in millimetres plus an offset is the same target."""
    X, _, numbers = made_columns(TALL)
    # Steps by gradients are the same on standardised targets; libsvm stops at its tolerance.
    settings: dict[str, Any] = {"epochs": 20, "learning_rate": 0.01} if name == "dense" else {}
    head: Any = make_head(name, "numbers", **settings)
    found = head.fit(X, numbers).predict(X)
    again = head.fit(X, 1000 * numbers - 500).predict(X)
    assert_allclose((again + 500) / 1000, found, rtol=0, atol=1e-3)
    assert np.corrcoef(found[:, 0], numbers[:, 0])[0, 1] > 0.5


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_row_of_weight_two_is_one_that_stands_twice(name: str) -> None:
    """And a row of which nothing is known is none."""
    X, _, numbers = made_columns(TALL, unknown=0.2)
    twice = np.concatenate([np.arange(len(X)), np.arange(0, len(X), 3)])
    weights = np.where(np.arange(len(X)) % 3 == 0, 2.0, 1.0)
    head: Any = make_head(name, "numbers")
    wanted = head.fit(X[twice], numbers[twice]).predict(X)
    assert_allclose(
        head.fit(X, numbers, sample_weight=weights).predict(X), wanted, rtol=0, atol=1e-3 if name == "svm" else 1e-6
    )
    blank = np.where(np.arange(len(X))[:, None] % 5 == 0, np.nan, numbers)
    left = np.arange(len(X)) % 5 > 0
    wanted = head.fit(X[left], numbers[left]).predict(X)
    assert_allclose(head.fit(X, blank).predict(X), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_a_head_comes_back_from_its_arrays(name: str) -> None:
    """Settings and arrays are enough for the same bits, one target included; there are no probabilities."""
    X, _, numbers = made_columns(TALL, unknown=0.2)
    for columns in (numbers, numbers[:, -1]):
        head: Any = make_head(name, "numbers").fit(X, columns)
        again: Any = rebuild_head(name, head.settings(), head.arrays(), "numbers")
        assert again.predict(X).tobytes() == head.predict(X).tobytes() == head.outputs(X).tobytes()
        assert head.predict(X[:1]).tobytes() == head.predict(X)[:1].tobytes()
    with pytest.raises(HeadError, match="no probabilities"):
        head.predict_proba(X)


@pytest.mark.parametrize("name", ALL)
def test_targets_that_tell_nothing_are_refused(name: str) -> None:
    """One that is constant where it is known, or never known."""
    X, _, numbers = made_columns(TALL)
    numbers[:, 1] = np.where(np.arange(len(X)) % 2, np.nan, 4.0)
    with pytest.raises(HeadError, match=r"target 1: needs at least two known values that differ. Received: 75 rows, all 4"):
        make_head(name, "numbers").fit(X, numbers)
    numbers[:, 1] = np.nan
    with pytest.raises(HeadError, match="Received: no row"):
        make_head(name, "numbers").fit(X, numbers)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("unit", [1e28, 1e-29])
def test_the_unit_of_a_target_changes_nothing(name: str, unit: float) -> None:
    """Up to the largest and down to the smallest numbers that are taken; those past them are refused."""
    X, _, numbers = made_columns(TALL)
    numbers = numbers[:, :1]
    settings = {"epochs": 5} if name == "dense" else {}
    plain, other = (make_head(name, "numbers", **settings).fit(X, numbers * by).outputs(X) for by in (1.0, unit))
    assert_allclose(other / unit, plain, rtol=1e-3, atol=1e-3 * np.nanstd(numbers))
    with pytest.raises(HeadError, match=r"target 0: must be from -1e\+30 to 1e\+30"):
        make_head(name, "numbers", **settings).fit(X, numbers * 1e40)
    with pytest.raises(HeadError, match="needs at least two known values that differ"):
        make_head(name, "numbers", **settings).fit(X, numbers * 1e-60)


def test_settings_of_svr_are_checked() -> None:
    """Epsilon is a number from 0, and only SVR has one."""
    X, _, numbers = made_columns(TALL)
    with pytest.raises(HeadError, match="epsilon must be a number from 0"):
        make_head("svm", "numbers", epsilon=-1.0).fit(X, numbers)
    with pytest.raises(HeadError, match="no setting 'epsilon'"):
        make_head("svm", epsilon=0.1)
