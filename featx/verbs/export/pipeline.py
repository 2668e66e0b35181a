"""A fitted head as a scikit-learn pipeline that is loaded and used without featx."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ExportError
from featx.heads.classical.linear import LogregHead, SvmHead
from featx.heads.classical.neighbors import KnnHead
from featx.heads.classical.ridge import RidgeHead
from featx.heads.classical.scaling import Scaling
from featx.heads.epochs.conv import ConvHead
from featx.heads.epochs.dense import DenseHead
from featx.heads.head import Head
from featx.verbs.export.head_layers import calibrated_planes, scaling_of

Values = NDArray[np.floating]


def make_pipeline(head: Head, class_names: tuple[str, ...]) -> Any:
    """Tell a fitted head as a scikit-learn pipeline from features (n, n_features) to probabilities (n, n_classes).

    Every step is an object of scikit-learn with learned values put in: nothing is fitted again. ``classes_`` are the class
    names, and probabilities are in their order.

    Parameters
    ----------
    head : Head
        Fitted.
    class_names : tuple of str
        Of its columns.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline

    Raises
    ------
    ExportError
        If scikit-learn has nothing that gives the same numbers, with the reason.
    """
    from sklearn.pipeline import Pipeline

    names = np.array(class_names)
    if isinstance(head, ConvHead):
        raise ExportError("conv: scikit-learn has no convolutions. Export it as .keras, .onnx or another network format.")
    if isinstance(head, DenseHead):
        return Pipeline([("classifier", _dense_classifier(head, names))])
    if isinstance(head, KnnHead):
        return Pipeline([*_rows_steps(head), ("classifier", _neighbors(head, names))])
    if isinstance(head, SvmHead) and head.kernel == "rbf":
        return Pipeline(
            [*_rows_steps(head), ("kernel", _kernel(head)), ("classifier", _sigmoids(*calibrated_planes(head), names))]
        )
    if not isinstance(head, LogregHead | SvmHead | RidgeHead):
        raise ExportError(f"{type(head).__name__}: this featx does not know how to tell it as a scikit-learn pipeline.")
    steps = _scaling_steps(scaling_of(head))
    if isinstance(head, LogregHead):
        return Pipeline([*steps, ("classifier", _softmax(_on_steps(head.scale, head.coef_), head.intercept_, names))])
    coef, intercept = calibrated_planes(head)
    return Pipeline([*steps, ("classifier", _sigmoids(_on_steps(head.scale, coef), intercept, names))])


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


def _scaling_steps(scaling: Scaling) -> list[tuple[str, Any]]:
    """Return what stands before a linear classifier, whose coefficients ``_on_steps`` brings to the same columns."""
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import FunctionTransformer, Normalizer

    if scaling.kind == "standard":
        return [("scale", _standard(scaling))]
    if scaling.kind == "l2":
        return [("scale", _known(Normalizer(), scaling))]
    if scaling.kind == "none":
        return []
    # NumPy has no root that keeps the sign. Positive and negative parts side by side have one each, and the same length.
    clip = {"a_min": 0, "a_max": None}
    positive = [("clip", FunctionTransformer(np.clip, kw_args=clip)), ("root", FunctionTransformer(np.sqrt))]
    negative = [("negate", FunctionTransformer(np.negative)), *positive]
    parts = [("positive", Pipeline(positive)), ("negative", Pipeline(negative))]
    return [("roots", FeatureUnion(parts)), ("scale", Normalizer())]


def _on_steps(kind: str, coef: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coefficients for the columns that ``_scaling_steps`` gives: rows have length 1 there, not sqrt(n_features)."""
    if kind in ("l2", "sqrt"):
        coef = coef * np.sqrt(coef.shape[1])
    return np.hstack([coef, -coef]) if kind == "sqrt" else coef


def _rows_steps(head: KnnHead | SvmHead) -> list[tuple[str, Any]]:
    """Return what stands before distances to training rows."""
    from sklearn.preprocessing import FunctionTransformer, Normalizer

    if head.scale != "sqrt":
        return _scaling_steps(scaling_of(head))
    if head.rows_.min(initial=0.0) < 0:
        raise ExportError(
            "scale sqrt: NumPy has no square root that keeps the sign, and this head learned from negative features. "
            "Fit it with another --scale."
        )
    return [("roots", FunctionTransformer(np.sqrt)), ("scale", Normalizer())]


