"""The verb export: a model in a format that runs without featx, compared at once with featx's own predictions."""

import dataclasses
import importlib.metadata
import importlib.util
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import load_backbone
from featx.errors import ExportError, ExtraMissing
from featx.models import Compute, HeadFeatures, Model, classify_files, decode_files, library_versions, load_model, weights_hint
from featx.verbs.export.formats import export_network
from featx.verbs.export.head_layers import plain_layers
from featx.verbs.export.layers import PlainLayer, Probabilities
from featx.verbs.export.outputs import check_place, put_in_place, sidecar_of, workshop
from featx.verbs.export.pipeline import make_pipeline, run_pipeline, save_pipeline
from featx.verbs.sample import ARCHIVE

TOLERANCE = 1e-4
"""Largest difference of any probability from featx's own that an export may have."""

_SAMPLES_A_CLASS = 2

_LIBRARIES = ("tensorflow", "onnx", "tf2onnx", "onnxruntime", "openvino", "joblib")


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that a model can be exported to.

    Parameters
    ----------
    name : str
        What messages and metadata call it.
    suffixes : tuple of str
        Of the names that ask for it.
    modules : tuple of str
        That must be there beside what featx always installs.
    extra : str
        featx's extra that installs them.
    beside : tuple of str
        Suffixes of further files that belong to it.
    """

    name: str
    suffixes: tuple[str, ...]
    modules: tuple[str, ...] = ()
    extra: str = ""
    beside: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("keras", (".keras",)),
        Format("savedmodel", ("", ".savedmodel")),
        Format("onnx", (".onnx",), ("onnx", "tf2onnx", "onnxruntime"), "onnx"),
        Format("tflite", (".tflite",)),
        Format("openvino", (".xml",), ("openvino",), "openvino", beside=(".bin",)),
        Format("joblib", (".joblib",)),
    )
}


@dataclasses.dataclass(frozen=True)
class ExportResult:
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
        In the order of the probabilities.
    image_size : tuple of int
        (height, width) that images must have [px].
    largest_difference : float
        Of any probability of any sample image from featx's own.
    images : int
        Number of sample images compared.
    bytes : int
        Of all files but the JSON file.
    seconds : float
        Everything together.
    notes : tuple of str
        What a user should know about this file.
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


def export_model(
    model: Path | str,
    out: Path | str,
    *,
    weights: Path | None = None,
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
        If the name asks for no format, the head cannot be told in it, or the result differs from featx's predictions by
        more than ``TOLERANCE``: it is not kept then.
    ExtraMissing
        If the format needs libraries that are not installed.
    OutputError
        If something else stands there, or it cannot be written.
    ModelError, WeightsError
        If the model or its backbone cannot be used.
    """
    started = time.monotonic()
    path = Path(out)
    form = format_of(path)
    check_installed(form)
    names = (path.name, *(path.with_suffix(suffix).name for suffix in form.beside))
    check_place(path, names, overwrite)
    loaded = load_model(model)
    precision = loaded.recipe.precision
    if precision != "float32" and form.name != "joblib":
        raise ExportError(
            f"{model}: was fitted on features in {precision}, and what is exported computes in float32. Extract in float32 and "
            "fit again; or export to .joblib, which takes features."
        )
    pipeline: Any = None
    layers: tuple[PlainLayer, ...] = ()
    # The head is told first: a refusal must not wait for the backbone.
    if form.name == "joblib":
        if loaded.temperature != 1.0:
            raise ExportError(
                f"{model}: is calibrated by a temperature of {loaded.temperature:.3g}, and no classifier of scikit-learn has "
                "one. Export to another format, or fit without --calibrate."
            )
        pipeline = make_pipeline(loaded.head, loaded.class_names)
    else:
        *others, last = plain_layers(loaded.head)
        assert isinstance(last, Probabilities)
        layers = (*others, dataclasses.replace(last, temperature=loaded.temperature))
    weights = weights_hint(loaded, weights)
    facts = _facts(loaded, form)
    with tempfile.TemporaryDirectory() as folder:
        samples = _unpack_samples(Path(folder))
        wanted = classify_files(loaded, samples, weights=weights, workers=1).probabilities
        batches = decode_files(samples, loaded.recipe, Compute(len(samples), 1))
        images = np.concatenate([batch.images for batch in batches])
    with workshop(path) as folder:
        if pipeline is not None:
            pipeline.featx = facts
            found = _export_pipeline(pipeline, loaded, folder / path.name, images, weights)
        else:
            found = export_network(
                form.name,
                folder / path.name,
                images,
                facts,
                recipe=loaded.cached_recipe,
                weights=weights,
                layer=loaded.layer,
                pooling=loaded.pooling,
                head=layers,
                replaced=loaded.tail.arrays if loaded.tail else None,
                end=loaded.tail.end if loaded.tail else None,
            )
        difference = float(np.abs(found - wanted).max())
        if not difference <= TOLERANCE:  # written so that a difference that is no number counts as too large
            raise ExportError(
                f"{path}: gives probabilities that differ from featx's by up to {difference:.2g} on {len(images)} sample "
                f"images, and {TOLERANCE:g} is the most allowed. It was not kept. Export to another format."
            )
        facts |= {"largest_difference": difference, "images_compared": len(images)}
        size = put_in_place(folder, path, names, facts)
    return ExportResult(
        path=path,
        sidecar=sidecar_of(path),
        format=form.name,
        head=loaded.head_name,
        class_names=loaded.class_names,
        image_size=loaded.recipe.image_size,
        largest_difference=difference,
        images=len(images),
        bytes=size,
        seconds=time.monotonic() - started,
        notes=tuple(facts["notes"]),
    )


