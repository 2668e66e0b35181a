"""Writing a network in the formats of other runtimes, and running what was written in its own runtime.

Converters know TensorFlow's graphs best. Under another Keras backend a process of its own, with TensorFlow underneath, does
the same from a ``.keras`` file.
"""

import functools
import json
import os
import subprocess
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones.load import check_image_size
from featx.backbones.quantized import openvino_core, openvino_reason
from featx.backbones.table import backbone_spec
from featx.errors import ExportError
from featx.system.durable import discard, make_folder
from featx.system.elsewhere import calling, command
from featx.system.keras_settings import plain_keras
from featx.system.quiet import quiet_loading, without_advice
from featx.verbs.export.whole import INPUT, Whole

FACTS = "featx.json"
"""Name of the metadata in formats that are archives or folders."""

_ROWS = 8
"""Images in a run. The sample is no multiple of some such number, so that more than one batch size is tried."""

_PROGRAM = calling("featx.verbs.export.formats:main")

Probabilities = NDArray[np.float64]
Facts = Mapping[str, Any]


def export_network(kind: str, path: Path, images: NDArray[np.uint8], facts: Facts, whole: Whole) -> Probabilities:
    """Write the network from pixels to probabilities, and run the file in the format's own runtime.

    Parameters
    ----------
    kind : str
        ``keras``, ``savedmodel``, ``onnx``, ``tflite`` or ``openvino``.
    path : Path
        The file (or folder) to write, in a folder of the caller's own: other files may be left beside it. It must not exist.
    images : ndarray of shape (n_images, height, width, 3), uint8
        What is run.
    facts : mapping
        JSON types; written into the file where the format has a place for them.
    whole : Whole
        The network.

    Returns
    -------
    probabilities : ndarray of shape (n_images, n_classes), float64
        What the runtime gave.

    Raises
    ------
    ExportError
        If the format's converter or runtime fails.
    WeightsError, UnknownLayer
        If the backbone cannot be built.
    """
    with quiet_loading():
        import keras  # here, not above: the other process chooses its backend first

        from featx.verbs.export.network import build_base, build_whole

        check_image_size(backbone_spec(whole.recipe.backbone), whole.recipe.image_size)
        with plain_keras():
            network = build_whole(build_base(whole.recipe, whole.weights), whole)
    if kind == "keras" or keras.backend.backend() == "tensorflow":
        return _write_and_run(kind, network, path, images, facts)
    return _elsewhere(kind, network, path, images, facts)


