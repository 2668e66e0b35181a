"""Predictions of labels or of numbers as a page: images under their labels, or by their numbers, to look through."""

from collections import Counter
from pathlib import Path
from typing import Any

from featx.images import THUMBNAIL_TYPE
from featx.models import Model
from featx.report.page.beside import address_of, link_to
from featx.report.page.exhibits import Exhibits, exhibits_of_predictions
from featx.report.text.columns import number_text
from featx.report.text.shares import share_text
from featx.system.counts import number_of
from featx.system.progress import Progress
from featx.verbs.predict import ColumnPrediction, ColumnPredictions, LabelsPrediction

_MOST_REJECTED, _MANY_GROUPS = 500, 20


def column_prediction_page(
    predictions: ColumnPredictions,
    path: Path,
    file: Path,
    model: Model,
    table: Path | str | None,
    progress: Progress | None,
) -> str:
    """Return the page; parameters as for ``write_prediction_page``."""
    from featx.report.page.render import render_page

    groups = _groups(predictions)
    exhibits = exhibits_of_predictions([places for _, places in groups], predictions, model.recipe, progress=progress)
    rejected = [one for one in predictions if one.error]
    shown = [_shown(name, places, predictions, exhibits, path) for name, places in groups if places]
    return render_page(
        "predictions.html",
        opens_files=any(image["file"] for group in shown for image in group["images"]),
        name=file.stem,
        lead=(
            f"{number_of(len(predictions), 'image')} given to a {model.head_name} head on {model.recipe.backbone} features: "
            f"{model.task.describe()}."
        ),
        figures=_figures(predictions, rejected),
        groups=shown,
        said=_said(predictions),
        scripts=("cells.js", "predictions.js"),
        explained=None,
        page_data={"cells": None, "covered": {}},
        unsure=None,
        many=len(shown) >= _MANY_GROUPS,
        table=link_to(table, path),
        missing=[f"{reason}: {count:,}" for reason, count in exhibits.missing.items()],
        reasons=[f"{reason}: {count:,}" for reason, count in Counter(one.error for one in rejected).most_common(10)],
        rejected=rejected[:_MOST_REJECTED],
        n_rejected=len(rejected),
    )


def _groups(predictions: ColumnPredictions) -> list[tuple[str, list[int]]]:
    """Return name and places of each group: the images of a label by its probability, those of a target by its number."""
    names = predictions.task.names
    if predictions.task.kind != "labels":
        return [(name, _sorted(predictions, name)) for name in names]
    of_label: dict[str, list[int]] = {name: [] for name in names}
    without = []
    for place, one in enumerate(predictions):
        if not isinstance(one, LabelsPrediction) or one.error:
            continue
        for name in one.labels:
            of_label[name].append(place)
        without += [] if one.labels else [place]
    groups = [(name, sorted(places, key=lambda place: -_value(predictions[place], name))) for name, places in of_label.items()]
    groups.sort(key=lambda group: -len(group[1]))
    return [*groups, ("none of these labels", without)]


def _sorted(predictions: ColumnPredictions, name: str) -> list[int]:
    """Return the places of the images that have a number, the largest first."""
    there = [place for place, one in enumerate(predictions) if not one.error]
    return sorted(there, key=lambda place: -_value(predictions[place], name))


def _value(one: ColumnPrediction, name: str) -> float:
    return (one.probabilities if isinstance(one, LabelsPrediction) else one.values)[name]


def _shown(name: str, places: list[int], predictions: ColumnPredictions, exhibits: Exhibits, page: Path) -> dict[str, Any]:
    from featx.report.page.render import data_uri

    known = [place for place in places if place in exhibits.tried]
    images = []
    for place in known:
        one, data = predictions[place], exhibits.thumbnails.get(place)
        caption = _caption(one, name)
        images.append(
            {
                "source": data_uri(data, THUMBNAIL_TYPE) if data else "",
                "caption": f"{caption}\n{one.path}",
                "alt": f"{name}, {caption}",
                "place": place,
                "file": address_of(one.path, page),
            }
        )
    return {"name": name, "count": len(places), "images": images, "more": len(places) - len(known)}


def _caption(one: ColumnPrediction, name: str) -> str:
    from featx.report.page.render import isolated

    if isinstance(one, LabelsPrediction):
        if name in one.labels:
            return share_text(one.probabilities[name])
        nearest = max(one.probabilities, key=lambda label: one.probabilities[label])
        return f"{isolated(nearest)} {share_text(one.probabilities[nearest])}"
    value = number_text(one.values[name])
    return f"{value} ({number_text(one.low[name])} to {number_text(one.high[name])})" if name in one.low else value


def _figures(predictions: ColumnPredictions, rejected: list[ColumnPrediction]) -> list[dict[str, str]]:
    rows = [("Images", f"{len(predictions):,}", "")]
    if predictions.task.kind == "labels":
        found = [one for one in predictions if isinstance(one, LabelsPrediction) and not one.error]
        said = {name for one in found for name in one.labels}
        mean = sum(len(one.labels) for one in found) / len(found) if found else 0.0
        rows += [("Labels found", f"{len(said):,}", f"of {len(predictions.task.names):,}")]
        rows += [("Labels an image", f"{mean:.2f}", ""), ("Without a label", f"{sum(not one.labels for one in found):,}", "")]
    rows.append(("Rejected", f"{len(rejected):,}", ""))
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _said(predictions: ColumnPredictions) -> str:
    if predictions.task.kind == "labels":
        return (
            "Nobody has checked these answers. An image stands under each label that it is said to have, with the probability "
            "of that label by itself; the most probable first."
        )
    bounds = " In brackets the bounds that are to hold the true number." if predictions.has_bounds else ""
    return f"Nobody has checked these answers. The largest number comes first.{bounds}"
