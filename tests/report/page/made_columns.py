"""Evaluations of labels and numbers that are made up, measured as ``evaluate_model`` measures: no image, no network."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads import make_head
from featx.models import Model
from featx.task import Task
from featx.verbs.evaluate import LabelsEvaluation, NumbersEvaluation
from featx.verbs.evaluate.columns import measure_columns
from featx.verbs.evaluate.sources import Measured
from tests.report.page.made import RECIPE


def column_model(task: Task, **fields: Any) -> Model:
    """Return a model of labels or of numbers; what its head has learned says nothing."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 3)).astype(np.float32), np.tile([[0.0], [1.0]], (6, len(task.names)))
    head = make_head("ridge", task.kind).fit(X, y)  # type: ignore[arg-type] # no grades come here
    return Model(
        **{
            "recipe": RECIPE, "layer": "cells", "pooling": "avg", "head_name": "ridge", "head": head,
            "class_names": task.names if task.kind == "labels" else (), "task": task, "history": {},
            "metrics": {"train_images": 12}, "network": {"parameters": 1000}, "source": {}, "versions": {},
            "trained_on": np.zeros((0, 8), np.uint8),
        } | fields
    )  # fmt: skip


def measured_columns(
    outputs: NDArray[np.float64], targets: NDArray[np.float64], model: Model, *, level: float | None = None, **fields: Any
) -> LabelsEvaluation | NumbersEvaluation:
    """Measure what a model gives (n_images, n_columns) for images which are at ``photos/<number>.png``."""
    images: dict[str, Any] = {
        "split": "test",
        "paths": [f"{number}.png" for number in range(len(targets))],
        "class_of": [],
        "probabilities": outputs,
        "targets": targets,
        "digests": [number.to_bytes(32, "big") for number in range(len(targets))],
        "rejected": {},
        "source": "photos",
    }
    measured = Measured(**images | fields)
    return measure_columns(model, Path("m.featx"), measured, measured.notes, level)
