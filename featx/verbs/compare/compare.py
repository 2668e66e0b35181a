"""The verb compare: which head and pooling does best, by cross-validation inside the training images."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, HeadError, TaskError
from featx.heads import HEADS_OF, HeadSettings, HeadTask, head_spec, head_task
from featx.models import find_training_copies, largest_share, open_cache, wilson
from featx.store import POOLINGS, FeatureCache
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.kinds import as_texts, plain, shown
from featx.system.names import did_you_mean, keywords_of
from featx.system.paths import StrPath
from featx.system.progress import Progress
from featx.verbs.compare.candidates import Candidate, Tried, rank_of
from featx.verbs.compare.comparison import ComparedHead, Comparison
from featx.verbs.compare.folds import TrainingImages, cut_into_folds
from featx.verbs.compare.resampled import Z_95, compare_accuracies, compare_scores
from featx.verbs.compare.scoring import SCORES
from featx.verbs.compare.validate import cross_validate
from featx.verbs.compare.withhold import check_withhold, withhold_classes

DEFAULT_HEADS = ("dense", "logreg", "svm", "ridge", "knn")


@closing_bars()
def compare_heads(
    cache: StrPath,
    heads: str | Sequence[str] = DEFAULT_HEADS,
    poolings: str | Sequence[str] = (),
    *,
    folds: int = 5,
    layer: str | Sequence[str] | None = None,
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
        Names of heads; by default all that learn the task of the cache but conv.
    poolings : str or sequence of str
        Each head is tried on each; by default on the pooling that suits it.
    folds : int
        Stratified by class or label, or by the quantile of a number; exact duplicates in one of them.
    layer : str, sequence of str, or None
        One of the cached layers, or several: each head is tried on each; by default the last.
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
    seed, folds, withhold = plain(seed), plain(folds), plain(withhold)
    if withhold is not None:
        check_withhold(withhold)
    names = as_texts("heads", heads, "the name of a head, or several", HeadError)
    if not names:
        raise HeadError("compare needs at least one head.", wrong_value=True)
    asked = as_texts("poolings", poolings, "the name of a pooling, or several", HeadError)
    layers = [] if layer is None else as_texts("layer", layer, "the name of a layer, several, or None", CacheError)
    if withhold is not None and len(layers) > 1:
        raise HeadError("withhold goes with one layer. Give one, or leave withhold out.", wrong_value=True)
    _check_asked(names, asked, settings)
    store = open_cache(cache)
    task = store.catalog.task
    if withhold is not None and (error := task.refuse("--withhold", ("classes", "grades"), store.folder, "Leave it out.")):
        raise TaskError(str(error), wrong_value=True)
    names, notes = _of_task(names, store)
    candidates = _candidates(names, asked, {**settings, "seed": seed}, head_task(task))
    groups = find_training_copies(store, progress).groups if group_duplicates else None
    layers = list(dict.fromkeys(layers or store.recipe.layers[-1:]))
    for name in layers:
        store.row_shape(name)  # refuses one that is not cached, before the first is searched
    images = cut_into_folds(store, layers[0], folds, seed, groups)
    show = _of_several(progress, len(layers)) if progress else None
    found = [
        (name, one) for name in layers for one in cross_validate(dataclasses.replace(images, layer=name), candidates, show)
    ]
    found.sort(key=lambda pair: rank_of(pair[1]))
    compared = [_compare(entry, found[0][1], name, images) for name, entry in found]
    ranked = [entry.candidate for _, entry in found]
    withheld = withhold_classes(images, ranked, withhold, seed, progress) if withhold is not None else []
    sizes = len(images.rows), len(images.class_names), images.n_folds
    baseline = largest_share(images.labels, images.weights) if task.has_classes else None
    return Comparison(store.folder, *sizes, compared, withheld, baseline, images.task, notes)


def _of_several(progress: Progress, count: int) -> Progress:
    """Return a callback for one search of so many, which together are one stage."""
    return lambda stage, done, total: progress(stage, done, total * count)


def _check_asked(heads: Sequence[str], poolings: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Refuse, before the cache is opened, what there is none of: a head, a pooling, a setting of heads of any task."""
    for name in heads:
        head_spec(name)
    specs = [specs[name] for specs in HEADS_OF.values() for name in heads if name in specs]
    _check_known(settings, heads, [spec.settings() for spec in specs])
    for pooling in poolings:
        if pooling not in POOLINGS:
            raise HeadError(
                f"pooling {shown(pooling)}: unknown. {did_you_mean(str(pooling), POOLINGS)}Give some of {', '.join(POOLINGS)}.",
                wrong_value=True,
            )


