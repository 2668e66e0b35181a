"""The page of an evaluation: a single file with all its figures and pictures."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.images import THUMBNAIL_TYPE
from featx.report.page.cells import cells_data, explained_part
from featx.report.page.confidence import sets_section, surest_section
from featx.report.page.exhibits import Exhibits
from featx.report.page.render import data_uri, render_page
from featx.report.page.sections import (
    about_section,
    confidence_section,
    curves_section,
    map_data,
    map_section,
    rejected_section,
    training_section,
)
from featx.report.page.strangest import stranger_figures, strangest_gallery
from featx.verbs.evaluate import Evaluation

_MOST_IN_MATRIX = 40
"""Classes: a larger matrix fits no screen, its largest confusions are listed instead."""

_MOST_CONFUSIONS = 200
_MOST_MISTAKES = 24
_MOST_UNSURE = 12


def evaluation_page(evaluation: Evaluation, exhibits: Exhibits) -> str:
    """Return the page.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    exhibits : Exhibits
        Its thumbnails and map, as many as could be made.
    """
    names = evaluation.model.class_names
    predicted = evaluation.probabilities.argmax(axis=1)
    has_matrix = len(names) <= _MOST_IN_MATRIX
    return render_page(
        "evaluation.html",
        scripts=("cells.js", "evaluation.js"),
        name=evaluation.model_path.stem,
        split=evaluation.split,
        lead=_lead(evaluation),
        accuracy=evaluation.accuracy,
        accuracy_note=_accuracy_note(evaluation),
        figures=_figures(evaluation),
        contents=_contents(evaluation, exhibits),
        thresholds=evaluation.thresholds,
        warnings=[_sentence(text) for text in evaluation.notes + evaluation.cautions],
        class_names=names,
        per_class=_per_class(evaluation),
        matrix=[{"counts": row.tolist(), "total": int(row.sum())} for row in evaluation.confusion] if has_matrix else None,
        confusions=_confusions(evaluation),
        galleries=_galleries(evaluation, exhibits),
        missing=_missing(exhibits),
        confidence=confidence_section(evaluation),
        surest=surest_section(evaluation),
        sets=sets_section(evaluation),
        **curves_section(evaluation),
        map=map_section(evaluation, exhibits),
        training=training_section(evaluation),
        about=about_section(evaluation),
        rejected=rejected_section(evaluation),
        explained=explained_part(evaluation.model, exhibits.cells),
        listed=len(exhibits.listed) if len(exhibits.listed) < len(evaluation.y) else None,
        page_data=_page_data(evaluation, exhibits, predicted),
    )


def _page_data(evaluation: Evaluation, exhibits: Exhibits, predicted: NDArray[np.int64]) -> dict[str, Any]:
    """Return what the scripts read: of each listed image its name, classes and confidence, by its place among the listed."""
    listed = exhibits.listed
    confidence = evaluation.probabilities[listed, predicted[listed]]
    shown = sorted(exhibits.thumbnails)
    return {
        "classes": evaluation.model.class_names,
        "paths": [evaluation.paths[place] for place in listed],
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


def _lead(evaluation: Evaluation) -> str:
    model, counted = evaluation.model, len(evaluation.y)
    what = {"all": "", "val": "validation ", "train": "training "}.get(evaluation.split, "test ")
    classes = sum(measures.images > 0 for measures in evaluation.per_class)
    return (
        f"{'An' if model.head_name in ('svm',) else 'A'} {model.head_name} head on {model.recipe.backbone} features, "
        f"measured on {_number(counted, what + 'image')} of {_number(classes, 'class')}."
    )


def _contents(evaluation: Evaluation, exhibits: Exhibits) -> list[tuple[str, str]]:
    wrong = evaluation.confusion.sum() > np.trace(evaluation.confusion)
    return [
        ("classes", "Classes"),
        ("confusion", "Confusions"),
        *([("mistakes", "Mistakes")] if wrong else []),
        *([("confidence", "Confidence")] if evaluation.confidence else []),
        *([("surest", "The surest")] if evaluation.surest else []),
        *([("sets", "Sets")] if evaluation.sets else []),
        *([("precision-recall", "Precision and recall")] if evaluation.curves else []),
        *([("map-section", "Map")] if exhibits.map else []),
        *([("training", "Training")] if evaluation.model.history.get("loss") else []),
        *([("strangest", "Strangest images")] if evaluation.unfamiliar is not None else []),
        ("about", "What was measured"),
    ]


def _accuracy_note(evaluation: Evaluation) -> str:
    counted = len(evaluation.y)
    wrong = counted - round(evaluation.accuracy * counted)
    if not wrong:
        # The bootstrap draws from what was seen, so of mistakes that were not it knows nothing.
        return f"no mistake among {counted:,}; up to {1 - 0.05 ** (1 / counted):.3f} wrong would still fit that (95 %)"
    interval = _interval(evaluation, "accuracy")
    return (f"{interval} with 95 % confidence, " if interval else "") + f"n\u00a0=\u00a0{counted:,}, {wrong:,}\u00a0wrong"


def _interval(evaluation: Evaluation, name: str) -> str:
    if name not in evaluation.intervals:
        return ""
    low, high = evaluation.intervals[name]
    return f"{low:.3f} to {high:.3f}"


def _figures(evaluation: Evaluation) -> list[dict[str, str]]:
    rows = [
        ("Balanced accuracy", f"{evaluation.balanced_accuracy:.3f}", _interval(evaluation, "balanced_accuracy")),
        ("Macro F1", f"{evaluation.macro_f1:.3f}", _interval(evaluation, "macro_f1")),
    ]
    if evaluation.top3_accuracy is not None:
        rows.append(("Top-3 accuracy", f"{evaluation.top3_accuracy:.3f}", ""))
    before = evaluation.uncalibrated
    rows.append(("Log loss", f"{evaluation.log_loss:.3f}", f"{before.log_loss:.3f} before calibration" if before else ""))
    if evaluation.confidence:
        parts = ["{:.3f} to {:.3f}".format(*evaluation.confidence.interval)] if evaluation.confidence.interval else []
        note = ", ".join(parts + ([f"{before.ece:.3f} before calibration"] if before else []))
        rows.append(("Calibration error", f"{evaluation.confidence.ece:.3f}", note))
    rows += stranger_figures(evaluation)
    without, near = evaluation.accuracy_without_near_duplicates, evaluation.counts.get("near_duplicates", 0)
    if near and without is not None:
        rest = len(evaluation.y) - near - evaluation.counts["seen_in_training"]
        rows.append(("Accuracy without near duplicates", f"{without:.3f}", f"n\u00a0=\u00a0{rest:,}"))
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _per_class(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for label, measures in enumerate(evaluation.per_class):
        others = evaluation.confusion[label].copy()
        others[label] = 0
        worst = int(others.argmax())
        taken_for = {"label": worst, "name": evaluation.model.class_names[worst], "images": int(others[worst])}
        rows.append(
            {
                "label": label,
                "name": measures.class_name,
                "images": measures.images,
                # A class without images here has no recall, and its F1 would be a figure about nothing.
                "recall": measures.recall if measures.images else None,
                "precision": measures.precision if measures.images else None,
                "f1": measures.f1 if measures.images else None,
                "average_precision": measures.average_precision,
                "taken_for": taken_for if others[worst] else None,
            }
        )
    return rows


def _confusions(evaluation: Evaluation) -> list[dict[str, int]]:
    others = evaluation.confusion * ~np.eye(len(evaluation.confusion), dtype=bool)
    pairs = np.argwhere(others)
    order = np.argsort(-others[tuple(pairs.T)], kind="stable")[:_MOST_CONFUSIONS]
    return [
        {"true": int(true), "predicted": int(predicted), "images": int(others[true, predicted])}
        for true, predicted in pairs[order]
    ]


def _galleries(evaluation: Evaluation, exhibits: Exhibits) -> list[dict[str, Any]]:
    names = evaluation.model.class_names
    predicted = evaluation.probabilities.argmax(axis=1)
    confidence = evaluation.probabilities.max(axis=1)
    right = predicted == evaluation.y
    mistakes, hits = np.flatnonzero(~right), np.flatnonzero(right)
    mistakes = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:_MOST_MISTAKES]
    unsure = hits[np.argsort(confidence[hits], kind="stable")][:_MOST_UNSURE]

    def show(place: int) -> dict[str, Any]:
        true, answer = names[evaluation.y[place]], names[predicted[place]]
        data = exhibits.thumbnails.get(place)
        caption = f"{answer} {confidence[place]:.3f}" + ("" if true == answer else f", is {true}")
        return {
            "source": data_uri(data, THUMBNAIL_TYPE) if data else "",
            "caption": f"{caption}\n{evaluation.paths[place]}",
            "alt": f"{true}, predicted {answer}",
            **({"place": int(np.searchsorted(exhibits.listed, place))} if place in exhibits.listed else {}),
        }

    return [
        {
            "id": "mistakes",
            "title": "Most confident mistakes",
            "text": "Where it was surest and wrong. Look for wrong labels here first, then for what the classes share.",
            "images": [show(int(place)) for place in mistakes],
        },
        {
            "id": "unsure",
            "title": "Least sure hits",
            "text": "Right, but only just: a slightly different picture might have gone the other way.",
            "images": [show(int(place)) for place in unsure],
        },
        *strangest_gallery(evaluation, show),
    ]


def _missing(exhibits: Exhibits) -> str:
    parts = []
    if exhibits.missing:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in list(exhibits.missing.items())[:5])
        parts.append(f"{_number(sum(exhibits.missing.values()), 'image')} could not be shown: {reasons}.")
    if exhibits.left_out:
        parts.append(f"{exhibits.left_out:,} further images have no preview, to keep this file small.")
    return " ".join(parts)


def _number(count: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
