"""What every head offers, and which heads exist."""

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Iterator
from typing import Any, Protocol, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, SingleClassError, UnknownHead
from featx.progress import OnEpoch

LARGEST_SEED = 2**31
"""scikit-learn takes 32 bits; dense counts on from the seed, a layer at a time."""


class Rows(Protocol):
    """Features that may be larger than memory: whole through ``np.asarray``, or a block at a time.

    Attributes
    ----------
    shape : tuple of int
        (n_samples, n_features).
    dtype : numpy dtype
        Of what is read.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """Return n_samples."""
        ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything at once."""
        ...

    def blocks(self, seed: int | None = None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Yield (positions, X) a block of some 64 MB at a time, each row once.

        With a seed, rows from all over are mixed, in an order that is a function of the seed; without one they come in order.
        """
        ...


Features = NDArray[np.floating] | Rows
"""What a head learns from: an array of shape (n_samples, n_features), or rows that are read when they are needed."""


class Head(Protocol):
    """A classifier from features to class probabilities.

    The constructor only stores settings; ``fit`` validates, learns and returns ``self``; learned values end in ``_``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen, ascending: the order of the probability columns.
    history_ : dict of str to list of float
        Loss and accuracy by epoch; empty for heads without epochs.
    notes_ : list of str
        What a user should know about this fit.
    """

    classes_: NDArray[np.int64]
    history_: dict[str, list[float]]
    notes_: list[str]

    def fit(
        self,
        X: Features,
        y: NDArray[np.integer],
        X_val: Features | None = None,
        y_val: NDArray[np.integer] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Learn from X (n_samples, n_features) and y (n_samples,)."""
        ...

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes), each row summing to 1."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as JSON types."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned; with the settings, enough to rebuild the head."""
        ...

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """Take learned arrays instead of fitting."""
        ...

    @property
    def n_parameters(self) -> int:
        """Number of learned values that a prediction multiplies or adds."""
        ...


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """Where a head's class is, what suits it, and what a search tries.

    Parameters
    ----------
    name : str
        What the user types.
    module, class_name : str
        Imported only when the head is made.
    pooling : str
        Used when none is asked for.
    classical : bool
        Whether it learns in one go from scaled rows, without epochs and without Keras.
    poolings : tuple of str
        Those it can take.
    grid : dict of str to tuple
        Values of its settings that a search combines; of equals the first is kept.
    searched : tuple of str
        Poolings that a search tries where none is asked for.
    """

    name: str
    module: str
    class_name: str
    pooling: str
    classical: bool = True
    poolings: tuple[str, ...] = ("flatten", "avg", "max", "avgmax")
    grid: dict[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    searched: tuple[str, ...] = ("avgmax", "avg", "max", "flatten")

    def free_grid(self, given: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Return what a search combines beside settings that are given; the first of each is the default beside those."""
        grid = {name: values for name, values in self.grid.items() if name not in given}
        if "C" in grid and given.get("kernel") == "rbf":
            grid["C"] = (3.0, 0.3, 1.0, 10.0, 30.0)
        if "learning_rate" in grid:
            from featx.heads.settings import check_optimizer, default_rate  # here, not above: it imports this module

            optimizer, momentum = check_optimizer(given.get("optimizer", "adam"), given.get("momentum", 0.0))
            rate = default_rate(optimizer, momentum)
            grid["learning_rate"] = (rate, 0.3 * rate, 3 * rate)
        return grid

    def settings(self) -> list[str]:
        """Return the names of the head's settings."""
        return list(inspect.signature(self._builder()).parameters)

    def make(self, **settings: Any) -> Head:
        """Make an unfitted head.

        Raises
        ------
        HeadError
            If it has no such setting.
        """
        known = self.settings()
        for setting in settings:
            if setting not in known:
                raise HeadError(f"head {self.name}: has no setting {setting!r}. It has: {', '.join(known)}.")
        head: Head = self._builder()(**settings)
        return head

    def _builder(self) -> Any:
        return getattr(importlib.import_module(self.module), self.class_name)


_SCALES = ("standard", "l2", "sqrt")
_EPOCH_GRID: dict[str, tuple[Any, ...]] = {"learning_rate": (1e-3,), "dropout": (0.0, 0.5), "hidden": ((), (256,))}

HEADS: dict[str, HeadSpec] = {
    spec.name: spec
    for spec in (
        HeadSpec(
            "dense",
            "featx.heads.dense",
            "DenseHead",
            "flatten",
            classical=False,
            grid=_EPOCH_GRID,
            searched=("flatten",),
        ),
        HeadSpec(
            "conv",
            "featx.heads.conv",
            "ConvHead",
            "flatten",
            classical=False,
            poolings=("flatten",),
            grid=_EPOCH_GRID,
            searched=("flatten",),
        ),
        # By three-fold cross-validation inside the sample's training images, average and maximum side by side lost
        # nothing against whole maps (0.80 both ways) with a fraction of the columns.
        HeadSpec(
            "logreg",
            "featx.heads.linear",
            "LogregHead",
            "avgmax",
            grid={"C": (0.01, 0.0001, 0.001, 0.1, 1.0, 10.0), "scale": _SCALES},
        ),
        HeadSpec(
            "svm",
            "featx.heads.linear",
            "SvmHead",
            "avgmax",
            grid={"C": (0.001, 0.00001, 0.0001, 0.01, 0.1, 1.0), "scale": _SCALES},
        ),
        # Its penalty is chosen by leave-one-out inside every fit.
        HeadSpec("ridge", "featx.heads.ridge", "RidgeHead", "avgmax", grid={"scale": _SCALES}),
        HeadSpec("knn", "featx.heads.neighbors", "KnnHead", "avgmax", grid={"neighbors": (5, 1, 3, 9, 15), "scale": _SCALES}),
    )
}


def head_spec(name: str) -> HeadSpec:
    """Look a head up.

    Raises
    ------
    UnknownHead
        If there is none of that name.
    """
    if name in HEADS:
        return HEADS[name]
    near = difflib.get_close_matches(name.lower(), HEADS, n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UnknownHead(f"head {name!r}: unknown. {hint}There are: {', '.join(HEADS)}.")


def make_head(name: str, **settings: Any) -> Head:
    """Make an unfitted head.

    Raises
    ------
    UnknownHead
        If there is none of that name.
    HeadError
        If it has no such setting.
    """
    return head_spec(name).make(**settings)


def rebuild_head(name: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Head:
    """Make a fitted head from what ``settings`` and ``arrays`` gave.

    Raises
    ------
    UnknownHead, HeadError
        If the settings or arrays are not that head's.
    """
    return make_head(name, **settings).restore(arrays)


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


def check_setting(name: str, value: object, holds: bool, wanted: str) -> None:
    """Refuse a setting that breaks its rule.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    if not holds:
        raise HeadError(f"{name} must be {wanted}. Received: {value!r}.")


def is_number(value: object) -> TypeGuard[float]:
    """Tell numbers from texts, truth values and None."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whole numbers from everything else."""
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
    """Refuse class weights that there are none of.

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
    """Refuse features of another width than the head was fitted on.

    Raises
    ------
    HeadError
        With both widths.
    """
    if X.ndim != 2 or X.shape[1] != n_features:
        raise HeadError(f"head: was fitted on {n_features} features. Received: an array of shape {X.shape}.")


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(logits), each row scaled to sum to 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares
