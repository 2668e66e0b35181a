"""The page of an evaluation: a single file with all its figures and pictures."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.images import THUMBNAIL_TYPE
from featx.report.page.beside import address_of
from featx.report.page.cells import cells_data, explained_part
from featx.report.page.confidence import sets_section, surest_section
from featx.report.page.exhibits import Exhibits
from featx.report.page.figures import accuracy_note, baseline_text, figures_of, lead_of
from featx.report.page.galleries import galleries
from featx.report.page.matrix import confusions, paper_matrix, screen_matrix
from featx.report.page.operating import operating_section
from featx.report.page.render import render_page
from featx.report.page.sections import (
    about_section,
    confidence_section,
    curves_section,
    map_data,
    map_section,
    rejected_section,
    training_section,
)
from featx.report.text.shares import interval_text
from featx.system.counts import number_of
from featx.verbs.evaluate import Evaluation

MANY_CLASSES = 20
"""From so many on the worst classes stand first, and a filter finds the others."""


def evaluation_page(evaluation: Evaluation, exhibits: Exhibits, page: Path, files: Sequence[str] = ()) -> str:
    """Return the page.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    exhibits : Exhibits
        Its thumbnails and map, as many as could be made.
    page : Path
        Where it will lie: images and files are linked as seen from there.
    files : sequence of str
        Names of the files beside it that it links to.
    """
    names = evaluation.model.class_names
    predicted = evaluation.predicted
    images = address_of(evaluation.source, page) if evaluation.source else ""
    shown = galleries(evaluation, exhibits, images)
    return render_page(
        "evaluation.html",
        scripts=("cells.js", "evaluation.js"),
        opens_files=bool(images),
        name=evaluation.model_path.stem,
        split=evaluation.split,
        lead=lead_of(evaluation),
        accuracy=evaluation.accuracy,
        accuracy_note=accuracy_note(evaluation),
        baseline=baseline_text(evaluation),
        figures=figures_of(evaluation),
        contents=_contents(evaluation, exhibits, [one["id"] for one in shown]),
        thresholds=evaluation.thresholds,
        warnings=[_sentence(text) for text in evaluation.notes + evaluation.cautions],
        class_names=names,
        per_class=_per_class(evaluation),
        many=len(names) >= MANY_CLASSES,
        matrix=screen_matrix(evaluation),
        paper=paper_matrix(evaluation.confusion),
        confusions=confusions(evaluation),
        galleries=shown,
        missing=_missing(exhibits),
        confidence=confidence_section(evaluation),
        surest=surest_section(evaluation),
        sets=sets_section(evaluation),
        operating=operating_section(evaluation),
        **curves_section(evaluation),
        map=map_section(evaluation, exhibits),
        training=training_section(evaluation),
        about=about_section(evaluation),
        files=files,
        rejected=rejected_section(evaluation),
        explained=explained_part(evaluation.model, exhibits.cells),
        listed=len(exhibits.listed) if len(exhibits.listed) < len(evaluation.y) else None,
        page_data=_page_data(evaluation, exhibits, predicted, images),
    )


def _page_data(evaluation: Evaluation, exhibits: Exhibits, predicted: NDArray[np.int64], images: str) -> dict[str, Any]:
    """Return what the scripts read: of each listed image its name, classes and confidence, by its place among the listed."""
    listed = exhibits.listed
    confidence = evaluation.probabilities[listed, predicted[listed]]
    shown = sorted(exhibits.thumbnails)
    return {
        "classes": evaluation.model.class_names,
        "paths": [evaluation.paths[place] for place in listed],
        "images": images,
        "truth": evaluation.y[listed].tolist(),
        "predicted": predicted[listed].tolist(),
        "confidence": [round(value, 6) for value in confidence.tolist()],
        "kind": THUMBNAIL_TYPE,
        "thumbnails": {
            int(number): base64.b64encode(exhibits.thumbnails[place]).decode()
            for number, place in zip(np.searchsorted(listed, shown), shown, strict=True)
        },
        "map": map_data(evaluation, exhibits),
        "cells": cells_data(
            evaluation.model.recipe, exhibits.cells, np.searchsorted(exhibits.listed, exhibits.explained).tolist()
        ),
    }


def _contents(evaluation: Evaluation, exhibits: Exhibits, shown: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("classes", "Classes"),
        ("confusion", "Confusions"),
        *([("mistakes", "Mistakes")] if "mistakes" in shown else []),
        *([("confidence", "Confidence")] if evaluation.confidence else []),
        *([("surest", "The surest")] if evaluation.surest else []),
        *([("sets", "Sets")] if evaluation.sets else []),
        *([("operating", "Threshold")] if evaluation.operating_curve else []),
        *([("precision-recall", "Precision and recall")] if evaluation.curves else []),
        *([("map-section", "Map")] if exhibits.map else []),
        *([("training", "Training")] if evaluation.model.history.get("loss") else []),
        *([("strangest", "Strangest images")] if "strangest" in shown else []),
        ("about", "What was measured"),
    ]


def _per_class(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the rows of the table of classes; of many classes the worst first, those without images last."""
    rows = []
    for label, measures in enumerate(evaluation.per_class):
        others = evaluation.confusion[label].copy()
        others[label] = 0
        worst = int(others.argmax())
        taken_for = {"label": worst, "name": evaluation.model.class_names[worst], "images": int(others[worst])}
        known = measures.recall_low is not None and measures.recall_high is not None
        rows.append(
            {
                "label": label,
                "name": measures.class_name,
                "images": measures.images,
                # A class without images here has no recall, and its F1 would be a figure about nothing.
                "recall": measures.recall if measures.images else None,
                "interval": interval_text((measures.recall_low, measures.recall_high)) if known else "",  # type: ignore[arg-type]
                "precision": measures.precision if measures.images else None,
                "f1": measures.f1 if measures.images else None,
                "average_precision": measures.average_precision,
                "taken_for": taken_for if others[worst] else None,
            }
        )
    if len(rows) >= MANY_CLASSES:
        rows.sort(key=lambda row: (row["recall"] is None, row["recall"], row["f1"]))
    return rows


def _missing(exhibits: Exhibits) -> str:
    parts = []
    if exhibits.missing:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in list(exhibits.missing.items())[:5])
        parts.append(f"{number_of(sum(exhibits.missing.values()), 'image')} could not be shown: {reasons}.")
    if exhibits.left_out:
        have = "has" if exhibits.left_out == 1 else "have"
        parts.append(f"{number_of(exhibits.left_out, 'further image')} {have} no preview, to keep this file small.")
    return " ".join(parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
