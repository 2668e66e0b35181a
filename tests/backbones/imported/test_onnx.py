"""Networks from ONNX files: what is taken of them, and that it is what the file computes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from featx.backbones import describe_network, load_backbone
from featx.backbones.imported import onnx_run, onnx_runtime
from featx.errors import (
    BackboneError,
    DeviceError,
    ExtraMissing,
    FeatxError,
    ImageSizeError,
    RecipeError,
    UnknownLayer,
    WeightsError,
)
from featx.recipe import Recipe, read_scaling
from tests.backbones.imported import graphs

RUNTIMES = ("onnxruntime", "openvino")
BOUND = 1e-5
"""Largest difference of the features by the two runtimes, as a share of the largest value."""


def features(
    path: Path, images: NDArray[np.uint8], runtime: str = "onnxruntime", **asked: Any
) -> dict[str, NDArray[np.float32]]:
    """Return what a network's default layers, or those asked for, give for images; three images a pass."""
    scaling = asked.pop("preprocess", None)
    found = describe_network(path, scaling=scaling and read_scaling(scaling), **asked)
    recipe = Recipe(found.kind, found.digest, found.taken, found.image_size, found.preprocess)
    return onnx_run.OnnxBackbone(recipe, path, 3, runtimes=[runtime])(images)


def assert_near(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    """Compare features."""
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= BOUND * np.abs(wanted).max()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_the_last_map_of_a_classifier_is_what_the_file_computes(runtime: str, batch: int | str, tmp_path: Path) -> None:
    """Whatever the number of images that the graph takes, with either runtime; channels come last in what is kept."""
    model = graphs.convolutions(batch)
    path = graphs.saved(model, tmp_path / "network.onnx")
    images = graphs.pixels(5, 32, 32)
    found = features(path, images, runtime)
    one = graphs.convolutions(1)  # the same weights
    wanted = graphs.answers(one, "/layer.1/Relu_output_0", graphs.as_torch_does(images)).transpose(0, 2, 3, 1)
    assert list(found) == ["layer_1_Relu_output_0"]
    assert_near(found["layer_1_Relu_output_0"], wanted)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("registers", "class_token"), [(0, True), (4, True), (0, False)])
def test_tokens_are_kept_as_patches_class_token_and_both(
    runtime: str, registers: int, class_token: bool, tmp_path: Path
) -> None:
    """Of a transformer the last tokens: those of the grid in rows and columns; the first; and this with the grid's mean."""
    model = graphs.transformer(registers=registers, class_token=class_token)
    path = graphs.saved(model, tmp_path / "network.onnx")
    images = graphs.pixels(4, 64, 64)
    tokens = graphs.answers(model, "/norm/Add_output_0", graphs.as_torch_does(images))
    patches = tokens[:, registers + class_token :]
    wanted = {"patches": patches.reshape(4, 4, 4, 8)}
    if class_token:
        wanted["cls"] = tokens[:, :1, None]
        wanted["both"] = np.concatenate([tokens[:, 0], patches.mean(axis=1)], axis=1)[:, None, None]
    found = features(path, images, runtime)
    assert list(found) == [f"norm_Add_output_0:{part}" for part in wanted]
    for part, values in wanted.items():
        assert_near(found[f"norm_Add_output_0:{part}"], values)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8])
def test_channels_last_bytes_and_a_scaling_of_its_own_are_told(kind: int, tmp_path: Path) -> None:
    """The graph divides by 255 itself, so that pixels go in as they are; its output is a map already."""
    model = graphs.channels_last(kind)
    path = graphs.saved(model, tmp_path / "network.onnx")
    images = graphs.pixels(3, 24, 32)
    found = describe_network(path)
    assert (found.preprocess, found.taken, found.image_size) == ("none", ("features",), (24, 32))
    assert any("scaling of its own" in note for note in found.notes) == (kind == TensorProto.FLOAT)
    given = images if kind == TensorProto.UINT8 else images.astype(np.float32)
    assert_near(features(path, images)["features"], graphs.answers(model, "features", given))
    if kind == TensorProto.UINT8:
        with pytest.raises(RecipeError, match="takes bytes from 0 to 255 and scales them itself"):
            describe_network(path, scaling=read_scaling("torch"))


