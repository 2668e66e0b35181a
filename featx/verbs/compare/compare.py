"""The verb compare: which head and pooling does best, by cross-validation inside the training images."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, HeadError
from featx.heads import HeadSettings, head_spec
from featx.models import find_training_copies
from featx.store import POOLINGS, FeatureCache
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.cells import TableWriter
from featx.system.durable import make_folder
from featx.system.files import replacing_text, writing_to
from featx.system.frames import data_frame
from featx.system.kinds import as_texts, check_kind, plain, shown
from featx.system.names import did_you_mean, keywords_of
from featx.system.paths import CACHE, StrPath, as_path
from featx.system.replaced import check_replaced
from featx.system.results import Result
from featx.verbs.compare.folds import cut_into_folds
from featx.verbs.compare.search import Candidate, Tried, cross_validate, rank_of
from featx.verbs.compare.withhold import WithheldHead, check_withhold, withhold_classes

if TYPE_CHECKING:
    import pandas

DEFAULT_HEADS = ("dense", "logreg", "svm", "ridge", "knn")

# Of a normal distribution, 95 % lie within so many standard deviations.
_Z = 1.959964


@dataclasses.dataclass(frozen=True)
class ComparedHead:
    """The figures of a head on a pooling.

    Parameters
    ----------
    head, pooling : str
        What was fitted.
    settings : dict
        Where they are not the head's defaults.
    accuracy, low, high : float
        Top-1 on images that the fits had not seen, and its 95 % interval (Wilson's).
    log_loss : float
        Mean over the same images.
    seconds : float
        Of a fit, on average over the folds.
    difference, difference_low, difference_high : float
        Accuracy less that of the best, on the same images, and its 95 % interval; zeros for the best.
    """

    head: str
    pooling: str
    settings: dict[str, Any]
    accuracy: float
    low: float
    high: float
    log_loss: float
    seconds: float
    difference: float
    difference_low: float
    difference_high: float


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
        By accuracy, then log loss.
    withheld : list of WithheldHead
        With ``withhold``: in the same order, what each is worth on images of classes that it does not know.

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

    @property
    def best(self) -> ComparedHead:
        """The first."""
        return self.heads[0]

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame with a row for each head and pooling, the best first; needs pandas.

        Raises
        ------
        ExtraMissing
            If pandas is not installed.
        """
        rows = [dataclasses.asdict(head) for head in self.heads]
        return data_frame({name: [row[name] for row in rows] for name in rows[0]}, "Comparison")


@closing_bars()
def compare_heads(
    cache: StrPath,
    heads: str | Sequence[str] = DEFAULT_HEADS,
    poolings: str | Sequence[str] = (),
    *,
    folds: int = 5,
    layer: str | None = None,
    seed: int = 0,
    group_duplicates: bool = False,
    withhold: float | None = None,
    progress: ProgressOption = None,
    **settings: Unpack[HeadSettings],
) -> Comparison:
    """Cross-validate heads on the training images of a cache; val and test images are not looked at.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    heads : str or sequence of str
        Names of heads.
    poolings : str or sequence of str
        Each head is tried on each; by default on the pooling that suits it.
    folds : int
        Stratified by class, exact duplicates in one of them.
    layer : str or None
        One of the cached layers; by default the last.
    seed : int
        Of the folds and of everything random in the fits.
    group_duplicates : bool
        Near duplicates share a fold too.
    withhold : float or None
        A share of the classes: withhold as many in each of eight draws, fit without them, and measure how well their images are
        told from others.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.
    **settings
        Given to each head that has such a setting.

    Returns
    -------
    comparison : Comparison
        The best first.

    Raises
    ------
    CacheError
        If there is no finished cache, or it keeps no such layer.
    HeadError
        If there is no such head, setting or pooling, a value is outside its range, or there are too few images.

    Examples
    --------
    >>> comparison = featx.compare_heads("cache/photos", ["logreg", "ridge"], folds=3, seed=1)
    >>> comparison.images, comparison.folds  # of the training images alone
    (24, 3)
    """
    progress = as_progress(progress)
    if withhold is not None:
        check_withhold(withhold)
    names = as_texts("heads", heads, "the name of a head, or several", HeadError)
    if not names:
        raise HeadError("compare needs at least one head.", wrong_value=True)
    asked = as_texts("poolings", poolings, "the name of a pooling, or several", HeadError)
    check_kind("layer", layer, (str, type(None)), "the name of a layer, or None", CacheError)
    seed, folds = plain(seed), plain(folds)
    candidates = _candidates(names, asked, {**settings, "seed": seed})
    store = FeatureCache.open(as_path("cache", cache, CacheError, CACHE))
    groups = find_training_copies(store, progress).groups if group_duplicates else None
    images = cut_into_folds(store, layer or store.recipe.layers[-1], folds, seed, groups)
    tried = sorted(cross_validate(images, candidates, progress), key=rank_of)
    compared = [_compare(entry, tried[0]) for entry in tried]
    ranked = [entry.candidate for entry in tried]
    withheld = withhold_classes(images, ranked, withhold, seed, progress) if withhold is not None else []
    return Comparison(store.folder, len(images.rows), len(images.class_names), images.n_folds, compared, withheld)


def _candidates(heads: Sequence[str], poolings: Sequence[str], settings: dict[str, Any]) -> list[Candidate]:
    specs = [head_spec(name) for name in dict.fromkeys(heads)]
    known = {spec.name: set(spec.settings()) for spec in specs}
    for name in settings:
        if not any(name in names for names in known.values()):
            # A setting of another head is spelt as it should be.
            misspelt = name not in HeadSettings.__annotations__
            hint = did_you_mean(name, itertools.chain(keywords_of(compare_heads), *known.values())) if misspelt else ""
            raise HeadError(
                f"compare: none of the heads {', '.join(known)} has a setting {name!r}. {hint}".rstrip(), wrong_value=True
            )
    for pooling in poolings:
        if pooling not in POOLINGS:
            raise HeadError(
                f"pooling {shown(pooling)}: unknown. {did_you_mean(str(pooling), POOLINGS)}Give some of {', '.join(POOLINGS)}.",
                wrong_value=True,
            )
    for spec in specs:
        if poolings and not set(poolings) & set(spec.poolings):
            raise HeadError(
                f"head {spec.name}: takes {', '.join(spec.poolings)} features only. Received: {', '.join(poolings)}.",
                wrong_value=True,
            )
    return [
        Candidate(spec.name, pooling, {name: value for name, value in settings.items() if name in known[spec.name]})
        for spec in specs
        for pooling in dict.fromkeys(poolings or [spec.pooling])
        if pooling in spec.poolings
    ]


def _compare(entry: Tried, best: Tried) -> ComparedHead:
    low, high = wilson_interval(int(entry.right.sum()), len(entry.right))
    difference, half = _paired_difference(entry.right, best.right)
    return ComparedHead(
        head=entry.candidate.head,
        pooling=entry.candidate.pooling,
        settings={name: value for name, value in entry.candidate.settings.items() if name != "seed"},
        accuracy=entry.accuracy,
        low=low,
        high=high,
        log_loss=entry.log_loss,
        seconds=entry.seconds,
        difference=difference,
        difference_low=difference - half,
        difference_high=difference + half,
    )


def wilson_interval(n_right: int, n_images: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    from scipy.stats import binomtest  # here, not above: importing featx must not load SciPy

    interval = binomtest(n_right, n_images).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def _paired_difference(right: NDArray[np.bool_], best: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the mean difference image by image, and half of its 95 % interval."""
    each = right.astype(np.float64) - best
    return float(each.mean()), float(_Z * each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else 0.0


_COLUMNS = tuple(field.name for field in dataclasses.fields(ComparedHead) if field.name != "settings")


def check_table_path(path: Path) -> None:
    """Make sure that a comparison can be saved there; cheap, so that it is called before the work.

    Raises
    ------
    OutputError
        If the place cannot be written, or holds a file that is no comparison.
    """
    check_replaced(path, [b"head,pooling,"], "is not a comparison", "--out")


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
            writer.writerow([*_COLUMNS, "settings"])
            for head in comparison.heads:
                given = " ".join(f"{name}={value}" for name, value in head.settings.items())
                writer.writerow([*(getattr(head, name) for name in _COLUMNS), given])
