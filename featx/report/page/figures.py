"""The headline of an evaluation's page: what was measured, and its figures with their intervals."""

import numpy as np

from featx.report.page.strangest import stranger_figures
from featx.report.text.shares import interval_text, share_text
from featx.system.counts import number_of
from featx.verbs.evaluate import Evaluation, GradeMeasures


def lead_of(evaluation: Evaluation) -> str:
    """Say what was measured on how many images of which classes."""
    model, counted = evaluation.model, len(evaluation.y)
    what = {"all": "", "val": "validation ", "train": "training "}.get(evaluation.split, "test ")
    present, known = sum(measures.images > 0 for measures in evaluation.per_class), len(model.class_names)
    classes = f"its {number_of(known, 'class')}" if present == known else f"{present:,} of its {number_of(known, 'class')}"
    return (
        f"{'An' if model.head_name in ('svm',) else 'A'} {model.head_name} head on {model.recipe.backbone} features, "
        f"measured on {number_of(counted, what + 'image')} of {classes}."
    )


def accuracy_note(evaluation: Evaluation) -> str:
    """Say how precise the accuracy is, and how many images are wrong."""
    counted = len(evaluation.y)
    wrong = counted - round(evaluation.accuracy * counted)
    how_many = "none" if not wrong else "each" if wrong == counted > 1 else f"{wrong:,}"
    interval = _interval(evaluation, "accuracy")
    return (f"{interval} with 95 % confidence, " if interval else "") + f"n\u00a0=\u00a0{counted:,}, {how_many}\u00a0wrong"


def baseline_text(evaluation: Evaluation) -> str:
    """Say what always the same answer would reach; empty where all images are of one class, as that answer is right then."""
    name, share = evaluation.baseline
    counts = np.bincount(evaluation.y)
    # Of classes of one size none is the largest more than another.
    which = f", {name!r}" if (counts == counts.max()).sum() == 1 else ""
    return "" if share == 1 else f"always the largest class{which}: {share_text(share)}"


def figures_of(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return label, value and note of each figure but the accuracy."""
    rows = [
        ("Balanced accuracy", share_text(evaluation.balanced_accuracy), _interval(evaluation, "balanced_accuracy")),
        ("Macro F1", share_text(evaluation.macro_f1), _interval(evaluation, "macro_f1")),
    ]
    if grades := evaluation.grades:
        kappa = "–" if grades.kappa is None else f"{grades.kappa:.3f}"
        rows.append(("Quadratic kappa", kappa, _grade_interval(grades, "kappa")))
        off = ", ".join(filter(None, (_grade_interval(grades, "mae"), f"{share_text(grades.within_one)} within one")))
        rows.append(("Grades off on average", f"{grades.mae:.3f}", off))
    if evaluation.top3_accuracy is not None:
        rows.append(("Top-3 accuracy", share_text(evaluation.top3_accuracy), _interval(evaluation, "top3_accuracy")))
    before = evaluation.uncalibrated
    rows.append(("Log loss", f"{evaluation.log_loss:.3f}", f"{before.log_loss:.3f} before calibration" if before else ""))
    if evaluation.confidence:
        parts = [interval_text(evaluation.confidence.interval)] if evaluation.confidence.interval else []
        note = ", ".join(parts + ([f"{before.ece:.3f} before calibration"] if before else []))
        rows.append(("Calibration error", f"{evaluation.confidence.ece:.3f}", note))
    rows += stranger_figures(evaluation)
    without, near = evaluation.accuracy_without_near_duplicates, evaluation.counts.get("near_duplicates", 0)
    if near and without is not None:
        rest = len(evaluation.y) - near - evaluation.counts["seen_in_training"]
        note = ", ".join(filter(None, (_interval(evaluation, "accuracy_without_near_duplicates"), f"n\u00a0=\u00a0{rest:,}")))
        rows.append(("Accuracy without near duplicates", share_text(without), note))
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _interval(evaluation: Evaluation, name: str) -> str:
    return interval_text(evaluation.intervals[name]) if name in evaluation.intervals else ""


def _grade_interval(grades: GradeMeasures, name: str) -> str:
    return interval_text(grades.intervals[name]) if name in grades.intervals else ""
