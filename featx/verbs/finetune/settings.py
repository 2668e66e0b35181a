"""The settings of fine-tuning: how long, in which steps."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, TypedDict

from featx.backbones import check_device
from featx.errors import HeadError, RecipeError
from featx.heads import Head
from featx.heads.checks import check_setting, is_number, is_whole
from featx.heads.epochs.settings import TrainingRules, check_optimizer, rules_of
from featx.models import Compute
from featx.system.kinds import shown
from featx.system.names import check_keywords

SCHEDULES = ("cosine", "constant")


class TuningKeywords(TypedDict, total=False):
    """Keywords of ``fine_tune`` that decide how it trains; see ``Schedule`` for the meaning of the first six.

    Examples
    --------
    >>> training: featx.TuningKeywords = {"epochs": 3, "schedule": "constant"}

    ``featx.fine_tune("cache/photos", "block5_conv3", **training)`` takes them.
    """

    epochs: int
    learning_rate: float
    schedule: Literal["cosine", "constant"]
    patience: int
    monitor: Literal["val_loss", "val_accuracy"]
    batch_size: int
    optimizer: Literal["adam", "sgd", "rmsprop", "adamw"]
    momentum: float


def computing(extract_batch_size: int | None, workers: int | None, device: str | None) -> Compute:
    """Return how the frozen layers compute.

    Raises
    ------
    RecipeError
        If a number is no whole number from 1.
    DeviceError
        If there cannot be such a device.
    """
    size = extract_batch_size  # Compute calls it batch_size, which here is that of a training step
    if size is not None and not (is_whole(size) and size >= 1):
        raise RecipeError(f"extract_batch_size must be a whole number from 1, or None. Received: {shown(size)}.")
    compute = Compute(size, workers, device=device)
    check_device(device, "float32")
    return compute


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long to train, and how large the steps are.

    Parameters
    ----------
    epochs : int
        At most this many.
    learning_rate : float
        Of the first step.
    kind : str
        ``cosine``: falls to 0 over all epochs, along half a cosine. ``constant``: stays.
    patience : int
        Stop after this many epochs in which the validation loss (or accuracy) did not improve.
    monitor : str
        ``val_loss`` or ``val_accuracy``.
    batch_size : int
        Images a step.

    Raises
    ------
    HeadError
        If a value is outside its range.
    """

    epochs: int = 10
    learning_rate: float = 1e-5
    kind: str = "cosine"
    patience: int = 3
    monitor: str = "val_loss"
    batch_size: int = 32

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        counts = (("epochs", 10**6, "from 1"), ("patience", 10**6, "from 1"), ("batch_size", 4096, "from 1 to 4096"))
        for name, most, bounds in counts:
            value = getattr(self, name)
            check_setting(name, value, is_whole(value) and 1 <= value <= most, f"a whole number {bounds}")
        rate, measures = self.learning_rate, ("val_loss", "val_accuracy")
        check_setting("learning_rate", rate, is_number(rate) and 0 < rate <= 10, "a number above 0 and at most 10")
        check_setting("schedule", self.kind, self.kind in SCHEDULES, f"one of {', '.join(SCHEDULES)}")
        check_setting("monitor", self.monitor, self.monitor in measures, " or ".join(measures))

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0, of as many."""
        return self.learning_rate * (0.5 * (1 + math.cos(math.pi * step / steps)) if self.kind == "cosine" else 1.0)


@dataclasses.dataclass(frozen=True)
class TuningSettings:
    """How fine-tuning trains.

    Parameters
    ----------
    schedule : Schedule
        How long, how large the steps are.
    optimizer : str
        As for a dense head.
    momentum : float
        Of sgd and rmsprop.
    """

    schedule: Schedule
    optimizer: str = "adam"
    momentum: float = 0.0

    @classmethod
    def read(cls, given: Mapping[str, Any], keywords: Iterable[str]) -> Self:
        """Return the settings that ``fine_tune`` received; ``keywords`` are those that it names itself.

        Raises
        ------
        HeadError
            If there is no such setting, or its value is outside its range.
        """
        known = list(TuningKeywords.__annotations__)
        check_keywords(given, known, HeadError, "fine-tuning: has no setting", beside=keywords)
        rest = dict(given)
        steps = {name: rest.pop(name) for name in ("optimizer", "momentum") if name in rest}
        if "schedule" in rest:
            rest["kind"] = rest.pop("schedule")
        settings = cls(Schedule(**rest), **steps)
        check_optimizer(settings.optimizer, settings.momentum)
        return settings

    def rules(self, head: Head) -> TrainingRules:
        """Return the loss that the head was fitted with, and these steps."""
        return dataclasses.replace(
            rules_of(head),
            optimizer=self.optimizer,
            learning_rate=self.schedule.learning_rate,
            momentum=self.momentum,
            weight_decay=None,
        )
