"""The temperature of a head's probabilities."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from featx.heads import HIGHEST, fit_temperature, scaled, unscaled


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.fixture
def logits() -> np.ndarray:
    """Logits of 400 images over 5 classes."""
    return np.random.default_rng(0).normal(size=(400, 5)) * 2


@pytest.fixture
def y(logits: np.ndarray) -> np.ndarray:
    """Labels drawn by what the logits say, so that their honest temperature is near 1."""
    shares = probabilities_of(logits).cumsum(axis=1)
    return (np.random.default_rng(1).random((400, 1)) > shares).sum(axis=1)


@pytest.mark.parametrize("boast", [0.3, 1.0, 2.5])
def test_it_is_the_most_likely_one(logits: np.ndarray, y: np.ndarray, boast: float) -> None:
    """Against SciPy's search for the least log loss as scikit-learn defines it; a boast is found out."""
    probabilities = probabilities_of(logits * boast)
    found = fit_temperature(probabilities, y)

    def loss(log_temperature: float) -> float:
        return float(log_loss(y, probabilities_of(logits * boast / np.exp(log_temperature)), labels=range(5)))

    wanted = float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).x))
    assert found == pytest.approx(wanted, rel=1e-4)
    assert found == pytest.approx(boast, rel=0.25)


def test_the_order_of_the_classes_stays(logits: np.ndarray) -> None:
    """Confidence changes, the answer does not; each row still sums to 1."""
    probabilities = probabilities_of(logits)
    for temperature in (0.2, 3.0):
        found = scaled(probabilities, temperature)
        np.testing.assert_array_equal(np.argsort(found, axis=1), np.argsort(probabilities, axis=1))
        np.testing.assert_allclose(found.sum(axis=1), 1)
    assert scaled(probabilities, 3.0).max() < probabilities.max() < scaled(probabilities, 0.2).max()


def test_dividing_logits_is_what_it_does(logits: np.ndarray) -> None:
    """The softmax of logits over the temperature; 1 gives the very same bits."""
    probabilities = probabilities_of(logits)
    np.testing.assert_allclose(scaled(probabilities, 2.5), probabilities_of(logits / 2.5), rtol=1e-10)
    assert scaled(probabilities, 1.0) is probabilities


@pytest.mark.parametrize("temperature", [0.1, 0.9, 7.0])
def test_it_can_be_taken_back(logits: np.ndarray, temperature: float) -> None:
    """What the probabilities were before, for the report's comparison."""
    probabilities = probabilities_of(logits)
    np.testing.assert_allclose(unscaled(scaled(probabilities, temperature), temperature), probabilities, rtol=1e-9)


def test_without_a_mistake_there_is_none() -> None:
    """The colder the likelier: no temperature is the best."""
    assert fit_temperature(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1])) is None


def test_votes_of_zero_have_a_temperature() -> None:
    """The mistaken vote is unanimous; a finite temperature comes out, within its bounds."""
    votes = np.array([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    found = fit_temperature(votes, np.zeros(10, int))
    assert found is not None
    assert 1 < found < HIGHEST
    shown = scaled(votes, found)
    assert shown[0, 0] == pytest.approx(0.9, abs=1e-6)  # nine of ten such votes are right


def test_probabilities_that_are_worth_nothing_end_at_the_bound() -> None:
    """Always sure and always wrong: even is the likeliest, as far as the bound allows."""
    found = fit_temperature(np.array([[0.99, 0.01]] * 4), np.ones(4, int))
    assert found == HIGHEST
