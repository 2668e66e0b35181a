"""The part of an evaluation's page on operating points: precision, recall and cost by threshold, with the points on them."""

from typing import Any

from featx.report.page.draw import Frame
from featx.report.text.shares import share_text
from featx.verbs.evaluate import CurvePoint, Evaluation, OperatingCurve


def operating_section(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the curves of two classes, with a threshold of 0.5 and the model's own marked; None without a curve."""
    found = evaluation.operating_curve
    if found is None:
        return None
    name, other = (evaluation.model.class_names[label] for label in (found.label, 1 - found.label))
    figures = evaluation.operating
    marks = [_mark(point, own=place > 0) for place, point in enumerate(found.points)]
    unit = "mean cost" if found.has_costs else "share wrong"
    said = "; ".join(f"{mark['name']}: recall {share_text(mark['recall'])}, {_worth(mark, unit)}" for mark in marks)
    return {
        "text": _text(evaluation, found, name, other),
        "unit": unit,
        "marks": marks,
        "curve": found,
        "curve_frame": Frame(420, 300),
        "cost_frame": Frame(420, 300, (0.0, 1.0), (0.0, 1.05 * max(found.cost) or 1.0)),
        "curve_label": f"Precision and recall of {name} by threshold. {said}",
        "cost_label": f"{unit[:1].upper()}{unit[1:]} by threshold. {said}",
        "table": [
            (title, [each[key] for each in (figures.at_half, figures.at_point)])
            for key, title in _ROWS.items()
            if key in figures.at_half
        ]
        if figures
        else [],
    }


_ROWS = {
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "cost": "mean cost",
}


def _mark(point: CurvePoint, *, own: bool) -> dict[str, Any]:
    name = f"{point.threshold:.3f}" if own else "0.5"
    return {"name": name, "own": own, **{key: getattr(point, key) for key in ("threshold", "recall", "precision", "cost")}}


def _worth(mark: dict[str, Any], unit: str) -> str:
    return f"precision {share_text(mark['precision'])}, {unit} {mark['cost']:.3f}"


def _text(evaluation: Evaluation, found: OperatingCurve, name: str, other: str) -> str:
    point = evaluation.model.point
    mistakes = "by the costs that the model was given" if found.has_costs else "where each mistake costs 1"
    best = (
        f"The least cost here, {found.cheapest.cost:.3f}, is at {found.cheapest.threshold:.3f}; it was found on these very "
        "images, and new ones will not quite give it."
    )
    if point is None:
        how = (
            f"An image is called {name!r} from a probability of 0.5 on. A lower threshold finds more of them and calls more "
            f"images of {other!r} so. To have one chosen inside the training images, fit again with --threshold."
        )
    else:
        chosen = f"chosen for {point.goal} {'on the validation' if evaluation.model.tail else 'inside the training'} images"
        why = "as it was asked for" if point.is_given else chosen
        how = f"An image is called {name!r} from a probability of {point.threshold:.3f} on, {why}."
    return f"{how} The curves show precision and recall of each threshold, and its mean cost, {mistakes}. {best}"
