"""The contract that every head keeps: one suite, run for each head there is."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import HeadError, SingleClassError, UnknownHead
from featx.heads import HEADS, Head, head_spec, make_head, rebuild_head

N_FEATURES = 6
QUICK: dict[str, dict[str, Any]] = {
    "dense": {"epochs": 25, "learning_rate": 0.01},
    "conv": {"epochs": 25, "learning_rate": 0.01, "map_shape": [1, 2, 3], "filters": [8, 4]},
}
BY_EPOCHS = ("dense", "conv")
LABELS = np.array([9, 2, 5])


@pytest.fixture(params=HEADS)
def name(request: pytest.FixtureRequest) -> str:
    """Name of the head under test: every test that asks for it runs for each."""
    return str(request.param)


def made_rows(n: int, labels: NDArray[np.integer], seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    """Return rows whose class is plain to see: a centre each, far apart, and noise; the arrays are read-only."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(0, 5, (len(labels), N_FEATURES))
    which = np.arange(n) % len(labels)
    X = (centres[which] + rng.normal(0, 1, (n, N_FEATURES))).astype(np.float32)
    y = labels[which]
    X.setflags(write=False)
    y.setflags(write=False)
    return X, y


def quick_head(name: str, **settings: Any) -> Head:
    """Make a head that learns in about a second."""
    return make_head(name, **(QUICK.get(name, {}) | settings))


@pytest.fixture(scope="module")
def fitted_heads() -> dict[str, Head]:
    """Each head fitted once on the classes 2, 5 and 9."""
    X, y = made_rows(60, LABELS)
    return {name: quick_head(name).fit(X, y) for name in HEADS}


@pytest.fixture
def fitted(fitted_heads: dict[str, Head], name: str) -> Head:
    """The fitted head under test."""
    return fitted_heads[name]


@pytest.fixture(name="X_new")
def new_rows() -> NDArray[np.float32]:
    """Rows that no head was fitted on."""
    return made_rows(90, LABELS, seed=7)[0]


def test_columns_are_ordered_by_label(fitted: Head, X_new: NDArray[np.float32]) -> None:
    """Labels need not be 0 to k-1 nor come in order: column i belongs to the i-th smallest label."""
    assert fitted.classes_.tolist() == [2, 5, 9]
    y_new = made_rows(90, LABELS, seed=7)[1]
    accuracy = (fitted.classes_[fitted.predict_proba(X_new).argmax(axis=1)] == y_new).mean()
    assert accuracy >= 0.95


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_gets_no_class(fitted: Head, X_new: NDArray[np.float32], bad: float) -> None:
    """Not even the first one with a probability of NaN: the row is named."""
    X = X_new.copy()
    X[7, 2] = bad
    with pytest.raises(HeadError, match="infinite or no numbers, in row 7"):
        fitted.predict_proba(X)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_separable_problem_is_learned(name: str, n_classes: int) -> None:
    """Two classes and four: at least 95 % of unseen rows come out right."""
    head = quick_head(name).fit(*made_rows(80, np.arange(n_classes)))
    X, y = made_rows(200, np.arange(n_classes), seed=7)
    probabilities = head.predict_proba(X)
    assert probabilities.shape == (200, n_classes)
    assert (probabilities.argmax(axis=1) == y).mean() >= 0.95


@pytest.mark.parametrize("factor", [1, 1e4, 0, -1e4])
def test_rows_are_probabilities(fitted: Head, X_new: NDArray[np.float32], factor: float) -> None:
    """Within [0, 1] and summing to 1, also for rows far from anything seen."""
    probabilities = fitted.predict_proba(X_new * np.float32(factor))
    assert probabilities.dtype == np.float64
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_each_row_is_judged_alone(fitted: Head, X_new: NDArray[np.float32]) -> None:
    """One row in is one row out, the same bits whatever rows stand beside it and in whatever order."""
    check_rows_are_judged_alone(fitted, X_new)


