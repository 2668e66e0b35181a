"""A model of classes, or of grades, measured: accuracy, confidence, confusions, curves."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.models import Model, SetMaker, wilson
from featx.verbs.evaluate.calibration_error import calibration_precision
from featx.verbs.evaluate.evaluation import Evaluation
from featx.verbs.evaluate.grade_measures import measure_grades
from featx.verbs.evaluate.grouped import WEIGHTED, GroupedAnswers, count_groups, cross_validated_both_ways
from featx.verbs.evaluate.intervals import measure_intervals, measure_recalls
from featx.verbs.evaluate.measures import (
    answered_from,
    expected_calibration_error,
    precision_recall_curves,
    reliability,
    top_k_accuracy,
)
from featx.verbs.evaluate.operating import measure_curve, measure_point
from featx.verbs.evaluate.parts import ClassMeasures, Confidence
from featx.verbs.evaluate.remarks import cautions, note_measured
from featx.verbs.evaluate.resamples import Units
from featx.verbs.evaluate.sets import measure_sets
from featx.verbs.evaluate.sources import Measured
from featx.verbs.evaluate.surest import risk_coverage

_MOST_UNDONE = 5_000_000
"""Probabilities that a curve is taken back from: some three seconds."""


def measure_classes(
    model: Model,
    path: Path,
    measured: Measured,
    y: NDArray[np.int64],
    notes: list[str],
    tta: bool,
    maker: SetMaker | None,
) -> Evaluation:
    """Measure the probabilities of images whose classes are known.

    Parameters
    ----------
    model, path : Model and Path
        What is measured, and its file.
    measured : Measured
        The images, and what the model gives for them.
    y : ndarray of shape (n_images,), int64
        Their labels.
    notes : list of str
        Remarks so far.
    tta : bool
        Whether the probabilities are means over views.
    maker : SetMaker or None
        What makes the sets of classes to measure.
    """
    # Here, not above: importing featx must not import scikit-learn.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels = np.arange(len(model.class_names))
    predicted = model.decide(measured.probabilities)
    weights, right = measured.counting_weights, predicted == y
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, predicted, labels=labels, sample_weight=weights, zero_division=0.0
    )
    support = np.bincount(y, minlength=len(labels))
    present = np.bincount(y, weights, minlength=len(labels)) > 0  # an image of weight 0 is none
    confusion = confusion_matrix(y, predicted, labels=labels)
    confidence = _confidence(measured.probabilities, y, weights)
    uncalibrated = None
    # No calibration can be taken out of a mean over views; a curve can only be searched back.
    if model.calibration.kind != "none" and not tta and (model.isotonic is None or measured.probabilities.size <= _MOST_UNDONE):
        uncalibrated = _confidence(model.calibration.undone(measured.probabilities), y, weights)
    curves = precision_recall_curves(measured.probabilities, y)
    average_precision = {curve.label: curve.average_precision for curve in curves}
    seen = model.saw_in_training(measured.digests)
    counts = {"duplicates": len(y) - len(set(measured.digests)), "seen_in_training": int(seen.sum())}
    without = None
    if measured.shown is not None:
        counts["near_duplicates"] = int((measured.shown & ~seen).sum())
        without = None if measured.shown.all() else _share(right, ~measured.shown, weights)
    grouped = GroupedAnswers.of(y, predicted, measured.groups, weights)
    recall_intervals = measure_recalls(confusion, grouped)
    of_groups, group_notes = count_groups(measured.groups, measured.learned_groups, right, weights)
    counts |= of_groups
    weighted = [] if weights is None else [WEIGHTED]
    notes = [*notes, *weighted, *group_notes, *cross_validated_both_ways(model.metrics.get("groups"))]
    operating = measure_point(model, measured.probabilities, y, weights)
    notes += [] if operating is None else [str(operating)]
    top3 = top_k_accuracy(measured.probabilities, y, 3, weights)
    return Evaluation(
        model=model,
        model_path=path,
        split=measured.split,
        source=measured.source,
        paths=measured.paths,
        y=y,
        probabilities=measured.probabilities,
        accuracy=float(np.average(right, weights=weights)),
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        log_loss=confidence.log_loss,
        per_class=[
            ClassMeasures(
                *(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), average_precision.get(i)),
                *(recall_intervals[i] or (None, None)),
            )
            for i, name in enumerate(model.class_names)
        ],
        confusion=confusion,
        rejected=measured.rejected,
        notes=notes + note_measured(model, measured, counts, without, support),
        cautions=cautions(model, support, counts["duplicates"], int(confusion.trace())),
        top3_accuracy=top3,
        intervals=measure_intervals(confusion, grouped) | _further_intervals(top3, len(y), without, measured.shown),
        confidence=confidence,
        uncalibrated=uncalibrated,
        curves=curves,
        thresholds=answered_from(measured.probabilities, y),
        digests=measured.digests,
        pooled=measured.pooled,
        pooled_rows=measured.pooled_rows,
        cache=measured.cache,
        rows=measured.rows,
        counts=counts,
        accuracy_without_near_duplicates=without,
        sets=measure_sets(maker, measured.probabilities, y, model.class_names) if maker else None,
        surest=risk_coverage(measured.probabilities, y),
        operating=operating,
        operating_curve=measure_curve(model, measured.probabilities, y, weights),
        grades=measure_grades(y, predicted, Units.of(len(y), measured.groups, weights)) if model.task.is_ordered else None,
        weights=weights,
    )


def _share(right: NDArray[np.bool_], chosen: NDArray[np.bool_], weights: NDArray[np.float64] | None) -> float | None:
    """Return the share of some images that is right; None where they weigh nothing."""
    own = np.ones(len(right)) if weights is None else weights
    total = own[chosen].sum()
    return float(own[chosen & right].sum() / total) if total else None


def _further_intervals(
    top3: float | None, n_images: int, without: float | None, shown: NDArray[np.bool_] | None
) -> dict[str, tuple[float, float]]:
    """Return Wilson's intervals of the shares that are not always there."""
    intervals = {} if top3 is None else {"top3_accuracy": wilson(round(top3 * n_images), n_images)}
    if without is not None and shown is not None:
        rest = int((~shown).sum())
        intervals["accuracy_without_near_duplicates"] = wilson(round(without * rest), rest)
    return intervals


def _confidence(probabilities: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64] | None) -> Confidence:
    bins = reliability(probabilities, y)
    # As scikit-learn has it, which makes a table of zeros and ones for it: of 5,000 classes that takes 16 s.
    least = np.finfo(probabilities.dtype).eps
    losses = -np.log(np.clip(probabilities[np.arange(len(y)), y], least, 1 - least))
    loss = float(np.average(losses, weights=weights))
    mean, right = float(probabilities.max(axis=1).mean()), int((probabilities.argmax(axis=1) == y).sum())
    low, high = wilson(right, len(y))
    precision = calibration_precision(probabilities, y)
    return Confidence(loss, expected_calibration_error(bins), bins, *precision, mean, (mean - high, mean - low))
