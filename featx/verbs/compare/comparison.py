"""What a comparison gives back, and the table that it is saved as."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featx.system.cells import TableWriter
from featx.system.durable import make_folder
from featx.system.files import replacing_text, writing_to
from featx.system.frames import data_frame
from featx.system.outputs import Kind, check_result_file
from featx.system.results import Result
from featx.task import Task
from featx.verbs.compare.withhold import WithheldHead

if TYPE_CHECKING:
    from featx.system.frames import DataFrame


@dataclasses.dataclass(frozen=True)
class ComparedHead:
    """The figures of a head on a pooling.

    Parameters
    ----------
    head, pooling : str
        What was fitted.
    settings : dict
        Where they are not the head's defaults.
    accuracy : float or None
        Top-1 on images that the fits had not seen; None of labels and numbers.
    low, high : float
        95 % interval of the accuracy (Wilson's; of as many images as its bootstrap variance is worth where they come in groups
        or weigh differently); of other tasks than classes, of the score (bootstrap).
    log_loss : float or None
        Mean over the same images; of labels the mean over the labels; None of numbers.
    seconds : float
        Of a fit, on average over the folds.
    difference, difference_low, difference_high : float
        Accuracy, or score, less that of the best, on the same images, and its 95 % interval; zeros for the best.
    layer : str
        Whose features.
    measure : str
        What heads are ranked by: ``accuracy``; of grades ``quadratic_kappa``, of labels ``mean_average_precision``, of numbers
        ``r2``.
    score : float or None
        That figure; None where it cannot be told.
    figures : dict of str to float
        Of other tasks than classes, further figures: see ``FitResult.val_figures``.
    """

    head: str
    pooling: str
    settings: dict[str, Any]
    accuracy: float | None
    low: float
    high: float
    log_loss: float | None
    seconds: float
    difference: float
    difference_low: float
    difference_high: float
    layer: str = ""
    measure: str = "accuracy"
    score: float | None = None
    figures: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison(Result):
    """All heads and poolings compared, the best first.

    Parameters
    ----------
    cache : Path
        The cache's folder.
    images, classes, folds : int
        Numbers of training images, of their classes and of folds.
    heads : list of ComparedHead
        By accuracy, or score, then log loss.
    withheld : list of WithheldHead
        With ``withhold``: in the same order, what each is worth on images of classes that it does not know.
    baseline : float or None
        Accuracy on the same images of always answering the largest class; None of labels and numbers.
    task : Task
        What is learned.
    notes : list of str
        Remarks for the user.

    Examples
    --------
    >>> comparison = featx.compare_heads("cache/photos", ["logreg", "knn"], folds=3)
    >>> sorted((one.head, one.pooling, one.accuracy) for one in comparison.heads)
    [('knn', 'avgmax', 1.0), ('logreg', 'avgmax', 1.0)]
    """

    cache: Path
    images: int
    classes: int
    folds: int
    heads: list[ComparedHead]
    withheld: list[WithheldHead] = dataclasses.field(default_factory=list)
    baseline: float | None = None
    task: Task = Task()  # noqa: RUF009 - frozen
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def best(self) -> ComparedHead:
        """The first."""
        return self.heads[0]

    def to_frame(self) -> "DataFrame":
        """Return a data frame with a row for each head and pooling, the best first; needs pandas.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        """
        rows = [dataclasses.asdict(head) for head in self.heads]
        return data_frame({name: [row[name] for row in rows] for name in rows[0]}, "Comparison")


_LAST = ("layer", "settings")
_COLUMNS = tuple(field.name for field in dataclasses.fields(ComparedHead) if field.name not in (*_LAST, "figures"))


_TABLE = Kind("an earlier comparison", "is not a comparison", [b"head,pooling,"])


def check_table_path(path: Path) -> None:
    """Make sure that a comparison can be saved there; cheap, so that it is called before the work.

    Raises
    ------
    OutputError
        If the place cannot be written, or holds a file that is no comparison.
    """
    check_result_file(path, _TABLE, "--out")


def save_comparison(comparison: Comparison, path: Path) -> None:
    """Write a comparison as CSV, one line for each head and pooling, atomically, in place of an earlier one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    check_table_path(path)
    with writing_to(path, "Give another --out."):
        make_folder(path.parent)
        with replacing_text(path) as file:
            writer = TableWriter(file)
            writer.writerow([*_COLUMNS, "figures", *_LAST])
            for head in comparison.heads:
                settings, figures = (
                    " ".join(f"{name}={value}" for name, value in of.items()) for of in (head.settings, head.figures)
                )
                writer.writerow([*(getattr(head, name) for name in _COLUMNS), figures, head.layer, settings])
