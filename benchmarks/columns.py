"""Heads of several labels: ``python -m benchmarks.columns``; some five minutes on two cores.

The processor time of 20 labels against one, all cells known and a fifth of them not, on made rows of the width of VGG16's maps.
"""

import time

import numpy as np
from numpy.typing import NDArray

from featx.heads import make_head

ROWS, COLUMNS, LABELS = 1000, 25_088, 20
HEADS = ("logreg", "svm", "ridge", "knn")


def made() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return rows that 200 directions and noise make, none below 0, and labels that 30 % of them have."""
    rng = np.random.default_rng(0)
    rows = rng.normal(-1, 1, (ROWS, 200)) @ rng.normal(0, 1, (200, COLUMNS)) / 14 + rng.normal(-0.5, 0.5, (ROWS, COLUMNS))
    X = np.maximum(rows, 0).astype(np.float32)
    values = X @ rng.normal(0, 1, (COLUMNS, LABELS))
    return X, (values > np.quantile(values, 0.7, axis=0)).astype(np.float64)


def main() -> None:
    """Print a line for each head."""
    X, labels = made()
    unknown = np.where(np.random.default_rng(1).random(labels.shape) < 0.2, np.nan, labels)
    for name in HEADS:
        make_head(name, "labels").fit(X[:50], labels[:50, :1])  # what it imports is no part of the time
        for said, y in (("all known", labels), ("a fifth unknown", unknown)):
            taken = []
            for count in (1, LABELS):
                started = time.process_time()
                make_head(name, "labels").fit(X, y[:, :count])
                taken.append(time.process_time() - started)
            print(f"{name}, {said}: {taken[0]:.2f} s for one label, {taken[1]:.2f} s for {LABELS}, {taken[1] / taken[0]:.1f} x")


if __name__ == "__main__":
    main()
