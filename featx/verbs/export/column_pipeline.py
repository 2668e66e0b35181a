"""A fitted head of labels or of numbers as a scikit-learn pipeline that is loaded and used without featx."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ExportError
from featx.heads.head import Head
from featx.heads.layers import Dense, NeighborMeans, Sigmoids
from featx.verbs.export.pipeline import first_steps, network_of, two_class_network


def make_column_pipeline(head: Head, name: str, *, of_labels: bool) -> Any:
    """Make a scikit-learn pipeline from features (n, n_features) to labels or numbers.

    Of several labels ``predict_proba`` gives (n, n_labels), each on its own; of nearest neighbours a list with (n, 2) of each,
    as scikit-learn has it; of a single label (n, 2). Of numbers ``predict`` gives (n, n_targets), or (n,) of a single one.

    Parameters
    ----------
    head : Head
        Fitted.
    name : str
        Its name, for messages.
    of_labels : bool
        Whether it gives the probabilities of labels, else numbers.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline

    Raises
    ------
    ExportError
        If scikit-learn has nothing that gives the same numbers, with the reason.
    """
    from sklearn.pipeline import Pipeline

    steps, layers = first_steps(list(head.as_layers()))
    match layers:
        case [NeighborMeans() as means]:
            last = _neighbors(means, name, of_labels=of_labels)
        case [*chain, Sigmoids()]:
            last = _labels([layer for layer in chain if isinstance(layer, Dense)])
        case chain if all(isinstance(layer, Dense) for layer in chain):
            last = _numbers([layer for layer in chain if isinstance(layer, Dense)])
        case _:
            listed = ", ".join(type(layer).__name__ for layer in layers)
            raise ExportError(f"{name}: scikit-learn has nothing that computes {listed}. Export it as .keras or .onnx.")
    return Pipeline([*steps, ("last", last)])


def run_column_pipeline(path: Path, X: NDArray[np.floating], n_columns: int) -> NDArray[np.float64]:
    """Read back a pipeline that was just written, and return its probabilities or numbers (n, n_columns)."""
    import joblib

    pipeline = joblib.load(path)
    if not hasattr(pipeline, "predict_proba"):
        return np.asarray(pipeline.predict(X), np.float64).reshape(len(X), -1)
    given = pipeline.predict_proba(X)
    if isinstance(given, list):
        return np.stack([of_label[:, 1] for of_label in given], axis=1)
    given = np.asarray(given, np.float64)
    return given[:, 1:] if n_columns == 1 else given


def _labels(chain: Sequence[Dense]) -> Any:
    """Return dense layers, and a sigmoid of each label."""
    if len(chain[-1].bias) == 1:
        kernel = chain[-1].kernel
        both = Dense(np.hstack([np.zeros_like(kernel), kernel]), np.append(0.0, chain[-1].bias))
        return two_class_network([*chain[:-1], both])
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import LabelBinarizer

    network = network_of(MLPClassifier, chain)
    network.out_activation_ = "logistic"
    every = np.arange(network.n_outputs_)
    network.classes_ = every
    network._label_binarizer = LabelBinarizer().fit(np.stack([every * 0, every * 0 + 1]))
    return network


def _numbers(chain: Sequence[Dense]) -> Any:
    """Return dense layers, the last of which gives the numbers."""
    from sklearn.neural_network import MLPRegressor

    network = network_of(MLPRegressor, chain)
    network.out_activation_ = "identity"
    return network


def _neighbors(means: NeighborMeans, name: str, *, of_labels: bool) -> Any:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if not means.known.all():
        raise ExportError(
            f"{name}: some cells of its training images are not known, and scikit-learn's neighbours must know all. "
            "Export another head."
        )
    targets = means.targets[:, 0] if means.targets.shape[1] == 1 else means.targets
    kind = KNeighborsClassifier if of_labels else KNeighborsRegressor
    neighbors = kind(min(means.count, len(means.rows)), algorithm="brute")
    neighbors.fit(means.rows, targets.astype(np.int64) if of_labels else targets)
    return neighbors
