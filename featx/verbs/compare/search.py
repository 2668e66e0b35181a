"""Cross-validation inside the training images: how a head is chosen without a look at the test images."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads import Features, Scaling, Span, check_scale, head_spec, make_head
from featx.store import CachedRows
from featx.system.cores import available_cores
from featx.system.memory import check_memory
from featx.system.progress import Progress
from featx.verbs.compare.folds import TrainingImages

_LEAST_PROBABILITY = 1e-7

_COPIES = 3
"""Of the features in float64 that a search holds at its peak: all scaled rows, and those of the folds being fitted."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A way to fit: head, pooling and settings.

    Parameters
    ----------
    head, pooling : str
        Which head, on which features.
    settings : dict
        The head's own, where they are not at their default.
    """

    head: str
    pooling: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Tried:
    """The figures of a candidate on images that its fits had not seen.

    Parameters
    ----------
    candidate : Candidate
        What was fitted.
    accuracy : float
        Top-1, over all training images, each judged by the fit that it was left out of.
    log_loss : float
        Mean over them.
    seconds : float
        Of a fold's fit, on average.
    right : ndarray of shape (n_images,), bool
        Whether each was judged right.
    """

    candidate: Candidate
    accuracy: float
    log_loss: float
    seconds: float
    right: NDArray[np.bool_]


def cross_validate(images: TrainingImages, candidates: Sequence[Candidate], progress: Progress | None = None) -> list[Tried]:
    """Fit every candidate on every fold.

    Classical heads that share pooling and scale share one scaling, learned from all training images (without their
    labels), and one decomposition: all their settings and folds are fitted on the rotated rows.

    Parameters
    ----------
    images : TrainingImages
        In folds.
    candidates : sequence of Candidate
        What to try.
    progress : callable or None
        Called as (stage, newly done, total) after each candidate.

    Returns
    -------
    tried : list of Tried
        In the order of the candidates.

    Raises
    ------
    HeadError, CacheError
        If a candidate cannot be fitted.
    """
    tried: dict[int, Tried] = {}
    if progress:
        progress("cross-validate", 0, len(candidates))
    order = sorted(range(len(candidates)), key=lambda number: _basis_key(candidates[number]))
    for key, group in itertools.groupby(order, key=lambda number: _basis_key(candidates[number])):
        numbers = list(group)
        results = _try_all(images, *key, [candidates[number] for number in numbers])
        for number, result in zip(numbers, results, strict=True):
            tried[number] = result
            if progress:
                progress("cross-validate", 1, len(candidates))
    return [tried[number] for number in range(len(candidates))]


def search_settings(
    images: TrainingImages,
    head: str,
    pooling: str | None,
    settings: dict[str, Any],
    progress: Progress | None = None,
) -> list[Tried]:
    """Look for the settings of a head that are not given: first pooling and scale, then the others on the best of those.

    All scales give values of one size, so that the default penalty suits each, and the two steps find what a full grid
    would for a fraction of the fits.

    Parameters
    ----------
    images : TrainingImages
        In folds.
    head : str
        Name of the head.
    pooling : str or None
        The only pooling to try; by default those of the head's spec.
    settings : dict
        Settings that stay fixed.
    progress : callable or None
        Called as (stage, newly done, total) after each candidate.

    Returns
    -------
    tried : list of Tried
        All candidates, the best first; of equals the candidate nearest to the head's defaults.
    """
    spec = head_spec(head)
    free = spec.free_grid(settings)
    scales = free.pop("scale", None)
    bases = [
        Candidate(head, each, settings | ({"scale": scale} if scale else {}))
        for each in ([pooling] if pooling else spec.searched)
        for scale in scales or (None,)
    ]
    tried = cross_validate(images, bases, progress) if len(bases) > 1 or not free else []
    if free:
        basis = min(tried, key=rank_of).candidate if tried else bases[0]
        known = basis.settings | {name: values[0] for name, values in free.items()}
        combined = (basis.settings | dict(zip(free, values, strict=True)) for values in itertools.product(*free.values()))
        further = [Candidate(head, basis.pooling, combination) for combination in combined if not tried or combination != known]
        # The first of each is the default, which the first step has tried already.
        tried += cross_validate(images, further, progress)
    return sorted(tried, key=rank_of)


def rank_of(tried: Tried) -> tuple[float, float]:
    """Return the sort key of candidates: accuracy, then log loss."""
    return -round(tried.accuracy, 12), tried.log_loss


def _basis_key(candidate: Candidate) -> tuple[str, str]:
    """Return pooling and scale of the rows that a candidate is fitted on; no scale for heads that scale by themselves."""
    if not head_spec(candidate.head).classical:
        return candidate.pooling, ""
    return candidate.pooling, str(candidate.settings.get("scale", "standard"))


def _try_all(images: TrainingImages, pooling: str, scale: str, candidates: Sequence[Candidate]) -> Iterator[Tried]:
    """Yield how each candidate does that is fitted on the same rows."""
    store, views = images.store, np.array((0, *images.store.catalog.view_keys), np.int64)

    def cached(chosen: NDArray[np.int64], numbers: NDArray[np.int64]) -> CachedRows:
        dtype = store.maps_dtype if pooling == "flatten" else np.float32
        return CachedRows(store, images.rows[chosen], views[numbers], images.layer, pooling, dtype)

    if not scale:
        for candidate in candidates:
            yield _fit_folds(images, candidate, candidate.settings, cached)
        return
    check_scale(scale)
    everything = np.arange(len(images.rows)), np.arange(len(views))
    rows = cached(np.repeat(everything[0], len(views)), np.tile(everything[1], len(images.rows)))
    check_memory(
        int(rows.shape[0] * rows.shape[1] * (rows.dtype.itemsize + 8 * _COPIES)),
        f"{candidates[0].head} with {pooling}: a search holds all features, and {rows.shape[0]:,} rows of {rows.shape[1]:,}",
        "Fit ridge or dense without --tune: they read a block at a time. Or compare --head dense, or with --pooling avg.",
    )
    X = np.asarray(rows)
    scaling = Scaling.learn(scale, X)
    # A kernel's width depends on the columns, so its rows are not rotated.
    kinds = {"rbf" if candidate.settings.get("kernel") == "rbf" else "linear" for candidate in candidates}
    values = {kind: _basis(X, scaling, rotated=kind == "linear") for kind in kinds}

    def fit(candidate: Candidate) -> Tried:
        rows = values["rbf" if candidate.settings.get("kernel") == "rbf" else "linear"]
        settings = candidate.settings | {"scale": "none"}
        return _fit_folds(images, candidate, settings, lambda chosen, numbers: rows[chosen * len(views) + numbers])

    import joblib
    import threadpoolctl

    # Threads, as NumPy and scikit-learn leave Python's lock; each with one core, so that they do not fight over them.
    with threadpoolctl.threadpool_limits(1):
        jobs = (joblib.delayed(fit)(candidate) for candidate in candidates)
        yield from joblib.Parallel(available_cores(), prefer="threads", return_as="generator")(jobs)


def _basis(X: NDArray[np.floating], scaling: Scaling, rotated: bool) -> NDArray[np.float64]:
    """Return the scaled rows; where there are fewer of them than columns, in the basis that they span."""
    if rotated and len(X) < X.shape[1]:
        return Span(X, scaling).rows
    return scaling(X)


def _fit_folds(
    images: TrainingImages,
    candidate: Candidate,
    settings: dict[str, Any],
    take: Callable[[NDArray[np.int64], NDArray[np.int64]], Features],
) -> Tried:
    """Fit on all but one fold and judge that one, for each in turn; ``take`` gives rows by image and number of the view."""
    if "map_shape" in head_spec(candidate.head).settings():
        settings = settings | {"map_shape": list(images.store.row_shape(images.layer))}
    n_views = 1 + len(images.store.catalog.view_keys)
    probabilities = np.zeros((len(images.rows), len(images.class_names)))
    seconds = []
    for fold in range(images.n_folds):
        left_out = np.flatnonzero(images.fold_of == fold)
        used, val = np.flatnonzero(images.fold_of != fold), np.empty(0, np.int64)
        if not head_spec(candidate.head).classical:
            inner = images.inner_val[used]
            # The only image of its class that is left is for learning.
            inner &= np.isin(images.labels[used], images.labels[used[~inner]])
            val, used = used[inner], used[~inner]
        X = take(np.repeat(used, n_views), np.tile(np.arange(n_views), len(used)))
        X_val, y_val = (take(val, np.zeros_like(val)), images.labels[val]) if len(val) else (None, None)
        start = time.perf_counter()
        head = make_head(candidate.head, **settings).fit(
            X, np.repeat(images.labels[used], n_views), X_val, y_val, sample_weight=_of_views(images.weights, used, n_views)
        )
        seconds.append(time.perf_counter() - start)
        of_fold = head.predict_proba(np.asarray(take(left_out, np.zeros_like(left_out))))
        probabilities[np.ix_(left_out, head.classes_)] = of_fold
    of_label = probabilities[np.arange(len(images.rows)), images.labels]
    right = probabilities.argmax(axis=1) == images.labels
    return Tried(
        candidate=candidate,
        accuracy=float(np.average(right, weights=images.weights)),
        log_loss=float(np.average(-np.log(np.maximum(of_label, _LEAST_PROBABILITY)), weights=images.weights)),
        seconds=float(np.mean(seconds)),
        right=right,
    )


def _of_views(weights: NDArray[np.float64] | None, used: NDArray[np.int64], n_views: int) -> NDArray[np.float64] | None:
    return None if weights is None else np.repeat(weights[used], n_views)
