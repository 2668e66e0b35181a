"""What runs an ONNX graph on the processor: ONNX Runtime or OpenVINO, whichever is installed."""

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featx.backbones.batched import is_out_of_memory
from featx.backbones.quantized import openvino_core, openvino_reason
from featx.errors import BackboneError, ExtraMissing
from featx.system.cores import threads_told

RUNTIMES = ("onnxruntime", "openvino")
"""In the order in which they are taken where both are installed."""

Outputs = list[NDArray[Any]]


class Runtime(Protocol):
    """What runs a graph."""

    name: str

    def run(self, images: NDArray[Any]) -> Outputs:
        """Run one batch; return each output."""
        ...


class _OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, program: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong comes as an exception; on stderr it would come once more
        options.intra_op_num_threads = threads_told()  # 0: as many as there are cores
        self._session = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, images: NDArray[Any]) -> Outputs:
        outputs: Outputs = self._session.run(None, {self._input: images})
        return outputs


class _OpenVino:
    name = "openvino"

    def __init__(self, program: bytes) -> None:
        self._model = openvino_core().read_model(program)
        self._compiled: Any = None
        self._compiled_for: tuple[int, ...] = ()

    def run(self, images: NDArray[Any]) -> Outputs:
        if self._compiled_for != images.shape:
            self._compiled = None  # what a larger batch took is given back first
            self._model.reshape(list(images.shape))
            hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            if threads := threads_told():
                hints["INFERENCE_NUM_THREADS"] = threads
            self._compiled = openvino_core().compile_model(self._model, "CPU", hints)
            self._compiled_for = images.shape
        found = self._compiled([images], share_inputs=True)
        return [np.array(found[place]) for place in range(len(self._model.outputs))]


_MAKERS: dict[str, Any] = {"onnxruntime": _OnnxRuntime, "openvino": _OpenVino}


def installed_runtimes() -> list[str]:
    """Return the runtimes that are installed, without loading them, the one to take first."""
    return [name for name in RUNTIMES if importlib.util.find_spec(name) is not None]


def start(path: Path, program: bytes, runtimes: list[str]) -> Runtime:
    """Load a graph into the first runtime that can.

    Raises
    ------
    BackboneError
        If none can.
    """
    reasons: list[str] = []
    for name in runtimes:
        try:
            runtime: Runtime = _MAKERS[name](program)
        except Exception as error:  # each has classes of its own
            if is_out_of_memory(error):
                raise
            reasons.append(f"{name}: {openvino_reason(error)[:300]}")
            continue
        return runtime
    if not reasons:
        raise ExtraMissing(f"{path}: needs onnxruntime or openvino, not installed. Install with: pip install 'featx[onnx]'")
    raise BackboneError(f"{path}: cannot be run. {'; '.join(reasons)}. Export it again, with another opset or as .keras.")


def run_once(path: Path, runtime: Runtime, images: NDArray[Any]) -> Outputs:
    """Run one batch.

    Raises
    ------
    BackboneError
        If the runtime cannot.
    MemoryError
        As the runtime raises it, if memory runs out.
    """
    try:
        return runtime.run(images)
    except Exception as error:  # each runtime has classes of its own
        if is_out_of_memory(error):
            raise
        raise BackboneError(f"{path}: cannot be run on {len(images)} images: {openvino_reason(error)[:300]}.") from error
