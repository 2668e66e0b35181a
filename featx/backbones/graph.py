"""A network as ncnn reads it: one line of text for each layer, and the arrays of all layers in the order of the lines.

Written in memory and read from there: no converter runs, and nothing lies on a disk that somebody could have changed.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Setting = int | float | tuple[float, ...] | tuple[int, ...]

_MAGIC = 7767517
_FOLDING = ("Convolution", "ConvolutionDepthWise")
_WITH_TAG = (*_FOLDING, "InnerProduct")
_BIAS, _ACTIVATION, _LIMITS = 5, 9, 10
_ACTIVATIONS = {"ReLU": 1, "Clip": 3, "HardSwish": 6}
"""What a convolution does to its results by itself, by the layer that it saves."""


@dataclasses.dataclass
class Node:
    """One layer of ncnn.

    Parameters
    ----------
    kind : str
        ncnn's name of it, such as ``Convolution``.
    inputs : list of str
        What it reads, by the names that ``Graph.add`` gave.
    output : str
        What it gives.
    settings : dict of int to number, or tuple of numbers
        ncnn's parameters, by its numbers for them.
    arrays : list of ndarray, float32
        Its weights, in ncnn's order and layout.
    """

    kind: str
    inputs: list[str]
    output: str
    settings: dict[int, Setting]
    arrays: list[Array]

    def line(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
        """Return ncnn's line for it."""
        settings = " ".join(_setting(number, value) for number, value in self.settings.items())
        return f"{self.kind} {name} {len(inputs)} {len(outputs)} {' '.join([*inputs, *outputs])} {settings}".rstrip()


@dataclasses.dataclass(frozen=True)
class Program:
    """What ncnn loads and runs.

    Parameters
    ----------
    text : str
        The layers.
    weights : list of bytes or ndarray
        What is to be read, one after the other; arrays as C orders them, whatever order they are in here.
    source : str
        Where the pixels go.
    results : dict of str to (str, tuple of int)
        For each layer kept, in the order in which they are computed: where its output is, and that output's shape
        (h, w, n_channels) or (n_features,).
    """

    text: str
    weights: list[bytes | Array]
    source: str
    results: dict[str, tuple[str, tuple[int, ...]]]


class Graph:
    """Layers of ncnn, put together one after the other.

    Examples
    --------
    >>> graph = Graph()
    >>> graph.finished({"last": (graph.add("ReLU", [graph.source]), (4, 4, 3))}).text.splitlines()[2:]
    ['Input n0 0 1 b0', 'ReLU n1 1 1 b0 b1']
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self.source = self.add("Input", [])

    def add(
        self, kind: str, inputs: Sequence[str], settings: Mapping[int, Setting] | None = None, arrays: Sequence[Array] = ()
    ) -> str:
        """Add a layer; return the name of what it gives."""
        name = f"b{len(self._nodes)}"
        self._nodes.append(Node(kind, list(inputs), name, dict(settings or {}), list(arrays)))
        return name

    def finished(self, results: Mapping[str, tuple[str, tuple[int, ...]]]) -> Program:
        """Return what computes some of the outputs, and nothing else.

        Factors and sums for each channel, which batch normalisation is, become part of the convolution before them; so does
        what follows a convolution on each number alone. Nothing is changed about an output that is wanted itself.

        Parameters
        ----------
        results : dict of str to (str, tuple of int)
            For each layer kept the name that ``add`` gave, and the shape of one image's output.
        """
        wanted = {blob for blob, _ in results.values()}
        nodes = _fused(_needed(self._nodes, wanted), wanted)
        order = {node.output: place for place, node in enumerate(nodes)}
        lines, n_blobs = _lines(nodes)
        return Program(
            text=f"{_MAGIC}\n{len(lines)} {n_blobs}\n" + "\n".join(lines) + "\n",
            weights=[part for node in nodes for part in _weights(node)],
            source=self.source,
            results=dict(sorted(results.items(), key=lambda item: order[item[1][0]])),
        )


def _needed(nodes: Sequence[Node], wanted: set[str]) -> list[Node]:
    """Leave out what no wanted output depends on."""
    read = set(wanted)
    kept = []
    for node in reversed(nodes):
        if node.output in read or node.kind == "Input":
            kept.append(node)
            read.update(node.inputs)
    return kept[::-1]


def _fused(nodes: Sequence[Node], wanted: set[str]) -> list[Node]:
    """Let convolutions do what follows them; the nodes given stay as they are."""
    readers = Counter(blob for node in nodes for blob in node.inputs)
    made: dict[str, Node] = {}
    for node in nodes:
        before = made.get(node.inputs[0]) if node.inputs else None
        if before and readers[before.output] == 1 and before.output not in wanted and _takes(before, node):
            before.output = node.output
            made[node.output] = made.pop(node.inputs[0])
        else:
            made[node.output] = dataclasses.replace(node, settings=dict(node.settings), arrays=list(node.arrays))
    return list(made.values())


def _takes(convolution: Node, node: Node) -> bool:
    """Make a layer part of the convolution before it, if that can be done."""
    if convolution.kind not in _FOLDING or _ACTIVATION in convolution.settings:
        return False
    if node.kind == "Scale":
        _fold(convolution, node)
        return True
    if node.kind in _ACTIVATIONS:
        convolution.settings[_ACTIVATION] = _ACTIVATIONS[node.kind]
        if node.settings:
            convolution.settings[_LIMITS] = tuple(float(node.settings[number]) for number in (0, 1))  # type: ignore[arg-type]
        return True
    return False


def _fold(convolution: Node, scale: Node) -> None:
    """Multiply a convolution's kernels by the factors of what follows it: the same numbers, but for one product's rounding."""
    factors, sums = (array.astype(np.float64) for array in scale.arrays)
    kernel = convolution.arrays[0].astype(np.float64) * factors[:, None, None, None]
    bias = convolution.arrays[1].astype(np.float64) if convolution.settings.get(_BIAS) else 0.0
    convolution.arrays = [kernel.astype(np.float32), (bias * factors + sums).astype(np.float32)]
    convolution.settings[_BIAS] = 1


def _lines(nodes: Sequence[Node]) -> tuple[list[str], int]:
    """Return the lines, and the number of names in them: what several layers read is split by a layer of its own."""
    readers = Counter(blob for node in nodes for blob in node.inputs)
    copies: dict[str, Iterator[str]] = {}
    lines: list[str] = []
    for place, node in enumerate(nodes):
        inputs = [next(copies[blob]) if blob in copies else blob for blob in node.inputs]
        lines.append(node.line(f"n{place}", inputs, [node.output]))
        if (count := readers[node.output]) > 1:
            split = [f"{node.output}_{number}" for number in range(count)]
            lines.append(Node("Split", [], "", {}, []).line(f"s{place}", [node.output], split))
            copies[node.output] = iter(split)
    return lines, len(nodes) + sum(count for count in readers.values() if count > 1)


def _weights(node: Node) -> Iterator[bytes | Array]:
    if node.arrays and node.kind in _WITH_TAG:
        yield bytes(4)  # what follows is float32
    yield from node.arrays


def _setting(number: int, value: Setting) -> str:
    """Write one parameter; what ncnn is to read as a float has an exponent."""
    if isinstance(value, tuple):
        return f"{-23300 - number}={len(value)},{','.join(map(_number, value))}"
    return f"{number}={_number(value)}"


def _number(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9e}"
