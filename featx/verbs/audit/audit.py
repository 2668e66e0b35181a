"""The verb audit: which images of a cache are copies, wrongly labelled, out of place or of no use. Nothing is changed."""

import time

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError
from featx.models import Compute, Copies, MeasuredPictures, find_copies, measure_missing, open_cache, stored_pictures
from featx.store import SPLITS, CachedRows, FeatureCache, in_conflict
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.counts import is_or_are, number_of, was_or_were
from featx.system.kinds import check_kind
from featx.system.paths import StrPath
from featx.task import Task
from featx.verbs.audit.findings import (
    AlikeClasses,
    Audit,
    DuplicateGroup,
    LabelError,
    Outlier,
    QualityProblem,
)
from featx.verbs.audit.labels import Judged, confused, distances_from_classes, far_out, judge_labels
from featx.verbs.audit.listing import Listing
from featx.verbs.audit.quality import find_flaws

LEAST_ODDS = 10.0
"""A label is doubted when another class is at least so many times as likely."""

SMALL_CLASS = 10
"""Classes with fewer different training images are named."""

ALIKE = 0.15
"""Two classes are named as alike when this share of their images fits the other class better."""

_POOLING = "avg"

_ONE_CLASS = "only one class has images: labels cannot be judged"
_NUMBERS = "what is to be learned are numbers: only duplicates, outliers and bad pictures were looked for"
_ONE_WITHOUT_COPIES = "all images that are no copies of others are of one class: labels cannot be judged"

# Of a group of copies, the image in the first of these splits is kept: test and val stay as they are, train can spare it.
_KEPT_FIRST = ("test", "val", "train")


@closing_bars()
def audit_cache(
    cache: StrPath,
    *,
    layer: str | None = None,
    measure: bool = False,
    workers: int | None = None,
    progress: ProgressOption = None,
) -> Audit:
    """Look through the images of a cache, by their features and by what was measured of their pictures.

    Parameters
    ----------
    cache : Path or str
        The cache's folder.
    layer : str or None
        One of the cached layers; by default the last.
    measure : bool
        Measure pictures now from their files where extract did not: in caches of an older featx.
    workers : int or None
        Decoding processes for that; by default one for each core.
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.

    Returns
    -------
    audit : Audit
        Nothing of it is written anywhere.

    Raises
    ------
    CacheError
        If there is no finished cache, or it does not keep that layer.
    RecipeError
        If ``workers`` is no whole number from 1.

    Examples
    --------
    >>> audit = featx.audit_cache("cache/photos")
    >>> [group.images for group in audit.duplicates if group.across_splits]
    []
    """
    progress = as_progress(progress)
    started, compute = time.monotonic(), Compute(workers=workers)
    check_kind("layer", layer, (str, type(None)), "the name of a layer, or None", CacheError)
    store = open_cache(cache)
    catalog, rows = store.catalog, store.catalog.rows()
    stored = stored_pictures(store, rows)
    pictures = measure_missing(store, rows, stored, compute, progress) if measure else stored
    copies = find_copies(store, rows, pictures, progress)
    listing = Listing(catalog, rows)
    notes = _describe_unmeasured(pictures, store, measure)
    flaws, remarks = find_flaws(pictures, store.recipe.image_size)
    labels, judged = _judge(store, rows, copies, layer)
    alone = np.flatnonzero(copies.groups == np.arange(len(rows)))
    n_classes = len(catalog.task.column_names) or len(np.unique(catalog.labels[rows]))
    return Audit(
        cache=store.folder,
        source=catalog.source,
        images=len(rows),
        classes=n_classes,
        measured=int(pictures.present.sum()),
        duplicates=_list_duplicates(listing, copies, pictures),
        label_errors=_label_errors(store, listing, alone, labels, judged, layer),
        outliers=_list_outliers(listing, store, rows, alone, labels, layer),
        quality=[QualityProblem(listing[flaw.position], flaw.problem, flaw.measure, flaw.value) for flaw in flaws],
        small_classes=_small_classes(listing, copies),
        alike_classes=_list_alike(listing, alone, labels, judged) if judged else [],
        notes=notes + remarks + _describe_unjudged(catalog.task, judged, n_classes),
        seconds=time.monotonic() - started,
        judged=judged is not None or catalog.task.kind == "labels",
        task=catalog.task,
    )


def _describe_unjudged(task: Task, judged: Judged | None, n_classes: int) -> list[str]:
    if judged or task.kind == "labels":
        return []
    return [_NUMBERS if task.has_targets else _ONE_CLASS if n_classes == 1 else _ONE_WITHOUT_COPIES]


def _describe_unmeasured(pictures: MeasuredPictures, store: FeatureCache, measure: bool) -> list[str]:
    lost = int((~pictures.present).sum())
    if not lost:
        return []
    it, its_files, it_was = ("it", "its file", "it was") if lost == 1 else ("them", "their files", "they were")
    what = (
        f"{lost:,} of {number_of(len(pictures.present), 'picture')} {was_or_were(lost)} not measured: near duplicates and "
        f"quality leave {it} out"
    )
    if measure:
        return [f"{what}; {its_files} {is_or_are(lost)} not at {store.catalog.source} as {it_was}"]
    return [f"{what}; {it_was} extracted by an older featx. --measure reads {its_files}"]


