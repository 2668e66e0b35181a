"""The shapes of an ONNX network's tensors, as far as its graph tells them without running it."""

from typing import Any

from featx.backbones.imported.onnx_file import OnnxFile, elements_of
from featx.backbones.imported.onnx_input import InputSpec
from featx.backbones.imported.onnx_nodes import needed_nodes
from featx.errors import WeightsError

Shapes = dict[str, tuple[int, tuple[int, ...]]]
"""Type and shape of a tensor by name, as far as they are known."""

_LARGEST_TENSOR = 2**28
"""Values of one image's tensor: 1 GiB of float32."""

_SMALL = 4096  # values: what shapes are computed from is smaller

_MOST_RANKS = 9  # where nothing is known

_AS_BEFORE_NAMES = """
MatMul Add Sub Mul Div Pow Relu LeakyRelu Sigmoid Tanh Softmax Clip Identity Cast Dropout Erf Sqrt Exp Neg Where HardSigmoid
HardSwish Gelu Elu Selu PRelu LogSoftmax ReduceMean ReduceSum ReduceMax Concat LayerNormalization
"""

_AS_BEFORE = frozenset(_AS_BEFORE_NAMES.split())
"""Operators that give no more dimensions than they read."""


def unknown_tensors(file: OnnxFile, shapes: Shapes) -> list[str]:
    """Return the tensors on the way to the outputs that may be maps or tokens for all that the graph alone tells."""
    ranks = {name: len(shape) for name, (_, shape) in shapes.items()}
    doubtful = []
    for node in needed_nodes(file.model.graph, [value.name for value in file.model.graph.output]):
        for name in filter(None, node.output):
            if name not in shapes and _rank(node, ranks, shapes) > 2:  # rows of numbers are neither
                doubtful.append(name)
            ranks.setdefault(name, _rank(node, ranks, shapes))
    return doubtful


def _rank(node: Any, ranks: dict[str, int], shapes: Shapes) -> int:
    """Return how many dimensions a node's outputs have at most."""
    before = [ranks.get(name, _MOST_RANKS) for name in node.input if name]
    match node.op_type:
        case "Flatten" | "Gemm":
            return 2
        case "Reshape" if shapes.get(node.input[1], (0, ()))[1]:
            return shapes[node.input[1]][1][0]
        case kind if kind in _AS_BEFORE:
            return max(before, default=_MOST_RANKS)
    return _MOST_RANKS


def infer_shapes(file: OnnxFile, spec: InputSpec, image_size: tuple[int, int]) -> Shapes:
    """Return types and shapes, for one batch of images of that size, by ONNX's own inference.

    Raises
    ------
    WeightsError
        If a tensor would be far larger than any image's.
    """
    import onnx

    graph = file.model.graph
    light = onnx.ModelProto(ir_version=file.model.ir_version)
    light.opset_import.extend(file.model.opset_import)
    light.graph.name = graph.name or "graph"
    light.graph.node.extend(graph.node)
    light.graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in graph.output)
    for tensor in graph.initializer:
        # Of large weights the shape alone: nothing is computed from their values here.
        kept = (
            tensor
            if elements_of(tensor) <= _SMALL
            else onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        )
        light.graph.initializer.append(kept)
    for value in graph.input:
        if value.name != spec.name:
            light.graph.input.append(value)
            continue
        elem = value.type.tensor_type.elem_type
        light.graph.input.append(onnx.helper.make_tensor_value_info(value.name, elem, spec.shape(spec.batch or 1, image_size)))
    try:
        found = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
    except Exception:  # it gives up in ways of its own: then nothing is known, and the network is tried
        found = light.graph
    shapes: Shapes = {}
    for value in (*found.value_info, *found.output, *found.input):
        tensor = value.type.tensor_type
        if tensor.elem_type and tensor.HasField("shape") and all(dim.dim_value > 0 for dim in tensor.shape.dim):
            shapes[value.name] = tensor.elem_type, tuple(int(dim.dim_value) for dim in tensor.shape.dim)
    shapes |= {tensor.name: (tensor.data_type, tuple(map(int, tensor.dims))) for tensor in graph.initializer}
    _check_sizes(file, shapes, spec.batch or 1)
    return shapes


def _check_sizes(file: OnnxFile, shapes: Shapes, batch: int) -> None:
    for name, (_, shape) in shapes.items():
        size = 1
        for side in shape:
            size *= side
        if size > _LARGEST_TENSOR * batch:
            raise WeightsError(
                f"{file.path}: {name[:80]!r} would be of shape {shape}, {size:,} values an image, and {_LARGEST_TENSOR:,} is "
                "the most. Give a smaller --image-size, or another network."
            )