@pytest.mark.parametrize(
    ("preprocess", "by_hand"),
    [
        ("none", lambda images: images.astype(np.float64)),
        ("rescale", lambda images: images / 255),
        ("tf", lambda images: images / 127.5 - 1),
        ("caffe", lambda images: images[..., ::-1] - [103.939, 116.779, 123.68]),
        ("mean=0.5,0.4,0.3 std=0.2,0.25,0.3", lambda images: (images / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3]),
        ("mean=120,110,100 std=50,60,70", lambda images: (images - [120.0, 110, 100]) / [50, 60, 70]),
        (
            "mean=0.5,0.4,0.3 std=0.2,0.25,0.3 bgr",
            lambda images: ((images / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3])[..., ::-1],
        ),
    ],
)
def test_pixels_are_scaled_as_asked(preprocess: str, by_hand: Any, tmp_path: Path) -> None:
    """Every mode, and means and deviations in either unit."""
    model = graphs.convolutions()
    path = graphs.saved(model, tmp_path / "network.onnx")
    images = graphs.pixels(2, 32, 32)
    (found,) = features(path, images, preprocess=preprocess).values()
    given = by_hand(images).transpose(0, 3, 1, 2).astype(np.float32)
    assert_near(found, graphs.answers(model, "/layer.1/Relu_output_0", given).transpose(0, 2, 3, 1))


def test_float16_graphs_and_any_image_size(tmp_path: Path) -> None:
    """A graph in float16 that takes any size: 224 px unless asked otherwise."""
    graph = graphs.Graph(4)
    kernel = graph.constant(np.random.default_rng(3).normal(size=(4, 3, 3, 3)).astype(np.float16))
    graph.add("Conv", ["pixels", kernel], "features", strides=[8, 8], pads=[1] * 4)
    shape = ["batch", 3, "height", "width"]
    model = graph.model(
        [graphs.value("pixels", shape, TensorProto.FLOAT16)],
        [graphs.value("features", ["batch", 4, "h", "w"], TensorProto.FLOAT16)],
    )
    path = graphs.saved(model, tmp_path / "network.onnx")
    assert describe_network(path).image_size == (224, 224)
    images = graphs.pixels(2, 40, 64)
    found = features(path, images, image_size=(40, 64))["features"]
    wanted = graphs.answers(model, "features", graphs.as_torch_does(images).astype(np.float16))
    assert found.shape == (2, 5, 8, 4)
    assert np.abs(found - wanted.transpose(0, 2, 3, 1)).max() < 0.01 * np.abs(wanted).max()


def test_a_layer_has_several_names(tmp_path: Path) -> None:
    """As it is kept, as its tensor is called, as its node is called, or a part of its path that no other has."""
    path = graphs.saved(graphs.convolutions(), tmp_path / "network.onnx")
    for name, wanted in {
        "stem_Relu_output_0": "stem_Relu_output_0",
        "/stem/Relu_output_0": "stem_Relu_output_0",
        "/stem/Relu_output_0_node": "stem_Relu_output_0",
        "classifier": "logits",
        "pooled": "pooled",
    }.items():
        assert describe_network(path, [name]).taken == (wanted,)
    with pytest.raises(
        UnknownLayer, match=r"2 layers share the name 'layer\.1'\. Give one of: layer_1_Conv_output_0, layer_1_Relu_"
    ):
        describe_network(path, ["layer.1"])
    with pytest.raises(UnknownLayer, match=r"has no layer 'layer7'.*It has: stem_Conv_output_0"):
        describe_network(path, ["layer7"])


def test_nodes_of_one_name_are_told_apart_by_their_outputs(tmp_path: Path) -> None:
    """ONNX lets nodes share a name, and names that differ in their signs alone are kept under names that differ."""
    graph = graphs.Graph()
    first = graph.add("Conv", ["pixels", graph.weights(4, 3, 1, 1)], "a.b", "twin", strides=[4, 4])
    graph.add("Relu", [first], "a/b", "twin")
    model = graph.model([graphs.value("pixels", [1, 3, 32, 32])], [graphs.value("a/b", [1, 4, 8, 8])])
    path = graphs.saved(model, tmp_path / "network.onnx")
    with pytest.raises(UnknownLayer, match=r"2 layers share the name 'twin'\. Give one of: a_b, a_b_2\."):
        describe_network(path, ["twin"])
    assert describe_network(path, ["a.b"]).taken == ("a_b",)
    assert describe_network(path, ["a/b"]).taken == describe_network(path).taken == ("a_b_2",)


