"""ONNX files that are damaged, of another kind, or made to reach beyond themselves: refused with one error, and never run."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from featx.backbones import describe_network
from featx.errors import FeatxError, WeightsError
from tests.backbones.imported import graphs

Make = Callable[[Path], Path]


def truncated(folder: Path) -> Path:
    """A network of which the end is missing."""
    data = graphs.convolutions().SerializeToString()
    (folder / "n.onnx").write_bytes(data[: len(data) // 2])
    return folder / "n.onnx"


def of_bytes(data: bytes, name: str = "n.onnx") -> Make:
    """A file of some bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def pytorch(folder: Path) -> Path:
    """A checkpoint of PyTorch: a zip with a pickle, which nobody opens."""
    with zipfile.ZipFile(folder / "model.onnx", "w") as archive:
        archive.writestr("model/data.pkl", b"cos\nsystem\n(S'touch ran'\ntR.")
    return folder / "model.onnx"


def pipe(folder: Path) -> Path:
    """A pipe, at which a reader would wait for ever."""
    os.mkfifo(folder / "n.onnx")
    return folder / "n.onnx"


def changed(change: Callable[[Any], object]) -> Make:
    """A network of which something was changed."""

    def make(folder: Path) -> Path:
        model = graphs.convolutions()
        change(model)
        (folder / "n.onnx").write_bytes(model.SerializeToString())
        return folder / "n.onnx"

    return make


def outside(location: str) -> Make:
    """A network whose first weights lie in another file; the file is there."""

    def make(folder: Path) -> Path:
        (folder / "inside").mkdir()
        (folder / "secret").write_bytes(bytes(10_000))
        (folder / "inside" / "link").symlink_to(folder / "secret")
        (folder / "inside" / "short").write_bytes(b"1234")
        (folder / "inside" / "below").symlink_to(folder)
        model = graphs.convolutions()
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location.replace("FOLDER", str(folder)))
        (folder / "inside" / "n.onnx").write_bytes(model.SerializeToString())
        return folder / "inside" / "n.onnx"

    return make


def add_node(model: Any, node: Any) -> None:
    """Put a node behind the features, so that what the network gives needs it."""
    model.graph.node.append(node)
    model.graph.output[0].name = node.output[0]


def custom(model: Any) -> None:
    """An operator that only a library of the attacker's would have."""
    model.opset_import.append(helper.make_opsetid("attacker", 1))
    add_node(model, helper.make_node("Run", ["logits"], ["out"], name="evil", domain="attacker"))


def custom_within(model: Any) -> None:
    """The same inside the branch of a condition."""
    model.opset_import.append(helper.make_opsetid("attacker", 1))
    inner = helper.make_graph(
        [helper.make_node("Run", ["logits"], ["x"], domain="attacker")], "branch", [], [graphs.value("x", [1, 5])]
    )
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [1])
    model.graph.initializer.append(yes)
    add_node(model, helper.make_node("If", ["yes"], ["out"], then_branch=inner, else_branch=inner))


def function(model: Any) -> None:
    """A function that the file defines."""
    body = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "Body", ["a"], ["b"], body, [helper.make_opsetid("", graphs.OPSET)]))


def sparse(model: Any) -> None:
    """Two values that stand for a million million."""
    values = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("places", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**12]))


def declared(model: Any) -> None:
    """Weights of a terabyte, of which a few bytes are there."""
    model.graph.initializer[0].dims[:] = [10**6, 10**6, 1, 1]


def grown(model: Any) -> None:
    """A tensor of a million million values, made of its shape alone."""
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([10**6, 10**6]), "shape"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["huge"]))
    model.graph.node.append(helper.make_node("ReduceMean", ["huge"], ["mean"], keepdims=0))
    add_node(model, helper.make_node("Add", ["logits", "mean"], ["out"]))


def looping(model: Any) -> None:
    """A loop behind the map that the network gives; the number of rounds might be any."""
    graph = model.graph
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [graphs.value("i", [], TensorProto.INT64), graphs.value("go", [], TensorProto.BOOL), graphs.value("x", None)],
        [graphs.value("goes", [], TensorProto.BOOL), graphs.value("y", None)],
    )
    graph.initializer.append(helper.make_tensor("rounds", TensorProto.INT64, [], [8]))
    graph.initializer.append(helper.make_tensor("always", TensorProto.BOOL, [], [1]))
    graph.node.append(helper.make_node("Loop", ["rounds", "always", "/layer.1/Relu_output_0"], ["out"], body=body))
    del graph.output[:]
    graph.output.append(graphs.value("out", ["n", 8, 8, 8]))


