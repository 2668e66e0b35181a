"""A model of several labels, or of numbers, measured."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.models import Model, bounds_of
from featx.system.counts import number_of
from featx.verbs.evaluate.column_evaluations import LabelsEvaluation, NumbersEvaluation
from featx.verbs.evaluate.grouped import FEW_GROUPS, cross_validated_both_ways
from featx.verbs.evaluate.label_measures import LabelFigures, measure_labels
from featx.verbs.evaluate.number_measures import TargetMeasures, measure_bounds, measure_target
from featx.verbs.evaluate.remarks import FEW_IMAGES, note_measured
from featx.verbs.evaluate.resamples import Units
from featx.verbs.evaluate.sets import LEVEL
from featx.verbs.evaluate.sources import Measured

_WEIGHTED = "figures and their intervals count each image by its weight; numbers of images and curves count all alike"

_MOST_NAMED = 10


def measure_columns(
    model: Model, path: Path, measured: Measured, notes: list[str], level: float | None
) -> LabelsEvaluation | NumbersEvaluation:
    """Measure labels or numbers of images of which some are known.

    Parameters
    ----------
    model, path : Model and Path
        What is measured, and its file.
    measured : Measured
        The images, and what the model gives for them.
    notes : list of str
        Remarks so far.
    level : float or None
        Of the bounds of numbers.
    """
    assert measured.targets is not None
    weights, n_images = measured.counting_weights, len(measured.paths)
    seen = model.saw_in_training(measured.digests)
    counts = {"duplicates": n_images - len(set(measured.digests)), "seen_in_training": int(seen.sum())}
    if measured.shown is not None:
        counts["near_duplicates"] = int((measured.shown & ~seen).sum())
    group_notes = _groups(measured, counts)
    units = Units.of(n_images, measured.groups, weights)
    images: dict[str, Any] = {
        "model": model,
        "model_path": path,
        "split": measured.split,
        "source": measured.source,
        "paths": measured.paths,
        "targets": measured.targets,
        "rejected": measured.rejected,
        "digests": measured.digests,
        "counts": counts,
        "cautions": _cautions(model, measured, counts),
    }
    notes = [*notes, *([] if weights is None else [_WEIGHTED]), *group_notes]
    notes += cross_validated_both_ways(model.metrics.get("groups"))
    apart = None if measured.shown is None or measured.shown.all() else ~measured.shown
    if model.task.kind == "labels":
        figures = measure_labels(measured.targets, measured.probabilities, model.class_names, model.thresholds, units)
        notes += [_at_thresholds(figures)] if model.points else []
        without = None if apart is None else _micro_f1(model, measured, apart, units.weights)
        support = (measured.targets == 1).sum(axis=0)
        notes += note_measured(model, measured, counts, without, support, "micro F1")
        return LabelsEvaluation(**images, notes=notes, probabilities=measured.probabilities, figures=figures)
    predicted, names = measured.probabilities, model.column_names
    bounds = bounds_of(model, predicted, level)
    found = [measure_target(name, measured.targets[:, k], predicted[:, k], units) for k, name in enumerate(names)]
    known: list[TargetMeasures] = [one for one in found if one is not None]
    without = None if apart is None else _mae(measured, predicted, apart, units.weights)
    notes += note_measured(
        model, measured, counts, without, np.ones(len(names), np.int64), f"mean absolute error of {names[0]!r}"
    )
    low, high = bounds or (None, None)
    return NumbersEvaluation(
        **images,
        notes=notes,
        predicted=predicted,
        per_target=known,
        bounds=[
            one
            for k, name in enumerate(names)
            if low is not None and high is not None
            if (one := measure_bounds(name, measured.targets[:, k], low[:, k], high[:, k], LEVEL if level is None else level))
        ],
        low=low,
        high=high,
    )


def _groups(measured: Measured, counts: dict[str, int]) -> list[str]:
    """Count the groups, and return remarks on them."""
    if measured.groups is None:
        return []
    n, n_groups = len(measured.paths), len(np.unique(measured.groups))
    counts["groups"] = n_groups
    notes = [f"{n:,} images of {n_groups:,} groups: the intervals are drawn by group"]
    if n_groups < FEW_GROUPS:
        notes[0] += f", and are too narrow with fewer than {FEW_GROUPS}"
    if measured.learned_groups is not None:
        counts["of_groups_seen_in_training"] = learned = int(measured.learned_groups.sum())
        if learned:
            notes.append(f"{learned:,} of {n:,} images are of groups that have training images, which flatters the model")
    return notes


def _at_thresholds(figures: LabelFigures) -> str:
    """Say what the model's thresholds are worth beside 0.5."""
    there = [one for one in figures.per_label if one.images]
    at_half = sum(one.f1_at_half for one in there) / len(there) if there else 0.0
    return f"each label has its own threshold: macro F1 {at_half:.3f} at 0.5, {figures.macro_f1:.3f} there"


def _micro_f1(model: Model, measured: Measured, apart: NDArray[np.bool_], weights: NDArray[np.float64]) -> float | None:
    """Return micro F1 of some images; None where no label is there or called."""
    assert measured.targets is not None
    targets, called = measured.targets[apart], model.called(measured.probabilities[apart])
    true, own = targets == 1, weights[apart, None] * ~np.isnan(targets)
    right, wrong = float((own * (true & called)).sum()), float((own * (true ^ called)).sum())
    return 2 * right / (2 * right + wrong) if right + wrong else None


def _mae(
    measured: Measured, predicted: NDArray[np.float64], apart: NDArray[np.bool_], weights: NDArray[np.float64]
) -> float | None:
    """Return the mean absolute error of the first target on some images; None where none of them tells it."""
    assert measured.targets is not None
    off = np.abs(predicted - measured.targets)[:, 0]
    some = apart & ~np.isnan(off) & (weights > 0)
    return float(np.average(off[some], weights=weights[some])) if some.any() else None


def _cautions(model: Model, measured: Measured, counts: dict[str, int]) -> list[str]:
    """Return what weakens the figures: few images of a label or target, copies."""
    assert measured.targets is not None
    there = measured.targets == 1 if model.task.kind == "labels" else ~np.isnan(measured.targets)
    support = there.sum(axis=0)
    few = [f"{name!r} {n}" for name, n in zip(model.column_names, support.tolist(), strict=True) if 0 < n < FEW_IMAGES]
    found = []
    if few:
        more = f", and {len(few) - _MOST_NAMED} more" if len(few) > _MOST_NAMED else ""
        has = "has" if len(few) == 1 else "have"
        named = ", ".join(few[:_MOST_NAMED]) + more
        found.append(
            f"{number_of(len(few), model.task.noun)} {has} fewer than {FEW_IMAGES} images ({named}): single images move these "
            "figures"
        )
    if copies := counts["duplicates"]:
        are = "1 image is an exact copy of another" if copies == 1 else f"{copies:,} images are exact copies of others"
        found.append(f"{are} among those measured: each counts again")
    return found