@pytest.mark.parametrize("kind", ["dense", "deep", "conv", "logreg", "svm", "rbf", "ridge", "knn", "l2", "sqrt", "two classes"])
def test_each_row_of_many_features_is_judged_alone(kind: str) -> None:
    """More columns than a product adds up in one go, of different sizes; with every scale, activation and kernel."""
    rng = np.random.default_rng(0)
    X = (np.maximum(rng.normal(-0.5, 1, (70, 1200)), 0) * np.logspace(-3, 3, 1200)).astype(np.float32)
    y = np.arange(40) % (2 if kind == "two classes" else 3)
    name, settings = {
        "deep": ("dense", {"hidden": [9, 5], "activation": "sigmoid", "epochs": 1}),
        "dense": ("dense", {"epochs": 2}),
        "conv": ("conv", {"map_shape": [5, 6, 40], "filters": [7, 3], "epochs": 1}),
        "rbf": ("svm", {"kernel": "rbf"}),
        "l2": ("svm", {"scale": "l2"}),
        "sqrt": ("knn", {"scale": "sqrt"}),
        "two classes": ("ridge", {}),
    }.get(kind, (kind, {}))
    check_rows_are_judged_alone(make_head(name, **settings).fit(X[:40], y), X)


def check_rows_are_judged_alone(head: Head, X: NDArray[np.float32]) -> None:
    """Compare bits: alone, in pairs, in subsets, in another order, in another layout of memory."""
    together = head.predict_proba(X)
    assert len(together) == len(X)
    subsets = [[row] for row in range(0, len(X), 13)]
    subsets += [[row, row + 1] for row in range(0, len(X) - 1, 17)]
    subsets += [np.random.default_rng(n).permutation(len(X))[:n].tolist() for n in (5, 16, 31, 33, len(X))]
    for rows in subsets:
        assert head.predict_proba(X[rows]).tobytes() == together[rows].tobytes()
    assert head.predict_proba(X[::-1]).tobytes() == together[::-1].tobytes()
    assert head.predict_proba(X[3:]).tobytes() == together[3:].tobytes()
    assert head.predict_proba(np.asfortranarray(X)).tobytes() == together.tobytes()


def test_more_rows_than_a_block_are_all_predicted(fitted: Head, X_new: NDArray[np.float32]) -> None:
    """Large inputs may be worked off in blocks; nothing is lost or doubled at the seams."""
    many = np.tile(X_new, (30, 1))
    assert fitted.predict_proba(many).tobytes() == np.tile(fitted.predict_proba(X_new), (30, 1)).tobytes()


def test_no_rows_in_are_no_rows_out(fitted: Head) -> None:
    """An empty split still has a column for each class."""
    assert fitted.predict_proba(np.empty((0, N_FEATURES), np.float32)).shape == (0, 3)


def test_the_same_seed_gives_identical_arrays(name: str, fitted: Head) -> None:
    """A fit can be repeated to the last bit."""
    again = quick_head(name).fit(*made_rows(60, LABELS))
    assert {key: array.tobytes() for key, array in again.arrays().items()} == {
        key: array.tobytes() for key, array in fitted.arrays().items()
    }


def test_settings_and_arrays_rebuild_the_head_exactly(name: str, fitted: Head, X_new: NDArray[np.float32]) -> None:
    """Probabilities of the rebuilt head are bit-identical, and so is what it would be saved as."""
    rebuilt = rebuild_head(name, fitted.settings(), fitted.arrays())
    assert rebuilt.predict_proba(X_new).tobytes() == fitted.predict_proba(X_new).tobytes()
    assert rebuilt.settings() == fitted.settings()
    assert rebuilt.n_parameters == fitted.n_parameters
    assert rebuilt.arrays().keys() == fitted.arrays().keys()


def test_settings_are_what_the_constructor_takes(name: str, fitted: Head) -> None:
    """Every setting is reported, by the name it is given by."""
    builder = type(make_head(name))
    assert list(fitted.settings()) == list(inspect.signature(builder).parameters)
    assert fitted.settings().items() >= QUICK.get(name, {}).items()


def test_learned_values_that_a_prediction_uses_are_counted(fitted: Head) -> None:
    """Everything in the arrays but the class labels, the standardisation and a penalty that is only reported."""
    not_counted = ("classes", "mean", "scale", "alpha")
    learned = {key: array for key, array in fitted.arrays().items() if key not in not_counted}
    assert fitted.n_parameters == sum(array.size for array in learned.values())


def test_the_constructor_only_stores(name: str) -> None:
    """Whatever it is given is kept as it is and judged by fit alone."""
    builder = type(make_head(name))
    given = {setting: object() for setting in inspect.signature(builder).parameters}
    head = builder(**given)
    assert all(getattr(head, setting) is value for setting, value in given.items())


def test_validation_rows_do_not_change_the_classes(name: str) -> None:
    """A fit with validation rows returns the head itself, with its classes from the training labels."""
    head = quick_head(name, **({"epochs": 2} if name in BY_EPOCHS else {}))
    X, y = made_rows(60, LABELS)
    X_val, y_val = made_rows(10, LABELS[:2], seed=3)
    assert head.fit(X, y, X_val, y_val) is head
    assert head.classes_.tolist() == [2, 5, 9]


