"""The conv head: convolutions and pooling learned by Keras, the same in NumPy, on maps of any size."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import Head, make_head, rebuild_head


def made_maps(
    n: int, map_shape: tuple[int, int, int], seed: int, n_classes: int = 3
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return flattened ReLU-like maps, most of each zero: the class decides which channels are strong."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    height, width, n_channels = map_shape
    strength = np.random.default_rng(99).normal(0, 2, (n_classes, 1, 1, n_channels))
    maps = np.maximum(30 * (strength[y] + rng.normal(-1, 1.5, (n, height, width, n_channels))), 0)
    return maps.reshape(n, -1).astype(np.float32), y


def as_keras(head: Head) -> Any:
    """Build the Keras network with the head's arrays, as a reader of the model file would."""
    import keras

    arrays, settings = head.arrays(), head.settings()
    height, width, n_channels = settings["map_shape"]
    layers: list[Any] = [keras.Input((height * width * n_channels,)), keras.layers.Reshape((height, width, n_channels))]
    for n_filters in settings["filters"]:
        layers.append(keras.layers.Conv2D(n_filters, 3, padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling2D(2, padding="same"))
    layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(units, "relu") for units in settings["hidden"]]
    network = keras.Sequential([*layers, keras.layers.Dense(len(head.classes_), settings["activation"])])
    n_layers = len(settings["filters"]) + len(settings["hidden"]) + 1
    network.set_weights([arrays[f"{kind}_{i}"] for i in range(n_layers) for kind in ("kernel", "bias")])
    return network


@pytest.mark.parametrize(
    ("map_shape", "settings"),
    [
        ((7, 7, 16), {}),
        ((7, 7, 16), {"filters": [5], "hidden": [6, 4], "dropout": 0.3}),
        ((3, 3, 16), {"hidden": [8]}),
        ((1, 1, 16), {}),
        ((2, 5, 4), {"filters": (3, 4, 5, 6, 7), "activation": "sigmoid"}),
    ],
    ids=str,
)
def test_numpy_predicts_what_keras_predicts(map_shape: tuple[int, int, int], settings: dict[str, Any]) -> None:
    """From maps of odd, even and single sides: the same probabilities within 1e-4."""
    head = make_head("conv", map_shape=map_shape, epochs=4, learning_rate=0.01, **settings)
    head.fit(*made_maps(60, map_shape, 0))
    X = made_maps(50, map_shape, 1)[0]
    wanted = as_keras(head).predict(X, verbose=0)
    found = head.predict_proba(X)
    assert found.std() > 0.05  # not all alike
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), rtol=0, atol=1e-4)


def test_where_something_is_can_be_learned() -> None:
    """Classes that differ in whether two strong pixels touch, wherever they stand, with equal means throughout."""
    rng = np.random.default_rng(0)
    n, side = 1200, 6
    y = np.arange(n) % 2
    maps = np.zeros((n, side, side, 2), np.float32)
    for number, label in enumerate(y):
        row, column = rng.integers(0, side, 2)
        apart = 1 if label else 3
        maps[number, row, column, 0] = maps[number, row, (column + apart) % side, 0] = 100
    X = maps.reshape(n, -1)
    accuracy = {}
    for name, settings in (("conv", {"map_shape": [side, side, 2]}), ("dense", {})):
        head = make_head(name, epochs=20, learning_rate=0.01, **settings).fit(X[:900], y[:900])
        accuracy[name] = (head.predict_proba(X[900:]).argmax(axis=1) == y[900:]).mean()
    assert accuracy["conv"] > 0.9
    assert accuracy["dense"] < 0.7


@pytest.mark.parametrize(
    ("map_shape", "settings", "wanted"),
    [
        # 7 x 7 is halved to 4 x 4 and 2 x 2: 64 channels of those are 256 inputs of the last layer.
        ((7, 7, 512), {}, (9 * 512 * 32 + 32) + (9 * 32 * 64 + 64) + (256 * 10 + 10)),
        ((1, 1, 512), {"filters": [8], "hidden": [5]}, (9 * 512 * 8 + 8) + (8 * 5 + 5) + (5 * 10 + 10)),
    ],
)
def test_parameters_are_counted_as_on_paper(map_shape: tuple[int, ...], settings: dict[str, Any], wanted: int) -> None:
    """Convolutions, then dense layers; as many as Keras counts."""
    head = make_head("conv", map_shape=map_shape, epochs=1, **settings)
    X = np.random.default_rng(0).random((20, int(np.prod(map_shape))), np.float32)
    head.fit(X, np.arange(20) % 10)
    assert head.n_parameters == wanted
    assert head.n_parameters == as_keras(head).count_params()


