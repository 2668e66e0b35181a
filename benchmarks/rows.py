"""A shuffled epoch from the cache, and from memory: ``python -m benchmarks.rows``; about two minutes on two quiet cores.

10,000 maps of VGG16's last layer at 224 px, 25,088 numbers each, nine in ten of them 0 as there. A dense head learns from them
for some epochs, a block at a time from the cache and from an array in memory that holds the same rows.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import featx
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread
from featx.heads import make_head
from featx.recipe import Recipe
from featx.store import CachedRows, Catalog, FeatureCache
from featx.system.files import content_digest

CLASSES, EPOCHS = 10, 3


def filled(work: Path, n_rows: int) -> FeatureCache:
    """Write a cache of such maps, those of a class alike in a few channels."""
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")
    rng = np.random.default_rng(0)
    cache = FeatureCache.open_or_create(work, recipe)
    digests = [content_digest(b"%d" % row) for row in range(n_rows)]
    labels = np.arange(n_rows, dtype=np.int32) % CLASSES
    zeros = np.zeros(n_rows, np.int64)
    with cache.writing() as writer:
        for start in range(0, n_rows, 100):
            maps = np.maximum(rng.normal(-13.4, 10, (100, 7, 7, 512)), 0).astype(np.float32)
            maps[np.arange(100), :, :, labels[start : start + 100]] += 1
            writer.append(digests[start : start + 100], {"cells": maps})
        writer.commit(
            Catalog(
                source="/data",
                fingerprint=recipe.fingerprint,
                class_names=tuple(map(str, range(CLASSES))),
                paths=[f"{row}.png" for row in range(n_rows)],
                labels=labels,
                splits=zeros.astype(np.int8),
                digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
                sizes=zeros,
                mtimes=zeros,
                ctimes=zeros,
                status=zeros.astype(np.uint8),
                reasons=[""] * n_rows,
            )
        )
    return FeatureCache.open(work)


def epochs_of(X: CachedRows | NDArray[np.floating], y: NDArray[np.int64]) -> list[float]:
    """Return the seconds of each epoch of a dense head but the first, which compiles."""
    marks = [time.monotonic()]
    head = make_head("dense", epochs=1 + EPOCHS)
    head.fit(X, y, on_epoch=lambda *_: marks.append(time.monotonic()))
    return np.diff(marks)[1:].tolist()


def measure(quick: bool, work: Path, rounds: int = ROUNDS) -> Section:
    """Take turns."""
    n_rows, rounds = (400, 1) if quick else (10_000, rounds)
    cache = filled(work / "rows", n_rows)
    rows = cache.catalog.rows()
    y = cache.catalog.labels[rows].astype(np.int64)
    cached = CachedRows(cache, rows, np.zeros_like(rows), "cells", "flatten", np.float16)
    held = np.asarray(cached)
    found: dict[str, list[float]] = {"from the cache": [], "from memory": []}
    for _ in range(rounds):
        for name, X in (("from the cache", cached), ("from memory", held)):
            found[name] += epochs_of(X, y)
    per_row = cache.stored_bytes / n_rows
    table = [
        [name, f"{spread(seconds, '.2f')} s", f"{n_rows / statistics.median(seconds):,.0f}"] for name, seconds in found.items()
    ]
    notes = [
        f"{n_rows:,} rows of 25,088 numbers, {per_row / 1000:.1f} KB each on disk and 50.2 KB in memory; the disk's pages are "
        f"held after the first epoch. Median of {EPOCHS} epochs in each of {rounds} rounds (smallest to largest); each row "
        "is read, checked, inflated, widened and learned from.",
    ]
    target = Target(
        "an epoch from the cache against one from memory",
        1,
        ratio(found["from the cache"], found["from memory"]),
        at_least=False,
    )
    figures: dict[str, Any] = {"rows": n_rows, "seconds": found, "bytes_a_row": per_row, "featx": featx.__version__}
    columns = ("a shuffled epoch of a dense head", "seconds", "rows/s")
    return Section(
        "rows", "Learning from the cache and from memory", "python -m benchmarks.rows", columns, table, [target], notes, figures
    )


if __name__ == "__main__":
    run(measure, __doc__, rounds=ROUNDS)