def test_parts_of_tokens_are_asked_for_by_name(tmp_path: Path) -> None:
    """One part, or by the tensor's name all of them; the weights of the attention are no layer."""
    path = graphs.saved(graphs.transformer(), tmp_path / "network.onnx")
    assert describe_network(path, ["/norm/Add_output_0:both"]).taken == ("norm_Add_output_0:both",)
    assert describe_network(path, ["/blocks.0/Add_output_0"]).taken == tuple(
        f"blocks_0_Add_output_0:{part}" for part in ("patches", "cls", "both")
    )
    names = [layer.name for layer in describe_network(path, every=True).layers]
    assert not {"attention", "scores", "mixed_heads"} & set(names)
    assert {"patch_embed_Conv_output_0", "pooled", "logits"} <= set(names)


def test_shapes_that_the_graph_does_not_tell_are_found_by_running_it(tmp_path: Path) -> None:
    """The side of the map comes from a value that is computed from the pixels: no inference knows it."""
    graph = graphs.Graph()
    values = graph.add("Conv", ["pixels", graph.weights(4, 3, 1, 1)], "conv", strides=[2, 2])
    largest = graph.add("ReduceMax", [values], "largest", keepdims=0)
    zero = graph.add(
        "Cast", [graph.add("Mul", [largest, graph.constant(np.float32(0))], "zero")], "whole", to=TensorProto.INT64
    )
    side = graph.add("Add", [zero, graph.constant(np.array([1, 2, 512]))], "side")
    graph.add("Relu", [graph.add("Reshape", [values, side], "reshaped")], "features")
    model = graph.model([graphs.value("pixels", [1, 3, 32, 32])], [graphs.value("features", ["a", "b", "c"])])
    path = graphs.saved(model, tmp_path / "network.onnx")
    found = {layer.name: layer.shape for layer in describe_network(path, every=True).layers}
    assert found["features:tokens"] == (2, 1, 512)
    assert describe_network(path, ["features"]).taken == ("features:tokens",)


def test_what_a_condition_gives_is_a_map_as_what_it_reads(tmp_path: Path) -> None:
    """Exporters leave conditions in graphs; what is inside reads tensors from outside by their names."""
    graph = graphs.Graph()
    graph.add("Conv", ["pixels", graph.weights(4, 3, 1, 1)], "conv", strides=[4, 4])
    graph.constants.append(helper.make_tensor("yes", TensorProto.BOOL, [], [1]))
    branches = {
        f"{name}_branch": helper.make_graph([helper.make_node(kind, ["conv"], [name])], name, [], [graphs.value(name, None)])
        for name, kind in (("then", "Relu"), ("else", "Identity"))
    }
    graph.add("If", ["yes"], "features", **branches)
    model = graph.model([graphs.value("pixels", ["n", 3, 32, 32])], [graphs.value("features", ["n", 4, 8, 8])])
    path = graphs.saved(model, tmp_path / "n.onnx")
    images = graphs.pixels(2, 32, 32)
    wanted = graphs.answers(model, "features", graphs.as_torch_does(images)).transpose(0, 2, 3, 1)
    assert_near(features(path, images)["features"], wanted)


@pytest.mark.parametrize("how", ["value_float", "value_floats", "value_ints", "value"])
def test_a_scaling_by_a_constant_is_told_however_it_is_written(how: str, tmp_path: Path) -> None:
    """As a tensor, a number or a list of numbers; cast and reshaped before the pixels are divided by it."""
    graph = graphs.Graph()
    values: Any = {"value_float": 255.0, "value_floats": [255.0] * 3, "value_ints": [255] * 3}.get(how)
    tensor = helper.make_tensor("of_three", TensorProto.FLOAT, [3], [255.0] * 3)
    graph.nodes.append(helper.make_node("Constant", [], ["given"], **{how: tensor if values is None else values}))
    largest = graph.add("Cast", ["given"], "cast", to=TensorProto.FLOAT)
    if how != "value_float":
        largest = graph.add("Reshape", [largest, graph.constant(np.array([1, 3, 1, 1]))], "shaped")
    graph.add("Conv", [graph.add("Div", ["pixels", largest], "small"), graph.weights(4, 3, 4, 4)], "features", strides=[4, 4])
    model = graph.model([graphs.value("pixels", ["n", 3, 32, 32])], [graphs.value("features", ["n", 4, 8, 8])])
    found = describe_network(graphs.saved(model, tmp_path / "n.onnx"))
    assert found.preprocess == "none"
    assert "begins with a scaling of its own, of pixels from 0 to 255" in found.notes[0]


