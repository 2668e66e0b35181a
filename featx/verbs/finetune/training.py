"""Training fine-tuned layers and a head together: epochs, the best of them kept, and a checkpoint to resume from."""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import Features, balanced_weights, best_epoch, fit_temperature, probabilities_of, row_losses
from featx.heads.epochs import batches
from featx.heads.epochs.settings import TrainingRules
from featx.system.outputs import tell_replaced
from featx.system.progress import OnEpoch
from featx.verbs.finetune.checkpoint import Arrays, load_checkpoint, save_checkpoint
from featx.verbs.finetune.flips import flipped
from featx.verbs.finetune.settings import Schedule

COOLEST, HOTTEST = 0.2, 20.0
"""A temperature beyond these is one that a handful of validation images has made up."""

LARGEST_LOSS_OF_ACCURACY = 0.005
"""What the validation accuracy may lose where the loss is better: half a point."""

_CHECKPOINT_SECONDS = 300.0
_BLOCK_ROWS = 256

Step = Callable[[NDArray[np.floating], NDArray[np.integer], NDArray[np.float32] | None], tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Examples:
    """Maps and labels of some images.

    Parameters
    ----------
    X : ndarray or Rows of shape (n, h * w * n_channels)
        Flat maps.
    y : ndarray of shape (n,), int64
        Labels.
    map_shape : tuple of int
        (h, w, n_channels).
    """

    X: Features
    y: NDArray[np.int64]
    map_shape: tuple[int, ...]

    def maps(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Give rows the shape of maps."""
        return rows.reshape(len(rows), *self.map_shape)


class Tuning:
    """A training that can be resumed after every epoch, and within long epochs.

    Parameters
    ----------
    steps : KerasSteps
        The network and its optimizer.
    logits : callable
        Maps (n, h, w, c) to logits (n, n_classes) of the network as it is now.
    rules : TrainingRules
        Loss.
    schedule : Schedule
        How long, how large the steps.
    class_weight : str or None
        ``balanced``, or every image weighs the same.
    seed : int
        Of the order of images.
    checkpoint : Path
        Where to keep the state.
    identity : str
        Digest of everything that decides how the training goes.
    before : dict of str to float
        ``val_loss`` and ``val_accuracy`` to beat; those of the network at the start where none are given.
    """

    def __init__(
        self,
        steps: Any,
        logits: Callable[[NDArray[np.floating]], NDArray[np.floating]],
        rules: TrainingRules,
        schedule: Schedule,
        class_weight: str | None,
        seed: int,
        checkpoint: Path,
        identity: str,
        before: dict[str, float] | None = None,
    ) -> None:
        self._steps = steps
        self._logits = logits
        self._rules = rules
        self._schedule = schedule
        self._class_weight = class_weight
        self._seed = seed
        self._checkpoint = checkpoint
        self._identity = identity
        self._done: dict[str, Any] = {"epoch": 0, "step": 0, "sums": [0.0, 0.0, 0.0], "seconds": 0.0}
        self._best: list[NDArray[Any]] = steps.state()
        self.history: dict[str, list[float]] = {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []}
        self.before: dict[str, float] = dict(before or {})
        self.temperature = 1.0
        self.resumed_at = 0

    @property
    def seconds(self) -> float:
        """Of training so far, also before it was taken up again; validation included."""
        return float(self._done["seconds"])

    @property
    def epochs_done(self) -> int:
        """Epochs that are finished."""
        return int(self._done["epoch"])

    @property
    def is_better(self) -> bool:
        """Whether some epoch did better on the validation images than the start; without validation, the last epoch counts."""
        if not self.before:
            return True
        best = {name: values[self.best_epoch - 1] for name, values in self.history.items()}
        gained = {name: best[name] - self.before[name] for name in self.before}
        if self._schedule.monitor == "val_accuracy":
            return gained["val_accuracy"] > 0
        return gained["val_loss"] < 0 and gained["val_accuracy"] >= -LARGEST_LOSS_OF_ACCURACY

    @property
    def best_epoch(self) -> int:
        """The epoch that is kept, from 1."""
        return best_epoch({name: values for name, values in self.history.items() if values}, self._schedule.monitor)

    def run(self, train: Examples, val: Examples | None, on_epoch: OnEpoch | None = None) -> None:
        """Train, and leave the network as it was after the best epoch.

        Raises
        ------
        HeadError
            If the weights grow past every number.
        OutputError
            If a checkpoint cannot be written.
        """
        schedule = self._schedule
        self._take_up()
        if val and not self.before:
            self.before = self._validate(val)
        n_classes = int(max(train.y.max(), val.y.max() if val else 0)) + 1
        weights = balanced_weights(train.y, n_classes) if self._class_weight else None
        while self._done["epoch"] < schedule.epochs and not self._has_waited():
            started = time.monotonic() - self._done["seconds"]
            values = self._train_epoch(train, weights, started)
            with self._steps.averaged():
                if val:
                    values |= self._validate(val)
                averaged = self._steps.state()
            if not np.isfinite(list(values.values())).all():
                raise HeadError(
                    f"fine-tuning: its weights grew past every number at --learning-rate {schedule.learning_rate:g}. "
                    "Give a smaller one."
                )
            for name, value in values.items():
                self.history[name].append(value)
            self._done |= {"epoch": self._done["epoch"] + 1, "step": 0, "sums": [0.0, 0.0, 0.0]}
            if self.best_epoch == self._done["epoch"]:
                self._best = averaged
            self._done["seconds"] = time.monotonic() - started
            self._save()
            if on_epoch:
                on_epoch(self._done["epoch"], schedule.epochs, values)
        self._steps.restore(self._best)
        if val:
            self.temperature = self._temperature(self._all_logits(val), val.y)

    def _has_waited(self) -> bool:
        # Not from the start on: at a high rate the first epochs often do worse than it, and the last ones better.
        if not self.before or not self.history["loss"]:
            return False
        return int(self._done["epoch"]) - self.best_epoch >= self._schedule.patience

    def _train_epoch(self, train: Examples, weights: NDArray[np.float64] | None, started: float) -> dict[str, float]:
        schedule, epoch = self._schedule, int(self._done["epoch"])
        steps_an_epoch = math.ceil(len(train.y) / schedule.batch_size)
        total = steps_an_epoch * schedule.epochs
        # A function of seed and epoch alone, so that a resumed training sees the same batches.
        order = np.random.default_rng([self._seed, epoch])
        saved = time.monotonic()
        loss, hits, n_rows = self._done["sums"]
        for step, (positions, rows) in enumerate(next(batches.epochs(train.X, schedule.batch_size, None, order))):
            if step < self._done["step"]:
                continue
            self._steps.set_learning_rate(schedule.rate(epoch * steps_an_epoch + step, total))
            labels = train.y[positions]
            row_weights = None if weights is None else weights[labels].astype(np.float32)
            maps = flipped(train.maps(rows), schedule.flip, [self._seed, epoch, step])
            batch_loss, batch_hits = self._steps.step(maps, labels, row_weights)
            loss, hits, n_rows = loss + batch_loss * len(rows), hits + batch_hits * len(rows), n_rows + len(rows)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self._done |= {"step": step + 1, "sums": [loss, hits, n_rows], "seconds": time.monotonic() - started}
                self._save()
                saved = time.monotonic()
        return {"loss": loss / n_rows, "accuracy": hits / n_rows}

    def _validate(self, val: Examples) -> dict[str, float]:
        """Measure the network at the temperature that suits these images best.

        Layers that are trained grow overconfident long before they grow worse, and their loss as it stands would end the
        training there. The temperature becomes a part of the model that is kept.
        """
        logits, rules = self._all_logits(val), self._rules
        logits = logits / self._temperature(logits, val.y)
        losses = row_losses(logits, val.y, rules.activation, rules.loss, rules.label_smoothing)
        right = probabilities_of(logits, rules.activation).argmax(axis=1) == val.y
        return {"val_loss": float(losses.mean()), "val_accuracy": float(right.mean())}

    def _temperature(self, logits: NDArray[np.float64], y: NDArray[np.int64]) -> float:
        # Sigmoids that share one sum have no temperature that a layer of weights could hold.
        if self._rules.activation != "softmax" or self._schedule.monitor != "val_loss" or not np.isfinite(logits).all():
            return 1.0
        found = fit_temperature(probabilities_of(logits, "softmax"), y)
        return 1.0 if found is None else float(np.clip(found, COOLEST, HOTTEST))

    def _all_logits(self, some: Examples) -> NDArray[np.float64]:
        blocks = [self._logits(some.maps(rows)) for _, rows in batches.in_order(some.X, _BLOCK_ROWS)]
        return np.concatenate(blocks).astype(np.float64)

    def probabilities(self, some: Examples) -> NDArray[np.float64]:
        """Return class probabilities (n_rows, n_classes), as the network is now, at its temperature."""
        return probabilities_of(self._all_logits(some) / self.temperature, self._rules.activation)

    def _save(self) -> None:
        arrays: Arrays = {f"now/{place}": array for place, array in enumerate(self._steps.state())}
        arrays |= {f"best/{place}": array for place, array in enumerate(self._best)}
        document = {"done": self._done, "history": self.history, "before": self.before}
        save_checkpoint(self._checkpoint, self._identity, document, arrays)

    def _take_up(self) -> None:
        checkpoint = load_checkpoint(self._checkpoint, self._identity)
        if checkpoint is None:
            if self._checkpoint.exists():
                tell_replaced(f"will replace {self._checkpoint}, the checkpoint of another fine-tuning")
            return
        document, arrays = checkpoint
        wanted = {f"{kind}/{place}": array for kind in ("now", "best") for place, array in enumerate(self._best)}
        kinds = [{name: (array.shape, array.dtype) for name, array in some.items()} for some in (arrays, wanted)]
        if kinds[0] != kinds[1] or document["history"].keys() != self.history.keys():
            return  # made to look like one
        count = len(self._best)
        self._steps.restore([arrays[f"now/{place}"] for place in range(count)])
        self._best = [arrays[f"best/{place}"] for place in range(count)]
        self._done, self.history, self.before = document["done"], document["history"], document["before"]
        self.resumed_at = int(self._done["epoch"])
