"""Rules for the settings of heads that learn by epochs: dense and conv."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from featx.heads.checks import check_class_weight, check_seed, check_setting, is_number, is_whole

# Rows are scaled to one length before training (training.py), and these steps suit rows of that length. By three-fold
# cross-validation inside the sample's training images, at 96 and 224 px, with and without a hidden layer, each came within
# 0.03 of the least validation loss of its optimizer, and within 0.05 of the least of all.
LEARNING_RATES = {"adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3, "sgd": 5e-2}
"""The step of each optimizer where none is asked for and there is no momentum."""

ADAMW_DECAY = 0.004
"""Keras' own default."""

_MOMENTUM = ("sgd", "rmsprop")
_LARGEST_COUNT = 10**6


@dataclasses.dataclass(frozen=True)
class TrainingRules:
    """How a step is taken, with every default filled in.

    Parameters
    ----------
    activation, loss, label_smoothing
        As for ``row_losses``.
    optimizer : str
        ``adam``, ``adamw``, ``sgd`` or ``rmsprop``.
    learning_rate : float
        Its step.
    momentum : float
        Of sgd and rmsprop.
    weight_decay : float or None
        Share of each weight taken off a step, times the learning rate.
    """

    activation: str
    loss: str
    label_smoothing: float
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float | None


def rules_of(head: Any) -> TrainingRules:
    """Return how a head is trained; its settings must have been checked."""
    default_loss = "categorical_crossentropy" if head.activation == "softmax" else "binary_crossentropy"
    decay = ADAMW_DECAY if head.weight_decay is None and head.optimizer == "adamw" else head.weight_decay
    return TrainingRules(
        activation=head.activation,
        loss=head.loss or default_loss,
        label_smoothing=float(head.label_smoothing),
        optimizer=head.optimizer,
        learning_rate=float(default_rate(head.optimizer, head.momentum) if head.learning_rate is None else head.learning_rate),
        momentum=float(head.momentum),
        weight_decay=None if decay is None else float(decay),
    )


def default_rate(optimizer: str, momentum: float) -> float:
    """Return the step where none is asked for: with momentum 1 / (1 - momentum) steps add up, so each is that much smaller."""
    return LEARNING_RATES[optimizer] * (1 - momentum)


def check_optimizer(optimizer: Any, momentum: Any) -> tuple[str, float]:
    """Return both, if there is such an optimizer and it can have that momentum.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    _check_choice("optimizer", optimizer, tuple(LEARNING_RATES))
    check_setting("momentum", momentum, is_number(momentum) and 0 <= momentum < 1, "a number from 0, below 1")
    sound = momentum == 0 or optimizer in _MOMENTUM
    check_setting("momentum", momentum, sound, f"0 for {optimizer}: only {' and '.join(_MOMENTUM)} have one")
    return optimizer, momentum


def check_training(head: Any) -> None:
    """Refuse settings of training that break their rules, alone or together.

    Parameters
    ----------
    head : EpochHead
        With its settings as given.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    check_sizes("hidden", head.hidden, most=10, largest=65536)
    share, step = head.dropout, head.learning_rate
    check_setting("dropout", share, is_number(share) and 0 <= share < 1, "a number from 0, below 1")
    _check_choice("activation", head.activation, ("softmax", "sigmoid"))
    losses = ("categorical_crossentropy", "binary_crossentropy")
    if head.loss is not None:
        _check_choice("loss", head.loss, losses)
        # The units of a softmax share one total; binary cross-entropy judges each as if it were free.
        sound = head.activation == "sigmoid" or head.loss == losses[0]
        check_setting("loss", head.loss, sound, f"{losses[0]} where activation is softmax; {losses[1]} needs sigmoid")
    check_optimizer(head.optimizer, head.momentum)
    sound = step is None or (is_number(step) and 0 < step <= 10)
    check_setting("learning_rate", step, sound, "a number above 0 and at most 10")
    decay = head.weight_decay
    check_setting("weight_decay", decay, decay is None or (is_number(decay) and 0 <= decay <= 10), "a number from 0 to 10")
    for name in ("epochs", "batch_size", "steps_per_epoch", "patience"):
        value = getattr(head, name)
        sound = (is_whole(value) and 1 <= value <= _LARGEST_COUNT) or (
            name in ("batch_size", "steps_per_epoch") and value is None
        )
        check_setting(name, value, sound, f"a whole number from 1 to {_LARGEST_COUNT}")
    check_class_weight(head.class_weight)
    _check_choice("monitor", head.monitor, ("val_loss", "val_accuracy"))
    least, smoothing = head.min_delta, head.label_smoothing
    check_setting("min_delta", least, is_number(least) and 0 <= least <= _LARGEST_COUNT, f"a number from 0 to {_LARGEST_COUNT}")
    sound = is_number(smoothing) and 0 <= smoothing < 1
    check_setting("label_smoothing", smoothing, sound, "a number from 0, below 1")
    check_seed(head.seed)


def check_sizes(name: str, sizes: Any, *, most: int, largest: int, least: int = 0) -> None:
    """Refuse anything but a list of layer sizes.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    sound = isinstance(sizes, list | tuple) and all(is_whole(units) and 0 < units <= largest for units in sizes)
    count = f"up to {most}" if least == 0 else f"{least} to {most}"
    check_setting(name, sizes, sound and least <= len(sizes) <= most, f"{count} layer sizes from 1 to {largest}")


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    check_setting(name, value, isinstance(value, str) and value in choices, f"one of {', '.join(choices)}")
