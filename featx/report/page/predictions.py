"""Predictions as a page: images under their predicted class, to look through."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.images import THUMBNAIL_TYPE
from featx.models import Model, load_model
from featx.report.page.beside import address_of, link_to
from featx.report.page.cells import cells_data, explained_part
from featx.report.page.column_predictions import column_prediction_page
from featx.report.page.exhibits import Exhibits, exhibits_of_predictions, group_predictions
from featx.report.page.place import check_page_place
from featx.report.text.shares import share_text
from featx.system.counts import number_of
from featx.system.progress import Progress
from featx.verbs.explain import CachedCells
from featx.verbs.predict import ColumnPredictions, Prediction

_MOST_REJECTED = 500

MANY_GROUPS = 20
"""From so many classes on a filter finds them."""

_OPTION = "--report"


def check_prediction_page(path: Path) -> None:
    """Make sure that a page can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If its name does not end in ``.html``, it cannot be written, or a file stands there that is no page of featx's.
    """
    check_page_place(path, _OPTION)


def write_prediction_page(
    predictions: Sequence[Prediction] | ColumnPredictions,
    path: Path | str,
    model: Path | str,
    *,
    min_confidence: float = 0.0,
    table: Path | str | None = None,
    progress: Progress | None = None,
) -> None:
    """Write one page that shows images under the class that was predicted for them, the most confident first.

    Of labels under each that they are said to have, of numbers the largest first.

    Parameters
    ----------
    predictions : sequence of Prediction
        What was predicted. The files are read again for their thumbnails, where they still are.
    path : Path or str
        The page.
    model : Path or str
        The model file that predicted.
    min_confidence : float
        Images of less confidence stand apart, as unsure.
    table : Path, str or None
        The file that the predictions were saved to, which the page links to.
    progress : callable or None
        Called as (stage, newly done, total).

    Raises
    ------
    OutputError
        As ``check_prediction_page``.
    ModelError
        If the model cannot be read.
    """
    from featx.report.page.render import render_page, save_page

    path, model = Path(path), Path(model)
    check_prediction_page(path)
    loaded = load_model(model)
    if isinstance(predictions, ColumnPredictions):
        save_page(column_prediction_page(predictions, path, model, loaded, table, progress), path, _OPTION)
        return
    by_class, unsure = group_predictions(predictions, min_confidence)
    exhibits = exhibits_of_predictions([*by_class.values(), unsure], predictions, loaded.recipe, progress=progress)
    cells, explained = getattr(predictions, "cells", None), getattr(predictions, "explained", None)
    groups = [_group(name, places, predictions, exhibits, path) for name, places in by_class.items()]
    rejected = [prediction for prediction in predictions if prediction.error]
    page = render_page(
        "predictions.html",
        opens_files=any(image["file"] for group in groups for image in group["images"]),
        name=model.stem,
        lead=f"{number_of(len(predictions), 'image')} given to a {loaded.head_name} head on {loaded.recipe.backbone} features.",
        figures=_figures(predictions, loaded, by_class, unsure, min_confidence),
        groups=groups,
        scripts=("cells.js", "predictions.js"),
        explained=explained_part(loaded, cells),
        page_data=_page_data(loaded, predictions, cells, explained, sorted(exhibits.tried)),
        unsure=_group("", unsure, predictions, exhibits, path) if unsure else None,
        answered=sum(not one.error for one in predictions),
        unknown=by_class.keys() - set(loaded.class_names),
        many=len(by_class) >= MANY_GROUPS,
        table=link_to(table, path),
        min_confidence=min_confidence,
        missing=[f"{reason}: {count:,}" for reason, count in exhibits.missing.items()],
        reasons=[
            f"{reason}: {count:,}" for reason, count in Counter(prediction.error for prediction in rejected).most_common(10)
        ],
        rejected=rejected[:_MOST_REJECTED],
        n_rejected=len(rejected),
        temperature=loaded.temperature,
        isotonic=loaded.isotonic is not None,
    )
    save_page(page, path, _OPTION)


def _figures(
    predictions: Sequence[Prediction],
    model: Model,
    by_class: dict[str, list[int]],
    unsure: list[int],
    min_confidence: float,
) -> list[dict[str, str]]:
    known = [name for name in by_class if name in set(model.class_names)]
    strange = sum(len(places) for name, places in by_class.items() if name not in set(model.class_names))
    rejected = sum(bool(prediction.error) for prediction in predictions)
    rows = [("Images", len(predictions), ""), ("Classes found", len(known), f"of {len(model.class_names):,}")]
    if strange:
        rows.append(("Unknown", strange, "too strange to have a class"))
    if min_confidence > 0:
        rows.append(("Unsure", len(unsure), f"confidence below {min_confidence:g}"))
    rows.append(("Rejected", rejected, ""))
    return [{"label": label, "value": f"{value:,}", "note": note} for label, value, note in rows]


def _page_data(
    model: Model,
    predictions: Sequence[Prediction],
    cells: CachedCells | None,
    explained: NDArray[np.int64] | None,
    shown: Sequence[int],
) -> dict[str, Any]:
    """Return what the script knows of the images shown: their cells, and which two classes these are of."""
    if cells is None or explained is None:
        return {"cells": None, "covered": {}}
    kept = np.flatnonzero(np.isin(explained, shown))
    places = explained[kept].tolist()
    known = set(model.class_names)  # an image that is answered unknown has a most probable class all the same
    labels = [predictions[n].label if predictions[n].label in known else "the most probable class" for n in places]
    against = [model.class_names[other] for other in cells.others[kept]]
    some = dataclasses.replace(cells, others=cells.others[kept], cells=cells.cells[kept])
    covered = {n: f"cells: {one} against {other}" for n, one, other in zip(places, labels, against, strict=True)}
    return {"cells": cells_data(model.recipe, some, places), "covered": covered}


def _group(name: str, places: list[int], predictions: Sequence[Prediction], exhibits: Exhibits, page: Path) -> dict[str, Any]:
    from featx.report.page.render import data_uri, isolated

    shown = [place for place in places if place in exhibits.tried]
    images = []
    for place in shown:
        prediction, data = predictions[place], exhibits.thumbnails.get(place)
        confidence = share_text(prediction.confidence or 0.0)
        label = confidence if name else f"{isolated(prediction.label)} {confidence}"
        images.append(
            {
                "source": data_uri(data, THUMBNAIL_TYPE) if data else "",
                "caption": f"{label}\n{prediction.path}",
                "alt": f"predicted {prediction.label}",
                "place": place,
                "file": address_of(prediction.path, page),
            }
        )
    return {"name": name, "count": len(places), "images": images, "more": len(places) - len(shown)}
