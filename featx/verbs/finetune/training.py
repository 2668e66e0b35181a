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
from featx.heads import Features, balanced_weights, best_epoch, probabilities_of, row_losses
from featx.heads.epochs import batches
from featx.heads.epochs.settings import TrainingRules
from featx.system.outputs import tell_replaced
from featx.system.progress import OnEpoch
from featx.verbs.finetune.checkpoint import Arrays, load_checkpoint, save_checkpoint
from featx.verbs.finetune.settings import Schedule

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
        self.before: dict[str, float] = {}
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
        name, best = self._schedule.monitor, self.best_epoch - 1
        gained = self.history[name][best] - self.before[name]
        return gained > 0 if name == "val_accuracy" else gained < 0

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
            if val:
                values |= self._validate(val)
            if not np.isfinite(list(values.values())).all():
                raise HeadError(
                    f"fine-tuning: its weights grew past every number at --learning-rate {schedule.learning_rate:g}. "
                    "Give a smaller one."
                )
            for name, value in values.items():
                self.history[name].append(value)
            self._done |= {"epoch": self._done["epoch"] + 1, "step": 0, "sums": [0.0, 0.0, 0.0]}
            if self.best_epoch == self._done["epoch"]:
                self._best = self._steps.state()
            self._done["seconds"] = time.monotonic() - started
            self._save()
            if on_epoch:
                on_epoch(self._done["epoch"], schedule.epochs, values)
        self._steps.restore(self._best)

    def _has_waited(self) -> bool:
        if not self.before:
            return False
        # The start counts as epoch 0: if nothing beats it for that long, nothing will.
        best = self.best_epoch if self.history["loss"] and self.is_better else 0
        return int(self._done["epoch"]) - best >= self._schedule.patience

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
            batch_loss, batch_hits = self._steps.step(train.maps(rows), labels, row_weights)
            loss, hits, n_rows = loss + batch_loss * len(rows), hits + batch_hits * len(rows), n_rows + len(rows)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self._done |= {"step": step + 1, "sums": [loss, hits, n_rows], "seconds": time.monotonic() - started}
                self._save()
                saved = time.monotonic()
        return {"loss": loss / n_rows, "accuracy": hits / n_rows}

    def _validate(self, val: Examples) -> dict[str, float]:
        loss = hits = 0.0
        rules = self._rules
        for positions, rows in batches.in_order(val.X, _BLOCK_ROWS):
            logits, labels = self._logits(val.maps(rows)).astype(np.float64), val.y[positions]
            loss += float(row_losses(logits, labels, rules.activation, rules.loss, rules.label_smoothing).sum())
            hits += float((probabilities_of(logits, rules.activation).argmax(axis=1) == labels).sum())
        return {"val_loss": loss / len(val.y), "val_accuracy": hits / len(val.y)}

    def probabilities(self, some: Examples) -> NDArray[np.float64]:
        """Return class probabilities (n_rows, n_classes), as the network is now."""
        logits = [self._logits(some.maps(rows)) for _, rows in batches.in_order(some.X, _BLOCK_ROWS)]
        return probabilities_of(np.concatenate(logits).astype(np.float64), self._rules.activation)

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
