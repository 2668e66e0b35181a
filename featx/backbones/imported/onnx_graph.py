"""What an ONNX graph computes: the shape and layout of each tensor, and the part of it that some of them need."""

from typing import Any

from featx.backbones.imported.layers import Tensor, is_grid
from featx.backbones.imported.onnx_file import OnnxFile
from featx.backbones.imported.onnx_input import InputSpec
from featx.backbones.imported.onnx_nodes import read_by
from featx.backbones.imported.onnx_shapes import Shapes
from featx.errors import BackboneError

_SPATIAL_NAMES = """
Conv ConvTranspose ConvInteger QLinearConv MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool BatchNormalization
InstanceNormalization GroupNormalization LRN DepthToSpace SpaceToDepth DeformConv
"""
_SPATIAL = frozenset(_SPATIAL_NAMES.split())
"""Operators that ONNX defines for channels behind the batch alone."""

_OF_ANOTHER_SHAPE_NAMES = """
Reshape Einsum Gather GatherND GatherElements Squeeze Unsqueeze Flatten Expand Tile
"""
_OF_ANOTHER_SHAPE = frozenset(_OF_ANOTHER_SHAPE_NAMES.split())


def tensors_of(file: OnnxFile, spec: InputSpec, image_size: tuple[int, int], shapes: Shapes) -> list[Tensor]:
    """Return every tensor of floating-point numbers that features can be taken of, in the order in which they are computed.

    Parameters
    ----------
    file : OnnxFile
        The network.
    spec : InputSpec
        What it takes.
    image_size : tuple of int
        (height, width) [px].
    shapes : Shapes
        As far as they are known.
    """
    import onnx

    kinds = onnx.TensorProto
    numbers = (kinds.FLOAT, kinds.FLOAT16, kinds.DOUBLE, kinds.BFLOAT16)
    graph, batch = file.model.graph, spec.batch or 1
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


def _layout(
    node: Any,
    shape: tuple[int, ...],
    layouts: dict[str, str],
    shapes: Shapes,
    usual: str,
    image_size: tuple[int, int],
) -> str:
    """Return the layout of what a node gives; empty where it is no map, such as the weights of an attention."""
    sources = [name for name in read_by(node) if layouts.get(name)]
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


def refuse_no_layers(file: OnnxFile) -> BackboneError:
    """Return the error for a graph that gives nothing that features could be."""
    return BackboneError(
        f"{file.path}: gives no map (n, c, h, w), no tokens (n, tokens, c) and no vector (n, c) of each image. Export a "
        "network that takes images and gives features."
    )
