"""Losses, probabilities, class weights and the best epoch: the same as Keras and scikit-learn have them."""

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from featx.heads.epochs.losses import balanced_weights, best_epoch, logit_slopes, probabilities_of, row_losses

COMBINATIONS = [
    ("softmax", "categorical_crossentropy"),
    ("sigmoid", "categorical_crossentropy"),
    ("sigmoid", "binary_crossentropy"),
]


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
def test_losses_equal_keras_own(activation: str, loss: str, smoothing: float, n_classes: int) -> None:
    """From the same logits, through Keras' own activation: each row's loss agrees within float32's precision."""
    import keras

    # As a plain array: on TensorFlow, Keras would look through any activation at its logits and take their softmax.

    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 3, (50, n_classes)), rng.integers(0, n_classes, 50)
    outputs = np.array(getattr(keras.ops, activation)(logits.astype(np.float32)))
    targets = np.eye(n_classes, dtype=np.float32)[labels]
    wanted = getattr(keras.losses, loss)(targets, outputs, label_smoothing=smoothing)
    found = row_losses(logits, labels, activation, loss, smoothing)
    np.testing.assert_allclose(found, np.asarray(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
def test_slopes_are_the_derivative_of_the_loss(activation: str, loss: str, smoothing: float) -> None:
    """Of each row by each logit, by a small difference."""
    rng = np.random.default_rng(0)
    logits, labels, step = rng.normal(0, 3, (20, 4)), rng.integers(0, 4, 20), 1e-5
    found = logit_slopes(logits, labels, activation, loss, smoothing)
    for column in range(4):
        aside = step * np.eye(4)[column]
        above, below = (row_losses(logits + sign * aside, labels, activation, loss, smoothing) for sign in (1, -1))
        np.testing.assert_allclose(found[:, column], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_certain_mistake_has_a_finite_loss(activation: str, loss: str, smoothing: float) -> None:
    """Also where the probability of the true class is too small for any number."""
    logits = np.array([[1e4, -1e4, -1e4], [-1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]])
    losses = row_losses(logits, np.array([1, 2, 0]), activation, loss, smoothing)
    assert np.isfinite(losses).all()
    assert losses[0] > 1000
    if not smoothing:
        assert losses[1] == pytest.approx(0, abs=1e-9)


def test_sigmoids_are_divided_by_their_sum() -> None:
    """Rows sum to 1 in the proportion of the sigmoids, also where all of them are too small for any number."""
    logits = np.array([[0.0, 1.0, -2.0], [-900.0, -900.0, -900.0], [-1000.0, -2000.0, -1001.0]])
    found = probabilities_of(logits, "sigmoid")
    sigmoids = 1 / (1 + np.exp(-logits[0]))
    np.testing.assert_allclose(found[0], sigmoids / sigmoids.sum(), rtol=1e-12)
    np.testing.assert_allclose(found[1], 1 / 3, rtol=1e-12)
    np.testing.assert_allclose(found[2], [1 / (1 + np.exp(-1)), 0, 1 / (1 + np.exp(1))], rtol=1e-12)


def test_balanced_weights_are_scikit_learns() -> None:
    """By the same formula, for counts that differ a hundredfold."""
    labels = np.repeat([0, 1, 2], [300, 40, 3])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_weights(labels, 3), wanted, rtol=1e-12)


NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "accuracies", "by_loss", "by_accuracy"),
    [
        ([3, 2, 1], [0.1, 0.2, 0.3], 3, 3),
        ([1, 2, 3], [0.1, 0.2, 0.3], 1, 3),
        ([2, 1, 1], [0.5, 0.5, 0.5], 2, 2),
        ([2, 1, 3, 4], [0.9, 0.5, 0.9, 0.9], 2, 1),
        ([5, 1, 3, 4], [0.9, 0.5, 0.9, 0.9], 2, 3),
        ([NAN, 2, 1], [0.9, 0.5, 0.5], 3, 1),
        ([NAN, 2, 1], [0.9, 0.9, 0.5], 3, 2),
        ([NAN, NAN], [0.3, 0.3], 1, 1),
        ([NAN, NAN], [0.3, 0.4], 1, 2),
        ([float("inf"), NAN, 9], [0.1, 0.1, 0.1], 3, 3),
    ],
)
def test_the_best_epoch(losses: list[float], accuracies: list[float], by_loss: int, by_accuracy: int) -> None:
    """Least loss, or highest accuracy with the least loss of equal ones; the first of those; never what is no number."""
    history: dict[str, Any] = {"loss": losses, "accuracy": accuracies, "val_loss": losses, "val_accuracy": accuracies}
    assert best_epoch(history) == best_epoch(history, "val_loss") == by_loss
    assert best_epoch(history, "val_accuracy") == by_accuracy


def test_without_validation_the_last_epoch_is_the_best() -> None:
    """And a head without epochs has none."""
    assert best_epoch({"loss": [1, 2, 3], "accuracy": [0, 0, 0]}, "val_accuracy") == 3
    assert best_epoch({}) == 0
