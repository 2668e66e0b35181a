"""Making a quantized network: Keras' one converted to OpenVINO, its int8 ranges set by some images of the user's own.

All of it happens in a process of its own, with TensorFlow under Keras: memory, threads and notices of three libraries end
with it, whatever backend the caller's own Keras has.
"""

import functools
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx import errors
from featx.backbones.imported.found import write_onnx
from featx.backbones.load import check_image_size
from featx.backbones.quantized import QuantizedNetwork
from featx.backbones.table import backbone_spec
from featx.backbones.weights import find_weights
from featx.errors import BackboneError, ExtraMissing, FeatxError
from featx.recipe import Recipe
from featx.system.elsewhere import calling, command

_PROGRAM = calling("featx.backbones.quantize:main")
_STEP = "featx: calibrated "


def check_int8_installed() -> None:
    """Make sure that networks can be quantized here.

    Raises
    ------
    ExtraMissing
        With the command that installs what is missing.
    """
    missing = [module for module in ("openvino", "nncf") if importlib.util.find_spec(module) is None]
    if missing:
        raise ExtraMissing(
            f"--precision int8: needs {' and '.join(missing)}, not installed. Install with: pip install 'featx[int8]'"
        )


def quantize_backbone(
    recipe: Recipe,
    weights_file: Path | None,
    images: NDArray[np.uint8],
    on_image: Callable[[], None] | None = None,
) -> QuantizedNetwork:
    """Quantize the backbone of a recipe after training, up to the layers kept.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, weights, layers, image size and preprocessing.
    weights_file : Path or None
        Where weights that are not bundled lie.
    images : ndarray of shape (n_images, height, width, 3), uint8
        Pixels such as it will see: the ranges of its int8 numbers are those that these give.
    on_image : callable or None
        Called once for each image that has been through the network.

    Returns
    -------
    network : QuantizedNetwork
        From uint8 pixels to the recipe's layers.

    Raises
    ------
    ExtraMissing
        If OpenVINO or NNCF is not installed.
    BackboneError
        If the backbone cannot be built, or does not convert.

    References
    ----------
    Jacob et al. (2018), arXiv:1712.05877: quantization after training to int8.
    """
    check_int8_installed()
    spec = backbone_spec(recipe.backbone)
    check_image_size(spec, recipe.image_size)
    weights = find_weights(recipe, weights_file)
    with tempfile.TemporaryDirectory(prefix="featx-int8-") as folder:
        pixels, answer = Path(folder) / "images.npy", Path(folder) / "network.zip"
        np.save(pixels, images)
        request = {"recipe": recipe.to_dict(), "weights": str(weights or ""), "images": str(pixels), "answer": str(answer)}
        said = _run_elsewhere(json.dumps(request), on_image)
        _raise_again(answer.with_suffix(".error"))
        if not answer.is_file():
            raise BackboneError(f"backbone {recipe.backbone}: cannot be quantized to int8: {said}. Use --precision float32.")
        return QuantizedNetwork.read(answer)


