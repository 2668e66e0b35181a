"""One epoch: the steps of it, and what the head is worth after it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.epochs import batches
from featx.heads.epochs.network import KerasSteps
from featx.heads.epochs.objectives import Objective
from featx.heads.epochs.steps import LayerSteps
from featx.heads.head import Features


def measured(
    X: Features,
    targets: NDArray[Any],
    objective: Objective,
    logits_of: Callable[[NDArray[np.floating]], NDArray[np.float64]],
    block_rows: int,
) -> dict[str, float]:
    """Measure a head on validation rows as it will predict."""
    loss = hits = 0.0
    for positions, block in batches.in_order(X, block_rows):
        logits = logits_of(block)
        loss += float(objective.losses(logits, targets[positions]).sum())
        hits += float(objective.right(logits, targets[positions]).sum())
    figures = {"loss": loss / len(X), "accuracy": hits / len(X)}
    return {f"val_{name}": figures[name] for name in objective.figures}


def train_epoch(
    learner: LayerSteps | KerasSteps,
    epoch: Iterator[batches.Batch],
    labels: NDArray[Any],
    weights: NDArray[np.float64] | None,
    names: Sequence[str],
) -> dict[str, float]:
    """Take a step on each batch; the figures are means over the rows shown."""
    loss, hits, n_rows = 0.0, 0.0, 0
    with learner.one_thread():
        for positions, X in epoch:
            row_weights = None if weights is None else weights[positions].astype(np.float32)
            of_batch = learner.step(X, labels[positions], row_weights)
            loss, hits = (total + value * len(X) for total, value in zip((loss, hits), of_batch, strict=True))
            n_rows += len(X)
    figures = {"loss": loss / n_rows, "accuracy": hits / n_rows}
    return {name: figures[name] for name in names}
