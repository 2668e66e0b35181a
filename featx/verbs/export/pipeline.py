"""A fitted head as a scikit-learn pipeline that is loaded and used without featx."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ExportError
from featx.heads import OperatingPoint
from featx.heads.head import Head
from featx.heads.layers import (
    Convolution,
    Dense,
    Maps,
    NeighborMeans,
    Neighbors,
    PlainLayer,
    Probabilities,
    RbfKernel,
    SignedRoots,
    Standardized,
    UnitRows,
)

Names = NDArray[Any]


def make_pipeline(head: Head, name: str, class_names: tuple[str, ...], point: OperatingPoint | None = None) -> Any:
    """Make a scikit-learn pipeline from features (n, n_features) to the head's probabilities (n, n_classes).

    Every step is an object of scikit-learn with learned values put in: nothing is fitted again. ``classes_`` are the class
    names, sorted, and the probabilities are in their order: scikit-learn's measures take the columns of every classifier as
    sorted, whatever ``classes_`` says.

    Parameters
    ----------
    head : Head
        Fitted.
    name : str
        Its name, for messages.
    class_names : tuple of str
        Of the head's columns.
    point : OperatingPoint or None
        From which probability on ``predict`` says the positive class; its probabilities stay the head's.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline

    Raises
    ------
    ExportError
        If scikit-learn has nothing that gives the same numbers, with the reason.
    """
    from sklearn.pipeline import Pipeline

    order = np.argsort(np.array(class_names), kind="stable")
    steps, layers = first_steps(list(head.as_layers()))
    classifier = _classifier(name, layers, order, np.array(class_names)[order])
    if point:
        from sklearn.model_selection import FixedThresholdClassifier

        name_of = class_names[point.positive]
        classifier = FixedThresholdClassifier(
            classifier, threshold=point.threshold, pos_label=name_of, response_method="predict_proba"
        )
        classifier.estimator_ = classifier.estimator  # what its fit would make: a copy that is fitted
    return Pipeline([*steps, ("classifier", classifier)])


def sorted_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return class names in the order of a pipeline's columns."""
    return tuple(np.sort(np.array(class_names)).tolist())


def save_pipeline(pipeline: Any, path: Path) -> None:
    """Write a pipeline with joblib."""
    import joblib

    joblib.dump(pipeline, path)


