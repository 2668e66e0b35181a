"""The parts of an evaluation's page on the surest answers and on sets of classes."""

import math
from typing import Any

from featx.report.page.draw import Frame
from featx.report.text.confidence import SAID, surest_at
from featx.report.text.shares import interval_text, share_text
from featx.system.counts import number_of
from featx.verbs.evaluate import Evaluation, RiskCoverage

_MOST_CLASSES = 200


def surest_section(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the risk-coverage curve, its table and the text above them."""
    found = evaluation.surest
    if found is None:
        return None
    text = _surest_text(evaluation, found)
    # From the tenth below the lowest point on: the whole scale would make one flat line of most models.
    lowest = math.floor(10 * min(found.accuracy)) / 10 if found.accuracy else 0.0
    label = "; ".join(f"the surest {100 * one.share:.0f} %: {share_text(one.accuracy)} right" for one in found.table)
    frame = Frame(400, 270, y_range=(min(lowest, 0.9), 1.0))
    return {
        "text": text,
        "frame": frame,
        "share": found.share,
        "accuracy": found.accuracy,
        "table": found.table,
        "label": f"Share right by share answered. {label}",
    }


def _surest_text(evaluation: Evaluation, found: RiskCoverage) -> str:
    """Say what is gained by answering only the surest images, where anything is."""
    if evaluation.accuracy in (0.0, 1.0):
        every = "Every answer is right" if evaluation.accuracy else "No answer is right"
        return f"{every}, whatever share is given: these images do not tell whether the model knows what it does not know."
    said = surest_at(found.table, SAID)
    text = ""
    if said:
        interval = f" ({interval_text(said.interval)})" if said.interval else ""
        text = (
            f"Answer the surest {100 * said.share:.0f} %, {number_of(said.images, 'image')}: {share_text(said.accuracy)} right"
            f"{interval}, confidence from {said.confidence:.3f}. The rest is left to a person. "
        )
        if said.accuracy <= evaluation.accuracy:
            text += "That is no more than of all images: here its confidence does not tell which answers are wrong. "
    return text + (
        "The higher the curve rises to the left, the better the model knows what it does not know. Over all shares, "
        f"{share_text(found.aurc)} of the answers are wrong on average."
    )


def sets_section(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return what the sets of classes were measured to be; None without any."""
    found = evaluation.sets
    if found is None:
        return None
    text = (
        f"With --sets {found.level:g}, predict gives each image the classes that are to hold the right one in "
        f"{100 * found.level:g} % of cases. Here {share_text(found.coverage)} of the sets do ({interval_text(found.interval)} "
        f"with 95 % confidence), with {found.mean_size:.2f} classes on average, by the scores of "
        f"{number_of(found.calibration_images, 'validation image')} ({found.method}). "
    )
    if found.interval[1] < found.level:
        text += "That is less than was promised. "
    text += "The promise is of all images together: a hard class may get less of it, an easy class more."
    shown = [one for one in found.per_class if one.images]
    shown.sort(key=lambda one: one.coverage or 0.0)
    if len(shown) > _MOST_CLASSES:
        text += f" The {_MOST_CLASSES} worst classes are below; all are in metrics.json."
    notes = [note[:1].upper() + note[1:] + "." for note in found.notes]
    return {"text": text, "per_class": shown[:_MOST_CLASSES], "sizes": sorted(found.sizes.items()), "notes": notes}
