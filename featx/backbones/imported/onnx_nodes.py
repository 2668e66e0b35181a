"""The nodes of an ONNX graph that some of its tensors need."""

from collections.abc import Iterable, Sequence
from typing import Any

from featx.backbones.imported.onnx_file import OnnxFile, elements_of, graphs_of
from featx.errors import WeightsError

_UNENDING = ("Loop", "Scan")


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
                    "needs one. Give --layer of a layer before it."
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


def parameters_of(file: OnnxFile, nodes: Sequence[Any]) -> dict[str, int]:
    """Return the number of stored values that each node reads first, by its first output."""
    graph = file.model.graph
    sizes = {tensor.name: elements_of(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            sizes[node.output[0]] = sum(elements_of(one.t) for one in node.attribute if one.HasField("t"))
    return {node.output[0]: sum(sizes.pop(name, 0) for name in node.input) for node in nodes if node.output}
