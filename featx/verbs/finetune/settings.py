"""The settings of fine-tuning: how long, in which steps."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, TypedDict

from featx.backbones import check_device
from featx.errors import HeadError, RecipeError
from featx.heads import Head
from featx.heads.checks import check_setting, is_number, is_whole
from featx.heads.epochs.settings import ADAMW_DECAY, TrainingRules, check_optimizer, rules_of
from featx.models import Compute
from featx.system.kinds import shown
from featx.system.names import check_keywords
from featx.verbs.finetune.flips import FLIPS

SCHEDULES = ("cosine", "constant")

_RISING = 0.1
"""Share of the steps in which the learning rate of the cosine schedule rises."""

_DROPOUT = 0.3

_OF_STEPS = ("optimizer", "momentum", "weight_decay", "dropout", "depth_decay")


class TuningKeywords(TypedDict, total=False):
    """Keywords of ``fine_tune`` that decide how it trains; see ``Schedule`` and ``TuningSettings`` for their meaning.

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
    weight_decay: float | None
    dropout: float | None
    flip: Literal["none", "horizontal", "all"]
    depth_decay: float
    averaging: float


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
        The highest, at which the head learns.
    kind : str
        ``cosine``: rises during the first tenth of all steps, and falls to 0 along half a cosine. ``constant``: stays.
    patience : int
        Stop after this many epochs in which the validation loss (or accuracy) did not improve.
    monitor : str
        ``val_loss`` or ``val_accuracy``.
    batch_size : int
        Images a step.
    flip : str
        What is mirrored at random in training: ``none``; ``horizontal``, left and right; ``all``, up and down too, and quarter
        turns of square maps.
    averaging : float
        The weights that are measured and kept are a running average over about this share of all steps; 0 for the last
        weights.

    Raises
    ------
    HeadError
        If a value is outside its range.
    """

    epochs: int = 10
    learning_rate: float = 3e-4
    kind: str = "cosine"
    patience: int = 5
    monitor: str = "val_loss"
    batch_size: int = 32
    flip: str = "horizontal"
    averaging: float = 0.1

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
        check_setting("flip", self.flip, self.flip in FLIPS, f"one of {', '.join(FLIPS)}")
        share = self.averaging
        check_setting("averaging", share, is_number(share) and 0 <= share <= 1, "a number from 0 to 1")

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0, of as many."""
        if self.kind != "cosine":
            return self.learning_rate
        # At the full rate the first steps, whose slopes Adam knows least of, would undo what the layers know.
        rising = min(1.0, (step + 1) / (_RISING * steps))
        return self.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * step / steps))

    def kept_of_average(self, steps: int) -> float:
        """Return what the running average of the weights keeps of itself in each of so many steps."""
        return max(0.0, 1 - 1 / max(1.0, self.averaging * steps))


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
    weight_decay : float or None
        Share of each weight taken off a step, times the learning rate; by default none, and 0.004 for adamw.
    dropout : float or None
        Share of the head's inputs dropped while training; by default what a dense head was fitted with, if any, else 0.3.
    depth_decay : float
        Share of the learning rate at which the first trained layer learns; the rates of those behind it rise to the head's.
    """

    schedule: Schedule
    optimizer: str = "adamw"
    momentum: float = 0.0
    weight_decay: float | None = None
    dropout: float | None = None
    depth_decay: float = 0.3

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_optimizer(self.optimizer, self.momentum)
        decay, share, least = self.weight_decay, self.dropout, self.depth_decay
        check_setting("weight_decay", decay, decay is None or (is_number(decay) and 0 <= decay <= 10), "a number from 0 to 10")
        check_setting("dropout", share, share is None or (is_number(share) and 0 <= share < 1), "a number from 0, below 1")
        check_setting("depth_decay", least, is_number(least) and 0 < least <= 1, "a number above 0, at most 1")

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
        steps = {name: rest.pop(name) for name in _OF_STEPS if name in rest}
        if "schedule" in rest:
            rest["kind"] = rest.pop("schedule")
        return cls(Schedule(**rest), **steps)

    def dropout_for(self, head: Head) -> float:
        """Return the share of the inputs of a head that is dropped while it is trained further."""
        if self.dropout is not None:
            return self.dropout
        return float(head.settings().get("dropout") or _DROPOUT)

    def rules(self, head: Head) -> TrainingRules:
        """Return the loss that the head was fitted with, and these steps."""
        return dataclasses.replace(
            rules_of(head),
            optimizer=self.optimizer,
            learning_rate=self.schedule.learning_rate,
            momentum=self.momentum,
            weight_decay=ADAMW_DECAY if self.weight_decay is None and self.optimizer == "adamw" else self.weight_decay,
        )
