"""The verb export: a model in a format that runs without featx, compared at once with featx's own predictions."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import load_backbone
from featx.errors import ExportError, ModelError, OutputError
from featx.heads.layers import Dense, Probabilities, Sigmoids
from featx.models import HeadFeatures, Model, load_model, refuse_swapped, weights_hint
from featx.system.files import writing_to
from featx.system.paths import MODEL, StrPath, as_path
from featx.system.results import Result
from featx.task import Task
from featx.verbs.export.column_pipeline import make_column_pipeline, run_column_pipeline
from featx.verbs.export.facts import facts_of
from featx.verbs.export.formats import export_network
from featx.verbs.export.head_layers import plain_layers
from featx.verbs.export.outputs import check_place, put_in_place, sidecar_of, workshop
from featx.verbs.export.pipeline import make_pipeline, run_pipeline, save_pipeline
from featx.verbs.export.samples import answered_samples
from featx.verbs.export.table import Format, check_installed, format_of
from featx.verbs.export.whole import Whole

TOLERANCE = 1e-4
"""Largest difference of any probability from featx's own that an export may have."""

Write = Callable[[Path, NDArray[np.uint8], dict[str, Any]], NDArray[np.float64]]
"""Called with a file's path, images and metadata: writes the file, and returns what it gives for the images."""


@dataclasses.dataclass(frozen=True, repr=False)
class ExportResult(Result):
    """What was written, and how near it is to featx's own predictions.

    Parameters
    ----------
    path : Path
        The file, or the folder of a SavedModel.
    sidecar : Path
        The JSON file with class names, image size, how images are to be decoded, and SHA-256 of each file.
    format, head : str
        Names.
    class_names : tuple of str
        In the order of the probabilities: the model's, or of classes sorted for ``.joblib``; of numbers none.
    image_size : tuple of int
        (height, width) that images must have [px].
    largest_difference : float
        Of any probability, or number, of any sample image from featx's own.
    images : int
        Number of sample images compared.
    bytes : int
        Of all files but the JSON file.
    seconds : float
        Everything together.
    notes : tuple of str
        What a user should know about this file.
    task : Task
        What the model answers.

    Examples
    --------
    >>> result = featx.export_model("models/photos-logreg.featx", "photos.joblib")
    >>> result.format, result.class_names, result.largest_difference < 1e-6
    ('joblib', ('blue', 'green', 'red'), True)
    """

    path: Path
    sidecar: Path
    format: str
    head: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    largest_difference: float
    images: int
    bytes: int
    seconds: float
    notes: tuple[str, ...] = ()
    task: Task = Task()  # noqa: RUF009 - frozen


def export_model(
    model: StrPath,
    out: StrPath,
    *,
    weights: StrPath | None = None,
    overwrite: bool = False,
) -> ExportResult:
    """Write a model in a format that runs without featx, and compare it with featx on sample images.

    All formats but ``.joblib`` hold the whole way from uint8 RGB pixels (n, height, width, 3), resized by the reader, to class
    probabilities (n, n_classes). ``.joblib`` is a scikit-learn pipeline from features (n, n_features) to probabilities.

    Parameters
    ----------
    model : Path or str
        The model file.
    out : Path or str
        ``.keras``, ``.onnx``, ``.tflite``, ``.xml`` (OpenVINO, with a ``.bin`` beside it), ``.joblib``; no suffix or
        ``.savedmodel`` for the folder of a SavedModel.
    weights : Path or None
        The backbone's weights file, if it is neither bundled nor where it was at extraction.
    overwrite : bool
        Replace an earlier export of that name.

    Raises
    ------
    ExportError
        If the name asks for no format, the head cannot be written in it, or the result differs from featx's predictions by
        more than ``TOLERANCE``: it is not kept then.
    ExtraMissing
        If the format needs libraries that are not installed.
    OutputError
        If something else stands there, or it cannot be written.
    ModelError, WeightsError
        If the model or its backbone cannot be used.

    Examples
    --------
    >>> import joblib
    >>> import numpy as np
    >>> path = featx.export_model("models/photos-logreg.featx", "photos.joblib").path
    >>> pipeline = joblib.load(path)
    >>> pipeline.predict_proba(np.zeros((1, pipeline.n_features_in_))).shape
    (1, 3)
    """
    started = time.monotonic()
    path = as_path("out", out, OutputError)
    source = as_path("model", model, ModelError, MODEL)
    refuse_swapped(source, [path])
    form = format_of(path)
    check_installed(form)
    names = (path.name, *(path.with_suffix(suffix).name for suffix in form.beside))
    check_place(path, names, overwrite)
    loaded = load_model(source)
    weights = weights_hint(loaded, weights)
    # The head comes first: a refusal must not wait for the backbone.
    write = (
        _pipeline_writer(loaded, source, weights) if form.name == "joblib" else _network_writer(loaded, source, form, weights)
    )
    facts = facts_of(loaded, form)
    images, wanted = answered_samples(loaded, weights)
    wanted = wanted[:, [loaded.class_names.index(name) for name in facts["class_names"]]] if loaded.task.has_classes else wanted
    with workshop(path) as folder:
        with writing_to(path, "Give another OUT."):
            found = write(folder / path.name, images, facts)
        difference = float(np.abs(found - wanted).max())
        allowed = TOLERANCE if loaded.task.has_probabilities else _allowed_of_numbers(wanted)
        # Written so that a difference that is no number counts as too large.
        if not (np.abs(found - wanted) <= allowed).all():
            what = "probabilities" if loaded.task.has_probabilities else "numbers"
            raise ExportError(
                f"{path}: gives {what} that differ from featx's by up to {difference:.2g} on {len(images)} sample "
                f"images, and {np.max(allowed):.2g} is the most allowed. It was not kept. Export to another format."
            )
        facts |= {"largest_difference": difference, "images_compared": len(images)}
        size = put_in_place(folder, path, names, facts)
    return ExportResult(
        path=path,
        sidecar=sidecar_of(path),
        format=form.name,
        head=loaded.head_name,
        class_names=tuple(facts["class_names"]),
        image_size=loaded.recipe.image_size,
        largest_difference=difference,
        images=len(images),
        bytes=size,
        seconds=time.monotonic() - started,
        notes=tuple(facts["notes"]),
        task=loaded.task,
    )