def run_pipeline(path: Path, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Read back a pipeline that ``save_pipeline`` has just written, and return its probabilities (n, n_classes).

    joblib runs what a file asks for: this is for files of our own alone.
    """
    import joblib

    probabilities: NDArray[np.float64] = np.asarray(joblib.load(path).predict_proba(X), np.float64)
    return probabilities


def first_steps(layers: list[PlainLayer]) -> tuple[list[tuple[str, Any]], list[PlainLayer]]:
    """Return the steps that scale rows or compare them with others, and the layers behind them."""
    steps: list[tuple[str, Any]] = []
    while layers and isinstance(layers[0], Standardized | SignedRoots | UnitRows | RbfKernel):
        step, layers = _step(layers)
        steps.append(step)
    return steps, layers


def _step(layers: list[PlainLayer]) -> tuple[tuple[str, Any], list[PlainLayer]]:
    """Return the step that does what the first layer does, and the layers behind it, on the columns that the step gives."""
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

    first, *others = layers
    match first:
        case Standardized(mean, scale):
            scaler = _known(StandardScaler(), layers)
            scaler.mean_, scaler.scale_, scaler.var_ = mean, scale, scale**2
            return ("scale", scaler), others
        case UnitRows():
            return ("scale", _known(Normalizer(), layers)), others
        case RbfKernel(rows, gamma):
            return ("kernel", FunctionTransformer(rbf_kernel, kw_args={"Y": rows, "gamma": gamma})), others
    return _roots(others)


def _roots(others: list[PlainLayer]) -> tuple[tuple[str, Any], list[PlainLayer]]:
    """Return signed square roots. NumPy has no root that keeps the sign: that of distances is of positive features alone."""
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import FunctionTransformer

    at = next(place for place, layer in enumerate(others) if not isinstance(layer, UnitRows))
    behind = others[at]
    if isinstance(behind, RbfKernel | Neighbors | NeighborMeans):
        if behind.rows.min(initial=0.0) < 0:
            raise ExportError(
                "scale sqrt: NumPy has no square root that keeps the sign, and this head learned from negative features. "
                "Fit it with another --scale."
            )
        return ("roots", FunctionTransformer(np.sqrt)), others
    if not isinstance(behind, Dense):
        raise ExportError(f"{type(behind).__name__} behind square roots: scikit-learn has nothing that gives the same numbers.")
    # Positive and negative parts side by side have one each, and the same length; the planes take both.
    clip = {"a_min": 0, "a_max": None}
    positive = [("clip", FunctionTransformer(np.clip, kw_args=clip)), ("root", FunctionTransformer(np.sqrt))]
    negative = [("negate", FunctionTransformer(np.negative)), *positive]
    parts = [("positive", Pipeline(positive)), ("negative", Pipeline(negative))]
    both = Dense(np.vstack([behind.kernel, -behind.kernel]), behind.bias, behind.relu)
    return ("roots", FeatureUnion(parts)), [*others[:at], both, *others[at + 1 :]]


def _known(transformer: Any, layers: list[PlainLayer]) -> Any:
    """Let a transformer know how wide its rows are, so that it refuses others."""
    for layer in layers:
        if isinstance(layer, Dense):
            transformer.n_features_in_ = len(layer.kernel)
            break
        if isinstance(layer, RbfKernel | Neighbors | NeighborMeans):
            transformer.n_features_in_ = layer.rows.shape[1]
            break
    return transformer


def _classifier(name: str, layers: list[PlainLayer], order: NDArray[np.intp], names: Names) -> Any:
    """Return the classifier that the last layers are; ``order`` sorts the head's columns as ``names`` are sorted."""
    match layers:
        case [Neighbors(rows, labels, count)]:
            return _neighbors(rows, np.argsort(order)[labels], count, names)
        case [*hidden, Dense(kernel, bias), Probabilities(kind)]:
            last = Dense(kernel[:, order], bias[order])
            chain = [layer for layer in hidden if isinstance(layer, Dense) and layer.relu]
            if len(chain) == len(hidden) and kind == "softmax":
                return _network([*chain, last], names)
            if not hidden:
                return _sigmoids(last, names)
            if len(chain) == len(hidden):
                raise ExportError(
                    f"{name} with hidden layers and sigmoids: scikit-learn's network does not divide sigmoids by their sum. "
                    "Export it as .keras, .onnx or another network format, or fit it with --activation softmax."
                )
    if any(isinstance(layer, Maps | Convolution) for layer in layers):
        raise ExportError(f"{name}: scikit-learn has no convolutions. Export it as .keras, .onnx or another network format.")
    listed = ", ".join(type(layer).__name__ for layer in layers)
    raise ExportError(f"{name}: scikit-learn has no classifier that computes {listed}. Export it as .keras or .onnx.")


def _neighbors(rows: NDArray[np.float32], labels: NDArray[np.integer], count: int, names: Names) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    # Brute force compares as featx does; its fit only keeps the rows.
    neighbors = KNeighborsClassifier(count, algorithm="brute").fit(rows, labels)
    neighbors.classes_ = names
    return neighbors


def _network(chain: Sequence[Dense], names: Names) -> Any:
    """Return dense layers, ReLU between them, and a softmax.

    One layer alone would be scikit-learn's logistic regression too, but that has decisions beside its probabilities, and where
    there are decisions scikit-learn's average precision is of them.
    """
    from sklearn.neural_network import MLPClassifier

    network = network_of(MLPClassifier, chain)
    network.out_activation_ = "softmax"
    if len(names) == 2:  # one unit then: the softmax of two values is the sigmoid of their difference
        network.coefs_[-1] = np.diff(network.coefs_[-1], axis=1)
        network.intercepts_[-1] = np.diff(chain[-1].bias)
        network.out_activation_ = "logistic"
        network.n_outputs_ = 1
    network.classes_, network._label_binarizer = names, _binarizer(names)
    return network


def two_class_network(chain: Sequence[Dense]) -> Any:
    """Return a network of the classes 0 and 1."""
    return _network(chain, np.array([0, 1]))


def network_of(kind: Any, chain: Sequence[Dense]) -> Any:
    """Return one of scikit-learn's networks with dense layers put in, ReLU between them."""
    network = kind(tuple(len(layer.bias) for layer in chain[:-1]), activation="relu")
    network.coefs_, network.intercepts_ = [layer.kernel for layer in chain], [layer.bias for layer in chain]
    # Probabilities in float64, as the head gives them: scikit-learn clips those of float32 at 1e-7 before it takes logarithms.
    network.coefs_[-1] = network.coefs_[-1].astype(np.float64)
    network.n_layers_, network.n_outputs_ = len(chain) + 1, network.coefs_[-1].shape[1]
    network.n_features_in_ = len(chain[0].kernel)
    return network


def _sigmoids(dense: Dense, names: Names) -> Any:
    """Return a sigmoid for each class, divided by their sum."""
    from sklearn.multiclass import OneVsRestClassifier

    estimators = []
    for kernel, bias in zip(dense.kernel.T, dense.bias, strict=True):
        unit = Dense(np.stack([np.zeros_like(kernel), kernel], axis=1), np.array([0, bias]))
        estimators.append(_network([unit], np.array([0, 1])))
    together = OneVsRestClassifier(estimators[0])
    together.estimators_ = estimators
    together.label_binarizer_ = _binarizer(names)
    # Of two classes two sigmoids of their own, not one and its complement.
    together.label_binarizer_.y_type_ = "multiclass"
    together.n_features_in_ = len(dense.kernel)
    with contextlib.suppress(AttributeError):  # before 1.9 it asks the binarizer
        together.classes_ = names
    return together


def _binarizer(names: Names) -> Any:
    from sklearn.preprocessing import LabelBinarizer

    return LabelBinarizer().fit(names)
