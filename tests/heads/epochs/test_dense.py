"""The dense head: Keras learns it, NumPy predicts the same, the best epoch is kept, nothing outside is touched."""

import itertools
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from featx.errors import HeadError
from featx.heads import Head, make_head, rebuild_head

N_FEATURES = 20


def made_rows(n: int, seed: int, n_classes: int = 3, noise: float = 4.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes of ReLU-like features, as large as a backbone's."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    y[:n_classes] = np.arange(n_classes)
    centres = np.random.default_rng(99).normal(0, 3, (n_classes, N_FEATURES))
    return np.maximum(20 * (centres[y] + rng.normal(0, noise, (n, N_FEATURES))), 0).astype(np.float32), y


def as_keras(head: Head) -> Any:
    """Build the Keras network with the head's arrays, as a reader of the model file would."""
    import keras

    arrays, hidden = head.arrays(), head.settings()["hidden"]
    layers = [keras.layers.Dense(units, "relu") for units in hidden]
    network = keras.Sequential(
        [keras.Input((len(arrays["kernel_0"]),)), *layers, keras.layers.Dense(len(head.classes_), "softmax")]
    )
    network.set_weights([arrays[f"{kind}_{i}"] for i in range(len(hidden) + 1) for kind in ("kernel", "bias")])
    return network


def overfitting_rows() -> tuple[Any, ...]:
    """Return training rows few enough to be learned by heart, and validation rows that suffer from it."""
    return *made_rows(24, 1, noise=8.0), *made_rows(60, 2, noise=8.0)


@pytest.mark.parametrize("hidden", [[], [7], [16, 5]], ids=str)
def test_numpy_predicts_what_keras_predicts(hidden: list[int]) -> None:
    """The same weights in a keras.Sequential give the same probabilities within 1e-5."""
    head = make_head("dense", hidden=hidden, dropout=0.2, epochs=4).fit(*made_rows(80, 0))
    X = made_rows(50, 1)[0]
    found = head.predict_proba(X)
    assert found.std() > 0.05  # not all alike
    np.testing.assert_allclose(found, as_keras(head).predict(X, verbose=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{"patience": 3, "epochs": 60}, {"patience": 1000, "epochs": 40}], ids=["stopped", "ran out"]
)
def test_the_epoch_with_the_least_validation_loss_is_kept(settings: dict[str, int]) -> None:
    """Stopped early or run to the end: the kept head has the least loss of its history, by scikit-learn and by Keras."""
    X, y, X_val, y_val = overfitting_rows()
    head = make_head("dense", learning_rate=0.03, **settings).fit(X, y, X_val, y_val)
    losses = head.history_["val_loss"]
    assert losses.index(min(losses)) < len(losses) - 1  # or keeping the last epoch would pass
    assert log_loss(y_val, head.predict_proba(X_val)) == pytest.approx(min(losses), abs=1e-4)
    network = as_keras(head)
    network.compile(loss="sparse_categorical_crossentropy")
    assert network.evaluate(X_val, y_val, verbose=0) == pytest.approx(min(losses), abs=1e-4)


def test_the_validation_accuracy_is_the_heads_own() -> None:
    """The value of the kept epoch is what predicting the validation rows gives."""
    X, y, X_val, y_val = overfitting_rows()
    head = make_head("dense", learning_rate=0.03, epochs=10).fit(X, y, X_val, y_val)
    best = int(np.argmin(head.history_["val_loss"]))
    assert head.history_["val_accuracy"][best] == pytest.approx((head.predict_proba(X_val).argmax(axis=1) == y_val).mean())


def test_early_stopping_stops_when_patience_is_used_up() -> None:
    """The last epoch is the best one and the patience after it; far fewer than allowed."""
    X, y, X_val, y_val = overfitting_rows()
    head = make_head("dense", learning_rate=0.03, patience=3, epochs=300).fit(X, y, X_val, y_val)
    losses = head.history_["val_loss"]
    assert len(losses) == int(np.argmin(losses)) + 1 + 3
    assert len(losses) < 300


def test_history_has_a_value_for_each_epoch_and_each_is_told_at_once() -> None:
    """Loss and accuracy, of training and validation; the callback is given the same values as they come."""
    told: list[tuple[int, int, dict[str, float]]] = []
    X, y = made_rows(40, 0)
    head = make_head("dense", epochs=6, patience=6)
    head.fit(X, y, *made_rows(20, 1), on_epoch=lambda epoch, epochs, values: told.append((epoch, epochs, dict(values))))
    assert set(head.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert {len(values) for values in head.history_.values()} == {6}
    assert [(epoch, epochs) for epoch, epochs, _ in told] == [(number, 6) for number in range(1, 7)]
    for number, (_, _, values) in enumerate(told):
        assert values == {name: history[number] for name, history in head.history_.items()}
    assert all("no validation images" not in note for note in head.notes_)
    assert head.history_["loss"][-1] < head.history_["loss"][0]


@pytest.mark.parametrize("empty", [False, True], ids=["none", "no rows"])
def test_without_validation_all_epochs_run_and_a_note_says_so(empty: bool) -> None:
    """Nothing decides when to stop: the last epoch is kept, and the user is told."""
    X, y = made_rows(24, 0)
    nothing = (X[:0], y[:0]) if empty else (None, None)
    head = make_head("dense", epochs=5, patience=1).fit(X, y, *nothing)
    assert {name: len(values) for name, values in head.history_.items()} == {"loss": 5, "accuracy": 5}
    assert len(head.notes_) == 1
    assert "no validation images" in head.notes_[0]


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_the_size_of_the_features_does_not_matter(factor: float) -> None:
    """The kernel takes the features in whatever unit they come: 1000 times as large, the same probabilities."""
    X, y = made_rows(60, 0)
    X_new = made_rows(40, 1)[0]
    plain = make_head("dense", epochs=10).fit(X, y).predict_proba(X_new)
    scaled = make_head("dense", epochs=10).fit(X * np.float32(factor), y).predict_proba(X_new * np.float32(factor))
    np.testing.assert_allclose(scaled, plain, rtol=0, atol=1e-3)
    assert plain.max() > 0.8


def test_random_state_of_the_process_is_left_alone() -> None:
    """A fit neither uses nor moves the global generators of Python, NumPy and Keras' own seed."""
    X, y = made_rows(30, 0)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global state is what is looked at
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    first = make_head("dense", epochs=2, hidden=[4], dropout=0.3).fit(X, y)
    after = random.getstate(), np.random.get_state()  # noqa: NPY002
    assert after[0] == before[0]
    assert [np.array_equal(a, b) for a, b in zip(after[1], before[1], strict=True)] == [True] * 5
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    second = make_head("dense", epochs=2, hidden=[4], dropout=0.3).fit(X, y)
    assert [array.tobytes() for array in first.arrays().values()] == [array.tobytes() for array in second.arrays().values()]


def test_another_seed_is_another_head() -> None:
    """The seed decides weights, order and dropout; otherwise equal seeds would prove nothing."""
    X, y = made_rows(30, 0)
    kernels = [make_head("dense", epochs=2, seed=seed).fit(X, y).arrays()["kernel_0"] for seed in (0, 1)]
    assert not np.allclose(kernels[0], kernels[1])


def test_half_precision_features_give_the_same_head() -> None:
    """float16 rows are widened a batch at a time: the result is that of their float32 copy, bit for bit."""
    X, y = made_rows(40, 0)
    half = X.astype(np.float16)
    heads = [make_head("dense", epochs=3).fit(rows, y, rows[:9], y[:9]) for rows in (half, half.astype(np.float32))]
    found, wanted = (head.arrays() for head in heads)
    assert {key: array.tobytes() for key, array in found.items()} == {key: array.tobytes() for key, array in wanted.items()}
    assert heads[0].predict_proba(half).tobytes() == heads[1].predict_proba(half.astype(np.float32)).tobytes()


def test_long_half_precision_rows_do_not_overflow() -> None:
    """Rows whose length is past float16's range are measured in a wider type: the head learns them like any others."""
    X, y = made_rows(60, 0, noise=1.0)
    large = (X * 150).clip(max=60_000).astype(np.float16)
    assert np.linalg.norm(large.astype(np.float64), axis=1).min() > np.finfo(np.float16).max / 4
    head = make_head("dense", epochs=40, learning_rate=0.02).fit(large, y)
    assert (head.predict_proba(large).argmax(axis=1) == y).mean() > 0.9


def test_labels_of_validation_rows_are_matched_by_value() -> None:
    """Labels 2, 5 and 9, validated by 5 and 9 alone: the loss is measured on the right columns."""
    labels = np.array([2, 5, 9])
    X, y = made_rows(60, 0, noise=1.0)
    keep = y > 0
    head = make_head("dense", epochs=40, learning_rate=0.02).fit(X, labels[y], X[keep], labels[y[keep]])
    of_label = head.predict_proba(X[keep])[np.arange(keep.sum()), y[keep]]
    assert -np.log(of_label).mean() == pytest.approx(min(head.history_["val_loss"]), abs=1e-4)
    assert min(head.history_["val_loss"]) < 0.3


@pytest.mark.parametrize(
    ("n_features", "hidden", "n_classes", "wanted"),
    [(25_088, [], 4, 100_356), (512, [256], 2, 512 * 256 + 256 + 256 * 2 + 2)],
)
def test_parameters_are_counted_as_on_paper(n_features: int, hidden: list[int], n_classes: int, wanted: int) -> None:
    """VGG16's 7 x 7 x 512 features and 4 classes: 25088 * 4 + 4 = 100356."""
    sizes = [n_features, *hidden, n_classes]
    arrays: dict[str, NDArray[Any]] = {"classes": np.arange(n_classes)}
    for number, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        arrays |= {f"kernel_{number}": np.zeros((n_in, n_out), np.float32), f"bias_{number}": np.zeros(n_out, np.float32)}
    head = rebuild_head("dense", {"hidden": hidden}, arrays)
    assert head.n_parameters == wanted
    assert head.n_parameters == as_keras(head).count_params()


def test_a_fitted_head_has_the_parameters_of_its_features() -> None:
    """Fitting 25088 features to 4 classes learns 100356 values."""
    X = np.random.default_rng(0).random((8, 25_088), np.float32)
    assert make_head("dense", epochs=1).fit(X, np.arange(8) % 4).n_parameters == 100_356


def test_training_figures_are_means_over_all_rows_of_the_epoch() -> None:
    """With a step so small that nothing is learned, loss and accuracy are those of the unchanged head on all rows."""
    X, y = made_rows(70, 0)  # three batches of 9 rows would end with one of 7
    head = make_head("dense", learning_rate=1e-12, epochs=2, batch_size=9).fit(X, y)
    found = head.predict_proba(X)
    for epoch in range(2):
        assert head.history_["loss"][epoch] == pytest.approx(log_loss(y, found, labels=[0, 1, 2]), rel=1e-4)
        assert head.history_["accuracy"][epoch] == pytest.approx((found.argmax(axis=1) == y).mean())


def test_weights_past_every_number_are_an_error_that_names_the_remedy() -> None:
    """A learning rate far too large (and given as a whole number) must not end as a model file full of NaN."""
    X, y, X_val, y_val = overfitting_rows()
    # Not Adam: its steps shrink with the square of the gradient, which passes float32's numbers first. TensorFlow turns that
    # into no number, PyTorch stops moving at weights of some hundred.
    settings = {"optimizer": "sgd", "learning_rate": 10, "hidden": [64] * 4}
    with pytest.raises(HeadError, match=r"learning_rate 10\. Give a smaller one"):
        make_head("dense", **settings, epochs=10, patience=10).fit(X, y, X_val, y_val)


def test_a_loss_that_was_still_falling_is_said() -> None:
    """Two epochs of a slow step have not arrived anywhere, and the note says what to do."""
    X, y, X_val, y_val = *made_rows(80, 1), *made_rows(60, 2)
    head = make_head("dense", learning_rate=1e-4, epochs=2).fit(X, y, X_val, y_val)
    assert head.notes_ == ["the validation loss was still falling at epoch 2: more epochs may do better"]


def test_a_head_of_an_older_model_file_predicts_the_same() -> None:
    """Settings as they were first written, without those that came later: the softmax of products as exact as float32."""
    settings = {
        "hidden": [7],
        "dropout": 0.2,
        "learning_rate": 0.001,
        "epochs": 50,
        "batch_size": None,
        "patience": 5,
        "seed": 3,
    }
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {"classes": np.arange(3)}
    for number, (n_in, n_out) in enumerate([(N_FEATURES, 7), (7, 3)]):
        arrays[f"kernel_{number}"] = rng.normal(0, 1, (n_in, n_out)).astype(np.float32)
        arrays[f"bias_{number}"] = rng.normal(0, 1, n_out).astype(np.float32)
    X = made_rows(60, 0)[0]
    X = X / np.abs(X).max()  # logits of a few: larger ones would leave probabilities of 0 and 1
    layers = [(arrays[f"kernel_{i}"].astype(np.float64), arrays[f"bias_{i}"]) for i in range(2)]
    hidden = np.maximum(X.astype(np.float64) @ layers[0][0] + layers[0][1], 0)
    logits = hidden @ layers[1][0] + layers[1][1]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    head = rebuild_head("dense", settings, arrays)
    # However float32 adds up n products, it is off by at most n * 2^-24 of the sum of their sizes; a probability moves by at
    # most half of what its logits do.
    sizes = (np.abs(X) @ np.abs(layers[0][0]) + np.abs(layers[0][1])) @ np.abs(layers[1][0]) + np.abs(layers[1][1])
    within = (N_FEATURES + 7) * 2.0**-24 * sizes.max() / 2
    assert within < 1e-3
    np.testing.assert_allclose(head.predict_proba(X), raised / raised.sum(axis=1, keepdims=True), rtol=0, atol=within)
    assert head.settings().items() >= settings.items()
    assert (head.settings()["activation"], head.settings()["optimizer"]) == ("softmax", "adam")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "binary_crossentropy"}, "loss must be categorical_crossentropy where activation is softmax"),
        ({"momentum": 0.9}, "momentum must be 0 for adam: only sgd and rmsprop have one"),
        ({"momentum": 0.9, "optimizer": "adamw"}, "momentum must be 0 for adamw"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    """With the rule that they break, before anything is learned."""
    with pytest.raises(HeadError, match=message):
        make_head("dense", **settings).fit(*made_rows(12, 0))


def test_a_lone_layer_is_learned_without_keras() -> None:
    """In a fresh process neither Keras nor TensorFlow nor scikit-learn is loaded."""
    program = (
        "import sys, numpy as np\n"
        "from featx.heads import make_head\n"
        "X, y = np.random.default_rng(0).random((20, 5)), np.arange(20) % 2\n"
        "make_head('dense', epochs=2).fit(X, y, X, y)\n"
        "print(sorted({'keras', 'tensorflow', 'sklearn', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