@pytest.mark.parametrize(
    "labels", [np.zeros(12, np.int64), np.full(12, 7), np.empty(0, np.int64)], ids=["zeros", "sevens", "none"]
)
def test_a_single_class_is_refused(name: str, labels: NDArray[np.integer]) -> None:
    """A classifier needs two classes."""
    with pytest.raises(SingleClassError, match="at least 2 classes"):
        quick_head(name).fit(np.ones((len(labels), N_FEATURES), np.float32), labels)


@pytest.mark.parametrize(
    "shape", [(3, N_FEATURES + 1), (3, N_FEATURES - 1), (0, 1), (N_FEATURES,), (2, N_FEATURES, 1)], ids=str
)
def test_features_of_another_width_are_refused(fitted: Head, shape: tuple[int, ...]) -> None:
    """The message has the width it was fitted on and the shape received."""
    with pytest.raises(HeadError, match=rf"{N_FEATURES} features") as caught:
        fitted.predict_proba(np.zeros(shape, np.float32))
    assert str(shape) in str(caught.value)


def test_an_unknown_setting_is_named(name: str) -> None:
    """With the settings that there are."""
    with pytest.raises(HeadError, match=r"'temperature'.*seed"):
        make_head(name, temperature=0.9)
    with pytest.raises(HeadError, match="'temperature'"):
        rebuild_head(name, {"temperature": 0.9}, {})


BAD_PENALTIES = [0, -1.0, float("nan"), float("inf"), 1e13, "1", True]
BAD_SCALES = [("scale", value) for value in ("minmax", "", None, 1, ["l2"])]
BAD_WEIGHTS = [("class_weight", value) for value in ("even", True, 1, {"0": 1}, [1, 2, 3])]
BAD_SEEDS = [("seed", value) for value in (-1, 1.5, "x")]
BAD_TRAINING: list[tuple[str, Any]] = [
    *(("hidden", value) for value in ((0,), [-3], [1.5], ["a"], 5, "64", (70_000,), [1] * 11)),
    *(("dropout", value) for value in (1.0, -0.1, float("nan"), "0.5", None)),
    *(("activation", value) for value in ("relu", None, 1, ["softmax"])),
    *(("loss", value) for value in ("mse", "binary_crossentropy", 1, ["categorical_crossentropy"])),
    *(("optimizer", value) for value in ("Adam", "lbfgs", None, {})),
    *(("learning_rate", value) for value in (0, -1e-3, float("nan"), 11.0, "fast", True)),
    *(("momentum", value) for value in (1.0, -0.1, float("nan"), "0.9", None, 0.9)),
    *(("weight_decay", value) for value in (-1e-4, 11, float("nan"), "0.1")),
    *(
        (whole, value)
        for whole in ("epochs", "batch_size", "steps_per_epoch", "patience")
        for value in (0, -1, 2.5, 10**7, "3")
    ),
    *((whole, None) for whole in ("epochs", "patience")),
    *(("class_weight", value) for value in ("equal", 1, True, {0: 1.0}, [1, 2, 3])),
    *(("monitor", value) for value in ("loss", "accuracy", None, 0)),
    *(("min_delta", value) for value in (-1e-9, float("nan"), float("inf"), "0", None)),
    *(("label_smoothing", value) for value in (1.0, -0.1, float("nan"), "0.1", None)),
    *BAD_SEEDS,
]
BAD_SETTINGS: dict[str, list[tuple[str, Any]]] = {
    "dense": BAD_TRAINING,
    "conv": [
        *(("map_shape", value) for value in (None, [6], [1, 6], [1, 1, 1, 6], [1, 2.0, 3], [0, 2, 3], 6, "123", [1, 1, 10**6])),
        *(("filters", value) for value in ([], [0], [1.5], ["a"], 32, "32", [4096], [1] * 6, None)),
        *BAD_TRAINING,
    ],
    "logreg": [*(("C", value) for value in [*BAD_PENALTIES, None]), *BAD_SCALES, *BAD_WEIGHTS, *BAD_SEEDS],
    "svm": [
        *(("C", value) for value in BAD_PENALTIES),
        *(("kernel", value) for value in ("poly", "precomputed", None, 3)),
        *(*BAD_SCALES, *BAD_WEIGHTS, *BAD_SEEDS),
    ],
    "ridge": [*(("alpha", value) for value in BAD_PENALTIES), *BAD_SCALES, *BAD_WEIGHTS, *BAD_SEEDS],
    "knn": [*(("neighbors", value) for value in (0, -1, 2.5, "3", None, True, 10**7)), *BAD_SCALES, *BAD_SEEDS],
}


