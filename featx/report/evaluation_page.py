"""The page of an evaluation: one file with everything that a reader asks of it."""

import base64
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.evaluate import Confidence, Evaluation
from featx.exhibit import Exhibits
from featx.images import THUMBNAIL_TYPE
from featx.report.draw import Frame, colours
from featx.report.page import data_uri, render_page

_MOST_IN_MATRIX = 40
"""Classes: a larger matrix fits no screen, its largest confusions are listed instead."""

_MOST_CONFUSIONS = 200
_MOST_CURVES = 60
_MOST_IN_LEGEND = 60
_MOST_REJECTED = 200
_MOST_MISTAKES = 24
_MOST_UNSURE = 12

_MAPS = {"pca": "Principal component analysis", "tsne": "t-SNE"}


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
        scripts=("evaluation.js",),
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
        confidence=_confidence(evaluation),
        **_curves(evaluation),
        map=_map(evaluation, exhibits),
        training=_training(evaluation),
        about=_about(evaluation),
        rejected=_rejected(evaluation),
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
        "map": _map_data(evaluation, exhibits),
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
        *([("precision-recall", "Precision and recall")] if evaluation.curves else []),
        *([("map-section", "Map")] if exhibits.map else []),
        *([("training", "Training")] if evaluation.model.history.get("loss") else []),
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
        note = f"{before.ece:.3f} before calibration" if before else ""
        rows.append(("Calibration error", f"{evaluation.confidence.ece:.3f}", note))
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _per_class(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for label, one in enumerate(evaluation.per_class):
        others = evaluation.confusion[label].copy()
        others[label] = 0
        worst = int(others.argmax())
        taken_for = {"label": worst, "name": evaluation.model.class_names[worst], "images": int(others[worst])}
        rows.append(
            {
                "label": label,
                "name": one.class_name,
                "images": one.images,
                # A class without images here has no recall, and its F1 would be a figure about nothing.
                "recall": one.recall if one.images else None,
                "precision": one.precision if one.images else None,
                "f1": one.f1 if one.images else None,
                "average_precision": one.average_precision,
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

    def show(place: int) -> dict[str, str]:
        true, found = names[evaluation.y[place]], names[predicted[place]]
        data = exhibits.thumbnails.get(place)
        said = f"{found} {confidence[place]:.3f}" + ("" if true == found else f", is {true}")
        return {
            "source": data_uri(data, THUMBNAIL_TYPE) if data else "",
            "caption": f"{said}\n{evaluation.paths[place]}",
            "alt": f"{true}, predicted {found}",
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
    ]


def _missing(exhibits: Exhibits) -> str:
    parts = []
    if exhibits.missing:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in list(exhibits.missing.items())[:5])
        parts.append(f"{_number(sum(exhibits.missing.values()), 'image')} could not be shown: {reasons}.")
    if exhibits.left_out:
        parts.append(f"{exhibits.left_out:,} further images have no preview, to keep this file small.")
    return " ".join(parts)


def _confidence(evaluation: Evaluation) -> dict[str, Any] | None:
    now, before = evaluation.confidence, evaluation.uncalibrated
    if now is None:
        return None
    mean = sum((one.confidence or 0) * one.images for one in now.bins) / len(evaluation.y)
    way = "more sure than right" if mean > evaluation.accuracy else "less sure than right"
    text = (
        f"Its mean confidence is {mean:.3f} and {evaluation.accuracy:.3f} of the images are right: on the whole it is {way}. "
        "Where a bar ends on the dashed line, confidence can be taken at its word; a larger dot stands for more images. "
        f"The expected calibration error, the mean distance, is {now.ece:.3f} over {len(now.bins)} bins."
    )
    if before:
        text += (
            f" One temperature, {evaluation.model.temperature:.2f}, was fitted on the validation images"
            f"{', which chose the epoch too' if evaluation.model.history else ''}. "
            "It changes no prediction, only how sure each is."
        )
    elif evaluation.model.temperature != 1.0:
        text += " The model has a temperature, but what a mean over views was before it cannot be told."

    def plot(one: Confidence, title: str) -> dict[str, Any]:
        label = "; ".join(
            f"confidence {each.confidence:.2f}, right {each.accuracy:.2f}, {each.images} images"
            for each in one.bins
            if each.images
        )
        return {"title": title, "frame": Frame(340, 300), "bins": one.bins, "label": f"Reliability diagram. {label}"}

    plots = [plot(before, f"before, error {before.ece:.3f}")] if before else []
    plots.append(plot(now, f"after calibration, error {now.ece:.3f}" if before else f"calibration error {now.ece:.3f}"))
    return {"text": text, "plots": plots, "before": before, "after": now, "temperature": evaluation.model.temperature}


def _curves(evaluation: Evaluation) -> dict[str, Any]:
    worst = sorted(evaluation.curves, key=lambda curve: curve.average_precision)
    names = evaluation.model.class_names
    lines = [
        {
            "label": curve.label,
            "name": names[curve.label],
            "average_precision": curve.average_precision,
            "recall": curve.recall,
            "precision": curve.precision,
        }
        for curve in worst[:_MOST_CURVES]
    ]
    text = (
        "Each class against all others, as the confidence asked for falls. In brackets the average precision; the worst first."
    )
    if len(worst) > len(lines):
        text += f" These are the {len(lines)} worst of {len(worst)} classes."
    label = "Precision-recall curves. Average precision: " + ", ".join(
        f"{line['name']} {line['average_precision']:.3f}" for line in lines[:20]
    )
    return {"curve_lines": lines, "curve_text": text, "curve_label": label, "curve_frame": Frame(420, 300)}


def _map(evaluation: Evaluation, exhibits: Exhibits) -> dict[str, Any] | None:
    found = exhibits.map
    if found is None:
        return None
    shown = evaluation.y[found.rows]
    present = np.unique(shown)
    palette = colours(len(evaluation.model.class_names))
    text = f"{_MAPS[found.method]} of the averaged features, as the backbone gave them and before any head. "
    if found.explained is None:
        text += "Only who is near whom means anything: not the distances between groups, nor the directions."
    else:
        text += f"The two axes show {found.explained:.0%} of their variance."
    if len(found.rows) < len(evaluation.y):
        text += f" {len(found.rows):,} of {len(evaluation.y):,} images, drawn at random."
    return {
        "text": text,
        "legend": [
            {"label": int(label), "name": evaluation.model.class_names[label], "colour": palette[label]}
            for label in present[:_MOST_IN_LEGEND]
        ],
    }


def _map_data(evaluation: Evaluation, exhibits: Exhibits) -> dict[str, Any] | None:
    found = exhibits.map
    if found is None:
        return None
    low, extent = found.points.min(axis=0), np.ptp(found.points, axis=0)
    places = (found.points - low) / np.where(extent > 0, extent, 1)
    return {
        "rows": np.searchsorted(exhibits.listed, found.rows).tolist(),
        "x": places[:, 0].round(4).tolist(),
        "y": places[:, 1].round(4).tolist(),
        "colours": colours(len(evaluation.model.class_names)),
    }


def _training(evaluation: Evaluation) -> dict[str, Any] | None:
    history, best = evaluation.model.history, evaluation.model.best_epoch
    if not history.get("loss"):
        return None
    count = len(history["loss"])
    plots = []
    for name in ("accuracy", "loss"):
        series: list[dict[str, Any]] = [
            {"kind": kind, "ys": history[key]}
            for kind, key in (("train", name), ("val", f"val_{name}"))
            if history.get(key) and np.isfinite(history[key]).all()
        ]
        if series:
            # The whole scale: nothing looks steeper than it is.
            top = 1.0 if name == "accuracy" else max(max(one["ys"]) for one in series) * 1.05
            last = ", ".join(f"{one['kind']} {one['ys'][best - 1]:.3f}" for one in series)
            frame = Frame(400, 250, (1.0, float(max(count, 2))), (0.0, top or 1.0), whole_x=True)
            plots.append({"name": name, "frame": frame, "series": series, "label": f"{name} by epoch; at the one kept: {last}"})
    text = f"Epoch {best} of {count} was kept"
    text += ", chosen by the validation images: their figures flatter a little." if history.get("val_loss") else "."
    return {"plots": plots, "best": best, "text": text}


def _about(evaluation: Evaluation) -> list[dict[str, Any]]:
    model = evaluation.model
    recipe, metrics, counts = model.recipe, model.metrics, evaluation.counts
    height, width = recipe.image_size
    data = [
        ("images of", evaluation.source),
        ("split", evaluation.split),
        ("measured", f"{len(evaluation.y):,}"),
        ("rejected", f"{len(evaluation.rejected):,}"),
    ]
    if counts:
        data += [("exact duplicates", f"{counts['duplicates']:,}"), ("seen in training", f"{counts['seen_in_training']:,}")]
    settings = ", ".join(
        f"{name} {_setting(value)}"
        for name, value in model.head.settings().items()
        if value not in (None, (), []) and name != "map_shape"
    )
    fitted = [
        ("file", str(evaluation.model_path)),
        ("head", f"{model.head_name}, on {model.pooling} features"),
        ("settings", settings or "none"),
        ("fitted on", f"{metrics.get('train_images', '?')} images of {model.source.get('images') or 'a folder not named'}"),
        ("parameters", ", ".join(f"{count:,} {name}" for name, count in model.parameters.items())),
        ("temperature", f"{model.temperature:.3f}" if model.temperature != 1.0 else "none"),
        ("made with", ", ".join(f"{name} {version}" for name, version in model.versions.items())),
    ]
    if model.views.get("count", 1) != 1:
        fitted.insert(4, ("views", f"{model.views['count']} of each training image: {model.views['augment']}"))
    features = [
        ("backbone", recipe.backbone),
        ("weights", recipe.weights[:30]),
        ("layer", model.layer),
        ("image size", f"{height} × {width} px, {recipe.resize}"),
        ("preprocess", recipe.preprocess),
        ("precision", f"{recipe.precision}, stored as {recipe.stored_dtype}"),
        ("fingerprint", recipe.fingerprint[:16]),
    ]
    return [
        {"title": "Images", "rows": data},
        {"title": "Recipe of the features", "rows": features},
        {"title": "Model", "rows": fitted},
    ]


def _setting(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _rejected(evaluation: Evaluation) -> dict[str, Any] | None:
    if not evaluation.rejected:
        return None
    reasons = Counter(evaluation.rejected.values()).most_common()
    return {
        "text": "; ".join(f"{reason}: {count:,}" for reason, count in reasons[:10]) + ". They are in no figure.",
        "rows": list(evaluation.rejected.items())[:_MOST_REJECTED],
        "more": max(0, len(evaluation.rejected) - _MOST_REJECTED),
    }


def _number(count: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