def format_of(path: Path) -> Format:
    """Tell from a name what format is asked for.

    Raises
    ------
    ExportError
        If it is none, with those that there are.
    """
    for one in FORMATS.values():
        if path.suffix in one.suffixes and path.name:  # Keras and LiteRT take small letters alone
            return one
    raise ExportError(
        f"{path}: {path.suffix or 'this name'} is no format to export to. There are: .keras, .onnx, .tflite, .xml (OpenVINO), "
        ".joblib, and no suffix or .savedmodel for TensorFlow's SavedModel folder."
    )


def check_installed(form: Format) -> None:
    """Make sure that the libraries of a format are there, without loading them.

    Raises
    ------
    ExtraMissing
        With the command that installs them.
    """
    missing = [module for module in form.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ExtraMissing(
            f"{form.name}: needs {', '.join(missing)}, not installed. Install with: pip install 'featx[{form.extra}]'"
        )


def _facts(model: Model, form: Format) -> dict[str, Any]:
    """Return what whoever runs the file must know, in JSON types."""
    recipe = model.recipe
    height, width = recipe.image_size
    features = "a row of features, as featx.FeatureExtractor or featx pack gives them: (n, n_features)"
    pixels = f"images: RGB pixels 0 to 255, uint8, (n, {height}, {width}, 3)"
    return {
        "format": form.name,
        "class_names": list(model.class_names),
        "image_size": [height, width],
        "input": features if form.name == "joblib" else pixels,
        "output": f"probabilities of the class names in their order: (n, {len(model.class_names)})",
        "decoding": f"EXIF orientation applied, transparency on {list(recipe.background)}, {recipe.resize} to the image size "
        "with an antialiased bilinear filter (Pillow: Image.resize with BILINEAR)",
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


def _notes(form: Format, model: Model) -> list[str]:
    notes = []
    if form.name == "openvino":
        notes.append(
            "on processors with bfloat16 OpenVINO computes in it unless told otherwise; this was compared with "
            "compile_model(…, {'INFERENCE_PRECISION_HINT': 'f32'})"
        )
    if form.name == "joblib":
        notes.append("load it with the scikit-learn version that its metadata names; joblib runs what a file asks for")
    if form.name == "joblib" and model.head_name == "knn":
        notes.append("of training images equally far away scikit-learn may let others vote than featx")
    return notes


def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is not None:
            versions[library] = importlib.metadata.version(library)
    return versions


def _unpack_samples(folder: Path) -> list[Path]:
    """Write the first test images of each class of the bundled sample."""
    files: list[Path] = []
    with zipfile.ZipFile(ARCHIVE) as archive:
        by_class: dict[str, list[str]] = {}
        for name in sorted(archive.namelist()):
            if name.startswith("test/"):
                by_class.setdefault(Path(name).parent.name, []).append(name)
        for names in by_class.values():
            for name in names[:_SAMPLES_A_CLASS]:
                files.append(folder / f"{len(files)}{Path(name).suffix}")
                files[-1].write_bytes(archive.read(name))
    return files


def _export_pipeline(
    pipeline: Any, model: Model, path: Path, images: NDArray[np.uint8], weights: Path | None
) -> NDArray[np.float64]:
    backbone = load_backbone(model.cached_recipe, weights, len(images), quantized=model.quantized)
    X = HeadFeatures(model, weights, len(images)).of_maps(backbone(images)[model.layer])
    save_pipeline(pipeline, path)
    return run_pipeline(path, X)
