"""The images that an ONNX network takes: how many, how large, in which layout and type; and how pixels are scaled for it."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones.imported.onnx_file import OnnxFile
from featx.backbones.imported.own_scale import scaling_before
from featx.errors import BackboneError, ImageSizeError, RecipeError
from featx.recipe import Scaling

_CHANNELS = 3
_DEFAULT_SIDE = 224
_PASSING_ON = ("Cast", "Transpose", "Identity", "Resize", "Squeeze", "Unsqueeze")
_WHOLE = ("Sub", "Add", "Mul", "Div", "BatchNormalization")
_CONSTANTS = ("value_float", "value_floats", "value_int", "value_ints")
_SAME_NUMBERS = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_MOST_A_PASS = 4096


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """The only input of a network that takes images.

    Parameters
    ----------
    name : str
        Of the tensor.
    kind : str
        ``uint8``, ``float32``, ``float16`` or ``float64``.
    layout : str
        ``nchw`` or ``nhwc``.
    batch : int or None
        Images a pass, where the graph takes no other number.
    height, width : int or None
        Of the images, where the graph takes no others [px].
    """

    name: str
    kind: str
    layout: str
    batch: int | None
    height: int | None
    width: int | None

    def image_size(self, path: object, asked: tuple[int, int] | None) -> tuple[int, int]:
        """Return the (height, width) of the images that are given to it.

        Raises
        ------
        ImageSizeError
            If the graph takes images of another size alone.
        """
        own = self.height or self.width or _DEFAULT_SIDE
        size = asked or (self.height or own, self.width or own)
        if size[0] != (self.height or size[0]) or size[1] != (self.width or size[1]):
            wanted = f"{self.height or 'any'}x{self.width or 'any'}"
            raise ImageSizeError(
                f"{path}: takes images of {wanted} px (height x width) alone. Received: {size[0]}x{size[1]}. Leave "
                "--image-size out, or export the network for that size."
            )
        return size

    def shape(self, batch: int, image_size: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of a batch."""
        height, width = image_size
        return (batch, _CHANNELS, height, width) if self.layout == "nchw" else (batch, height, width, _CHANNELS)


def find_input(file: OnnxFile, asked: str = "") -> InputSpec:
    """Return what a network takes.

    Parameters
    ----------
    file : OnnxFile
        The network.
    asked : str
        ``nchw`` or ``nhwc``, where its shape does not tell.

    Raises
    ------
    BackboneError
        If it takes anything but one array of images in colour.
    RecipeError
        If the layout has to be asked for, or is another than was said.
    """
    import onnx

    stored = {tensor.name for tensor in file.model.graph.initializer}
    inputs = [value for value in file.model.graph.input if value.name not in stored]
    if len(inputs) != 1:
        listed = ", ".join(_described(value) for value in inputs[:5]) or "none"
        raise BackboneError(
            f"{file.path}: has {len(inputs)} inputs, and one of images is wanted: {listed}. Of a network for images and "
            "texts, such as CLIP, export the part for images alone."
        )
    (value,) = inputs
    kinds = {
        onnx.TensorProto.UINT8: "uint8",
        onnx.TensorProto.FLOAT: "float32",
        onnx.TensorProto.FLOAT16: "float16",
        onnx.TensorProto.DOUBLE: "float64",
    }
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(dims) != 4 or tensor.elem_type not in kinds:
        raise BackboneError(
            f"{file.path}: its input is no array of images, but {_described(value)}. Wanted is (n, 3, height, width) or (n, "
            "height, width, 3), of uint8 or floating-point numbers."
        )
    layout = _layout(file, value, dims, asked)
    batch, *rest = dims
    if batch and batch > _MOST_A_PASS:
        raise BackboneError(
            f"{file.path}: takes {batch:,} images a pass and no other number, and {_MOST_A_PASS:,} are the most. Export it "
            "with a dynamic batch."
        )
    height, width = rest[1:] if layout == "nchw" else rest[:2]
    return InputSpec(value.name, kinds[tensor.elem_type], layout, batch, height, width)


def _layout(file: OnnxFile, value: Any, dims: list[int | None], asked: str) -> str:
    behind, last = dims[1], dims[3]
    possible = [name for name, found in (("nchw", behind), ("nhwc", last)) if found in (_CHANNELS, None)]
    exact = [name for name, found in (("nchw", behind), ("nhwc", last)) if found == _CHANNELS]
    if len(exact) == 1:
        possible = exact
    elif len(possible) == 2 and not asked:
        possible = _read_as(file, value.name) or possible
    if not possible:
        raise BackboneError(
            f"{file.path}: takes no images in colour, but {_described(value)}. featx gives RGB images of 3 channels: export a "
            "network for these."
        )
    if asked and asked not in possible:
        raise RecipeError(
            f"{file.path}: --preprocess says {asked}, but its input is {_described(value)}: {possible[0]}. Leave it out."
        )
    if len(possible) > 1 and not asked:
        raise RecipeError(
            f"{file.path}: its input, {_described(value)}, does not tell where the channels are. Give --preprocess 'MODE "
            "nchw' if it takes (n, channels, height, width), as PyTorch has it, or 'MODE nhwc'."
        )
    return asked or possible[0]