def test_bad_values_of_every_setting_are_tried(name: str) -> None:
    """A new setting must be added to the list above."""
    assert {setting for setting, _ in BAD_SETTINGS[name]} == set(make_head(name).settings())


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [(name, setting, value) for name, values in BAD_SETTINGS.items() for setting, value in values],
    ids=repr,
)
def test_a_bad_setting_is_refused_by_its_name(name: str, setting: str, value: Any) -> None:
    """Outside its range or of another type: fit says which setting, and what it received."""
    head = quick_head(name, **{setting: value})
    with pytest.raises(HeadError, match=rf"^{setting} must be .*Received: ") as caught:
        head.fit(*made_rows(12, np.arange(3)))
    assert repr(value) in str(caught.value)


def test_features_are_left_unchanged(name: str) -> None:
    """The caller's array is not standardised or scaled in place."""
    X, y = made_rows(30, np.arange(2))
    writable = X.copy()
    head = quick_head(name, **({"epochs": 1} if name in BY_EPOCHS else {})).fit(writable, y)
    head.predict_proba(writable)
    assert writable.tobytes() == X.tobytes()


def test_missing_or_additional_arrays_are_refused(name: str, fitted: Head) -> None:
    """Each array is needed and no other is taken."""
    arrays = fitted.arrays()
    for key in arrays:
        with pytest.raises(HeadError, match="must have the arrays"):
            rebuild_head(name, fitted.settings(), {other: array for other, array in arrays.items() if other != key})
    with pytest.raises(HeadError, match="must have the arrays"):
        rebuild_head(name, fitted.settings(), arrays | {"evil": np.zeros(3)})
    with pytest.raises(HeadError, match="must have the arrays"):
        rebuild_head(name, fitted.settings(), {})


@pytest.mark.parametrize("spoil", ["one row less", "one row more", "no dimension", "one dimension more", "flat"])
def test_arrays_of_another_shape_are_refused(name: str, fitted: Head, spoil: str) -> None:
    """Each array in turn: the shapes must fit together."""
    spoilers = {
        "one row less": lambda array: array[:-1],
        "one row more": lambda array: np.concatenate([array, array[:1]]),
        "no dimension": lambda array: np.array(array.flat[0]),
        "one dimension more": lambda array: array[..., None],
        "flat": np.ravel,
    }
    for key, array in fitted.arrays().items():
        if spoil == "flat" and array.ndim == 1:
            continue
        # The width of a dense head's features is free, and the first kernel alone says what it is.
        if name == "dense" and key == "kernel_0" and spoil in ("one row less", "one row more"):
            continue
        with pytest.raises(HeadError, match="must"):
            rebuild_head(name, fitted.settings(), fitted.arrays() | {key: spoilers[spoil](array)})


def test_restoring_checks_the_settings_too(name: str, fitted: Head) -> None:
    """A model file with settings that no fit would take is refused."""
    setting, value = BAD_SETTINGS[name][0]
    with pytest.raises(HeadError, match=f"{setting} must be"):
        rebuild_head(name, fitted.settings() | {setting: value}, fitted.arrays())


def test_a_restored_head_needs_numpy_alone(tmp_path: Path, name: str, fitted: Head, X_new: NDArray[np.float32]) -> None:
    """In a fresh process prediction loads neither Keras nor TensorFlow nor scikit-learn, and gives the same bits."""
    np.savez(tmp_path / "arrays.npz", **fitted.arrays())
    np.save(tmp_path / "X.npy", X_new)
    program = (
        "import sys, numpy as np\n"
        "from featx.heads import rebuild_head\n"
        f"arrays = dict(np.load('arrays.npz')); head = rebuild_head({name!r}, {fitted.settings()!r}, arrays)\n"
        "np.save('found.npy', head.predict_proba(np.load('X.npy')))\n"
        "print(sorted({'keras', 'tensorflow', 'sklearn', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
    assert np.load(tmp_path / "found.npy").tobytes() == fitted.predict_proba(X_new).tobytes()


def test_a_misspelt_head_is_answered_with_the_nearest(name: str) -> None:
    """And with the list of all."""
    assert head_spec(name).name == name
    with pytest.raises(UnknownHead, match=f"Did you mean {name}") as caught:
        make_head(name + "x")
    assert ", ".join(HEADS) in str(caught.value)
