"""What an ONNX graph computes: the shape and layout of each tensor, and the part of it that some of them need."""

from collections.abc import Iterable, Sequence
from typing import Any

from featx.backbones.imported.layers import Tensor, is_grid
from featx.backbones.imported.onnx_file import OnnxFile, elements_of, graphs_of
from featx.backbones.imported.onnx_input import InputSpec
from featx.errors import BackboneError, WeightsError

Shapes = dict[str, tuple[int, tuple[int, ...]]]
"""Type and shape of a tensor by name, as far as they are known."""

_LARGEST_TENSOR = 2**28
"""Values of one image's tensor: 1 GiB of float32."""

_SMALL = 4096  # values: what shapes are computed from is smaller
_UNENDING = ("Loop", "Scan")
_SPATIAL = frozenset(
    [
        "Conv",
        "ConvTranspose",
        "ConvInteger",
        "QLinearConv",
        "MaxPool",
        "AveragePool",
        "LpPool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "BatchNormalization",
        "InstanceNormalization",
        "GroupNormalization",
        "LRN",
        "DepthToSpace",
        "SpaceToDepth",
        "DeformConv",
    ]
)
"""Operators that ONNX defines for channels behind the batch alone."""

_OF_ANOTHER_SHAPE = frozenset(
    ["Reshape", "Einsum", "Gather", "GatherND", "GatherElements", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile"]
)


def tensors_of(file: OnnxFile, spec: InputSpec, image_size: tuple[int, int], probed: Shapes | None = None) -> list[Tensor]:
    """Return every tensor of floating-point numbers that features can be taken of, in the order in which they are computed.

    Parameters
    ----------
    file : OnnxFile
        The network.
    spec : InputSpec
        What it takes.
    image_size : tuple of int
        (height, width) [px].
    probed : Shapes or None
        Found by running it, where the graph alone does not tell.

    Raises
    ------
    WeightsError
        If a tensor would be far larger than any image's.
    """
    import onnx

    kinds = onnx.TensorProto
    numbers = (kinds.FLOAT, kinds.FLOAT16, kinds.DOUBLE, kinds.BFLOAT16)
    graph, batch = file.model.graph, spec.batch or 1
    shapes = infer_shapes(file, spec, image_size) | (probed or {})
    outputs = {value.name for value in graph.output}
    layouts = {spec.name: spec.layout}
    seeing = {spec.name}
    tensors = []
    for node in graph.node:
        if not seeing.intersection(read_by(node)):
            continue
        seeing.update(node.output)
        for name in filter(None, node.output):
            kind, shape = shapes.get(name, (0, ()))
            if len(shape) == 4:
                layouts[name] = _layout(node, shape, layouts, shapes, spec.layout, image_size)
            if kind in numbers and shape[:1] == (batch,):
                tensors.append(Tensor(name, node.op_type, shape, layouts.get(name, ""), node.name, name in outputs))
    return tensors


def unknown_tensors(file: OnnxFile, spec: InputSpec, image_size: tuple[int, int]) -> list[str]:
    """Return the tensors that the outputs come from whose shapes the graph alone does not tell."""
    shapes = infer_shapes(file, spec, image_size)
    needed = needed_nodes(file.model.graph, [value.name for value in file.model.graph.output])
    return [name for node in needed for name in node.output if name and name not in shapes]


def infer_shapes(file: OnnxFile, spec: InputSpec, image_size: tuple[int, int]) -> Shapes:
    """Return types and shapes, for one batch of images of that size, by ONNX's own inference."""
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
                "the "
                "most. Give a smaller --image-size, or another network."
            )


def needed_nodes(graph: Any, names: Iterable[str]) -> list[Any]:
    """Return the nodes that some tensors are computed by, in the order of the graph."""
    makers = {name: node for node in graph.node for name in node.output if name}
    wanted, needed = list(names), {}
    while wanted:
        node = makers.get(wanted.pop())
        if node is not None and id(node) not in needed:
            needed[id(node)] = node
            wanted.extend(read_by(node))
    return [node for node in graph.node if id(node) in needed]


def check_nodes(file: OnnxFile, nodes: Sequence[Any]) -> None:
    """Refuse nodes that may never end.

    Raises
    ------
    WeightsError
        If there are loops among them.
    """
    for node in nodes:
        inner = [
            other
            for attribute in node.attribute
            for graph in (attribute.g, *attribute.graphs)
            for one in graphs_of(graph)
            for other in one.node
        ]
        for one in (node, *inner):
            if one.op_type in _UNENDING:
                raise WeightsError(
                    f"{file.path}: node {one.name[:80]!r} is a {one.op_type}, which may never end, and no network for images "
                    "needs one. "
                    "Give --layers of a layer before it."
                )


def read_by(node: Any) -> list[str]:
    """Return the tensors that a node reads, those that graphs inside it read from outside included."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            for graph in graphs_of(inner):
                names += [name for other in graph.node for name in other.input if name]
                names += [value.name for value in graph.output]
    return names


def _layout(
    node: Any,
    shape: tuple[int, ...],
    layouts: dict[str, str],
    shapes: Shapes,
    usual: str,
    image_size: tuple[int, int],
) -> str:
    """Return the layout of what a node gives; empty where it is no map, such as the weights of an attention."""
    sources = [name for name in node.input if layouts.get(name)]
    source = layouts[sources[0]] if sources else ""
    match node.op_type:
        case kind if kind in _SPATIAL:
            return "nchw"
        case "Transpose":
            perm = next((list(one.ints) for one in node.attribute if one.name == "perm"), [3, 2, 1, 0])
            turned = "".join(source[place] for place in perm) if len(source) == len(perm) == 4 else ""
            return turned if turned in ("nchw", "nhwc") else ""
        case "MatMul":
            others = [shapes.get(name, (0, ()))[1] for name in node.input[1:]]
            return source if len(others) == 1 and len(others[0]) == 2 and node.input[0] in layouts else ""
        case kind if kind in _OF_ANOTHER_SHAPE:
            _, first, second, third = shape
            fitting = [("nhwc", (first, second)), ("nchw", (second, third))]
            found = [name for name, sides in fitting if is_grid(*sides, image_size)]
            return usual if usual in found else (found or [""])[0]
    return source


def parameters_of(file: OnnxFile, nodes: Sequence[Any]) -> dict[str, int]:
    """Return the number of stored values that each node reads first, by its first output."""
    sizes = {tensor.name: elements_of(tensor) for tensor in file.model.graph.initializer}
    return {node.output[0]: sum(sizes.pop(name, 0) for name in node.input) for node in nodes if node.output}


def refuse_no_layers(file: OnnxFile) -> BackboneError:
    """Return the error for a graph that gives nothing that features could be."""
    return BackboneError(
        f"{file.path}: gives no map (n, c, h, w), no tokens (n, tokens, c) and no vector (n, c) of each image. Export a "
        "network that "
        "takes images and gives features."
    )
