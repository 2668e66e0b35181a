"""ONNX networks made here, small, node by node, so that what is in them is known; named as torch.onnx names its nodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Graph:
    """Collects nodes and constants; ``model`` puts them together."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._rng = np.random.default_rng(seed)

    def weights(self, *shape: int) -> str:
        """Add drawn weights; return their name."""
        return self.constant(self._rng.normal(scale=0.3, size=shape).astype(np.float32))

    def constant(self, values: Any) -> str:
        """Add a constant; return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], output: str, name: str = "", **settings: Any) -> str:
        """Add a node; return the name of its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name or f"{output}_node", **settings))
        return output

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any], opset: int = OPSET) -> Any:
        """Return the model of what was collected."""
        graph = helper.make_graph(self.nodes, "network", inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def value(name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> Any:
    """Return an input or an output."""
    return helper.make_tensor_value_info(name, kind, shape)


def convolutions(batch: int | str = "batch", sides: Sequence[int | str] = (32, 32), channels: int | str = 3) -> Any:
    """Return two convolutions, the mean over places and a classifier of 5 classes, (n, 3, h, w)."""
    graph = Graph()
    first = graph.add("Conv", ["pixels", graph.weights(6, 3, 3, 3)], "/stem/Conv_output_0", strides=[2, 2], pads=[1] * 4)
    values = graph.add("Relu", [first], "/stem/Relu_output_0")
    values = graph.add("Conv", [values, graph.weights(8, 6, 3, 3)], "/layer.1/Conv_output_0", strides=[2, 2], pads=[1] * 4)
    values = graph.add("Relu", [values], "/layer.1/Relu_output_0")
    values = graph.add("Flatten", [graph.add("GlobalAveragePool", [values], "pooled")], "flat")
    graph.add("MatMul", [values, graph.weights(8, 5)], "logits", "classifier")
    return graph.model([value("pixels", [batch, channels, *sides])], [value("logits", [batch, 5])])


def transformer(batch: int | str = "batch", registers: int = 0, class_token: bool = True, opset: int = OPSET) -> Any:
    """Return a block of attention over the 4 x 4 patches of 64 x 64 px, as timm's transformers are exported."""
    graph, width, heads = Graph(1), 8, 2
    before = registers + class_token
    values = graph.add("Conv", ["pixels", graph.weights(width, 3, 16, 16)], "/patch_embed/Conv_output_0", strides=[16, 16])
    # The number of images as torch reads it, so that a shape is computed while the network runs.
    count = graph.add("Gather", [graph.add("Shape", [values], "shape"), graph.constant(np.array([0]))], "count", axis=0)
    values = graph.add(
        "Reshape", [values, graph.add("Concat", [count, graph.constant([width, -1])], "new_shape", axis=0)], "rows"
    )
    values = graph.add("Transpose", [values], "tokens", perm=[0, 2, 1])
    if before:
        shape = graph.add("Concat", [count, graph.constant([before, width])], "first_shape", axis=0)
        first = graph.add("Expand", [graph.weights(1, before, width), shape], "first")
        values = graph.add("Concat", [first, values], "with_first", axis=1)
    values = graph.add("Add", [values, graph.weights(1, 16 + before, width)], "/pos_embed/Add_output_0")
    normed = _normed(graph, values, "/blocks.0/norm1/Add_output_0", width)
    split = graph.constant([0, 0, heads, width // heads])
    query, key, content = (
        graph.add(
            "Transpose",
            [graph.add("Reshape", [graph.add("MatMul", [normed, graph.weights(width, width)], f"p{one}"), split], f"r{one}")],
            f"t{one}",
            perm=perm,
        )
        for one, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
    )
    attention = graph.add("Softmax", [graph.add("MatMul", [query, key], "scores")], "attention", axis=-1)
    mixed = graph.add("Transpose", [graph.add("MatMul", [attention, content], "mixed")], "mixed_heads", perm=[0, 2, 1, 3])
    mixed = graph.add("Reshape", [mixed, graph.constant([0, 0, width])], "joined")
    values = graph.add("Add", [values, mixed], "/blocks.0/Add_output_0")
    values = _normed(graph, values, "/norm/Add_output_0", width)
    pooled = graph.add("Gather", [values, graph.constant(np.int64(0))], "pooled", axis=1)
    graph.add("MatMul", [pooled, graph.weights(width, 5)], "logits")
    return graph.model([value("pixels", [batch, 3, 64, 64])], [value("logits", [batch, 5])], opset)


def _normed(graph: Graph, values: str, output: str, width: int) -> str:
    scaled = graph.add("LayerNormalization", [values, graph.weights(width)], f"{output}_scaled", axis=-1)
    return graph.add("Add", [scaled, graph.weights(width)], output)


def channels_last(kind: int = TensorProto.FLOAT, batch: int | str = "batch") -> Any:
    """Return a network of (n, 24, 32, 3), as TensorFlow's are exported: a division, a transposition, a convolution and back."""
    graph = Graph(2)
    pixels = "pixels" if kind == TensorProto.FLOAT else graph.add("Cast", ["pixels"], "floats", to=TensorProto.FLOAT)
    values = graph.add("Div", [pixels, graph.constant(np.float32(255))], "small")
    values = graph.add("Transpose", [values], "turned", perm=[0, 3, 1, 2])
    values = graph.add("Conv", [values, graph.weights(4, 3, 3, 3)], "conv", strides=[4, 4], pads=[1] * 4)
    graph.add("Transpose", [values], "features", perm=[0, 2, 3, 1])
    return graph.model([value("pixels", [batch, 24, 32, 3], kind)], [value("features", [batch, 6, 8, 4])])


def saved(model: Any, path: Path) -> Path:
    """Write a model."""
    onnx.save(model, path)
    return path


def answers(model: Any, tensor: str, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Return what ONNX Runtime itself gives for one tensor of a model, an image at a time."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    if tensor not in {output.name for output in whole.graph.output}:
        whole.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    given: NDArray[np.float32] = np.concatenate(
        [session.run([tensor], {name: inputs[n : n + 1]})[0] for n in range(len(inputs))]
    )
    return given


def pixels(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return drawn images (count, height, width, 3)."""
    return np.random.default_rng(5).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def as_torch_does(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale images as torchvision does, and put their channels behind the batch."""
    return ((images / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32)
