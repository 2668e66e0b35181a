"""The parts of an evaluation's page on the surest answers and on sets of classes."""

import math
from typing import Any

from featx.report.page.draw import Frame
from featx.report.text.confidence import SAID, surest_at
from featx.verbs.evaluate import Evaluation

_MOST_CLASSES = 200


def surest_section(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the risk-coverage curve, its table and the text above them."""
    found = evaluation.surest
    if found is None:
        return None
    said = surest_at(found.table, SAID)
    text = ""
    if said:
        text = f"Answer the surest {100 * said.share:.0f} %: {said.accuracy:.2f} right, confidence from {said.confidence:.3f}. "
    text += (
        "The rest is left to a person. The higher the curve rises to the left, the better the model knows what it does not "
        f"know. Over all shares, {found.aurc:.3f} of the answers are wrong on average."
    )
    # From the tenth below the lowest point on: the whole scale would make one flat line of most models.
    lowest = math.floor(10 * min(found.accuracy)) / 10 if found.accuracy else 0.0
    label = "; ".join(f"the surest {100 * one.share:.0f} %: {one.accuracy:.3f} right" for one in found.table)
    frame = Frame(400, 270, y_range=(min(lowest, 0.9), 1.0))
    return {
        "text": text,
        "frame": frame,
        "share": found.share,
        "accuracy": found.accuracy,
        "table": found.table,
        "label": f"Share right by share answered. {label}",
    }


def sets_section(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return what the sets of classes were measured to be; None without any."""
    found = evaluation.sets
    if found is None:
        return None
    low, high = found.interval
    text = (
        f"With --sets {found.level:g}, predict gives each image the classes that hold the right one in "
        f"{100 * found.level:g} % of cases. Here {found.coverage:.3f} of the sets do ({low:.3f} to {high:.3f} with 95 % "
        f"confidence), with {found.mean_size:.2f} classes on average, by the scores of {found.calibration_images:,} validation "
        f"images ({found.method}). The promise is of all images together: a hard class may get less of it, an easy class more."
    )
    shown = [one for one in found.per_class if one.images]
    shown.sort(key=lambda one: one.coverage or 0.0)
    if len(shown) > _MOST_CLASSES:
        text += f" The {_MOST_CLASSES} worst classes are below; all are in metrics.json."
    notes = [note[:1].upper() + note[1:] + "." for note in found.notes]
    return {"text": text, "per_class": shown[:_MOST_CLASSES], "sizes": sorted(found.sizes.items()), "notes": notes}
