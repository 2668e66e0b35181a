"""The dense heads of labels and of numbers: steps by hand, Keras' steps, and cells that are not known."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, mean_squared_error

from featx.errors import HeadError
from featx.heads import make_head
from featx.heads.epochs.network import KerasSteps, build_network
from featx.heads.epochs.objectives import Objective, OfLabels, OfNumbers
from featx.heads.epochs.settings import rules_of
from featx.heads.epochs.steps import LayerSteps
from tests.heads.columns.made import TALL, made_columns

KINDS = {
    "labels": OfLabels(0.1),
    "weighted labels": OfLabels(0.0, np.array([[0.5, 1.0, 2.0], [3.0, 1.0, 0.7]])),
    "numbers": OfNumbers(),
}


@pytest.fixture(params=KINDS, name="objective")
def each_objective(request: pytest.FixtureRequest) -> Objective:
    """Each of them."""
    return KINDS[request.param]


def made_targets(objective: Objective) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return logits (4, 3) and targets with unknown cells."""
    rng = np.random.default_rng(2)
    targets = rng.normal(0, 1, (4, 3)) if isinstance(objective, OfNumbers) else rng.integers(0, 2, (4, 3)).astype(np.float64)
    targets[0, 1] = targets[2, 2] = np.nan
    return rng.normal(0, 2, (4, 3)), targets


def test_losses_are_scikit_learns() -> None:
    """Of the known cells: cross-entropy of each label, or squared error, over the number of columns."""
    logits, targets = made_targets(KINDS["labels"])
    known = ~np.isnan(targets)
    of_labels = OfLabels(0.0).losses(logits, targets).sum()
    shares = 1 / (1 + np.exp(-logits[known]))
    assert of_labels == pytest.approx(log_loss(targets[known], shares, normalize=False) / 3)
    logits, targets = made_targets(OfNumbers())
    wanted = mean_squared_error(targets[known], logits[known]) * known.sum() / 3
    assert OfNumbers().losses(logits, targets).sum() == pytest.approx(wanted)


def test_slopes_are_those_of_the_losses(objective: Objective) -> None:
    """By differences; of a cell that is not known, nothing."""
    logits, targets = made_targets(objective)
    slopes = objective.slopes(logits, targets)
    for row, column in np.ndindex(*logits.shape):
        aside = np.zeros(logits.shape)
        aside[row, column] = 1e-6
        above, below = objective.losses(logits + aside, targets), objective.losses(logits - aside, targets)
        assert slopes[row, column] == pytest.approx((above[row] - below[row]) / 2e-6, abs=1e-6)
    assert (slopes[np.isnan(targets)] == 0).all()


def test_keras_takes_the_same_steps(objective: Objective) -> None:
    """One layer with the same initial weights: the same losses and weights, unknown cells and all."""
    head = make_head("dense", "labels", optimizer="sgd", learning_rate=0.1)
    rng = np.random.default_rng(0)
    X = rng.normal(0, 1, (8, 5)).astype(np.float32)
    targets = np.tile(made_targets(objective)[1], (2, 1))
    by_hand = LayerSteps(5, 3, 1.0, rules_of(head), 0, objective)
    network = build_network(5, X.dtype, 1.0, units=[3], dropout=0.0, seed=0)
    network.set_weights(by_hand.weights())
    keras_steps = KerasSteps(network, rules_of(head), objective)
    row_weights = np.linspace(0.5, 2, 8).astype(np.float32)
    for _ in range(3):
        found, wanted = keras_steps.step(X, targets, row_weights), by_hand.step(X, targets, row_weights)
        assert_allclose(found[0], wanted[0], rtol=1e-5)
        assert_allclose(found[1], wanted[1], rtol=1e-5)
    for mine, theirs in zip(by_hand.weights(), keras_steps.weights(), strict=True):
        assert_allclose(mine, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("task", ["labels", "numbers"])
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_dense_learns_columns(task: Any, hidden: tuple[int, ...]) -> None:
    """Better than the mean on rows that it has not seen; the best epoch on the validation rows is kept."""
    X, labels, numbers = made_columns((300, 12), unknown=0.2)
    y = labels if task == "labels" else numbers
    y[:7] = np.nan
    settings: dict[str, Any] = {"epochs": 25, "learning_rate": 0.01, "hidden": hidden}
    head: Any = make_head("dense", task, **settings).fit(X[:200], y[:200], X[200:], y[200:])
    known = ~np.isnan(y[200:])
    outputs = head.outputs(X[200:])
    assert head.best_epoch_ == 1 + int(np.argmin(head.history_["val_loss"]))
    if task == "labels":
        assert log_loss(y[200:][known], outputs[known]) < log_loss(y[200:][known], np.full(known.sum(), np.nanmean(y)))
        assert set(head.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    else:
        assert mean_squared_error(y[200:][known], outputs[known]) < 0.95 * np.nanvar(y[200:])
        assert set(head.history_) == {"loss", "val_loss"}


def test_a_cell_that_is_not_known_changes_nothing() -> None:
    """Rows without any known cell are as good as none, to the bit."""
    X, labels, _ = made_columns(TALL, unknown=0.2)
    labels[::5] = np.nan
    kept = np.arange(len(X)) % 5 > 0
    wanted = make_head("dense", "labels", epochs=3).fit(X[kept], labels[kept]).predict_proba(X)
    assert make_head("dense", "labels", epochs=3).fit(X, labels).predict_proba(X).tobytes() == wanted.tobytes()


def test_balanced_labels_are_found_more_often() -> None:
    """A rare label is called more often where cells with and without it weigh alike."""
    X, labels, _ = made_columns((300, 12))
    rare = labels * (np.arange(300)[:, None] % 4 == 0)
    settings: dict[str, Any] = {"epochs": 10, "learning_rate": 0.01}
    called = [
        (make_head("dense", "labels", class_weight=weight, **settings).fit(X, rare).predict_proba(X) > 0.5).sum()
        for weight in (None, "balanced")
    ]
    assert called[1] > 2 * called[0]


def test_dense_of_numbers_has_no_accuracy_to_monitor() -> None:
    """It is refused with the rule; activations are not among the settings."""
    X, _, numbers = made_columns(TALL)
    with pytest.raises(HeadError, match="numbers have no accuracy"):
        make_head("dense", "numbers", monitor="val_accuracy").fit(X, numbers)
    with pytest.raises(HeadError, match="no setting 'activation'"):
        make_head("dense", "labels", activation="softmax")
