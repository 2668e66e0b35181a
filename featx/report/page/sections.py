"""The sections of an evaluation's page that are drawn: confidence, curves, map, training; and what was measured."""

from collections import Counter
from typing import Any

import numpy as np

from featx.heads import Calibration
from featx.report.page.draw import SHAPES, Frame, marks_of
from featx.report.page.exhibits import Exhibits
from featx.report.text.shares import interval_text, share_text
from featx.report.text.words import parameters_text
from featx.system.counts import known_number_of, number_of
from featx.verbs.evaluate import AnyEvaluation, Confidence, Evaluation

_MOST_CURVES = 60
_MOST_IN_LEGEND = 60
_MOST_REJECTED = 200

_MAPS = {"pca": "Principal component analysis", "tsne": "t-SNE"}


def confidence_section(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the reliability diagrams and the text beside them; None for an evaluation without."""
    now, before = evaluation.confidence, evaluation.uncalibrated
    if now is None:
        return None
    text = _how_sure(evaluation, now) + (
        " A bar ends at the share that is right; the line on it spans what so few images do not exclude (95 %). Where that "
        "crosses the dashed line, confidence can be taken at its word as far as they tell. A larger dot stands for more "
        "images. "
        f"The expected calibration error, the mean distance, is {now.ece:.3f} over {number_of(len(now.bins), 'bin')}"
        f"{_precision(now)}."
    )
    calibration = evaluation.model.calibration
    if before:
        what = "One rising curve" if calibration.isotonic else f"One temperature, {calibration.temperature:.2f},"
        text += (
            f" {what} was fitted on the validation images"
            f"{', which chose the epoch too' if len(evaluation.model.history.get('val_loss', ())) > 1 else ''}. "
            "It changes no prediction, only how sure each is."
        )
    elif calibration.kind != "none":
        what = "curve" if calibration.isotonic else "temperature"
        text += f" The model has a {what}, but it is not taken out here."

    def plot(measured: Confidence, title: str) -> dict[str, Any]:
        label = "; ".join(
            f"confidence {each.confidence:.2f}, right {each.accuracy:.2f}, {number_of(each.images, 'image')}"
            for each in measured.bins
            if each.images
        )
        return {"title": title, "frame": Frame(340, 300), "bins": measured.bins, "label": f"Reliability diagram. {label}"}

    plots = [plot(before, f"before, error {before.ece:.3f}")] if before else []
    plots.append(plot(now, f"after calibration, error {now.ece:.3f}" if before else f"calibration error {now.ece:.3f}"))
    return {"text": text, "plots": plots, "before": before, "after": now, "calibration": _calibration(calibration)}


def _how_sure(evaluation: Evaluation, found: Confidence) -> str:
    """Hold the mean confidence against the accuracy: more or less sure than right only where the images exclude the other."""
    if found.mean is None or found.gap_interval is None:
        return f"Of the images {share_text(evaluation.accuracy)} are right."
    low, high = found.gap_interval
    if low > 0:
        way = "on the whole it is more sure than right"
    elif high < 0:
        way = "on the whole it is less sure than right"
    else:
        way = f"on the whole it is as sure as it is right, as far as {number_of(len(evaluation.y), 'image')} can tell"
    right = interval_text((max(0.0, found.mean - high), min(1.0, found.mean - low)))
    return (
        f"Its mean confidence is {share_text(found.mean)}, and {share_text(evaluation.accuracy)} of the images are right "
        f"({right} with 95 % confidence): {way}."
    )


def _calibration(found: Calibration) -> str:
    return {"none": "none", "isotonic": "isotonic curve"}.get(found.kind, f"temperature {found.temperature:.2f}")


def _precision(found: Confidence) -> str:
    if found.interval is None or found.by_chance is None:
        return ""
    interval = interval_text(found.interval)
    return f" ({interval} with 95 % confidence; an exact confidence would show {found.by_chance:.3f} by chance)"


def curves_section(evaluation: Evaluation) -> dict[str, Any]:
    """Return the precision-recall curves of the worst classes, the worst first."""
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
    if worst and worst[0].average_precision == 1:
        text = (
            "Each class against all others, as the confidence asked for falls. In every class all of its images come before "
            "all others: an average precision of 1."
        )
    elif len(worst) > len(lines):
        text += f" These are the {len(lines)} worst of {len(worst)} classes."
    label = "Precision-recall curves. Average precision: " + ", ".join(
        f"{line['name']} {share_text(curve.average_precision)}" for line, curve in zip(lines[:20], worst, strict=False)
    )
    return {"curve_lines": lines, "curve_text": text, "curve_label": label, "curve_frame": Frame(420, 300)}


def map_section(evaluation: Evaluation, exhibits: Exhibits) -> dict[str, Any] | None:
    """Return what stands around the map; None without a map."""
    map_ = exhibits.map
    if map_ is None:
        return None
    shown = evaluation.y[map_.rows]
    present = np.unique(shown)
    marks = marks_of(len(evaluation.model.class_names))
    text = f"{_MAPS[map_.method]} of the averaged features, as the backbone gave them and before any head. "
    if map_.explained is None:
        text += "Only who is near whom means anything: not the distances between groups, nor the directions."
    else:
        text += f"The two axes show {map_.explained:.0%} of their variance."
    if len(map_.rows) < len(evaluation.y):
        text += f" {len(map_.rows):,} of {len(evaluation.y):,} images, drawn at random."
    return {
        "text": text,
        "legend": [
            {
                "label": int(label),
                "name": evaluation.model.class_names[label],
                "colour": marks[label][0],
                "shape": SHAPES[marks[label][1]],
            }
            for label in present[:_MOST_IN_LEGEND]
        ],
        "beyond": len(present) - _MOST_IN_LEGEND if len(present) > _MOST_IN_LEGEND else 0,
    }


def map_data(evaluation: Evaluation, exhibits: Exhibits) -> dict[str, Any] | None:
    """Return the points of the map between 0 and 1, by place among the listed images; None without a map."""
    map_ = exhibits.map
    if map_ is None:
        return None
    low, extent = map_.points.min(axis=0), np.ptp(map_.points, axis=0)
    places = (map_.points - low) / np.where(extent > 0, extent, 1)
    return {
        "rows": np.searchsorted(exhibits.listed, map_.rows).tolist(),
        "x": places[:, 0].round(4).tolist(),
        "y": places[:, 1].round(4).tolist(),
        "marks": marks_of(len(evaluation.model.class_names)),
        "shapes": SHAPES,
    }


def training_section(evaluation: AnyEvaluation) -> dict[str, Any] | None:
    """Return loss and accuracy by epoch; None for a head without epochs."""
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
            top = 1.0 if name == "accuracy" else max(max(curve["ys"]) for curve in series) * 1.05
            last = ", ".join(f"{curve['kind']} {curve['ys'][best - 1]:.3f}" for curve in series)
            frame = Frame(400, 250, (1.0, float(max(count, 2))), (0.0, top or 1.0), whole_x=True)
            plots.append({"name": name, "frame": frame, "series": series, "label": f"{name} by epoch; at the one kept: {last}"})
    if count == 1:
        text = "There was one epoch."
    else:
        text = f"Epoch {best} of {count} was kept"
        text += ", chosen by the validation images: their figures flatter a little." if history.get("val_loss") else "."
    return {"plots": plots, "best": best, "text": text, "validated": bool(history.get("val_loss"))}


def about_section(evaluation: AnyEvaluation) -> list[dict[str, Any]]:
    """Return what images, recipe and model these are, as groups of terms."""
    model = evaluation.model
    recipe, metrics, counts = model.recipe, model.metrics, evaluation.counts
    height, width = recipe.image_size
    data = [
        ("images of", evaluation.source),
        ("split", evaluation.split),
        ("measured", f"{len(evaluation.paths):,}"),
        ("rejected", f"{len(evaluation.rejected):,}"),
    ]
    if counts:
        data += [("exact duplicates", f"{counts['duplicates']:,}"), ("seen in training", f"{counts['seen_in_training']:,}")]
    if "near_duplicates" in counts:
        data.append(("near duplicates of training images", f"{counts['near_duplicates']:,}"))
    settings = ", ".join(
        f"{name} {_setting(value)}"
        for name, value in model.head.settings().items()
        if value not in (None, (), []) and name != "map_shape"
    )
    fitted = [
        ("file", str(evaluation.model_path)),
        ("head", f"{model.head_name}, on {model.pooling} features"),
        ("settings", settings or "none"),
        (
            "fitted on",
            f"{known_number_of(metrics.get('train_images'), 'image')} of {model.source.get('images') or 'a folder not named'}",
        ),
        ("parameters", parameters_text(model.parameters).partition(": ")[2]),
        ("calibration", _calibration(model.calibration)),
        ("made with", ", ".join(f"{name} {version}" for name, version in model.versions.items())),
    ]
    if model.views.get("count", 1) != 1:
        fitted.insert(4, ("views", f"{model.views['count']} of each training image: {model.views['augment']}"))
    features = [
        ("backbone", recipe.backbone),
        ("weights", recipe.weights[:30]),
        ("layer", model.tail.end if model.tail else model.layer),
        *([("fine-tuned from", model.tail.start)] if model.tail else []),
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


def rejected_section(evaluation: AnyEvaluation) -> dict[str, Any] | None:
    """Return reasons and names of the rejected images; None without any."""
    if not evaluation.rejected:
        return None
    reasons = Counter(evaluation.rejected.values()).most_common()
    return {
        "text": "; ".join(f"{reason}: {count:,}" for reason, count in reasons[:10])
        + (". It is in no figure." if len(evaluation.rejected) == 1 else ". They are in no figure."),
        "rows": list(evaluation.rejected.items())[:_MOST_REJECTED],
        "more": max(0, len(evaluation.rejected) - _MOST_REJECTED),
    }