@pytest.mark.parametrize(
    ("shape", "kind", "error", "message"),
    [
        ([10**6, 3, 32, 32], TensorProto.FLOAT, BackboneError, r"takes 1,000,000 images a pass .* 4,096 are the most"),
        ([1, 1, 28, 28], TensorProto.FLOAT, BackboneError, r"takes no images in colour, but 'pixels' float32 \(1, 1, 28, 28\)"),
        ([1, 3, 32], TensorProto.FLOAT, BackboneError, r"its input is no array of images"),
        ([1, 3, 32, 32], TensorProto.INT64, BackboneError, r"its input is no array of images, but 'pixels' int64"),
        ([1, 3, 9, 3], TensorProto.FLOAT, RecipeError, r"does not tell where the channels are\. Give --preprocess 'MODE nchw'"),
    ],
)
def test_an_input_that_is_no_image_is_refused(
    shape: list[int], kind: int, error: type[FeatxError], message: str, tmp_path: Path
) -> None:
    """With what it is, and what is wanted."""
    graph = graphs.Graph()
    graph.add("Identity", ["pixels"], "features")
    path = graphs.saved(
        graph.model([graphs.value("pixels", shape, kind)], [graphs.value("features", shape, kind)]), tmp_path / "n.onnx"
    )
    with pytest.raises(error, match=message):
        describe_network(path)


def test_a_layout_that_no_shape_tells_is_asked_for_and_kept(tmp_path: Path) -> None:
    """Three channels and three columns; the word behind the mode is in the recipe. Where the shape tells it, it is not."""
    graph = graphs.Graph()
    graph.add("Mul", ["pixels", graph.constant(np.float32(2))], "features")
    model = graph.model([graphs.value("pixels", [1, 3, 9, 3])], [graphs.value("features", [1, 3, 9, 3])])
    path = graphs.saved(model, tmp_path / "n.onnx")
    assert describe_network(path, scaling=read_scaling("none nchw")).image_size == (9, 3)
    assert describe_network(path, scaling=read_scaling("none nhwc")).image_size == (3, 9)
    assert describe_network(path, scaling=read_scaling("none nhwc")).preprocess == "none nhwc"
    images = graphs.pixels(2, 3, 9)
    (found,) = features(path, images, preprocess="none nhwc").values()
    assert np.array_equal(found, 2.0 * images)
    told = graphs.saved(graphs.convolutions(), tmp_path / "told.onnx")
    assert describe_network(told, scaling=read_scaling("torch nchw")).preprocess == "torch"
    with pytest.raises(RecipeError, match=r"--preprocess says nhwc, but its input is .*: nchw\. Leave it out"):
        describe_network(told, scaling=read_scaling("torch nhwc"))


def test_dimensions_without_numbers_are_told_by_the_first_convolution(tmp_path: Path) -> None:
    """Everything may be dynamic: a kernel of three channels says where the channels are."""
    path = graphs.saved(graphs.convolutions("n", ("h", "w"), "c"), tmp_path / "n.onnx")
    assert describe_network(path, image_size=(32, 48)).taken == ("layer_1_Relu_output_0",)


def test_several_inputs_are_listed(tmp_path: Path) -> None:
    """As those of the whole of CLIP, pixels and the numbers of words."""
    graph = graphs.Graph()
    graph.add("Identity", ["pixel_values"], "features")
    graph.add("Identity", ["input_ids"], "ids")
    words = graphs.value("input_ids", ["n", 77], TensorProto.INT64)
    model = graph.model(
        [graphs.value("pixel_values", ["n", 3, 32, 32]), words],
        [graphs.value("features", ["n", 3, 32, 32]), graphs.value("ids", ["n", 77], TensorProto.INT64)],
    )
    path = graphs.saved(model, tmp_path / "clip.onnx")
    with pytest.raises(
        BackboneError, match=r"has 2 inputs.*'pixel_values' float32 \(n, 3, 32, 32\), 'input_ids' int64 \(n, 77\)"
    ):
        describe_network(path)