def _run_elsewhere(request: str, on_image: Callable[[], None] | None) -> str:
    """Do it in another process; return the last thing that it said, for when it failed."""
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        subprocess.Popen(
            command(_PROGRAM, request),
            # NNCF tells its makers of each use, unless it believes itself under test.
            env=os.environ | quiet | {"NNCF_CI": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            errors="replace",
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if on_image and line.startswith(_STEP):
                    on_image()
        except BaseException:  # Ctrl-C, or an error of the caller's own
            process.kill()
            raise
        if process.wait() < 0:
            return f"the process that does it was ended by signal {-process.returncode}; memory may have run out"
        complaints.seek(0)
        lines = [line.strip() for line in complaints.read().splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else f"the process that does it ended with {process.returncode}"


def main(request: str) -> None:
    """Quantize in this process, of which nothing else is wanted; ``request`` is JSON from ``quantize_backbone``."""
    asked = json.loads(request)
    steps = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # progress bars and notices of the libraries
    recipe = Recipe.from_dict(asked["recipe"])
    weights = Path(asked["weights"]) if asked["weights"] else None
    answer = Path(asked["answer"])
    try:
        _quantize(recipe, weights, np.load(asked["images"]), lambda: steps.write(f"{_STEP}1\n")).write(answer)
    except FeatxError as error:
        answer.with_suffix(".error").write_text(json.dumps([type(error).__name__, str(error)]), "utf-8")


def _raise_again(path: Path) -> None:
    """Raise the error that the other process wrote down, if it did: a layer that there is none of, weights that do not fit."""
    if path.is_file():
        name, text = json.loads(path.read_text("utf-8"))
        raise getattr(errors, name)(text)


def _quantize(
    recipe: Recipe, weights: Path | None, images: NDArray[np.uint8], on_image: Callable[[], object]
) -> QuantizedNetwork:
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParameters, RangeEstimatorParametersSet

    with tempfile.TemporaryDirectory(prefix="featx-int8-") as folder:
        if recipe.backbone == "onnx" and weights:
            described = write_onnx(recipe, weights, Path(folder) / "graph.onnx")
            ordered = openvino.Core().read_model(Path(folder) / "graph.onnx")
        else:
            described = _write_graph(recipe, weights, Path(folder) / "graph")
            model = openvino.Core().read_model(Path(folder) / "graph")
            by_name = {name: output for output in model.outputs for name in output.get_names()}
            # Outputs in the order of the recipe, whatever order TensorFlow gave them.
            ordered = openvino.Model([by_name[layer].node for layer in recipe.layers], model.get_parameters(), "featx")

        unseen = iter(range(len(images)))

        def step() -> None:
            if next(unseen, None) is not None:  # some images go through it twice
                on_image()

        try:
            # Ranges of least error, by histogram, and not those of the mean extremes, NNCF's own: on pictures in colour
            # VGG16's features are half as far from float32, and half as many images are enough.
            quantized = _quantized(ordered.clone(), images, step, RangeEstimatorParametersSet.HISTOGRAM)
            ranges = "histogram"
        except ValueError as error:  # NumPy's: numbers that are all but alike have no histogram
            if "Too many bins" not in str(error):
                raise
            quantized = _quantized(ordered, images, step, RangeEstimatorParameters())
            ranges = "mean extremes"
        path = Path(folder) / "network.xml"
        openvino.save_model(quantized, path, compress_to_fp16=False)
        made_by = ("onnx" if recipe.backbone == "onnx" else "keras", "openvino", "nncf")
        versions = {name: importlib.metadata.version(name) for name in made_by}
        description = json.dumps(described | {"images": len(images), "ranges": ranges, "versions": versions}, indent=2)
        return QuantizedNetwork(path.read_bytes(), path.with_suffix(".bin").read_bytes(), description.encode())


def _quantized(model: Any, images: NDArray[np.uint8], on_image: Callable[[], object], ranges: Any) -> Any:
    """Let NNCF quantize a model of OpenVINO; ``on_image`` is called for each image that went through it."""
    import nncf

    def pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        on_image()
        return image[None]

    return nncf.quantize(
        model,
        nncf.Dataset(list(images), pixels),
        subset_size=len(images),
        # Activations with a zero of their own are as fast and a little nearer to float32: pixels are not symmetric.
        preset=nncf.QuantizationPreset.MIXED,
        advanced_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges),
    )


def _write_graph(recipe: Recipe, weights: Path | None, folder: Path) -> dict[str, Any]:
    """Write preprocessing and backbone as a SavedModel; return what ``describe`` says of the backbone."""
    import keras

    from featx.backbones.network import build_network, describe, layers_by_name
    from featx.backbones.preprocess import preprocess_layers

    base = build_network(recipe, weights)
    base.trainable = False
    layers = layers_by_name(base)
    part = keras.Model(base.input, [layers[name].output for name in recipe.layers])
    images = keras.Input((*recipe.image_size, 3), dtype="uint8", name="images")
    outputs = part(preprocess_layers(images, recipe.preprocess), training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    whole = keras.Model(images, dict(zip(recipe.layers, outputs, strict=True)))
    archive = keras.export.ExportArchive()
    signature = [keras.InputSpec("uint8", (None, *recipe.image_size, 3), name="images")]
    archive.add_endpoint("serve", functools.partial(whole, training=False), input_signature=signature)
    archive.write_out(str(folder), verbose=False)
    return describe(part, layers)
