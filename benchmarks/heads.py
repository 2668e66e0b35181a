"""Fitting each head against the plain library call: ``python -m benchmarks.heads``; about nine minutes on two cores.

On the same features from one cache (VGG16 at 96 px, 2,000 training and 500 test images of Fashion-MNIST): Keras' own ``fit``
for dense and conv, scikit-learn's estimators for the others, with the same settings. Loading libraries and reading the cache
are not timed. ``benchmarks.dense`` and ``benchmarks.wide`` do the same on made features of 224 px, 25,088 columns.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import featx
from benchmarks.contenders import Contender, race
from benchmarks.made import fashion_cache
from benchmarks.sections import ROUNDS, Section, ratio, run, spread

EPOCHS, BATCH = 20, 32
SIDE = 96
ROW_LENGTH = 20.0
"""Mean length that featx gives rows for dense and conv; Keras gets them so too, so that both learn alike."""

# The call that is compared, as a reader would type it.
PLAIN = {
    "dense": "Keras `fit`: Dense softmax",
    "dense, hidden 256": "Keras `fit`: Dense 256, Dense softmax",
    "conv": "Keras `fit`: two Conv2D with pooling, Dense softmax",
    "logreg": "`StandardScaler`, `LogisticRegression`",
    "svm": "`StandardScaler`, `LinearSVC` in `CalibratedClassifierCV`",
    "svm, rbf": "`StandardScaler`, `SVC` in `CalibratedClassifierCV`",
    "ridge": "`StandardScaler`, `RidgeClassifierCV`",
    "knn": "`StandardScaler`, `KNeighborsClassifier`",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "dense": {"epochs": EPOCHS, "batch_size": BATCH},
    "dense, hidden 256": {"epochs": EPOCHS, "batch_size": BATCH, "hidden": (256,)},
    "conv": {"epochs": EPOCHS, "batch_size": BATCH},
    "svm, rbf": {"kernel": "rbf"},
}


def read(cache: str, head: str, dtype: str) -> tuple[Any, Any, Any, Any, tuple[int, ...]]:
    """Return X and y of the training and of the test images, as the head takes them, and the shape of a map."""
    store = featx.open_cache(cache)
    catalog = store.catalog
    pooling = "flatten" if is_neural(head) else "avgmax"
    arrays = []
    for split in ("train", "test"):
        rows = catalog.rows(split)
        X = store.features(rows, pooling=pooling, dtype=np.dtype(dtype).type).reshape(len(rows), -1)
        arrays += [X, catalog.labels[rows].astype(np.int64)]
    X, y, X_test, y_test = arrays
    return X, y, X_test, y_test, store.row_shape()


def is_neural(head: str) -> bool:
    """Tell heads that learn by epochs."""
    return head.startswith(("dense", "conv"))


def some_of_each(y: Any) -> slice:
    """Return some 200 rows of all classes, which follow each other: a fit on them loads the libraries."""
    return slice(None, None, max(1, len(y) // 200))


def featx_head(cache: str, head: str) -> Callable[[], dict[str, Any]]:
    """Get ready to fit a head of featx."""
    from featx.heads import make_head

    X, y, X_test, y_test, map_shape = read(cache, head, "float16" if is_neural(head) else "float32")
    settings = SETTINGS.get(head, {}) | ({"map_shape": list(map_shape)} if head == "conv" else {})
    few = some_of_each(y)
    make_head(head.split(",")[0], **settings | ({"epochs": 1} if is_neural(head) else {})).fit(X[few], y[few])

    def turn() -> dict[str, Any]:
        started = time.monotonic()
        fitted = make_head(head.split(",")[0], **settings).fit(X, y)
        seconds = time.monotonic() - started
        started = time.monotonic()
        proba = fitted.predict_proba(X_test)
        predicting = time.monotonic() - started
        return {"seconds": seconds, "predicting": predicting, "accuracy": accuracy(proba, fitted.classes_, y_test)}

    return turn


def accuracy(proba: Any, classes: Any, y: Any) -> float:
    """Return top-1 accuracy."""
    return float((classes[proba.argmax(axis=1)] == y).mean())


def plain(cache: str, head: str) -> Callable[[], dict[str, Any]]:
    """Get ready to fit what a user of the library would."""
    X, y, X_test, y_test, map_shape = read(cache, head, "float32")
    fit = keras_fit if is_neural(head) else scikit_learn_fit
    few = some_of_each(y)
    fit(head, X[few], y[few], map_shape, 1)

    def turn() -> dict[str, Any]:
        started = time.monotonic()
        predict_proba = fit(head, X, y, map_shape, EPOCHS)
        seconds = time.monotonic() - started
        started = time.monotonic()
        proba = predict_proba(X_test)
        predicting = time.monotonic() - started
        return {"seconds": seconds, "predicting": predicting, "accuracy": accuracy(proba, np.unique(y), y_test)}

    return turn


def keras_fit(head: str, X: Any, y: Any, map_shape: tuple[int, ...], epochs: int) -> Callable[[Any], Any]:
    """Fit a network of Keras on rows of the length that featx gives them."""
    import keras

    scale = ROW_LENGTH / float(np.linalg.norm(X, axis=1).mean())
    layers = [keras.Input((X.shape[1],)), keras.layers.Rescaling(scale)]
    if head == "conv":
        layers.append(keras.layers.Reshape(map_shape))
        for n_filters in (32, 64):
            layers.append(keras.layers.Conv2D(n_filters, 3, activation="relu", padding="same"))
            layers.append(keras.layers.MaxPooling2D(2, padding="same"))
        layers.append(keras.layers.Flatten())
    if head == "dense, hidden 256":
        layers.append(keras.layers.Dense(256, activation="relu"))
    network = keras.Sequential([*layers, keras.layers.Dense(int(y.max()) + 1, activation="softmax")])
    network.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(X, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return lambda rows: network.predict(rows, batch_size=512, verbose=0)


def scikit_learn_fit(head: str, X: Any, y: Any, map_shape: tuple[int, ...], epochs: int) -> Callable[[Any], Any]:
    """Fit scikit-learn's estimator with the settings that the head has by default."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, LinearSVC

    from featx.heads.classical.linear import DEFAULT_C, LogregHead
    from featx.heads.classical.ridge import ALPHAS

    builders: dict[str, Callable[[], Any]] = {
        "logreg": lambda: LogisticRegression(C=LogregHead().C, max_iter=10_000),
        "svm": lambda: CalibratedClassifierCV(LinearSVC(C=DEFAULT_C["linear"], max_iter=100_000), ensemble=False),
        "svm, rbf": lambda: CalibratedClassifierCV(SVC(C=DEFAULT_C["rbf"]), ensemble=False),
        "ridge": lambda: RidgeClassifierCV(alphas=ALPHAS),
        "knn": lambda: KNeighborsClassifier(),
    }
    estimator = make_pipeline(StandardScaler(), builders[head]()).fit(X.astype(np.float64), y)
    if head == "ridge":
        return lambda rows: np.asarray(estimator.decision_function(rows.astype(np.float64)))
    return lambda rows: np.asarray(estimator.predict_proba(rows.astype(np.float64)))


