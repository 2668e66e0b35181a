"""A graph from images as bytes (n, height, width, 3) to maps (n, h, w, c) of some layers, around a part of an ONNX network."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from featx.backbones.imported.layers import Layer
from featx.backbones.imported.onnx_file import OnnxFile, graphs_of
from featx.backbones.imported.onnx_input import InputSpec
from featx.backbones.imported.onnx_nodes import check_nodes, needed_nodes, read_by
from featx.backbones.scaling import factors_of
from featx.errors import BackboneError

_REDUCING_BY_INPUT = 18  # the opset from which ReduceMean takes its axes as an input


class _Builder:
    """Nodes and constants beside those of the network, under names that it does not have."""

    def __init__(self, taken: set[str]) -> None:
        self.prefix = "featx"
        while any(name.startswith(self.prefix) for name in taken):
            self.prefix += "_"
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **settings: Any) -> str:
        """Add a node; return the name of what it gives."""
        import onnx

        output = output or f"{self.prefix}_{len(self.nodes)}"
        self.nodes.append(
            onnx.helper.make_node(kind, inputs, [output], name=f"{self.prefix}_node_{len(self.nodes)}", **settings)
        )
        return output

    def constant(self, values: Any, dtype: Any) -> str:
        """Add a constant; return its name."""
        import onnx

        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.array(values, dtype), name))
        return name


def make_program(
    file: OnnxFile, spec: InputSpec, image_size: tuple[int, int], preprocess: str, layers: Sequence[Layer]
) -> bytes:
    """Return the graph that gives some layers, in their order, as an ONNX model.

    Parameters
    ----------
    file : OnnxFile
        The network.
    spec : InputSpec
        What it takes.
    image_size : tuple of int
        (height, width) [px].
    preprocess : str
        The recipe's.
    layers : sequence of Layer
        What is wanted.

    Raises
    ------
    WeightsError
        If the part that these layers need may never end.
    """
    import onnx

    graph = file.model.graph
    needed = needed_nodes(graph, [layer.tensor.name for layer in layers])
    check_nodes(file, needed)
    builder = _Builder(_names_in(graph))
    images = f"{builder.prefix}_images"
    _add_scaling(builder, spec, preprocess, images)
    n_before = len(builder.nodes)
    outputs = [_add_output(builder, file.opset, layer) for layer in layers]
    read = {name for node in needed for name in read_by(node)}
    rows = spec.batch or "images"
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (rows, *layer.shape))
        for name, layer in zip(outputs, layers, strict=True)
    ]
    whole = onnx.helper.make_graph(
        [*builder.nodes[:n_before], *needed, *builder.nodes[n_before:]],
        "featx",
        [onnx.helper.make_tensor_value_info(images, onnx.TensorProto.UINT8, (rows, *image_size, 3))],
        ends,
    )
    whole.initializer.extend(tensor for tensor in graph.initializer if tensor.name in read)
    whole.initializer.extend(builder.constants)
    return _serialized(file, whole)


def make_probe(file: OnnxFile, names: Sequence[str]) -> bytes:
    """Return the graph as it is, giving some of its tensors in place of its outputs."""
    import onnx

    graph = file.model.graph
    needed = needed_nodes(graph, names)
    ends = [onnx.ValueInfoProto(name=name) for name in names]
    inputs = [value for value in graph.input if value.name not in {tensor.name for tensor in graph.initializer}]
    whole = onnx.helper.make_graph(needed, "featx", inputs, ends)
    read = {name for node in needed for name in read_by(node)}
    whole.initializer.extend(tensor for tensor in graph.initializer if tensor.name in read)
    return _serialized(file, whole)


def _serialized(file: OnnxFile, graph: Any) -> bytes:
    import onnx

    model = onnx.ModelProto(ir_version=file.model.ir_version, producer_name="featx")
    model.opset_import.extend(file.model.opset_import)
    model.graph.CopyFrom(graph)
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # past 2 GB, which each implementation of protobuf says in its own way
        raise BackboneError(f"{file.path}: is too large to be run: {type(error).__name__}. Save it in float16.") from error


def _names_in(graph: Any) -> set[str]:
    """Return every name of a tensor in a graph, or in one inside it."""
    names = {value.name for value in graph.input}
    for inner in graphs_of(graph):
        names.update(tensor.name for tensor in inner.initializer)
        names.update(name for node in inner.node for name in (*node.input, *node.output))
    return names


def _add_scaling(builder: _Builder, spec: InputSpec, preprocess: str, images: str) -> None:
    """Scale bytes (n, h, w, 3) as the network was trained, in its layout and type, under the name of its own input."""
    import onnx

    values = images
    if spec.kind != "uint8":
        scale, offset, reverse = factors_of(preprocess)
        values = builder.add("Cast", [values], to=onnx.TensorProto.FLOAT)
        if reverse:
            values = builder.add("Gather", [values, builder.constant([2, 1, 0], np.int64)], axis=3)
        if np.any(np.asarray(scale) != 1):
            values = builder.add("Mul", [values, builder.constant(scale, np.float32)])
        if np.any(np.asarray(offset) != 0):
            values = builder.add("Add", [values, builder.constant(offset, np.float32)])
        if spec.kind != "float32":
            values = builder.add("Cast", [values], to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.kind)))
    if spec.layout == "nchw":
        values = builder.add("Transpose", [values], perm=[0, 3, 1, 2])
    builder.add("Identity", [values], spec.name)


def _add_output(builder: _Builder, opset: int, layer: Layer) -> str:
    """Turn a tensor into maps (n, h, w, c) of float32."""
    import onnx

    values = builder.add("Cast", [layer.tensor.name], to=onnx.TensorProto.FLOAT)
    if layer.tensor.layout == "nchw":
        values = builder.add("Transpose", [values], perm=[0, 2, 3, 1])
    elif layer.part in ("cls", "both", "patches"):
        first = builder.add("Gather", [values, builder.constant([0], np.int64)], axis=1)
        patches = builder.constant(range(layer.first_patch, layer.tensor.shape[1]), np.int64)
        others = builder.add("Gather", [values, patches], axis=1)
        if layer.part == "both":
            values = builder.add("Concat", [first, _mean_of_tokens(builder, opset, others)], axis=2)
        else:
            values = first if layer.part == "cls" else others
    return builder.add("Reshape", [values, builder.constant([0, *layer.shape], np.int64)])


def _mean_of_tokens(builder: _Builder, opset: int, values: str) -> str:
    if opset >= _REDUCING_BY_INPUT:
        return builder.add("ReduceMean", [values, builder.constant([1], np.int64)], keepdims=1)
    return builder.add("ReduceMean", [values], axes=[1], keepdims=1)
