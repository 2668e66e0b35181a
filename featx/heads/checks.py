"""Rules that every head's settings share."""

from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, SingleClassError
from featx.system.finite import first_not_finite
from featx.system.kinds import shown

LARGEST_SEED = 2**31
"""scikit-learn takes 32 bits; dense counts on from the seed, a layer at a time."""


def seen_classes(y: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the different labels, ascending.

    Raises
    ------
    SingleClassError
        If there are fewer than two.
    """
    classes = np.unique(y).astype(np.int64)
    if len(classes) < 2:
        raise SingleClassError(f"head: needs training images of at least 2 classes. Received: {len(classes)}.")
    return classes


def check_setting(name: str, value: object, holds: bool, rule: str) -> None:
    """Refuse a setting that breaks its rule.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    if not holds:
        raise HeadError(f"{name} must be {rule}. Received: {shown(value)}.", wrong_value=True)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a number: no text, no truth value, not None."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_seed(seed: object) -> None:
    """Refuse a seed that NumPy, scikit-learn or Keras would not take.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    check_setting("seed", seed, is_whole(seed) and 0 <= seed <= LARGEST_SEED, f"a whole number from 0 to {LARGEST_SEED}")


def check_class_weight(class_weight: object) -> None:
    """Refuse unknown class weights.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    check_setting(
        "class_weight",
        class_weight,
        class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"),
        "'balanced' or None",
    )


def check_features(X: NDArray[np.floating], n_features: int) -> None:
    """Refuse features of another width than the head was fitted on, and any that no class could be told from.

    Raises
    ------
    HeadError
        With both widths, or as ``check_finite``.
    """
    if X.ndim != 2 or X.shape[1] != n_features:
        raise HeadError(f"head: was fitted on {n_features} features. Received: an array of shape {X.shape}.")
    check_finite(X)


def check_finite(X: NDArray[np.floating], first: int = 0) -> None:
    """Refuse features that are infinite or no numbers.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Some rows.
    first : int
        Number of the first of them, for the message.

    Raises
    ------
    HeadError
        With the number of the row.
    """
    row = first_not_finite(X)
    if row is not None:
        raise HeadError(
            f"head: some features are infinite or no numbers, in row {first + row} for one. Extract the images again."
        )