def _allowed_of_numbers(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each number may differ (n_targets,): as a probability, on the scale of what it is on the samples.

    A number far from 0 is besides only as exact as single precision has it.
    """
    allowed: NDArray[np.float64] = TOLERANCE * np.ptp(wanted, axis=0) + 1e-6 * np.abs(wanted).max(axis=0)
    return allowed


def _network_writer(model: Model, name: Path | str, form: Format, weights: Path | None) -> Write:
    """Return what writes the network from pixels to probabilities."""
    if model.recipe.precision != "float32":
        raise ExportError(
            f"{name}: was fitted on features in {model.recipe.precision}, and what is exported computes in float32. Extract "
            "in float32 and fit again; or export to .joblib, which takes features."
        )
    if model.recipe.backbone == "onnx":
        raise ExportError(
            f"{name}: its backbone is a network in an ONNX file, which is not written into another. Export to .joblib, which "
            "takes features."
        )
    _refuse_curve(model, name)
    *layers, last = plain_layers(model.head, model.head_name)
    if not isinstance(last, Probabilities | Sigmoids | Dense):
        raise ExportError(f"{model.head_name}: ends in {type(last).__name__}, which no network has. Export it as .joblib.")
    whole = Whole(
        recipe=model.cached_recipe,
        weights=weights,
        layer=model.layer,
        pooling=model.pooling,
        head=(*layers, dataclasses.replace(last, temperature=model.temperature) if isinstance(last, Probabilities) else last),
        replaced=model.tail.arrays if model.tail else None,
        end=model.tail.end if model.tail else None,
    )
    return lambda path, images, facts: export_network(form.name, path, images, facts, whole)


def _refuse_curve(model: Model, name: Path | str) -> None:
    if model.isotonic:
        raise ExportError(
            f"{name}: is calibrated by an isotonic curve, which no export computes. Fit with --calibration temperature, which "
            "networks do, or without --calibrate."
        )


def _pipeline_writer(model: Model, name: Path | str, weights: Path | None) -> Write:
    """Return what writes the scikit-learn pipeline from features to probabilities."""
    _refuse_curve(model, name)
    if model.temperature != 1.0:
        raise ExportError(
            f"{name}: is calibrated by a temperature of {model.temperature:.3g}, and no classifier of scikit-learn has one. "
            "Export to another format, or fit without --calibrate."
        )
    if model.task.has_targets:
        pipeline = make_column_pipeline(model.head, model.head_name, of_labels=model.task.has_probabilities)
    else:
        pipeline = make_pipeline(model.head, model.head_name, model.class_names, model.point)

    def write(path: Path, images: NDArray[np.uint8], facts: dict[str, Any]) -> NDArray[np.float64]:
        backbone = load_backbone(model.cached_recipe, weights, len(images), quantized=model.quantized)
        X = HeadFeatures(model, weights, len(images)).of_maps(backbone(images)[model.layer])
        pipeline.featx = facts
        save_pipeline(pipeline, path)
        n_columns = len(model.task.column_names)
        return run_column_pipeline(path, X, n_columns) if n_columns else run_pipeline(path, X)

    return write
