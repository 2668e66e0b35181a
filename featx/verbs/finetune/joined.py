"""The network that is trained: the layers of the backbone with the head on top; and the model that comes out of it."""

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import Conformal, OperatingPoint, choose_answer, rebuild_head
from featx.models import FineTuned, Model, library_versions
from featx.store import pool_maps
from featx.verbs.finetune.origin import trained_on
from featx.verbs.finetune.prepared import Prepared
from featx.verbs.finetune.training import Tuning

_ROW_LENGTH = 20.0
"""The head sees rows of this mean length, as when it is fitted: there its usual learning rates are neither slow nor wild."""

_SAMPLE_ROWS = 256


@dataclasses.dataclass(frozen=True)
class JoinedNetwork:
    """A tail and a head as one network.

    Parameters
    ----------
    prepared : Prepared
        What it is made of.
    network : keras.Model
        Maps to logits.
    scale : float
        What the head's rows are multiplied by inside it.
    """

    prepared: Prepared
    network: Any
    scale: float

    @classmethod
    def join(cls, prepared: Prepared, dropout: float, seed: int) -> Self:
        """Put the head on the tail; ``dropout`` is the share of the head's inputs that are dropped while it is trained."""
        tail, head, pooling, train = prepared.tail, prepared.beginning.head, prepared.beginning.pooling, prepared.train
        arrays, settings = head.arrays(), head.settings()
        count = len(settings["hidden"]) + 1
        kernels, biases = [arrays[f"kernel_{i}"] for i in range(count)], [arrays[f"bias_{i}"] for i in range(count)]
        sample = np.linspace(0, len(train.y) - 1, min(len(train.y), _SAMPLE_ROWS)).astype(np.int64)
        rows = train.X[sample] if isinstance(train.X, np.ndarray) else next(train.X.blocks(seed=seed))[1][:_SAMPLE_ROWS]
        features = pool_maps(tail(train.maps(rows)), pooling, "float32")
        length = float(np.linalg.norm(features, axis=1).mean(dtype=np.float64))
        scale = _ROW_LENGTH / length if length > 1e-6 else 1.0
        network = tail.with_head(
            [kernels[0] / np.float32(scale), *kernels[1:]],
            biases,
            scale=scale,
            pooling=pooling,
            dropout=dropout,
            seed=seed,
            dtype=np.dtype(train.X.dtype),
        )
        return cls(prepared, network, scale)

    def model(self, tuning: Tuning, monitor: str, seconds: float, notes: list[str]) -> Model:
        """Return the fine-tuned model, as the network is now; ``notes`` takes in what becomes of a threshold."""
        prepared, origin, tail = self.prepared, self.prepared.origin, self.prepared.tail
        deep, images, beginning = prepared.deep, prepared.images, prepared.beginning
        kernels, biases = tail.head_arrays(self.network)
        kernels[0] = kernels[0] * np.float32(self.scale)
        for last in (kernels, biases):
            last[-1] = (last[-1] / tuning.temperature).astype(np.float32)
        arrays = {"classes": beginning.head.classes_}
        arrays |= {f"kernel_{i}": kernel for i, kernel in enumerate(kernels)}
        arrays |= {f"bias_{i}": bias for i, bias in enumerate(biases)}
        settings = beginning.head.settings() | {"monitor": monitor}
        tuned = FineTuned(tail.start, tail.end, tail.arrays())
        best = tuning.best_epoch - 1
        history = {name: values for name, values in tuning.history.items() if values}
        probabilities = tuning.probabilities(prepared.val) if prepared.val else np.empty((0, len(origin.class_names)))
        point, said = _point_anew(origin, probabilities, images.y_val)
        notes += said
        return dataclasses.replace(
            origin,
            recipe=dataclasses.replace(deep.recipe, tail=tuned.identity),
            layer=tail.before,
            pooling=beginning.pooling,
            head_name="dense",
            head=rebuild_head("dense", settings, arrays),
            history=history,
            metrics={
                "train_images": len(images.train),
                "val_images": len(images.val),
                "val_accuracy": tuning.history["val_accuracy"][best] if len(images.val) else None,
                "before": tuning.before,
                "seconds": seconds,
                "notes": notes,
            },
            network=tail.network,
            source=origin.source | {"cache": str(deep.folder.resolve())},
            versions=library_versions(),
            trained_on=trained_on(deep, images),
            tuning=[],
            tail=tuned,
            temperature=1.0,  # a calibrated head's was fitted to other probabilities, and so was its curve
            isotonic=None,
            point=point,
            conformal=Conformal.of(probabilities, prepared.val.y, "epoch") if prepared.val else None,
            grade_answer=choose_answer(probabilities, images.y_val) if origin.task.is_ordered else "median",
            familiarity=None,  # what the head it started from knows is of other features
        )


def _point_anew(
    origin: Model, probabilities: NDArray[np.float64], y: NDArray[np.integer]
) -> tuple[OperatingPoint | None, list[str]]:
    """Choose the threshold again, since probabilities have changed; the images that it was chosen on are learned by now.

    Returns
    -------
    point : OperatingPoint or None
        None where the model that was started from has none, or the validation images give none.
    said : list of str
        Of that.
    """
    if origin.point is None or origin.point.is_given:
        return origin.point, []
    goal, name = origin.point.goal, origin.class_names[origin.point.positive]
    if not len(y):
        return None, [f"the threshold for {name!r} ({goal}) was left out: there are no validation images to choose it on anew"]
    try:
        point = origin.point.anew(probabilities, y)
    except HeadError:  # a precision that is not reached, or images of one class
        return None, [f"the threshold for {name!r} ({goal}) was left out: no threshold reaches that on the validation images"]
    return point, [
        f"{name!r} from a probability of {point.threshold:.3f} on ({goal}): chosen anew on the validation images, since "
        f"fine-tuning changes probabilities; before it was {origin.point.threshold:.3f}"
    ]