def test_another_size_precision_or_device_is_refused(tmp_path: Path) -> None:
    """Each with what to do."""
    path = graphs.saved(graphs.convolutions(), tmp_path / "n.onnx")
    with pytest.raises(ImageSizeError, match=r"takes images of 32x32 px \(height x width\) alone\. Received: 64x64"):
        describe_network(path, image_size=(64, 64))
    with pytest.raises(RecipeError, match="computes as it was saved"):
        describe_network(path, precision="bfloat16")
    fixed = graphs.saved(graphs.convolutions(1), tmp_path / "fixed.onnx")
    with pytest.raises(RecipeError, match="takes 1 images a pass and no other number; int8 needs a dynamic batch"):
        describe_network(fixed, precision="int8")
    found = describe_network(path)
    recipe = Recipe("onnx", found.digest, found.taken, found.image_size, found.preprocess)
    with pytest.raises(DeviceError, match="run on the processor"):
        load_backbone(recipe, path, device="gpu")


def test_a_batch_that_was_made_for_one_image_is_told(tmp_path: Path) -> None:
    """Exporters say that the number of images is free, and leave a 1 in some shape."""
    graph = graphs.Graph()
    values = graph.add("Conv", ["pixels", graph.weights(4, 3, 1, 1)], "conv", strides=[4, 4])
    graph.add("Reshape", [values, graph.constant([1, 4, 8, 8])], "features")
    model = graph.model([graphs.value("pixels", ["n", 3, 32, 32])], [graphs.value("features", ["n", 4, 8, 8])])
    path = graphs.saved(model, tmp_path / "n.onnx")
    with pytest.raises(BackboneError, match="cannot be run on 3 images"):
        features(path, graphs.pixels(2, 32, 32))


def test_a_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both extras that bring one; with one of the two installed, that one runs."""
    path = graphs.saved(graphs.convolutions(), tmp_path / "n.onnx")
    absent: set[str] = {"onnxruntime"}
    monkeypatch.setattr(onnx_runtime.importlib.util, "find_spec", lambda name: None if name in absent else object())
    assert onnx_runtime.installed_runtimes() == ["openvino"]
    assert describe_network(path).kind == "onnx"
    absent.add("openvino")
    with pytest.raises(
        ExtraMissing, match=r"need onnxruntime or openvino, not installed\. Install with: pip install 'featx\[onnx\]'"
    ):
        describe_network(path)
    absent.clear()
    absent.add("onnx")
    with pytest.raises(ExtraMissing, match="need onnx, not installed"):
        describe_network(path)


def test_weights_that_are_infinite_are_an_error_and_no_features(tmp_path: Path) -> None:
    """As with every backbone."""
    model = graphs.convolutions()
    kernel = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    kernel[0, 0, 0, 0] = np.inf
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(kernel, model.graph.initializer[0].name))
    path = graphs.saved(model, tmp_path / "n.onnx")
    with pytest.raises(BackboneError, match="infinite or no numbers"):
        features(path, graphs.pixels(2, 32, 32))


def test_weights_beside_the_file_are_read_and_known_by_their_content(tmp_path: Path) -> None:
    """As torch.onnx writes them now: NAME.onnx and NAME.onnx.data, in one folder, which may be moved."""
    model = graphs.convolutions()
    whole = graphs.saved(model, tmp_path / "whole.onnx")
    folder = tmp_path / "apart"
    folder.mkdir()
    options = {"save_as_external_data": True, "location": "weights.data", "size_threshold": 0}
    onnx.save(model, folder / "n.onnx", **options)
    images = graphs.pixels(2, 32, 32)
    (found,) = features(folder / "n.onnx", images).values()
    (wanted,) = features(whole, images).values()
    assert np.array_equal(found, wanted)
    digest = describe_network(folder / "n.onnx").digest
    assert digest != describe_network(whole).digest
    folder = folder.rename(tmp_path / "moved")
    assert describe_network(folder / "n.onnx").digest == digest
    data = bytearray((folder / "weights.data").read_bytes())
    data[0] ^= 1
    (folder / "weights.data").write_bytes(data)
    changed = describe_network(folder / "n.onnx")
    assert changed.digest != digest
    recipe = Recipe("onnx", digest, changed.taken, changed.image_size, changed.preprocess)
    with pytest.raises(WeightsError, match=r"has digest sha256:.* was wanted"):
        load_backbone(recipe, folder / "n.onnx")
