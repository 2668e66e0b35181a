"""What a fit gives back."""

import dataclasses
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.heads import OperatingPoint
from featx.models import Model, largest_share, wilson
from featx.system.results import Result
from featx.task import Task


@dataclasses.dataclass(frozen=True, repr=False)
class FitResult(Result):
    """The result of a fit.

    Parameters
    ----------
    model : Path
        The model file.
    head, pooling : str
        What was fitted, on which features.
    classes : int
        Number of classes.
    train_images, val_images : int
        Images learned from; images that validated.
    views : int
        Views of each training image that were learned from, the clean one included.
    val_accuracy : float or None
        Top-1 accuracy on the validation images; None without any.
    seconds : float
        Of reading the features and fitting.
    parameters : dict of str to int
        ``total``, ``trainable`` (the head's), ``frozen`` (the backbone's).
    epochs : int
        Epochs run; 0 for heads without epochs.
    best_epoch : int
        The epoch that was kept, from 1; 0 for heads without epochs.
    notes : list of str
        Remarks on this fit for the user.
    tuning : list of dict
        With ``tune``: the candidates, the best first.
    temperature : float
        What the logarithms of the probabilities are divided by; 1 leaves them as they are.
    calibration : str
        ``temperature`` or ``isotonic``: how the probabilities were calibrated; ``none`` if they were not.
    groups : dict or None
        Where the cache has groups: their number among the training images, and the accuracy by cross-validation of a ``head``
        with a ``pooling``, ``accuracy_across`` if images of one group may stand on both sides of a fold and ``accuracy_apart``
        if not; of other tasks than classes ``score_across`` and ``score_apart``, with the ``measure``.
    operating_point : OperatingPoint or None
        With ``threshold``: the ``positive`` class (its index), the ``threshold``, and figures ``at_half`` and ``at_point``.
    untried : list of dict
        With ``tune``: pooling and settings of the candidates that the time or the memory did not suffice for.
    val_interval : (low, high) or None
        95 % interval of ``val_accuracy`` (Wilson's); None where images come in groups or weigh differently.
    val_baseline : float or None
        Accuracy on the validation images of always answering the largest class.
    task : Task
        What was learned. Of the tasks below ``val_accuracy`` is None but for grades.
    val_figures : dict of str to float
        On the validation images. Of labels ``mean_average_precision``, ``macro_f1``, ``log_loss``; of numbers ``r2``, ``rmse``,
        ``mean_absolute_error``; of grades ``quadratic_kappa`` and ``mean_absolute_error``; none of classes.
    label_points : tuple of OperatingPoint
        With ``threshold``, of labels: what ``operating_point`` is of two classes, in the order of the labels.

    Examples
    --------
    >>> result = featx.fit_head("cache/photos", "logreg")
    >>> result.train_images, result.val_images, result.parameters["trainable"]
    (24, 6, 21)
    """

    model: Path
    head: str
    pooling: str
    classes: int
    train_images: int
    val_images: int
    views: int
    val_accuracy: float | None
    seconds: float
    parameters: dict[str, int]
    epochs: int
    best_epoch: int
    notes: list[str]
    tuning: list[dict[str, Any]]
    temperature: float = 1.0
    calibration: str = "none"
    groups: dict[str, Any] | None = None
    operating_point: OperatingPoint | None = None
    untried: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    val_interval: tuple[float, float] | None = None
    val_baseline: float | None = None
    task: Task = Task()  # noqa: RUF009 - frozen
    val_figures: dict[str, float] = dataclasses.field(default_factory=dict)
    label_points: tuple[OperatingPoint, ...] = ()

    @classmethod
    def of(
        cls,
        model: Model,
        path: Path,
        y_val: NDArray[Any],
        weights: NDArray[np.float64] | None,
        *,
        grouped: bool,
        untried: list[dict[str, Any]],
    ) -> Self:
        """Return what is reported of a model that was just fitted and saved.

        Parameters
        ----------
        model, path : Model and Path
            The model, and its file.
        y_val : ndarray of shape (n_val, …)
            What is known of the validation images.
        weights : ndarray of shape (n_val,) or None
            How much each of them counts; None where all count alike.
        grouped : bool
            Whether they come in groups: an interval is of images that stand each for itself, and count alike.
        untried : list of dict
            As in the result.
        """
        accuracy = model.metrics["val_accuracy"]
        has_interval = accuracy is not None and not grouped and weights is None
        return cls(
            model=path,
            head=model.head_name,
            pooling=model.pooling,
            classes=len(model.class_names),
            train_images=model.metrics["train_images"],
            val_images=model.metrics["val_images"],
            views=model.views["count"],
            val_accuracy=accuracy,
            seconds=model.metrics["seconds"],
            parameters=model.parameters,
            epochs=len(model.history.get("loss", [])),
            best_epoch=model.best_epoch,
            notes=model.metrics["notes"],
            tuning=model.tuning,
            temperature=model.temperature,
            calibration=model.calibration.kind,
            groups=model.metrics.get("groups"),
            operating_point=model.point,
            untried=untried,
            val_interval=wilson(round(accuracy * len(y_val)), len(y_val)) if has_interval else None,
            val_baseline=largest_share(y_val, weights) if model.task.has_classes else None,
            task=model.task,
            val_figures=model.metrics.get("val_figures", {}),
            label_points=model.points,
        )

    def __fspath__(self) -> str:
        """Stand for its model wherever the path of a model is wanted."""
        return str(self.model)
