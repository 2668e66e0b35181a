"""What is predicted of an image, and of many."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featx.images import PassedOver
from featx.system.frames import data_frame
from featx.system.results import Result
from featx.verbs.explain import CachedCells

if TYPE_CHECKING:
    from featx.system.frames import DataFrame

COLUMNS = ("path", "label", "confidence", "error", "unfamiliar")
"""What every prediction has, in a table's order."""

UNKNOWN = "unknown"
"""The label of an image that is too strange to have one."""


@dataclasses.dataclass(frozen=True, repr=False)
class Prediction(Result):
    """An image's most probable class, or the reason why it has none.

    Parameters
    ----------
    path : str
        The file, as it was given, or as it was found in a folder.
    label : str
        Class name; empty if rejected.
    confidence : float or None
        The class's probability; None if rejected.
    error : str
        Reason of the rejection; empty otherwise.
    set : tuple of str or None
        With ``sets``: the classes that hold the right one in that share of cases, the most probable first; empty if rejected.
    unfamiliar : float or None
        Share of genuine images of the model's classes that are as strange or stranger: small for a strange image. None if
        rejected, and from a model of an earlier version.
    top : tuple of (str, float), or None
        With ``top``: the most probable classes, each with its probability, the most probable first; empty if rejected.
    probabilities : dict of str to float, or None
        With ``probabilities``: each class and its probability, in the order of the model's classes; empty if rejected.

    Examples
    --------
    >>> (prediction,) = featx.predict_images("models/photos-logreg.featx", ["photos/red/0.png"])
    >>> prediction.path, prediction.label, prediction.error
    ('photos/red/0.png', 'red', '')
    """

    path: str
    label: str
    confidence: float | None
    error: str
    set: tuple[str, ...] | None = None
    unfamiliar: float | None = None
    top: tuple[tuple[str, float], ...] | None = None
    probabilities: dict[str, float] | None = dataclasses.field(default=None, hash=False)

    def as_json(self) -> dict[str, Any]:
        """Return what JSON has of it: ``set``, ``top`` and ``probabilities`` where they were asked for."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in COLUMNS}
        if self.set is not None:
            fields["set"] = list(self.set)
        if self.top is not None:
            fields["top"] = [{"label": label, "confidence": confidence} for label, confidence in self.top]
        if self.probabilities is not None:
            fields["probabilities"] = dict(self.probabilities)
        return fields


class Predictions(Result, list[Prediction]):
    """A list of predictions, and what is to be said of all of them.

    Attributes
    ----------
    notes : tuple of str
        Remarks for the user.
    class_names : tuple of str
        The model's classes, in their order.
    n_top : int
        With ``top``: how many classes each image has there.
    passed_over : PassedOver
        What the folders hold besides images: ``skipped`` by suffix, ``folders`` by name, ``hidden``.
    explained : ndarray of shape (n,), int64, or None
        With ``explain``: places in the list whose cells are known.
    cells : CachedCells or None
        What these cells spoke for, the predicted class against the runner-up.

    Examples
    --------
    >>> predictions = featx.predict_images("models/photos-logreg.featx", "photos/red")
    >>> len(predictions), predictions.notes
    (12, ())
    """

    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    n_top: int = 0
    passed_over: PassedOver = PassedOver()
    explained: NDArray[np.int64] | None = None
    cells: CachedCells | None = None

    def __repr__(self) -> str:
        rejected = sum(1 for prediction in self if prediction.error)
        return f"Predictions(images={len(self)}, predicted={len(self) - rejected}, rejected={rejected})"

    def to_frame(self) -> "DataFrame":
        """Return a data frame with a row for each image, with what was asked for of each; needs pandas.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        """
        names = [*COLUMNS, *(name for name in ("set", "top") if any(getattr(one, name) is not None for one in self))]
        columns: dict[str, Any] = {name: [getattr(prediction, name) for prediction in self] for name in names}
        if any(prediction.probabilities is not None for prediction in self):
            for name in self.class_names:
                columns[f"probability {name}"] = [(prediction.probabilities or {}).get(name) for prediction in self]
        return data_frame(columns, "Predictions")