def _read_as(file: OnnxFile, name: str) -> list[str]:
    """Return the layout that a convolution or a transposition right behind the input shows, if one does."""
    weights = {tensor.name: list(tensor.dims) for tensor in file.model.graph.initializer}
    for node in file.model.graph.node:
        if name not in node.input:
            continue
        if node.op_type == "Conv" and weights.get(node.input[1], [0, 0])[1] == _CHANNELS:
            return ["nchw"]
        if node.op_type == "Transpose" and [list(one.ints) for one in node.attribute if one.name == "perm"] == [[0, 3, 1, 2]]:
            return ["nhwc"]
    return []


def own_scaling(file: OnnxFile, spec: InputSpec) -> tuple[str, str]:
    """Return the ``preprocess`` of a network where nobody has said it, and a note on why it was taken.

    The note is empty where there is no doubt: a network that takes bytes.
    """
    if spec.kind == "uint8":
        return "none", ""
    constant = _first_constant(file, spec.name)
    if constant is not None:
        kind, values = constant
        mode = scaling_before(values, is_factor=kind == "Mul")
        most = 255 if mode == "none" else 1
        return mode, f"begins with a scaling of its own, of pixels from 0 to {most}: --preprocess {mode} was taken"
    mode = "torch" if spec.layout == "nchw" else "rescale"
    why = "as torchvision, timm and DINOv2 have it" if spec.layout == "nchw" else "pixels from 0 to 1"
    return mode, f"does not say how pixels are scaled for it: --preprocess {mode} was taken, {why}"


def _first_constant(file: OnnxFile, name: str) -> tuple[str, float] | None:
    """Return what a network does to pixels by stored numbers before anything else, and the largest of these numbers."""
    graph = file.model.graph
    stored = _stored_numbers(graph)
    for _ in range(len(_PASSING_ON) + 1):
        node = next((node for node in graph.node if name in node.input), None)
        if node is None:
            return None
        if node.op_type in _WHOLE:
            values = [float(np.abs(stored[other]).max()) for other in node.input if other in stored]
            return (node.op_type, max(values)) if values else None
        if node.op_type not in _PASSING_ON:
            return None
        name = node.output[0]
    return None


def _stored_numbers(graph: Any) -> dict[str, NDArray[np.float64]]:
    """Return what is stored in a graph of as few numbers as there are channels, by the names that nodes read it under."""
    import onnx

    one = onnx.TensorProto
    kinds = (one.FLOAT, one.FLOAT16, one.BFLOAT16, one.DOUBLE, one.INT8, one.UINT8, one.INT32, one.INT64)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    numbers: dict[str, NDArray[np.float64]] = {}
    for node in graph.node:
        if node.op_type == "Constant":
            given = {setting.name: onnx.helper.get_attribute_value(setting) for setting in node.attribute}
            if "value" in given:
                tensors[node.output[0]] = given["value"]
            elif found := [value for name, value in given.items() if name in _CONSTANTS]:
                numbers[node.output[0]] = np.ravel(np.asarray(found[0], np.float64))
    for name, tensor in tensors.items():
        if 0 < math.prod(tensor.dims or [1]) <= _CHANNELS and tensor.data_type in kinds:
            numbers[name] = np.ravel(np.asarray(onnx.numpy_helper.to_array(tensor), np.float64))
    for node in graph.node:
        if node.op_type in _SAME_NUMBERS and node.input[0] in numbers:
            numbers[node.output[0]] = numbers[node.input[0]]
    return {name: values for name, values in numbers.items() if 0 < len(values) <= _CHANNELS}


def asked_scaling(file: OnnxFile, spec: InputSpec, scaling: Scaling) -> str:
    """Return the ``preprocess`` that was asked for, as the recipe has it: without a layout that the shape tells by itself.

    Raises
    ------
    RecipeError
        If the network takes bytes, and so scales them itself.
    """
    told = _told_by_shape(file)
    plain = str(dataclasses.replace(scaling, layout="" if told else scaling.layout))
    if spec.kind == "uint8" and dataclasses.replace(scaling, layout="", mode=scaling.mode or "-") != Scaling("none"):
        raise RecipeError(
            f"{file.path}: takes bytes from 0 to 255 and scales them itself. Received: --preprocess {scaling}. Leave it out."
        )
    return plain


def _told_by_shape(file: OnnxFile) -> bool:
    try:
        find_input(file)
    except RecipeError:
        return False
    return True


def _described(value: Any) -> str:
    """Return an input's name, type and shape, in few words."""
    import onnx

    tensor = value.type.tensor_type
    name = value.name if len(value.name) <= 40 else f"{value.name[:37]}…"
    try:
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    except (KeyError, TypeError, ValueError):
        kind = "another kind of value"
    dims = ", ".join(str(dim.dim_value or dim.dim_param[:20] or "?") for dim in list(tensor.shape.dim)[:8])
    return f"{name!r} {kind} ({dims})"
