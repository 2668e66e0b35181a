"""An ONNX file: read, and refused where it reaches outside of its folder, brings code of its own, or declares what it lacks.

Nothing of the file is run here.
"""

import dataclasses
import hashlib
import importlib.util
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from featx.backbones.imported.kinds import no_network
from featx.errors import ExtraMissing, WeightsError
from featx.system.files import reading_from
from featx.system.regular import open_regular

_LARGEST = 2**31 - 1
"""Bytes of a model with all its weights: no message of protobuf may be larger."""

_MOST_NODES, _DEEPEST = 100_000, 16
_OLDEST_OPSET = 7  # ONNX Runtime promises nothing of older ones
_OWN_DOMAINS = ("", "ai.onnx")
_BITS_A_BYTE = 8
_DRIVE = re.compile(r"[A-Za-z]:|\\")
_EXPORT_AGAIN = "Export the network again, or take it from a source that you trust."


@dataclasses.dataclass(frozen=True)
class OnnxFile:
    """A network as it stands in a file.

    Parameters
    ----------
    path : Path
        The file.
    model : onnx.ModelProto
        All of it, with the weights of external files inside.
    digest : str
        ``sha256:…`` of the file; with external files of the SHA-256 of the file and of each of them, by name.
    """

    path: Path
    model: Any
    digest: str

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        return opset_of(self.model)


def check_onnx_installed() -> None:
    """Make sure that ONNX files can be read and run here, without loading what does it.

    Raises
    ------
    ExtraMissing
        With the command that installs what is missing.
    """
    found = {module for module in ("onnx", "onnxruntime", "openvino") if importlib.util.find_spec(module) is not None}
    if "onnx" not in found or len(found) == 1:
        missing = "onnx" if "onnx" not in found else "onnxruntime or openvino"
        raise ExtraMissing(
            f"networks from ONNX files: need {missing}, not installed. Install with: pip install 'featx[onnx]', or pip "
            "install 'featx[openvino]'"
        )


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file, with the weights that lie beside it.

    Raises
    ------
    WeightsError
        If it cannot be read, is none or cut short, has operators of another domain, or weights outside its folder.
    ExtraMissing
        If ``onnx`` is not installed.
    """
    check_onnx_installed()
    import onnx  # here, not above: only ONNX files need it

    data = _content(path, 0, None)
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # each implementation of protobuf has a class of its own for it
        raise no_network(path, "", "its bytes are no ONNX model, or the file is cut short") from error
    if not model.graph.node or not model.opset_import:
        raise no_network(path, "", "as ONNX it has no graph")
    model.ClearField("training_info")
    _check_model(path, model)
    outside = [tensor for tensor in _tensors(model.graph) if _is_external(tensor)]
    digest, left = hashlib.sha256(data), _LARGEST - len(data)
    del data  # as large as the network, which is held once more while it is checked
    if outside:
        for tensor in outside:
            left -= _fill_in(path, tensor, left)
        names = sorted({_entries(tensor)["location"] for tensor in outside})
        each = [_digest_of(path.parent / name) for name in names]
        digest = hashlib.sha256(b"".join([digest.digest(), *each]))
        for tensor in outside:
            tensor.ClearField("external_data")
            tensor.data_location = onnx.TensorProto.DEFAULT
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise no_network(path, "", f"its graph is not valid: {said[:300]}") from error
    return OnnxFile(path, model, f"sha256:{digest.hexdigest()}")


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operators; 0 where a model names none."""
    return next((int(one.version) for one in model.opset_import if one.domain in _OWN_DOMAINS), 0)


def elements_of(tensor: Any) -> int:
    """Return how many values a stored tensor has."""
    return math.prod(int(side) for side in tensor.dims)