def cyclic(model: Any) -> None:
    """Two nodes that wait for each other."""
    model.graph.node[0].input[0] = "/stem/Relu_output_0"


HOSTILE: dict[str, tuple[Make, str]] = {
    "truncated": (truncated, "no ONNX model, or the file is cut short"),
    "empty": (of_bytes(b""), "holds no network"),
    "picture": (of_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500)), "holds no network"),
    "text": (of_bytes(b"hello, world\n" * 40), "holds no network"),
    "safetensors": (of_bytes(b"\x08\0\0\0\0\0\0\0{}", "m.safetensors"), "is a file of safetensors"),
    "pytorch": (pytorch, "is a file of PyTorch"),
    "pipe": (pipe, "is a pipe, not a regular file"),
    "folder": (lambda folder: folder, "is a folder"),
    "missing": (lambda folder: folder / "none.onnx", "no such file"),
    "absolute": (outside("FOLDER/secret"), "only files in its own folder are read"),
    "above": (outside("../secret"), "only files in its own folder are read"),
    "around": (outside("below/../../secret"), "only files in its own folder are read"),
    "drive": (outside("C:\\secret"), "only files in its own folder are read"),
    "link": (outside("link"), "only files in its own folder are read, by no link"),
    "linked folder": (outside("below/secret"), "only files in its own folder are read, by no link"),
    "nowhere": (outside("gone"), "its weights lie in 'gone', which is not in"),
    "short": (outside("short"), "ends before the values of"),
    "no location": (outside(""), "only files in its own folder are read"),
    "custom": (changed(custom), "node 'evil' is 'Run' of 'attacker': only ONNX's own operators"),
    "custom within": (changed(custom_within), "is 'Run' of 'attacker'"),
    "function": (changed(function), r"defines 1 functions of its own\. Put them into its graph"),
    "sparse": (changed(sparse), "sparse weights"),
    "declared": (changed(declared), r"declares \[1000000, 1000000, 1, 1\] values and holds"),
    "grown": (changed(grown), r"'huge' would be of shape \(1000000, 1000000\)"),
    "looping": (changed(looping), "is a Loop, which may never end"),
    "cyclic": (changed(cyclic), "its graph is not valid"),
    "old": (changed(lambda model: model.opset_import[0].__setattr__("version", 6)), "opset 6, and at least 7"),
    "no input": (changed(lambda model: model.graph.input.pop()), "its graph is not valid|has 0 inputs"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_one_error(name: str, tmp_path: Path) -> None:
    """Typed, with the file's name and what is wrong, in a bounded message."""
    make, message = HOSTILE[name]
    path = make(tmp_path)
    with pytest.raises(FeatxError, match=message) as refused:
        describe_network(path)
    assert str(path.parent) in str(refused.value)
    assert len(str(refused.value)) < 1500


def test_an_offset_beyond_the_file_is_refused(tmp_path: Path) -> None:
    """Negative, past the end, or no number."""
    for entries, message in (
        ({"offset": "-8"}, "is to have"),
        ({"offset": "999999"}, "ends before the values"),
        ({"length": "x"}, "is no number"),
        ({"length": "99999999999"}, "is to have 99,999,999,999 bytes"),
    ):
        model = graphs.convolutions()
        tensor = model.graph.initializer[0]
        (tmp_path / "weights").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in ({"location": "weights"} | entries).items():
            tensor.external_data.add(key=key, value=value)
        (tmp_path / "n.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(WeightsError, match=message):
            describe_network(tmp_path / "n.onnx")


def test_layers_before_a_loop_can_be_taken(tmp_path: Path) -> None:
    """Only what the layers need is run, so that a detector's last steps need not be understood."""
    path = changed(looping)(tmp_path)
    assert describe_network(path, ["/stem/Relu_output_0"]).taken == ("stem_Relu_output_0",)


def test_any_byte_changed_is_an_error_or_another_network(tmp_path: Path) -> None:
    """Never a crash or an untyped error: a few hundred damages, each at another place."""
    data = graphs.transformer().SerializeToString()
    path = tmp_path / "n.onnx"
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.choice(len(data), 150, replace=False):
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            describe_network(path)
        except FeatxError:
            refused += 1
    assert 0 < refused < 150