def _rows(head: KnnHead | SvmHead) -> tuple[NDArray[np.float32], float]:
    """Return the training rows as ``_rows_steps`` would give them, and what squared distances were divided by for it."""
    squared = float(head.rows_.shape[1]) if head.scale in ("l2", "sqrt") else 1.0
    return (head.rows_ / np.sqrt(squared)).astype(np.float32), squared


def _standard(scaling: Scaling) -> Any:
    from sklearn.preprocessing import StandardScaler

    scaler = _known(StandardScaler(), scaling)
    scaler.mean_, scaler.scale_, scaler.var_ = scaling.mean, scaling.scale, scaling.scale**2
    return scaler


def _known(transformer: Any, scaling: Scaling) -> Any:
    """Tell a transformer how wide its rows are, so that it refuses others."""
    transformer.n_features_in_ = len(scaling.mean)
    return transformer


def _kernel(head: SvmHead) -> Any:
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.preprocessing import FunctionTransformer

    rows, squared = _rows(head)
    return FunctionTransformer(rbf_kernel, kw_args={"Y": rows, "gamma": float(head.gamma_[0]) * squared})


def _neighbors(head: KnnHead, names: NDArray[np.str_]) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    rows, _ = _rows(head)
    # Brute force compares as featx does; its fit only keeps the rows.
    neighbors = KNeighborsClassifier(min(head.neighbors, len(rows)), algorithm="brute").fit(rows, head.labels_)
    neighbors.classes_ = names
    return neighbors


def _dense_classifier(head: DenseHead, names: NDArray[np.str_]) -> Any:
    if not head.hidden:
        make = _sigmoids if head.activation == "sigmoid" else _softmax
        return make(head.kernels_[0].T, head.biases_[0], names)
    if head.activation == "sigmoid":
        raise ExportError(
            "dense with hidden layers and sigmoids: scikit-learn's network does not divide sigmoids by their sum. "
            "Export it as .keras, .onnx or another network format, or fit it with --activation softmax."
        )
    return _perceptron(head, names)


def _perceptron(head: DenseHead, names: NDArray[np.str_]) -> Any:
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(tuple(head.hidden), activation="relu")
    network.coefs_, network.intercepts_ = list(head.kernels_), list(head.biases_)
    network.out_activation_ = "softmax"
    if len(names) == 2:  # one unit then: the softmax of two values is the sigmoid of their difference
        network.coefs_[-1] = np.diff(head.kernels_[-1], axis=1)
        network.intercepts_[-1] = np.diff(head.biases_[-1])
        network.out_activation_ = "logistic"
    network.n_layers_, network.n_outputs_ = len(head.kernels_) + 1, network.coefs_[-1].shape[1]
    network.n_features_in_ = len(head.kernels_[0])
    network.classes_, network._label_binarizer = names, _binarizer(names)
    return network


def _softmax(coef: Values, intercept: Values, names: NDArray[np.str_]) -> Any:
    """Return a logistic regression; a softmax of two values becomes the sigmoid of their difference, as scikit-learn has it."""
    from sklearn.linear_model import LogisticRegression

    if len(names) == len(coef) == 2:
        coef, intercept = np.diff(coef, axis=0), np.diff(intercept)
    regression = LogisticRegression()
    regression.coef_, regression.intercept_ = coef.astype(np.float64), intercept.astype(np.float64)
    regression.classes_, regression.n_features_in_ = names, coef.shape[1]
    regression.n_iter_ = np.zeros(1, np.int32)
    return regression


def _sigmoids(coef: Values, intercept: Values, names: NDArray[np.str_]) -> Any:
    """Return one logistic regression for each class, their probabilities divided by the sum; one for both of two classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    if len(coef) == 1:
        return _softmax(coef, intercept, names)
    sides = np.array([0, 1])
    together = OneVsRestClassifier(LogisticRegression())
    together.estimators_ = [_softmax(coef[i : i + 1], intercept[i : i + 1], sides) for i in range(len(coef))]
    together.label_binarizer_ = _binarizer(names)
    # Two sigmoids of their own, not one and its complement.
    together.label_binarizer_.y_type_ = "multiclass"
    together.n_features_in_ = coef.shape[1]
    with contextlib.suppress(AttributeError):  # before 1.9 it asks the binarizer
        together.classes_ = names
    return together


def _binarizer(names: NDArray[np.str_]) -> Any:
    from sklearn.preprocessing import LabelBinarizer

    binarizer = LabelBinarizer().fit(names)
    binarizer.classes_ = names  # featx's order, which need not be the alphabet's
    return binarizer