def _check_known(settings: Iterable[str], heads: Iterable[str], known: Sequence[Sequence[str]]) -> None:
    for name in settings:
        if not any(name in names for names in known):
            # A setting of another head is spelt as it should be.
            misspelt = name not in HeadSettings.__annotations__
            hint = did_you_mean(name, itertools.chain(keywords_of(compare_heads), *known)) if misspelt else ""
            raise HeadError(
                f"compare: none of the heads {', '.join(dict.fromkeys(heads))} has a setting {name!r}. {hint}".rstrip(),
                wrong_value=True,
            )


def _of_task(heads: list[str], store: FeatureCache) -> tuple[list[str], list[str]]:
    """Return the heads to try, and remarks: where none is named, those that learn the task and take the weights."""
    if set(heads) != set(DEFAULT_HEADS):
        return heads, []
    known = HEADS_OF[head_task(store.catalog.task)]
    weights = store.catalog.weights_of(store.catalog.learned_from())
    are_whole = weights is None or bool((weights == np.floor(weights)).all())
    kept = [name for name in heads if name in known and (are_whole or not known[name].whole_weights)]
    refusing = [name for name in heads if name in known and name not in kept]
    what = "takes whole numbers as weights alone, and is left out"
    return kept, [f"{', '.join(refusing)} {what}"] if refusing else []


def _candidates(heads: Sequence[str], poolings: Sequence[str], settings: dict[str, Any], task: HeadTask) -> list[Candidate]:
    specs = [head_spec(name, task) for name in dict.fromkeys(heads)]
    known = {spec.name: spec.settings() for spec in specs}
    _check_known(settings, known, list(known.values()))
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


def _compare(entry: Tried, best: Tried, layer: str, images: TrainingImages) -> ComparedHead:
    given: dict[str, Any] = {
        "head": entry.candidate.head,
        "pooling": entry.candidate.pooling,
        "settings": {name: value for name, value in entry.candidate.settings.items() if name != "seed"},
        "accuracy": entry.accuracy,
        "log_loss": entry.log_loss,
        "seconds": entry.seconds,
        "layer": layer,
    }
    if images.task.kind == "classes" and (images.weights is not None or images.store.catalog.groups):
        return ComparedHead(**given, **compare_accuracies(images, entry, best), score=entry.accuracy)
    if images.task.kind == "classes":
        low, high = wilson(int(entry.right.sum()), len(entry.right))
        difference, half = (0.0, 0.0) if entry is best else _paired_difference(entry.right, best.right)
        bounds = difference - half, difference + half
        return ComparedHead(
            **given,
            low=low,
            high=high,
            difference=difference,
            difference_low=bounds[0],
            difference_high=bounds[1],
            score=entry.accuracy,
        )
    drawn = compare_scores(images, entry, best)
    return ComparedHead(**given, **drawn, measure=SCORES[images.task.kind], score=entry.score, figures=entry.figures)


def _paired_difference(right: NDArray[np.bool_], best: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the mean difference image by image, and half of its 95 % interval.

    Where both are right on the same images there is no spread to see, and yet they may differ on others: as many images and
    half a one more for each of the four ways that two answers can come out, says that interval.

    References
    ----------
    Agresti & Min (2005), Simple improved confidence intervals for comparing matched proportions.
    """
    each = right.astype(np.float64) - best
    if not each.any():
        return 0.0, Z_95 / (len(each) + 2)
    return float(each.mean()), float(Z_95 * each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else 1.0
