"""What whoever runs an exported file must know, in JSON types: it is written into the file and beside it."""

import importlib.metadata
import importlib.util
from typing import Any

from featx.heads.layers import NeighborMeans, Neighbors
from featx.models import Model, library_versions
from featx.recipe import Recipe
from featx.verbs.export.pipeline import sorted_names
from featx.verbs.export.table import Format

_LEVEL = 0.9

_LIBRARIES = ("tensorflow", "onnx", "tf2onnx", "onnxruntime", "openvino", "joblib")


def facts_of(model: Model, form: Format) -> dict[str, Any]:
    """Return what is known of an export before it is made."""
    recipe = model.recipe
    class_names = model.class_names
    if form.name == "joblib" and model.task.has_classes:
        class_names = sorted_names(class_names)
    height, width = recipe.image_size
    features = "a row of features, as featx.FeatureExtractor or featx pack gives them: (n, n_features)"
    pixels = f"images: RGB pixels 0 to 255, uint8, (n, {height}, {width}, 3)"
    return {
        "format": form.name,
        "class_names": list(class_names),
        "image_size": [height, width],
        "input": features if form.name == "joblib" else pixels,
        "output": _output_of(model),
        "task": model.task.to_dict(),
        "operating_point": _point_of(model),
        **({"thresholds": model.thresholds.tolist()} if model.task.kind == "labels" else {}),
        **_intervals_of(model),
        "decoding": decoding_of(recipe),
        "backbone": recipe.backbone,
        "layer": model.tail.end if model.tail else model.layer,
        "finetuned_from": model.tail.start if model.tail else None,
        "pooling": model.pooling,
        "head": model.head_name,
        "recipe": recipe.to_dict(),
        "fingerprint": recipe.fingerprint,
        "versions": library_versions() | _versions(),
        "notes": _notes(form, model),
    }


def _output_of(model: Model) -> str:
    n_columns = len(model.column_names)
    if model.task.kind == "labels":
        return f"the probability of each label, whatever the others are, in the order of class_names: (n, {n_columns})"
    if model.task.kind == "numbers":
        return f"numbers in their own units, in the order of the names in task: (n, {n_columns})"
    return f"probabilities of the class names in their order: (n, {n_columns})"


def _intervals_of(model: Model) -> dict[str, Any]:
    """Say how far 90 % intervals reach on either side of each number; nothing where there are too few images for them."""
    if model.intervals is None or model.intervals.images_wanted(_LEVEL):
        return {}
    return {"intervals": {"level": _LEVEL, "half_widths": model.intervals.half_widths(_LEVEL).tolist()}}


def decoding_of(recipe: Recipe) -> str:
    """Say how a file becomes pixels, so that whoever runs the export can do the same with Pillow."""
    height, width = recipe.image_size
    enough = 2 * max(recipe.image_size)
    rules = []
    if recipe.exact_decode:
        rules.append("JPEGs decoded at full size")
    else:
        rules.append(
            f"JPEGs decoded at 1/2, 1/4 or 1/8 of their size where no side falls below {enough} px by that (Pillow: "
            f"image.draft(None, ({enough}, {enough})) before the pixels are loaded)"
        )
    rules += ["the first frame", "EXIF orientation applied (ImageOps.exif_transpose)"]
    rules += ["of more than 8 bits a channel the upper 8", f"transparency on {list(recipe.background)}, then RGB"]
    if recipe.allow_truncated:
        rules.append("of files that end too early what there is (ImageFile.LOAD_TRUNCATED_IMAGES)")
    resizing = {
        "stretch": f"stretched to {height} x {width} px (image.resize(({width}, {height}), BILINEAR))",
        "crop": f"cropped to the shape of {height} x {width} px in the middle, and resized (ImageOps.fit, BILINEAR)",
        "pad": f"resized to fit into {height} x {width} px (BILINEAR), in the middle of {list(recipe.background)}",
    }
    rules.append(f"{resizing[recipe.resize]}, an antialiased bilinear filter")
    return "; ".join(rules)


def _point_of(model: Model) -> dict[str, Any] | None:
    """Say from which probability on an image is called the positive class; None where the more probable one counts."""
    if model.point is None:
        return None
    name = model.class_names[model.point.positive]
    return {"class": name, "threshold": model.point.threshold, "chosen_for": model.point.goal}


def _notes(form: Format, model: Model) -> list[str]:
    notes = []
    if model.familiarity:
        what = "probabilities" if model.task.has_probabilities else "numbers"
        notes.append(
            f"how strange an image is (unfamiliar, featx predict --unknown) is not in this file: it gives {what} alone"
        )
    if model.task.kind == "labels":
        notes.append("an image has a label from its threshold on: see thresholds, in the order of class_names")
    if model.task.is_ordered and model.grade_answer == "median" and not model.point:
        notes.append("featx answers the median grade: the first at which half of the probability is reached, in their order")
    if model.point and form.name != "joblib":
        point = _point_of(model) or {}
        notes.append(f"call an image {point['class']!r} from a probability of {point['threshold']:.6g} on: see operating_point")
    if form.name == "openvino":
        notes.append(
            "on processors with bfloat16 OpenVINO computes in it unless told otherwise; this was compared with "
            "compile_model(…, {'INFERENCE_PRECISION_HINT': 'f32'})"
        )
    if form.name == "joblib":
        notes.append("load it with the scikit-learn version that its metadata names; joblib runs what a file asks for")
    if form.name == "joblib" and isinstance(model.head.as_layers()[-1], Neighbors | NeighborMeans):
        notes.append(
            "of training images equally far away scikit-learn may let others vote than featx; of classes with equally many "
            "votes it names the first by the alphabet"
        )
    return notes


def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is not None:
            versions[library] = importlib.metadata.version(library)
    return versions