def graphs_of(graph: Any) -> Iterator[Any]:
    """Yield a graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs_of(inner)


def _content(path: Path, offset: int, length: int | None) -> bytes:
    with reading_from(path, "Give a file that you can read.", WeightsError), open(open_regular(path), "rb") as file:  # noqa: PTH123
        size = os.fstat(file.fileno()).st_size - offset if length is None else length
        if size > _LARGEST:
            raise WeightsError(f"{path}: has {size:,} bytes, more than the {_LARGEST:,} of an ONNX model. Save it in float16.")
        file.seek(offset)
        return file.read(size)


def _digest_of(path: Path) -> bytes:
    with reading_from(path, "Give a file that you can read.", WeightsError), open(open_regular(path), "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").digest()


def _check_model(path: Path, model: Any) -> None:
    if model.functions:
        raise WeightsError(
            f"{path}: defines {len(model.functions)} functions of its own. Put them into its graph with "
            "onnx.inliner.inline_local_functions(model), and save that."
        )
    if opset_of(model) < _OLDEST_OPSET:
        raise WeightsError(
            f"{path}: uses operators of opset {opset_of(model)}, and at least {_OLDEST_OPSET} is needed. Export it again."
        )
    nodes = 0
    for depth, graph in _levels(model.graph):
        nodes += len(graph.node)
        if nodes > _MOST_NODES or depth > _DEEPEST:
            raise WeightsError(
                f"{path}: has more than {_MOST_NODES:,} nodes, or graphs nested deeper than {_DEEPEST}. {_EXPORT_AGAIN}"
            )
        if graph.sparse_initializer:
            raise WeightsError(f"{path}: holds sparse weights, which may grow beyond any size. {_EXPORT_AGAIN}")
        for node in graph.node:
            if node.domain not in _OWN_DOMAINS:
                raise WeightsError(
                    f"{path}: node {_shown(node.name)} is {_shown(node.op_type)} of {_shown(node.domain)}: only ONNX's own "
                    "operators are run. Export it without optimizations for one runtime, and without custom operators."
                )
            if any(attribute.HasField("sparse_tensor") or attribute.sparse_tensors for attribute in node.attribute):
                raise WeightsError(f"{path}: node {_shown(node.name)} holds sparse values. {_EXPORT_AGAIN}")
    for tensor in _tensors(model.graph):
        if min(tensor.dims, default=0) < 0 or (
            not _is_external(tensor) and elements_of(tensor) > _BITS_A_BYTE * tensor.ByteSize()
        ):
            raise WeightsError(
                f"{path}: {_shown(tensor.name)} declares {list(tensor.dims)} values and holds {tensor.ByteSize():,} bytes. "
                f"{_EXPORT_AGAIN}"
            )


def _levels(graph: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    yield depth, graph
    if depth > _DEEPEST:
        return
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _levels(inner, depth + 1)


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield every tensor that is stored in a graph, or in one inside it."""
    for inner in graphs_of(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location or tensor.external_data)


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _fill_in(path: Path, tensor: Any, left: int) -> int:
    """Read the values of a tensor from the file that it names, beside the model; return how many bytes they are."""
    import onnx

    entries = _entries(tensor)
    beside = _beside(path, entries.get("location", ""))
    try:
        whole = elements_of(tensor) * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", whole))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path}: where the values of {_shown(tensor.name)} begin and end is no number. {_EXPORT_AGAIN}"
        ) from error
    if not (offset >= 0 and 0 <= length <= left and elements_of(tensor) <= _BITS_A_BYTE * length):
        raise WeightsError(
            f"{path}: {_shown(tensor.name)} of shape {list(tensor.dims)} is to have {length:,} bytes of {beside.name}, and a "
            f"model has at most {_LARGEST:,} in all. {_EXPORT_AGAIN}"
        )
    data = _content(beside, offset, length)
    if len(data) != length:
        raise WeightsError(f"{beside}: ends before the values of {_shown(tensor.name)} do. Copy it again, beside {path.name}.")
    tensor.raw_data = data
    return length


def _beside(path: Path, location: str) -> Path:
    """Return the file that holds values of a model: in its folder, or in one below, by no link.

    Raises
    ------
    WeightsError
        If it is anywhere else, or not there.
    """
    parts = PurePosixPath(location)
    folder = path.parent
    outside = not location or "\0" in location or parts.is_absolute() or ".." in parts.parts or _DRIVE.search(location)
    steps = [] if outside else [folder.joinpath(*parts.parts[: place + 1]) for place in range(len(parts.parts))]
    if outside or any(step.is_symlink() for step in steps):
        raise WeightsError(
            f"{path}: wants values from {_shown(location)}: only files in its own folder are read, by no link, no absolute "
            "path and no '..'. Put the file with its weights there, itself."
        )
    if not steps[-1].exists():
        raise WeightsError(
            f"{path}: its weights lie in {_shown(location)}, which is not in {folder}. Copy that file there too."
        )
    return steps[-1]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}…")
