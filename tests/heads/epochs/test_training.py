"""Learning by epochs: every step is Keras' own, the monitored epoch is kept, large features train from blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import recall_score

from featx.errors import HeadError
from featx.heads import Head, make_head
from featx.heads.epochs import batches, training
from featx.heads.epochs.settings import LEARNING_RATES, default_rate, rules_of
from featx.heads.epochs.steps import LARGEST_LAYER, LayerSteps, initial_kernel
from tests.heads.made import BlockRows

MAP_SHAPE = (3, 3, 4)
N_FEATURES = 36


def made_rows(n: int, seed: int, noise: float = 3.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return three overlapping classes of ReLU-like features; of the third there are few."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.5, 0.4, 0.1])
    y[:3] = np.arange(3)
    centres = np.random.default_rng(99).normal(0, 3, (3, N_FEATURES))
    return np.maximum(20 * (centres[y] + rng.normal(0, noise, (n, N_FEATURES))), 0).astype(np.float32), y


def sigmoid_shares(targets: Any, outputs: Any) -> Any:
    """Cross-entropy of sigmoids over their sum, by Keras' operations, without looking through the activation."""
    import keras

    shares = outputs / keras.ops.sum(outputs, axis=-1, keepdims=True)
    return -keras.ops.sum(targets * keras.ops.log(shares), axis=-1)


def plain_keras(head: Head, optimizer: Any, loss: Any) -> Any:
    """Build what a Keras user would write for the head's settings: an activation at the end, and the loss of its outputs."""
    import keras

    settings = head.settings()
    filters = settings.get("filters", [])
    activation_of_last = settings["activation"]
    # From probabilities TensorFlow's losses find their way back to the logits; other backends cut at 1e-7 instead, where the
    # slope is gone. Asked for the logits at once, all backends mean the same.
    if keras.backend.backend() != "tensorflow" and isinstance(loss, keras.losses.Loss):
        loss = type(loss).from_config(loss.get_config() | {"from_logits": True})
        activation_of_last = None
    layers: list[Any] = [keras.Input((N_FEATURES,))]
    if filters:
        layers.append(keras.layers.Reshape(MAP_SHAPE))
    for number, n_filters in enumerate(filters):
        initializer = keras.initializers.GlorotUniform(seed=settings["seed"] + number)
        layers.append(keras.layers.Conv2D(n_filters, 3, padding="same", activation="relu", kernel_initializer=initializer))
        layers.append(keras.layers.MaxPooling2D(2, padding="same"))
    if filters:
        layers.append(keras.layers.Flatten())
    for number, units in enumerate([*settings["hidden"], 3], len(filters)):
        initializer = keras.initializers.GlorotUniform(seed=settings["seed"] + number)
        last = number == len(filters) + len(settings["hidden"])
        activation = activation_of_last if last else "relu"
        layers.append(keras.layers.Dense(units, activation=activation, kernel_initializer=initializer))
    network = keras.Sequential(layers)
    network.compile(optimizer, loss)
    return network


SLOW_SGD = {"optimizer": "sgd", "learning_rate": 1e-3}
BALANCED = {"class_weight": "balanced"}
SIGMOID = {"activation": "sigmoid"}

