"""The tail of a network against the whole network, and a trained one against Keras' own training."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from featx.backbones import load_backbone, load_tail
from featx.backbones import tail as tail_module
from featx.backbones.forward import Forward, forward_of
from featx.errors import BackboneError
from featx.recipe import Recipe

LAYERS = ("block4_pool", "block5_pool")
RECIPE = Recipe("vgg16", "random:0", LAYERS, (32, 48), "caffe")


@pytest.fixture(scope="module")
def maps() -> dict[str, NDArray[np.float32]]:
    """Maps of two layers of five images, from one forward pass."""
    pixels = np.random.default_rng(3).integers(0, 256, (5, 32, 48, 3), np.uint8)
    return load_backbone(RECIPE, batch_size=4)(pixels)


def test_several_layers_come_from_one_forward_pass(maps: dict[str, NDArray[np.float32]]) -> None:
    """Each has its own shape, and is what a recipe of that layer alone gives."""
    assert {name: values.shape for name, values in maps.items()} == {
        "block4_pool": (5, 2, 3, 512),
        "block5_pool": (5, 1, 1, 512),
    }
    pixels = np.random.default_rng(3).integers(0, 256, (5, 32, 48, 3), np.uint8)
    alone = load_backbone(Recipe("vgg16", "random:0", LAYERS[:1], (32, 48), "caffe"), batch_size=4)(pixels)
    np.testing.assert_allclose(alone["block4_pool"], maps["block4_pool"], rtol=1e-4, atol=1e-3)


def test_base_and_tail_are_the_whole_network(maps: dict[str, NDArray[np.float32]]) -> None:
    """Running the tail on the maps of the layer before gives the maps of the last layer."""
    tail = load_tail(RECIPE, None, "block5_conv1", "block5_pool", batch_size=3)
    assert tail.input_shape == (2, 3, 512)
    np.testing.assert_allclose(tail(maps["block4_pool"]), maps["block5_pool"], rtol=1e-4, atol=1e-3)


def test_a_tail_goes_on_with_half_as_many_maps_where_memory_runs_out(
    maps: dict[str, NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the backbone does: the maps are the same, and later calls start at the size that fitted."""
    tried: list[int] = []

    def limited_forward_of(network: keras.Model) -> Forward:
        whole = forward_of(network)

        def limited(batch: NDArray[np.float32]) -> Any:
            tried.append(len(batch))
            if len(batch) > 2:
                raise MemoryError
            return whole(batch)

        return limited

    monkeypatch.setattr(tail_module, "forward_of", limited_forward_of)
    tail = load_tail(RECIPE, None, "block5_conv1", "block5_pool", batch_size=8)
    for _ in range(2):
        np.testing.assert_allclose(tail(maps["block4_pool"]), maps["block5_pool"], rtol=1e-4, atol=1e-3)
    assert tried == [8, 4, 2, 2, 2, 2, 2, 2]


def test_a_tail_has_the_weights_of_its_layers_alone() -> None:
    """Three convolutions of 512 channels: 7,079,424 values, under the names that Keras gives them."""
    tail = load_tail(RECIPE, None, "block5_conv1", "block5_pool")
    assert sorted(tail.arrays()) == [f"block5_conv{i}/{name}" for i in (1, 2, 3) for name in ("bias", "kernel")]
    assert tail.n_parameters == sum(array.size for array in tail.arrays().values()) == 3 * (3 * 3 * 512 * 512 + 512)
    assert tail.network["parameters"] == 14_714_688


def test_arrays_take_the_place_of_the_weights() -> None:
    """A tail with other arrays gives other maps, and those of the first tail give its maps again."""
    tail = load_tail(RECIPE, None, "block5_conv3", "block5_pool")
    arrays = tail.arrays()
    before = tail(np.ones((2, 2, 3, 512), np.float32))
    changed = load_tail(
        RECIPE, None, "block5_conv3", "block5_pool", arrays | {"block5_conv3/bias": np.full(512, 1e6, np.float32)}
    )
    np.testing.assert_allclose(changed(np.ones((2, 2, 3, 512), np.float32)), before + 1e6, rtol=1e-3)
    again = load_tail(RECIPE, None, "block5_conv3", "block5_pool", arrays)
    np.testing.assert_array_equal(again(np.ones((2, 2, 3, 512), np.float32)), before)


@pytest.mark.parametrize(("name", "size"), [("block5_conv3/bias", 7), ("block4_conv3/bias", 512)])
def test_arrays_of_another_network_are_refused(name: str, size: int) -> None:
    """Another shape, and a layer that is not in the tail."""
    with pytest.raises(BackboneError, match=r"weight 'block._conv3/bias' of shape"):
        load_tail(RECIPE, None, "block5_conv3", "block5_pool", {name: np.zeros(size, np.float32)})


@pytest.mark.parametrize("pooling", ["flatten", "avg", "max", "avgmax"])
def test_a_head_on_top_gives_its_logits(maps: dict[str, NDArray[np.float32]], pooling: str) -> None:
    """Pooled as a cache pools, scaled, one hidden layer with ReLU, and logits: against NumPy."""
    from featx.store import pool_maps

    tail = load_tail(RECIPE, None, "block5_conv1", "block5_pool", batch_size=2)
    features = pool_maps(tail(maps["block4_pool"]), pooling, "float32")
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(features.shape[1], 6)).astype(np.float32), rng.normal(size=(6, 3)).astype(np.float32)]
    biases = [rng.normal(size=6).astype(np.float32), rng.normal(size=3).astype(np.float32)]
    network = tail.with_head(kernels, biases, scale=0.5, pooling=pooling, dropout=0.3, seed=0, dtype=np.dtype(np.float16))
    wanted = np.maximum(0.5 * features @ kernels[0] + biases[0], 0) @ kernels[1] + biases[1]
    found = tail.logits(network, maps["block4_pool"])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    found_kernels, found_biases = tail.head_arrays(network)
    for got, given in zip([*found_kernels, *found_biases], [*kernels, *biases], strict=True):
        np.testing.assert_array_equal(got, given)


def test_batch_normalisation_keeps_its_statistics_while_training() -> None:
    """MobileNetV2's last layers: kernels and factors move, moving means and variances do not, however odd the batch."""
    import keras

    recipe = Recipe("mobilenetv2", "random:0", ("out_relu",), (64, 64), "tf")
    tail = load_tail(recipe, None, "block_16_expand", "out_relu")
    head = [np.random.default_rng(1).normal(size=(1280, 2)).astype(np.float32)], [np.zeros(2, np.float32)]
    network = tail.with_head(*head, scale=1.0, pooling="avg", dropout=0.0, seed=0, dtype=np.dtype(np.float32))
    before = tail.arrays()
    network.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    network.train_on_batch(np.full((4, *tail.input_shape), 50, np.float32), np.eye(2, dtype=np.float32)[[0, 1, 1, 1]])
    after = tail.arrays()
    statistics = [name for name in before if name.endswith(("moving_mean", "moving_variance"))]
    moved = [name for name in before if not np.array_equal(before[name], after[name])]
    assert statistics
    assert moved
    assert not set(moved) & set(statistics)
