"""What training is measured by, in NumPy: losses as Keras defines them, class weights, and which epoch is best."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.head import softmax


def probabilities_of(logits: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    """Return class probabilities, each row summing to 1.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes), float64
        What the last layer gives.
    activation : str
        ``softmax``, or ``sigmoid``: one for each class, then divided by their sum.
    """
    # A softmax of the logarithms is the values themselves over their sum, and no row of zeros is ever divided by zero.
    return softmax(logits if activation == "softmax" else _log_sigmoid(logits))


def row_losses(
    logits: NDArray[np.float64], labels: NDArray[np.integer], activation: str, loss: str, label_smoothing: float
) -> NDArray[np.float64]:
    """Return the loss of each row, as ``keras.losses`` does from the same logits.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes), float64
        What the last layer gives.
    labels : ndarray of shape (n_samples,), int
        True columns.
    activation, loss : str
        ``categorical_crossentropy``: minus the logarithm of the true class's probability (for sigmoids: of its share in
        their sum). ``binary_crossentropy``: the mean over the classes of a two-way cross-entropy each.
    label_smoothing : float
        Share of the target spread over all classes (categorical) or moved towards one half (binary).

    Returns
    -------
    losses : ndarray of shape (n_samples,), float64
    """
    n_classes = logits.shape[1]
    if loss == "binary_crossentropy":
        targets = np.full(logits.shape, label_smoothing / 2)
        targets[np.arange(len(labels)), labels] += 1 - label_smoothing
        two_way: NDArray[np.float64] = np.logaddexp(0, logits) - targets * logits
        each: NDArray[np.float64] = two_way.mean(axis=1)
        return each
    scores = logits if activation == "softmax" else _log_sigmoid(logits)
    highest = scores.max(axis=1, keepdims=True)
    logarithms = scores - highest - np.log(np.exp(scores - highest).sum(axis=1, keepdims=True))
    of_label, of_all = logarithms[np.arange(len(labels)), labels], logarithms.sum(axis=1)
    losses: NDArray[np.float64] = -(1 - label_smoothing) * of_label - label_smoothing / n_classes * of_all
    return losses


def logit_slopes(
    logits: NDArray[np.float64], labels: NDArray[np.integer], activation: str, loss: str, label_smoothing: float
) -> NDArray[np.float64]:
    """Return the derivative of each row's loss by its logits (n_samples, n_classes); parameters as for ``row_losses``."""
    n_classes = logits.shape[1]
    is_binary = loss == "binary_crossentropy"
    targets = np.full(logits.shape, label_smoothing / (2 if is_binary else n_classes))
    targets[np.arange(len(labels)), labels] += 1 - label_smoothing
    if is_binary:
        slopes: NDArray[np.float64] = (np.exp(_log_sigmoid(logits)) - targets) / n_classes
        return slopes
    slopes = probabilities_of(logits, activation) - targets
    if activation == "sigmoid":
        slopes *= np.exp(_log_sigmoid(-logits))  # the derivative of log(sigmoid(z)) is sigmoid(-z)
    return slopes


def balanced_weights(
    labels: NDArray[np.integer], n_classes: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return a weight for each class (n_classes,), so that all classes weigh the same together.

    n_samples / (n_classes * rows of the class), as scikit-learn's ``class_weight="balanced"``; a row of a weight of its own
    counts as so many.
    """
    total = len(labels) if weights is None else weights.sum()
    balanced: NDArray[np.float64] = total / (n_classes * np.bincount(labels, weights, n_classes))
    return balanced


def best_epoch(history: Mapping[str, Sequence[Any]], monitor: str = "val_loss") -> int:
    """Tell which epoch a head keeps.

    Parameters
    ----------
    history : dict of str to list of float
        Of a head with epochs, or empty.
    monitor : str
        ``val_loss``: the least. ``val_accuracy``: the highest, and of equal epochs that of the least ``val_loss``.

    Returns
    -------
    epoch : int
        From 1; the first of equal epochs; the last epoch where nothing was validated; 0 without epochs. A value that is no
        number is never best.
    """
    if not history.get("val_loss"):
        return len(history.get("loss", []))
    losses = np.array(history["val_loss"], np.float64)
    losses = np.where(np.isfinite(losses), losses, np.inf)
    if monitor == "val_accuracy":
        accuracies = np.array(history["val_accuracy"], np.float64)
        losses = np.where(accuracies == accuracies.max(), losses, np.inf)
        # Where even those have no finite loss, the first of them.
        return int(np.argmin(losses) if np.isfinite(losses).any() else np.argmax(accuracies)) + 1
    return int(np.argmin(losses)) + 1


def _log_sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # scipy.special.log_expit is the same: importing the heads, for a prediction too, would load SciPy for this line.
    values: NDArray[np.float64] = -np.logaddexp(0, -logits)
    return values