def _list_duplicates(listing: Listing, copies: Copies, pictures: MeasuredPictures) -> list[DuplicateGroup]:
    members: dict[int, list[int]] = {}
    for position, group in enumerate(copies.groups.tolist()):
        members.setdefault(group, []).append(position)
    lowest: dict[int, float] = {}
    for (first, _), agreement in copies.agreement.items():
        group = int(copies.groups[first])
        lowest[group] = min(agreement, lowest.get(group, 1.0))
    sizes = np.nan_to_num(pictures.column("height") * pictures.column("width"))
    duplicates = []
    for group, positions in members.items():
        if len(positions) < 2:
            continue
        ordered = sorted(positions, key=lambda at: (_KEPT_FIRST.index(listing[at].split), -float(sizes[at]), at))
        images = [listing[at] for at in ordered]
        duplicates.append(
            DuplicateGroup(
                images=images,
                exact=len(np.unique(copies.contents[positions])) == 1,
                agreement=lowest.get(group, 1.0),
                across_splits=len({image.split for image in images}) > 1,
                conflicting_labels=in_conflict(listing.catalog, listing.rows[ordered]),
            )
        )
    return sorted(
        duplicates, key=lambda group: (-(group.across_splits + group.conflicting_labels), not group.exact, -group.agreement)
    )


def _judge(
    store: FeatureCache, rows: NDArray[np.int64], copies: Copies, layer: str | None
) -> tuple[NDArray[np.int64], Judged | None]:
    """Return the labels of the first image of each group, from 0, and how well they fit; None with a single class."""
    alone = np.flatnonzero(copies.groups == np.arange(len(rows)))
    present, labels = np.unique(store.catalog.labels[rows[alone]], return_inverse=True)
    labels = labels.astype(np.int64)
    if len(present) < 2:
        return labels, None
    return labels, judge_labels(_features(store, rows[alone], layer), labels)


def _features(store: FeatureCache, rows: NDArray[np.int64], layer: str | None) -> CachedRows:
    return CachedRows(store, rows, np.zeros_like(rows), layer or store.recipe.layers[-1], _POOLING)


def _names(listing: Listing, alone: NDArray[np.int64]) -> list[str]:
    """Return the class names behind the labels of ``_judge``."""
    catalog = listing.catalog
    return [catalog.class_names[label] for label in np.unique(catalog.labels[listing.rows[alone]])]


def _label_errors(
    store: FeatureCache,
    listing: Listing,
    alone: NDArray[np.int64],
    labels: NDArray[np.int64],
    judged: Judged | None,
    layer: str | None,
) -> list[LabelError]:
    """List images of which a class or, of several, a label is likely to be wrong."""
    targets = listing.catalog.targets
    if targets is None:
        return _list_label_errors(listing, alone, labels, judged) if judged else []
    found: list[LabelError] = []
    for column, name in enumerate(listing.catalog.task.names if listing.catalog.task.kind == "labels" else ()):
        values = targets[listing.rows[alone], column]
        known = np.flatnonzero(~np.isnan(values))
        there = values[known].astype(np.int64)
        if len(np.unique(there)) < 2:
            continue
        each = judge_labels(_features(store, listing.rows[alone[known]], layer), there)
        for at in np.flatnonzero(each.odds >= LEAST_ODDS).tolist():
            suggested = f"not {name}" if there[at] else name
            found.append(LabelError(listing[alone[known[at]]], suggested, float(each.odds[at])))
    return sorted(found, key=lambda error: -error.odds)


def _list_label_errors(
    listing: Listing, alone: NDArray[np.int64], labels: NDArray[np.int64], judged: Judged
) -> list[LabelError]:
    names = _names(listing, alone)
    doubted = np.flatnonzero(judged.odds >= LEAST_ODDS)
    doubted = doubted[np.argsort(-judged.odds[doubted], kind="stable")]
    return [LabelError(listing[alone[at]], names[judged.suggested[at]], float(judged.odds[at])) for at in doubted]


def _list_alike(listing: Listing, alone: NDArray[np.int64], labels: NDArray[np.int64], judged: Judged) -> list[AlikeClasses]:
    names, shares = _names(listing, alone), confused(judged, labels)
    alike = np.argwhere(np.triu(shares, 1) >= ALIKE)
    pairs = [AlikeClasses(names[first], names[second], float(shares[first, second])) for first, second in alike]
    return sorted(pairs, key=lambda pair: -pair.confused)


def _list_outliers(
    listing: Listing,
    store: FeatureCache,
    rows: NDArray[np.int64],
    alone: NDArray[np.int64],
    labels: NDArray[np.int64],
    layer: str | None,
) -> list[Outlier]:
    distances = distances_from_classes(_features(store, rows[alone], layer), labels)
    out = far_out(np.log(np.maximum(distances, 1e-12)), len(distances))
    far = np.flatnonzero(out > 1)
    return [Outlier(listing[alone[at]], float(out[at])) for at in far[np.argsort(-out[far], kind="stable")]]


def _small_classes(listing: Listing, copies: Copies) -> dict[str, int]:
    catalog = listing.catalog
    training = np.flatnonzero(catalog.splits[listing.rows] == SPLITS.index("train"))
    groups, rows = copies.groups[training], listing.rows[training]
    if catalog.targets is None:
        members = {name: catalog.labels[rows] == label for label, name in enumerate(catalog.class_names)}
    elif catalog.task.kind == "labels":
        members = {name: catalog.targets[rows, column] == 1 for column, name in enumerate(catalog.task.names)}
    else:
        members = {}
    counts = {name: len(np.unique(groups[those])) for name, those in members.items()}
    return {name: count for name, count in sorted(counts.items(), key=lambda item: item[1]) if count < SMALL_CLASS}
