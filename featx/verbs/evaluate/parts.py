"""The parts of an evaluation: measures of each class, confidence, images of no class, an operating point."""

import dataclasses
from pathlib import Path

from featx.models import Separation
from featx.verbs.evaluate.measures import ReliabilityBin


@dataclasses.dataclass(frozen=True)
class ClassMeasures:
    """Precision, recall and F1 of one class, and how many images of it there were.

    ``average_precision`` is of the class against all others; None without images of it or of any other, and where there are
    too many for it. ``recall_low`` and ``recall_high`` are the ends of a 95 % interval (Wilson's, of as many images
    as its variance over groups or weights is worth); None without images.
    """

    class_name: str
    precision: float
    recall: float
    f1: float
    images: int
    average_precision: float | None = None
    recall_low: float | None = None
    recall_high: float | None = None


@dataclasses.dataclass(frozen=True)
class Confidence:
    """How well a set of probabilities matches the accuracy.

    Parameters
    ----------
    log_loss : float
        As scikit-learn defines it.
    ece : float
        Expected calibration error: the mean gap between confidence and accuracy.
    bins : list of ReliabilityBin
        The bins that it is the mean of.
    interval : (low, high) or None
        95 % bootstrap interval of the calibration error.
    by_chance : float or None
        The error that as few images would show of a model whose confidence is exact.
    mean : float or None
        Mean confidence.
    gap_interval : (low, high) or None
        95 % interval of the mean confidence less the accuracy, from Wilson's interval of the latter: above 0 the model is more
        sure than right, below 0 less.
    """

    log_loss: float
    ece: float
    bins: list[ReliabilityBin]
    interval: tuple[float, float] | None = None
    by_chance: float | None = None
    mean: float | None = None
    gap_interval: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Strangers:
    """What a model finds of images of none of its classes, beside those that it was measured on.

    Parameters
    ----------
    source : Path
        Folder or file that they were found in.
    images, rejected : int
        How many were read, and how many could not be.
    separation : Separation
        How well they are told from the images measured.
    """

    source: Path
    images: int
    rejected: int
    separation: Separation


@dataclasses.dataclass(frozen=True)
class Operating:
    """What an operating point is worth.

    Parameters
    ----------
    class_name : str
        The positive class.
    threshold : float
        Its least probability for an image to be called so.
    goal : str
        What the threshold was chosen for.
    at_half, at_point : dict of str to float
        ``f1``, ``balanced_accuracy``, ``precision``, ``recall`` perhaps ``cost``, with a threshold of 0.5 and with this one.
    """

    class_name: str
    threshold: float
    goal: str
    at_half: dict[str, float]
    at_point: dict[str, float]

    def __str__(self) -> str:
        kind, _, _ = self.goal.partition("=")
        name = {"cost": "cost", "balanced": "balanced_accuracy"}.get(kind, "f1")
        said = name.replace("_", " ").replace("f1", "F1")
        return (
            f"called {self.class_name!r} from a probability of {self.threshold:.3f} on ({self.goal}): at 0.5 {said} "
            f"{self.at_half[name]:.3f}, at {self.threshold:.3f} {self.at_point[name]:.3f} (precision "
            f"{self.at_point['precision']:.3f}, recall {self.at_point['recall']:.3f})"
        )
