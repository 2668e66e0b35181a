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
from featx.report.page.cells import cells_data, explained_part
from featx.report.page.exhibits import Exhibits, exhibits_of_predictions, group_predictions
from featx.report.page.place import check_page_place
from featx.system.progress import Progress
from featx.verbs.explain import CachedCells
from featx.verbs.predict import Prediction

_MOST_REJECTED = 500
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
    predictions: Sequence[Prediction],
    path: Path | str,
    model: Path | str,
    *,
    min_confidence: float = 0.0,
    progress: Progress | None = None,
) -> None:
    """Write one page that shows images under the class that was predicted for them, the most confident first.

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
    by_class, unsure = group_predictions(predictions, min_confidence)
    exhibits = exhibits_of_predictions([*by_class.values(), unsure], predictions, loaded.recipe, progress=progress)
    cells, explained = getattr(predictions, "cells", None), getattr(predictions, "explained", None)
    groups = [_group(name, places, predictions, exhibits) for name, places in by_class.items()]
    rejected = [prediction for prediction in predictions if prediction.error]
    page = render_page(
        "predictions.html",
        name=model.stem,
        lead=f"{len(predictions):,} images given to a {loaded.head_name} head on {loaded.recipe.backbone} features.",
        figures=[
            {"label": "Images", "value": f"{len(predictions):,}", "note": ""},
            {"label": "Classes found", "value": f"{len(by_class):,}", "note": f"of {len(loaded.class_names):,}"},
            {"label": "Unsure", "value": f"{len(unsure):,}", "note": f"confidence below {min_confidence:g}"},
            {"label": "Rejected", "value": f"{len(rejected):,}", "note": ""},
        ],
        groups=groups,
        scripts=("cells.js", "predictions.js"),
        explained=explained_part(loaded, cells),
        page_data=_page_data(loaded, predictions, cells, explained, sorted(exhibits.tried)),
        unsure=_group("", unsure, predictions, exhibits) if unsure else None,
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


def _group(name: str, places: list[int], predictions: Sequence[Prediction], exhibits: Exhibits) -> dict[str, Any]:
    from featx.report.page.render import data_uri

    shown = [place for place in places if place in exhibits.tried]
    images = []
    for place in shown:
        prediction, data = predictions[place], exhibits.thumbnails.get(place)
        label = f"{prediction.confidence:.3f}" if name else f"{prediction.label} {prediction.confidence:.3f}"
        images.append(
            {
                "source": data_uri(data, THUMBNAIL_TYPE) if data else "",
                "caption": f"{label}\n{prediction.path}",
                "alt": f"predicted {prediction.label}",
                "place": place,
            }
        )
    return {"name": name, "count": len(places), "images": images, "more": len(places) - len(shown)}