def test_features_that_are_no_such_maps_are_refused() -> None:
    """Pooled features, or maps of another size: the message has both and says what to take."""
    X, y = made_maps(20, (3, 3, 4), 0)
    with pytest.raises(HeadError, match=r"map_shape \[7, 7, 4\] have 196 features.*\(20, 36\).*pooling flatten"):
        make_head("conv", map_shape=(7, 7, 4)).fit(X, y)
    head = make_head("conv", map_shape=[3, 3, 4], epochs=1).fit(X, y)
    with pytest.raises(HeadError, match="36 features"):
        head.predict_proba(X[:, :-1])


def test_arrays_of_another_map_are_refused() -> None:
    """The shape of the maps and the filters say what every kernel must be."""
    head = make_head("conv", map_shape=[3, 3, 4], epochs=1, filters=[5]).fit(*made_maps(20, (3, 3, 4), 0))
    settings, arrays = head.settings(), head.arrays()
    assert rebuild_head("conv", settings, arrays).n_parameters == head.n_parameters
    for spoilt in ({"map_shape": [3, 3, 5]}, {"map_shape": [7, 7, 4]}, {"filters": [6]}):
        with pytest.raises(HeadError, match=r"conv head: layer \d must have shapes"):
            rebuild_head("conv", settings | spoilt, arrays)
    # Of one side and another that halve alike, the arrays are the same: only the rows can tell.
    assert rebuild_head("conv", settings | {"map_shape": [4, 4, 4]}, arrays).n_parameters == head.n_parameters
    with pytest.raises(HeadError, match="must have the arrays"):
        rebuild_head("conv", settings | {"filters": [5, 6]}, arrays)


def test_half_precision_maps_give_the_same_head() -> None:
    """float16 rows are widened a batch at a time: the result is that of their float32 copy, bit for bit."""
    X, y = made_maps(40, (3, 3, 4), 0)
    half = X.astype(np.float16)
    heads = [
        make_head("conv", map_shape=(3, 3, 4), epochs=2).fit(rows, y, rows[:9], y[:9])
        for rows in (half, half.astype(np.float32))
    ]
    found, wanted = (head.arrays() for head in heads)
    assert {key: array.tobytes() for key, array in found.items()} == {key: array.tobytes() for key, array in wanted.items()}
    assert heads[0].settings() == rebuild_head("conv", heads[0].settings(), found).settings()


def test_the_size_of_the_features_does_not_matter() -> None:
    """The first convolution takes the maps in whatever unit they come: 1000 times as large, the same probabilities."""
    X, y = made_maps(60, (3, 3, 4), 0)
    X_new = made_maps(40, (3, 3, 4), 1)[0]
    plain = make_head("conv", map_shape=(3, 3, 4), epochs=10).fit(X, y).predict_proba(X_new)
    scaled = (
        make_head("conv", map_shape=(3, 3, 4), epochs=10).fit(X * np.float32(1e3), y).predict_proba(X_new * np.float32(1e3))
    )
    np.testing.assert_allclose(scaled, plain, rtol=0, atol=1e-3)
    assert plain.max() > 0.8


@pytest.mark.slow
def test_large_maps_are_predicted_in_small_blocks() -> None:
    """What is held at a time stays within a few hundred megabytes, whatever the maps: 28 x 28 x 512 in rows of 20."""
    import tracemalloc

    head = make_head("conv", map_shape=(28, 28, 512))
    shapes = [(3, 3, 512, 32), (3, 3, 32, 64), (7 * 7 * 64, 2)]
    arrays: dict[str, NDArray[Any]] = {"classes": np.arange(2)}
    for number, shape in enumerate(shapes):
        arrays |= {f"kernel_{number}": np.ones(shape, np.float32), f"bias_{number}": np.zeros(shape[-1], np.float32)}
    head = rebuild_head("conv", head.settings(), arrays)
    X = np.zeros((400, 28 * 28 * 512), np.float16)
    tracemalloc.start()
    try:
        assert head.predict_proba(X).shape == (400, 2)
        assert tracemalloc.get_traced_memory()[1] < 5e8
    finally:
        tracemalloc.stop()


def test_a_weight_is_so_many_rows_to_keras() -> None:
    """Fitted by Keras: rows repeated as often as their weights say, those of weight 0 left out, give the same head."""
    X, y = made_maps(24, (2, 2, 3), 0)
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    unfitted = make_head("conv", epochs=1, map_shape=[2, 2, 3], filters=[4], learning_rate=0.01)
    head = unfitted.fit(X, y, sample_weight=weights).predict_proba(X)
    repeated = unfitted.fit(X.repeat(weights, axis=0), y.repeat(weights)).predict_proba(X)
    np.testing.assert_allclose(head, repeated, rtol=0, atol=1e-6)
