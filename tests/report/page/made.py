"""Evaluations of results that are made up, measured as ``evaluate_model`` measures: no image, no network."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import featx
from featx.heads import make_head
from featx.models import Model
from featx.recipe import Recipe
from featx.report.page.evaluation import evaluation_page
from featx.report.page.exhibits import Exhibits
from featx.verbs.evaluate import FeatureMap
from featx.verbs.evaluate.classes import measure_classes
from featx.verbs.evaluate.sources import Measured

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")


def model_of(class_names: tuple[str, ...], head: str = "logreg", **fields: Any) -> Model:
    """Return a model of these classes; what its head has learned says nothing."""
    y = np.arange(len(class_names)).repeat(2)
    fitted = make_head(head).fit((y[:, None] + np.linspace(0, 0.1, len(y))[:, None]).astype(np.float32), y)
    return Model(
        **{
            "recipe": RECIPE, "layer": "cells", "pooling": "avg", "head_name": head, "head": fitted, "class_names": class_names,
            "history": {}, "metrics": {"train_images": len(y)}, "network": {"parameters": 1000}, "source": {}, "versions": {},
            "trained_on": np.zeros((0, 8), np.uint8),
        } | fields
    )  # fmt: skip


def measured_of(
    probabilities: NDArray[np.float64], y: NDArray[np.int64], model: Model, *, split: str = "test", **fields: Any
) -> featx.Evaluation:
    """Measure probabilities (n_images, n_classes) of images of these labels, which are at ``photos/<number>.png``."""
    measured = Measured(
        split=split,
        paths=[f"{number}.png" for number in range(len(y))],
        class_of=[model.class_names[label] for label in y],
        probabilities=probabilities,
        digests=[number.to_bytes(32, "big") for number in range(len(y))],
        rejected={},
        source="photos",
    )
    measured = dataclasses.replace(measured, **fields)
    return measure_classes(model, Path("m.featx"), measured, y, measured.notes, False, None)


def answers(confusion: NDArray[np.int64], confidence: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities and labels of images that give this confusion matrix, each answer as sure as that."""
    true, predicted = (np.repeat(index, confusion.ravel()) for index in map(np.ravel, np.indices(confusion.shape)))
    probabilities = np.full((len(true), len(confusion)), (1 - confidence) / max(1, len(confusion) - 1))
    probabilities[np.arange(len(true)), predicted] = confidence
    return probabilities, true.astype(np.int64)


def confused(n_classes: int, seed: int = 0, images: int = 120) -> NDArray[np.int64]:
    """Return a matrix of which every tenth cell beside the diagonal holds images, in numbers of one to four digits."""
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((n_classes, n_classes)) < 0.1, rng.integers(1, 20, (n_classes, n_classes)), 0)
    matrix[np.diag_indices(n_classes)] = rng.integers(images // 2, images, n_classes)
    matrix[0, 0] = 1234 if n_classes < 30 else 234
    return matrix.astype(np.int64)


def long_names(n_classes: int) -> tuple[str, ...]:
    """Return names as they are found: short ones, long ones with and without spaces, other scripts."""
    names = (
        "wombat",
        "northern hairy-nosed wombat (Lasiorhinus krefftii), adult, from the side",
        "Acrocephalus_schoenobaenus_juvenile",
        "猫",
        "قطة",
        "a",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    )
    return tuple(f"{names[number % len(names)]} {number}" for number in range(n_classes))


def page_of(evaluation: featx.Evaluation, path: Path, files: tuple[str, ...] = ()) -> Path:
    """Write the page of an evaluation, with some of its images on a map and none to be seen."""
    listed = np.arange(min(len(evaluation.y), 300))
    points = np.random.default_rng(0).random((len(listed), 2))
    exhibits = Exhibits({}, 0, set(), {}, map=FeatureMap("pca", listed, points, 0.5), listed=listed)
    path.write_text(evaluation_page(evaluation, exhibits, path, files), "utf-8")
    return path