# Settings of ours, and the optimizer and loss of Keras that they stand for.
Case = tuple[dict[str, Any], Callable[[Any], Any], Callable[[Any], Any]]
CASES: dict[str, Case] = {
    "adam": ({}, lambda k: k.optimizers.Adam(1e-3), lambda k: k.losses.CategoricalCrossentropy()),
    "adam, decay": (
        {"weight_decay": 0.5, "learning_rate": 0.01},
        lambda k: k.optimizers.Adam(0.01, weight_decay=0.5),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "sgd": ({"optimizer": "sgd"}, lambda k: k.optimizers.SGD(0.05), lambda k: k.losses.CategoricalCrossentropy()),
    "sgd, momentum": (
        {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.02},
        lambda k: k.optimizers.SGD(0.02, momentum=0.9),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "sgd, decay": (
        {"optimizer": "sgd", "weight_decay": 0.3},
        lambda k: k.optimizers.SGD(0.05, weight_decay=0.3),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "rmsprop, momentum": (
        {"optimizer": "rmsprop", "momentum": 0.5},
        lambda k: k.optimizers.RMSprop(5e-4, momentum=0.5),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "adamw": (
        {"optimizer": "adamw"},
        lambda k: k.optimizers.AdamW(1e-3),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "adamw, decay": (
        {"optimizer": "adamw", "weight_decay": 0.9, "learning_rate": 0.01},
        lambda k: k.optimizers.AdamW(0.01, weight_decay=0.9),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "smoothing, class weights": (
        {"label_smoothing": 0.2} | BALANCED | SLOW_SGD,
        lambda k: k.optimizers.SGD(1e-3),
        lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.2),
    ),
    "sigmoids": (SIGMOID | SLOW_SGD, lambda k: k.optimizers.SGD(1e-3), lambda k: k.losses.BinaryCrossentropy()),
    "sigmoids, smoothing, class weights": (
        {"label_smoothing": 0.1} | SIGMOID | BALANCED | SLOW_SGD,
        lambda k: k.optimizers.SGD(1e-3),
        lambda k: k.losses.BinaryCrossentropy(label_smoothing=0.1),
    ),
    "sigmoids, categorical": (
        {"loss": "categorical_crossentropy"} | SIGMOID | SLOW_SGD,
        lambda k: k.optimizers.SGD(1e-3),
        lambda k: sigmoid_shares,
    ),
    "hidden layer": (
        {"hidden": [5]} | SLOW_SGD,
        lambda k: k.optimizers.SGD(1e-3),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
    "convolutions": (
        {"map_shape": MAP_SHAPE, "filters": [5, 6], "hidden": [4]} | SLOW_SGD,
        lambda k: k.optimizers.SGD(1e-3),
        lambda k: k.losses.CategoricalCrossentropy(),
    ),
}


@pytest.mark.parametrize("largest", [0, LARGEST_LAYER], ids=["by Keras", "by NumPy"])
@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_plain_keras(case: str, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of two steps: the weights that a plain Keras model has after the same batches."""
    import keras

    settings, optimizer, loss = CASES[case]
    by_numpy = largest and not settings.keys() & {"hidden", "filters"}
    if largest and not by_numpy:
        return  # a lone layer alone is learned by NumPy
    monkeypatch.setattr(training, "LARGEST_LAYER", largest)
    X, y = made_rows(40, 0)
    head = make_head("conv" if "filters" in settings else "dense", epochs=2, batch_size=20, seed=3, **settings).fit(X, y)
    arrays = head.arrays()

    scale = np.float32(20 / np.linalg.norm(X, axis=1).mean())
    network = plain_keras(head, optimizer(keras), loss(keras))
    if by_numpy:
        network.set_weights([initial_kernel(N_FEATURES, 3, seed=3), np.zeros(3, np.float32)])
    before = network.get_weights()
    order = np.random.default_rng(3)
    weights = dict(enumerate(len(y) / (3 * np.bincount(y)))) if "class_weight" in settings else None
    losses = []
    for _ in range(2):
        for batch in np.split(order.permutation(40), 2):
            targets = np.eye(3, dtype=np.float32)[y[batch]]
            sample_weight = None if weights is None else np.array([weights[label] for label in y[batch]])
            losses.append(float(network.train_on_batch(X[batch] * scale, targets, sample_weight=sample_weight)))
    wanted = network.get_weights()
    found = [arrays[f"{kind}_{number}"] for number in range(len(wanted) // 2) for kind in ("kernel", "bias")]
    found[0] = found[0] / scale
    for ours, keras_own, initial in zip(found, wanted, before, strict=True):
        moved = np.abs(keras_own - initial).max()
        assert moved > 1e-4
        np.testing.assert_allclose(ours, keras_own, rtol=0, atol=max(1e-6, 2e-3 * moved))
    np.testing.assert_allclose(head.history_["loss"], np.reshape(losses, (2, 2)).mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "loss"),
    [
        ({"label_smoothing": 0.2, "class_weight": "balanced"}, "categorical_crossentropy"),
        ({"activation": "sigmoid", "label_smoothing": 0.1}, "binary_crossentropy"),
    ],
    ids=str,
)
def test_the_validation_loss_is_what_keras_evaluates(settings: dict[str, Any], loss: str) -> None:
    """With label smoothing and without class weights; the accuracy is that of the probabilities."""
    import keras

    X_val, y_val = made_rows(50, 1)
    head = make_head("dense", epochs=3, **settings).fit(*made_rows(60, 0), X_val, y_val)
    own = getattr(keras.losses, {"categorical_crossentropy": "CategoricalCrossentropy"}.get(loss, "BinaryCrossentropy"))
    network = plain_keras(head, "sgd", own(label_smoothing=settings["label_smoothing"]))
    network.set_weights([head.arrays()["kernel_0"], head.arrays()["bias_0"]])
    best = head.best_epoch_ - 1
    wanted = network.evaluate(X_val, np.eye(3, dtype=np.float32)[y_val], verbose=0)
    assert head.history_["val_loss"][best] == pytest.approx(wanted, rel=1e-4)
    accuracy = (head.predict_proba(X_val).argmax(axis=1) == y_val).mean()
    assert head.history_["val_accuracy"][best] == pytest.approx(accuracy)


@pytest.mark.parametrize(("optimizer", "momentum"), [*((name, 0.0) for name in LEARNING_RATES), ("sgd", 0.9), ("rmsprop", 0.9)])
def test_the_default_step_of_every_optimizer_learns(optimizer: str, momentum: float) -> None:
    """Without a learning rate given, 30 epochs learn classes that can be told apart."""
    X, y = made_rows(120, 0, noise=1.0)
    head = make_head("dense", optimizer=optimizer, momentum=momentum, epochs=30).fit(X, y)
    assert (head.predict_proba(X).argmax(axis=1) == y).mean() > 0.97
    assert head.settings()["learning_rate"] is None
    assert default_rate(optimizer, momentum) == pytest.approx(LEARNING_RATES[optimizer] * (1 - momentum))


def test_sigmoids_over_their_sum_are_the_probabilities() -> None:
    """Not a softmax of the same outputs."""
    X, y = made_rows(60, 0)
    head = make_head("dense", activation="sigmoid", epochs=5).fit(X, y)
    logits = X.astype(np.float64) @ head.arrays()["kernel_0"] + head.arrays()["bias_0"]
    sigmoids = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(head.predict_proba(X), sigmoids / sigmoids.sum(axis=1, keepdims=True), atol=1e-5)


def test_balanced_classes_find_more_of_the_rare_one() -> None:
    """Of 30 rows in 300, overlapping with the others, more are found than without weights."""
    recalls = {}
    X, y, X_new, y_new = *made_rows(300, 0, noise=8.0), *made_rows(1000, 1, noise=8.0)
    for weight in (None, "balanced"):
        head = make_head("dense", class_weight=weight, epochs=10).fit(X, y)
        recalls[weight] = recall_score(y_new, head.predict_proba(X_new).argmax(axis=1), average=None)[2]
    assert recalls["balanced"] > recalls[None] + 0.05


def overfitting_rows() -> tuple[Any, ...]:
    """Return training rows few enough to be learned by heart, and validation rows that suffer from it."""
    return *made_rows(24, 1, noise=8.0), *made_rows(60, 2, noise=8.0)


def test_the_epoch_with_the_highest_validation_accuracy_is_kept() -> None:
    """If that is monitored: of several equal ones, that with the least loss; the weights are of that epoch."""
    X, y, X_val, y_val = overfitting_rows()
    head = make_head("dense", monitor="val_accuracy", learning_rate=0.03, epochs=30, patience=30).fit(X, y, X_val, y_val)
    accuracies, losses = np.array(head.history_["val_accuracy"]), np.array(head.history_["val_loss"])
    highest = np.flatnonzero(accuracies == accuracies.max())
    wanted = highest[losses[highest].argmin()]
    assert head.best_epoch_ == wanted + 1
    assert wanted not in (losses.argmin(), len(losses) - 1)  # or keeping another epoch would pass
    accuracy = (head.predict_proba(X_val).argmax(axis=1) == y_val).mean()
    assert accuracy == pytest.approx(accuracies.max())
    again = make_head("dense", learning_rate=0.03, epochs=head.best_epoch_).fit(X, y)
    assert again.arrays()["kernel_0"].tobytes() == head.arrays()["kernel_0"].tobytes()


def test_patience_counts_what_is_monitored() -> None:
    """The validation accuracy has to rise; a loss that still falls does not count."""
    X, y, X_val, y_val = overfitting_rows()
    head = make_head("dense", monitor="val_accuracy", patience=3, epochs=200, learning_rate=0.003).fit(X, y, X_val, y_val)
    accuracies = head.history_["val_accuracy"]
    assert len(accuracies) == int(np.argmax(accuracies)) + 1 + 3


def test_a_least_improvement_stops_earlier_and_the_best_epoch_is_kept_all_the_same() -> None:
    """Steps smaller than min_delta count once they have added up; the head kept is that of the least loss."""
    X, y, X_val, y_val = *made_rows(80, 1), *made_rows(60, 2)
    settings = {"learning_rate": 1e-4, "epochs": 60, "patience": 3}
    losses = np.array(make_head("dense", **settings).fit(X, y, X_val, y_val).history_["val_loss"])
    assert len(losses) == 60
    least = float(losses[29] - losses[32])  # three steps add up to more before this, and to less after it
    head = make_head("dense", min_delta=least, **settings).fit(X, y, X_val, y_val)
    mark, waited, wanted = np.inf, 0, 0
    while waited < 3:
        mark, waited = (losses[wanted], 0) if mark - losses[wanted] > least else (mark, waited + 1)
        wanted += 1
    assert 20 < len(head.history_["val_loss"]) == wanted < 50
    assert head.best_epoch_ == wanted
    assert head.history_["val_loss"] == losses[:wanted].tolist()


def test_an_accuracy_that_was_still_rising_is_said() -> None:
    """As a loss that was still falling is, where that is monitored."""
    X, y, X_val, y_val = *made_rows(80, 1, noise=1.0), *made_rows(60, 2, noise=1.0)
    head = make_head("dense", learning_rate=1e-4, epochs=2, monitor="val_accuracy").fit(X, y, X_val, y_val)
    assert head.best_epoch_ == 2
    assert head.notes_ == ["the validation accuracy was still rising at epoch 2: more epochs may do better"]


def test_the_best_epoch_is_told() -> None:
    """By the head that was fitted; without validation it is the last one, and before a fit there is none."""
    X, y, X_val, y_val = overfitting_rows()
    head = make_head("dense", learning_rate=0.03, epochs=10)
    assert head.best_epoch_ == 0
    assert head.fit(X, y, X_val, y_val).best_epoch_ == int(np.argmin(head.history_["val_loss"])) + 1
    assert head.fit(X, y).best_epoch_ == 10


def test_steps_per_epoch_limits_an_epoch() -> None:
    """An epoch of two steps shows the rows of two batches, and the next epoch others: two of them make one pass."""
    X, y = made_rows(40, 0)
    whole = make_head("dense", epochs=1, batch_size=10).fit(X, y)
    halves = make_head("dense", epochs=2, batch_size=10, steps_per_epoch=2).fit(X, y)
    assert halves.arrays()["kernel_0"].tobytes() == whole.arrays()["kernel_0"].tobytes()
    assert np.mean(halves.history_["loss"]) == pytest.approx(whole.history_["loss"][0])
    assert np.mean(halves.history_["accuracy"]) == pytest.approx(whole.history_["accuracy"][0])


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_rows_larger_than_memory_train_from_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted by class and never read whole: as good as from memory, repeatable, each epoch in another order."""
    monkeypatch.setattr(batches, "MEMORY_BYTES", 1000)
    X, y = made_rows(200, 0)
    X_val, y_val = made_rows(80, 1)
    settings: dict[str, Any] = {"epochs": 8, "patience": 8} | ({"map_shape": MAP_SHAPE} if name == "conv" else {})
    by_class = np.argsort(y, kind="stable")
    X, y = X[by_class].astype(np.float16), y[by_class]
    inputs = [(BlockRows(X, 70), BlockRows(X_val, 33)) for _ in range(2)]
    heads = [make_head(name, **settings).fit(rows, y, val, y_val) for rows, val in inputs]
    assert [array.tobytes() for array in heads[0].arrays().values()] == [a.tobytes() for a in heads[1].arrays().values()]
    train_seeds, val_seeds = inputs[0][0].seeds, inputs[0][1].seeds
    assert None not in train_seeds
    assert len(set(train_seeds)) == len(train_seeds) == 9  # one more to measure the rows
    assert val_seeds == [None] * 8
    in_memory = make_head(name, **settings).fit(X, y, X_val, y_val)
    assert min(heads[0].history_["val_loss"]) == pytest.approx(min(in_memory.history_["val_loss"]), rel=0.2)
    best = heads[0].best_epoch_ - 1
    found = heads[0].predict_proba(X_val)
    assert heads[0].history_["val_accuracy"][best] == pytest.approx((found.argmax(axis=1) == y_val).mean())


def test_validation_in_blocks_gives_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are read, the same rows have the same loss."""
    X, y, X_val, y_val = overfitting_rows()
    whole = make_head("dense", epochs=4).fit(X, y, X_val, y_val)
    monkeypatch.setattr(batches, "MEMORY_BYTES", 0)
    in_blocks = make_head("dense", epochs=4).fit(X, y, BlockRows(X_val, 7), y_val)
    np.testing.assert_allclose(in_blocks.history_["val_loss"], whole.history_["val_loss"], rtol=1e-5)
    assert in_blocks.history_["val_accuracy"] == pytest.approx(whole.history_["val_accuracy"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_features_that_are_no_numbers_are_refused(
    value: float, dtype: type[np.floating], in_blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory and in blocks, in any row: not blamed on the learning rate, and no model comes of it."""
    monkeypatch.setattr(batches, "MEMORY_BYTES", 0)
    X, y = made_rows(40, 0)
    X = X.astype(dtype)
    X[37, 5] = value
    with pytest.raises(HeadError, match="some features are infinite or no numbers"):
        make_head("dense", epochs=2).fit(BlockRows(X, 15) if in_blocks else X, y)


def test_widening_gives_numpys_bits() -> None:
    """Every finite float16, of either sign, also those below the normal range."""
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    X = np.resize(halves, (37, 2000))
    steps = LayerSteps(2000, 2, 0.0537, rules_of(make_head("dense")), 0)
    assert steps._scaled(X).tobytes() == (X.astype(np.float32) * np.float32(0.0537)).tobytes()
    assert steps._scaled(X[:5]).tobytes() == (X[:5].astype(np.float32) * np.float32(0.0537)).tobytes()
