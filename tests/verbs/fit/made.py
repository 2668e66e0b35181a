"""Caches of other tasks, of images whose features tell the targets."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import featx
from tests.conftest import COLOURS, write_image


def write_colours(folder: Path, *, train: int = 16, val: int = 4, test: int = 4) -> Path:
    """Extract a cache of 3 colours, with as many images each of every split."""
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(train + val + test):
            split = "train" if number < train else "val" if number < train + val else "test"
            write_image(folder / "photos" / split / name / f"{number}.png", colour, seed=100 * label + number)
    featx.extract_features(folder / "photos", folder / "cache", backbone="stub", image_size=(64, 64), workers=1)
    return folder / "cache"


def with_task(cache: Path, task: featx.Task, targets: NDArray[np.float64] | None = None) -> Path:
    """Give a cache of classes another task: grades of the same classes, or targets (n_images, n_names)."""
    catalog = featx.open_cache(cache).catalog
    if task.has_targets:
        none = np.full(len(catalog), -1, np.int32)
        catalog = dataclasses.replace(catalog, task=task, targets=targets, labels=none, class_names=())
    else:
        place = {name: task.names.index(name) for name in catalog.class_names}
        labels = np.array([place[catalog.class_names[label]] for label in catalog.labels], np.int32)
        catalog = dataclasses.replace(catalog, task=task, labels=labels, class_names=task.names)
    catalog.write(cache / "catalog.h5")
    return cache


def colour_targets(cache: Path, kind: str, *, unknown: float = 0.2, noise: float = 0.3) -> NDArray[np.float64]:
    """Return targets (n_images, 2) that the colours tell, but for noise; some cells are not known."""
    catalog, rng = featx.open_cache(cache).catalog, np.random.default_rng(4)
    means = featx.open_cache(cache).features(catalog.rows(), pooling="avg").astype(np.float64)
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    values = np.stack([means[:, 0], means[:, 1] - means[:, 2]], axis=1) + rng.normal(0, noise, (len(means), 2))
    if kind == "labels":
        values = (values > np.median(values, axis=0)).astype(np.float64)
    values = np.where(rng.random(values.shape) < unknown, np.nan, 10 * values if kind == "numbers" else values)
    values[:2] = np.nan
    return values