def measure(quick: bool, work: Path) -> Section:
    """Fit all in turn, a head after the other."""
    side, rounds = (32, 2) if quick else (SIDE, ROUNDS)
    cache = str(fashion_cache(work, quick, side, "float32"))
    figures: dict[str, Any] = {"rounds": rounds, "side": side, "epochs": EPOCHS}
    rows = []
    for head, call in PLAIN.items():
        if quick and head not in ("dense", "ridge"):
            continue
        with (
            Contender("benchmarks.heads:featx_head", cache=cache, head=head) as ours,
            Contender("benchmarks.heads:plain", cache=cache, head=head) as theirs,
        ):
            found = race({"featx": ours.go, "plain": theirs.go}, rounds)
        # Neighbours learn nothing: all they do is done when they are asked.
        keys = ("seconds", "predicting") if head == "knn" else ("seconds",)
        seconds = {who: [sum(turn[key] for key in keys) for turn in turns] for who, turns in found.items()}
        accuracies = {who: statistics.median(turn["accuracy"] for turn in turns) for who, turns in found.items()}
        times = ratio(seconds["plain"], seconds["featx"])
        figures[head] = {"turns": found, "ratio": times}
        rows.append(
            [
                head + (", with prediction" if head == "knn" else ""),
                call,
                f"{spread(seconds['featx'], '.2f')} s",
                f"{spread(seconds['plain'], '.2f')} s",
                f"{times:.1f}",
                f"{accuracies['featx']:.3f}",
                f"{accuracies['plain']:.3f}",
            ]
        )
    store = featx.open_cache(cache)
    n_train, n_test, columns = (
        len(store.catalog.rows("train")),
        len(store.catalog.rows("test")),
        int(np.prod(store.row_shape())),
    )
    notes = [
        f"{n_train:,} training and {n_test} test images of Fashion-MNIST, VGG16 at {side} px: {columns:,} features for dense "
        f"and conv ({EPOCHS} epochs, batches of {BATCH}, no validation), {2 * store.row_shape()[-1]:,} for the others. Median "
        f"of {rounds} rounds (smallest to largest). The same settings on both sides; ridge of scikit-learn gives no "
        "probabilities and is not calibrated, the others are."
    ]
    heads = ("head", "plain call", "featx", "plain", "plain / featx", "test accuracy, featx", "plain")
    return Section(
        "heads", "Fitting heads and the plain library calls", "python -m benchmarks.heads", heads, rows, (), notes, figures
    )


if __name__ == "__main__":
    run(measure, __doc__)