def _write_and_run(kind: str, network: Any, path: Path, images: NDArray[np.uint8], facts: Facts) -> Probabilities:
    write, run = _FORMATS[kind]
    doing = "written"
    try:
        with quiet_loading(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the insides of converters
            write(network, path, facts)
            doing = "run"
            return np.asarray(run(path, images), np.float64)
    except Exception as error:  # converters raise whatever they stumble over
        raise ExportError(
            f"{path.name}: cannot be {doing} as {kind}: {type(error).__name__}: {openvino_reason(error)}. "
            "Export to another format."
        ) from error


def _elsewhere(kind: str, network: Any, path: Path, images: NDArray[np.uint8], facts: Facts) -> Probabilities:
    """Do the same in a process with TensorFlow underneath."""
    network_file, images_file, answer = (path.with_name(f"{path.name}{end}") for end in (".in.keras", ".in.npy", ".out.npy"))
    network.save(network_file)
    np.save(images_file, images)
    files = {"network": str(network_file), "images": str(images_file), "path": str(path), "answer": str(answer)}
    request = json.dumps(files | {"kind": kind, "facts": dict(facts)})
    done = subprocess.run(
        command(_PROGRAM, request),
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or not answer.is_file():
        said = done.stderr.strip().splitlines()
        raise ExportError(
            f"{path.name}: cannot be written as {kind}: the process that converts it ended with {done.returncode}: "
            f"{said[-1] if said else 'no reason given'}. Export to another format."
        )
    found: Probabilities = np.load(answer)
    for file in (network_file, images_file, answer):
        discard(file)
    return found


def main(request: str) -> None:
    """Convert in this process, of which nothing else is wanted; ``request`` is JSON from ``_elsewhere``."""
    asked = json.loads(request)
    import keras

    network = keras.saving.load_model(asked["network"], compile=False)
    try:
        found = _write_and_run(asked["kind"], network, Path(asked["path"]), np.load(asked["images"]), asked["facts"])
    except ExportError as error:
        raise SystemExit(str(error)) from error
    np.save(asked["answer"], found)


def _in_parts(run: Callable[[NDArray[np.uint8]], Any], images: NDArray[np.uint8]) -> NDArray[np.floating]:
    return np.concatenate([np.asarray(run(images[i : i + _ROWS])) for i in range(0, len(images), _ROWS)])


def _write_keras(network: Any, path: Path, facts: Facts) -> None:
    network.save(path)
    with zipfile.ZipFile(path, "a") as archive:  # Keras reads its own members alone
        archive.writestr(FACTS, json.dumps(facts, indent=2))


def _run_keras(path: Path, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    import keras

    network = keras.saving.load_model(path, compile=False)
    with without_advice():
        return _in_parts(network.predict_on_batch, images)


def _signature(network: Any) -> list[Any]:
    """Name the input outright: Keras would ask a network that has never run for it, and refuse."""
    import keras

    return [keras.InputSpec("uint8", network.input.shape, name=INPUT)]


def _write_graph(network: Any, path: Path) -> None:
    """Write a SavedModel. ``Model.export`` does too, but tracks every weight twice: 118 MB for VGG16 instead of 59."""
    import keras

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", functools.partial(network, training=False), input_signature=_signature(network))
    archive.write_out(str(path), verbose=False)


def _write_saved_model(network: Any, path: Path, facts: Facts) -> None:
    _write_graph(network, path)
    extra = path / "assets.extra"  # TensorFlow's own place for what it does not read
    make_folder(extra)
    (extra / FACTS).write_text(json.dumps(facts, indent=2), "utf-8")


def _run_saved_model(path: Path, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    import tensorflow

    loaded = tensorflow.saved_model.load(path)
    return _in_parts(loaded.serve, images)


def _write_onnx(network: Any, path: Path, facts: Facts) -> None:
    import onnx

    network.export(path, format="onnx", verbose=False, input_signature=_signature(network))
    model = onnx.load(path)
    _name_ends(model.graph, _output_of(network))
    onnx.helper.set_model_props(model, {name: v if isinstance(v, str) else json.dumps(v) for name, v in facts.items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _output_of(network: Any) -> str:
    """Return the name of what a network gives."""
    return str(network.output_names[0])


def _name_ends(graph: Any, output: str) -> None:
    """Give input, output and batch size their names, instead of TensorFlow's."""
    (images,), (given,) = graph.input, graph.output
    for old, new in ((images.name, INPUT), (given.name, output)):
        for node in graph.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == old:
                        names[place] = new
    images.name, given.name = INPUT, output
    for end in (images, given):
        end.type.tensor_type.shape.dim[0].dim_param = "batch"


def _run_onnx(path: Path, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return _in_parts(lambda part: session.run(None, {INPUT: part})[0], images)


def _write_tflite(network: Any, path: Path, facts: Facts) -> None:
    # Plain operations alone: with TensorFlow's own beside them the file would ask for a runtime that phones do not have.
    network.export(path, format="litert", verbose=False, target_spec={"supported_ops": ["TFLITE_BUILTINS"]})
    with zipfile.ZipFile(path, "a") as archive:  # behind the network, where the format has its associated files
        archive.writestr(
            "labels.txt", "".join(f"{name}\n" for name in facts["class_names"]).encode("utf-8", "backslashreplace")
        )
        archive.writestr(FACTS, json.dumps(facts, indent=2))


def _run_tflite(path: Path, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # TensorFlow still brings the interpreter's former home
        import tensorflow

        Interpreter = tensorflow.lite.Interpreter
    interpreter = Interpreter(str(path))
    ends = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(part: NDArray[np.uint8]) -> Any:
        interpreter.resize_tensor_input(ends[0], part.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(ends[0], part)
        interpreter.invoke()
        return interpreter.get_tensor(ends[1])

    return _in_parts(run, images)


def _write_openvino(network: Any, path: Path, facts: Facts) -> None:
    import openvino

    # Read by OpenVINO itself and not by its converter, which tells its makers of each conversion.
    graph = path.with_suffix(".graph")
    _write_graph(network, graph)
    model = openvino_core().read_model(graph)
    model.inputs[0].tensor.set_names({INPUT})
    model.outputs[0].tensor.set_names({_output_of(network)})
    for name, value in facts.items():
        model.set_rt_info(value if isinstance(value, str) else json.dumps(value), ["featx", name])
    openvino.save_model(model, path, compress_to_fp16=False)


def _run_openvino(path: Path, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return _in_parts(lambda part: compiled([part])[0], images)


_FORMATS: dict[str, tuple[Callable[[Any, Path, Facts], None], Callable[[Path, NDArray[np.uint8]], NDArray[np.floating]]]] = {
    "keras": (_write_keras, _run_keras),
    "savedmodel": (_write_saved_model, _run_saved_model),
    "onnx": (_write_onnx, _run_onnx),
    "tflite": (_write_tflite, _run_tflite),
    "openvino": (_write_openvino, _run_openvino),
}
