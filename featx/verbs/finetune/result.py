"""What fine-tuning gives back."""

import dataclasses
from pathlib import Path

from featx.system.results import Result


@dataclasses.dataclass(frozen=True, repr=False)
class FineTuneResult(Result):
    """The result of fine-tuning.

    Parameters
    ----------
    model : Path
        The model file: the fine-tuned model, or the model it started from where no epoch did better.
    started_from : str
        The model file that gave the head, or how it was fitted.
    start, before, end : str
        The first layer that was trained, the cached layer before it, and the last layer trained.
    cache : Path
        Where the features of the layer before are.
    extracted : int
        Images and views whose features of that layer were extracted first.
    train_images, val_images, views : int
        Images learned from; images that validated; views of each training image.
    val_accuracy_before, val_loss_before : float or None
        Of the model it started from; None without validation images.
    val_accuracy, val_loss : float or None
        Of the model that was kept.
    improved : bool
        Whether fine-tuning beat the model it started from.
    epochs, best_epoch, resumed_at : int
        Epochs run; the epoch that was kept, from 1; the epoch after which an interrupted run was taken up, or 0.
    seconds, seconds_per_epoch : float
        Of the whole; of an epoch, its validation included.
    parameters : dict of str to int
        ``total``, ``trainable``, ``frozen``.
    notes : list of str
        Remarks for the user.
    val_interval : (low, high) or None
        95 % interval of ``val_accuracy`` (Wilson's); None where images come in groups, which it knows nothing of.
    val_baseline : float or None
        Accuracy on the validation images of always answering the largest class.

    Examples
    --------
    >>> result = featx.fine_tune("cache/deep", "block5_conv3", epochs=1)
    >>> result.start, result.before, result.epochs
    ('block5_conv3', 'block5_conv2', 1)
    """

    model: Path
    started_from: str
    start: str
    before: str
    end: str
    cache: Path
    extracted: int
    train_images: int
    val_images: int
    views: int
    val_accuracy_before: float | None
    val_loss_before: float | None
    val_accuracy: float | None
    val_loss: float | None
    improved: bool
    epochs: int
    best_epoch: int
    resumed_at: int
    seconds: float
    seconds_per_epoch: float
    parameters: dict[str, int]
    notes: list[str]
    val_interval: tuple[float, float] | None = None
    val_baseline: float | None = None

    def __fspath__(self) -> str:
        """Stand for its model wherever the path of a model is wanted."""
        return str(self.model)
