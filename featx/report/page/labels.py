"""What the page of several labels shows: their measures, curves with the threshold on them, pairs, and mistakes."""

from typing import Any

import numpy as np

from featx.report.page.draw import Frame
from featx.report.page.render import isolated
from featx.report.text.shares import interval_text, share_text
from featx.system.counts import number_of
from featx.verbs.evaluate import LabelMeasures, LabelsEvaluation

MANY_LABELS = 20
"""From so many on the worst stand first, and a filter finds the others."""

_MOST_CURVES, _MOST_MISTAKES = 24, 24


def labels_part(evaluation: LabelsEvaluation) -> dict[str, Any]:
    """Return what the template takes of labels."""
    figures = evaluation.figures
    many = len(figures.per_label) >= MANY_LABELS
    rows = [_row(one) for one in figures.per_label]
    if many:
        rows.sort(key=lambda row: (row["average_precision"] is None, row["average_precision"], row["f1"]))
    curves = sorted(figures.curves, key=lambda curve: curve.average_precision)[:_MOST_CURVES]
    return {
        "contents": [
            ("labels", "Labels"),
            *([("curves-section", "Precision and recall")] if curves else []),
            *([("pairs", "Labels that go together")] if figures.pairs else []),
        ],
        "figures": _figures(evaluation),
        "rows": rows,
        "many": many,
        "curves": [_curve(evaluation, curve) for curve in curves],
        "curve_frame": Frame(300, 230),
        "curve_text": _curve_text(len(curves), len(figures.curves)),
        "pairs": figures.pairs,
    }


def _figures(evaluation: LabelsEvaluation) -> list[dict[str, str]]:
    found = evaluation.figures
    mean = found.mean_average_precision
    rows = [
        ("Mean average precision", "–" if mean is None else share_text(mean), "mean_average_precision", ""),
        ("Macro F1", share_text(found.macro_f1), "macro_f1", ""),
        ("Micro F1", share_text(found.micro_f1), "micro_f1", ""),
    ]
    if found.subset_accuracy is not None:
        rows.append(
            ("Every label right", share_text(found.subset_accuracy), "subset_accuracy", f"n\u00a0=\u00a0{found.complete:,}")
        )
    rows.append(("Log loss", f"{found.log_loss:.3f}", "", "mean of all labels"))
    return [
        {
            "label": label,
            "value": value,
            "note": ", ".join(filter(None, (interval_text(found.intervals[key]) if key in found.intervals else "", note))),
        }
        for label, value, key, note in rows
    ]


def _row(one: LabelMeasures) -> dict[str, Any]:
    # A label that no image has here has no recall, and its F1 would be a figure about nothing.
    there = bool(one.images)
    return {
        "name": one.name,
        "images": one.images,
        "known": one.known,
        "average_precision": one.average_precision,
        "average_precision_interval": interval_text(one.average_precision_interval) if one.average_precision_interval else "",
        "f1": one.f1 if there else None,
        "f1_interval": interval_text(one.f1_interval) if one.f1_interval else "",
        "precision": one.precision if there else None,
        "recall": one.recall if there else None,
        "threshold": one.threshold,
    }


def _curve(evaluation: LabelsEvaluation, curve: Any) -> dict[str, Any]:
    one = evaluation.figures.per_label[curve.label]
    chance = one.images / one.known
    at = {"name": f"{one.threshold:.3f}", "own": True, "recall": one.recall, "precision": one.precision}
    return {
        "name": one.name,
        "recall": curve.recall,
        "precision": curve.precision,
        "average_precision": curve.average_precision,
        "marks": [at] if one.called else [],
        "chance": chance,
        "label": (
            f"Precision and recall of {one.name}: average precision {share_text(curve.average_precision)}; at the threshold "
            f"{one.threshold:.3f} precision {share_text(one.precision)}, recall {share_text(one.recall)}"
        ),
    }


def _curve_text(shown: int, of: int) -> str:
    text = (
        "Of each label, as its threshold falls; the point is the model's threshold. The dashed line is the share of images "
        "that have the label: what guessing reaches. The worst first."
    )
    return text + (f" These are the {shown} worst of {of} labels." if shown < of else "")


def label_mistakes(evaluation: LabelsEvaluation) -> list[tuple[int, str]]:
    """Return the surest mistakes, as place of the image and what is to be said of it; of an image its surest alone."""
    targets, called = evaluation.targets, evaluation.called
    wrong = ~np.isnan(targets) & ((targets == 1) != called)
    sure = np.where(wrong, np.abs(evaluation.probabilities - evaluation.model.thresholds), -1.0)
    worst = sure.argmax(axis=1)
    largest = sure[np.arange(len(sure)), worst]
    order = np.argsort(-largest, kind="stable")[:_MOST_MISTAKES]
    shown = []
    for place in order[largest[order] >= 0].tolist():
        label = int(worst[place])
        name, p = isolated(evaluation.model.class_names[label]), evaluation.probabilities[place, label]
        has = "which it has" if targets[place, label] == 1 else "which it has not"
        others = int(wrong[place].sum()) - 1
        more = f"; {number_of(others, 'more label')} wrong" if others else ""
        shown.append((place, f"{name} {share_text(p)}, {has}{more}"))
    return shown
