"""A fitted head as a list of plain layers, for whoever runs it without featx."""

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
from featx.verbs.export.layers import Convolution, Dense, Maps, PlainLayer, Probabilities, SignedRoots, UnitRows

Values = NDArray[np.float64]


def plain_layers(head: Head) -> tuple[PlainLayer, ...]:
    """Tell a fitted head as plain layers, from features (n, n_features) to probabilities (n, n_classes).

    A linear head is one dense layer: its standardisation, and for svm and ridge the slopes and offsets of the sigmoids, go
    into the kernel and the bias.

    Raises
    ------
    ExportError
        If the head compares images with training images: svm with kernel rbf, knn.
    """
    if isinstance(head, ConvHead):
        return _conv_layers(head)
    if isinstance(head, DenseHead):
        return (*_dense_layers(head.kernels_, head.biases_), _probabilities(head.activation))
    if isinstance(head, LogregHead):
        return _linear_layers(scaling_of(head), head.coef_, head.intercept_, "softmax")
    if isinstance(head, RidgeHead) or (isinstance(head, SvmHead) and head.kernel == "linear"):
        return _linear_layers(scaling_of(head), *calibrated_planes(head), "sigmoid")
    kind = "svm with kernel rbf" if isinstance(head, SvmHead) else "knn"
    raise ExportError(
        f"{kind}: judges an image by its distances to training images, and those are no layers of a network. "
        "Export it as .joblib, or fit another head."
    )


def scaling_of(head: LogregHead | SvmHead | RidgeHead | KnnHead) -> Scaling:
    """Return what a classical head does to features first."""
    return Scaling(head.scale, head.mean_, head.scale_)


def calibrated_planes(head: SvmHead | RidgeHead) -> tuple[Values, Values]:
    """Return coefficients and intercepts whose sigmoids are the calibrated probabilities of each class.

    Platt's 1 / (1 + exp(slope * distance + offset)) is the sigmoid of minus that exponent, which is a plane again.
    """
    return -head.slope_[:, None] * head.coef_, -(head.slope_ * head.intercept_ + head.offset_)


def _linear_layers(scaling: Scaling, coef: Values, intercept: Values, kind: str) -> tuple[PlainLayer, ...]:
    """Return row scaling, one dense layer and the map to probabilities.

    Parameters
    ----------
    scaling : Scaling
        What is done to the features first.
    coef : ndarray of shape (n_planes, n_features), float64
        On scaled features; one plane where there are two classes.
    intercept : ndarray of shape (n_planes,), float64
    kind : str
        ``softmax`` or ``sigmoid``.
    """
    rows: tuple[PlainLayer, ...] = {"l2": (UnitRows(),), "sqrt": (SignedRoots(), UnitRows())}.get(scaling.kind, ())
    if scaling.kind == "standard":
        coef = coef / scaling.scale
        intercept = intercept - coef @ scaling.mean
    elif rows:
        coef = coef * np.sqrt(coef.shape[1])  # featx brings rows to the length sqrt(n_features)
    if len(coef) == 1:
        # Of two classes: the softmax of 0 and z is what the sigmoid of z is, and 1 less that.
        coef, intercept = np.vstack([np.zeros_like(coef), coef]), np.append(0.0, intercept)
        kind = "softmax"
    return (*rows, Dense(coef.T.copy(), intercept), _probabilities(kind))


def _conv_layers(head: ConvHead) -> tuple[PlainLayer, ...]:
    n_filters = len(head.filters)
    convolutions = [Convolution(head.kernels_[i], head.biases_[i]) for i in range(n_filters)]
    dense = _dense_layers(head.kernels_[n_filters:], head.biases_[n_filters:])
    height, width, channels = head.map_shape or ()
    return (Maps((height, width, channels)), *convolutions, *dense, _probabilities(head.activation))


def _probabilities(kind: str) -> Probabilities:
    return Probabilities("sigmoid" if kind == "sigmoid" else "softmax")


def _dense_layers(kernels: list[NDArray[np.float32]], biases: list[NDArray[np.float32]]) -> tuple[Dense, ...]:
    last = len(kernels) - 1
    return tuple(Dense(kernel, bias, relu=i < last) for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)))
