"""Cross-validation inside the training images: how a head is chosen without a look at the test images."""

import contextlib
import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import (
    LeftOut,
    SharedRows,
    check_scale,
    head_spec,
    head_task,
    make_head,
    memory_of_shared,
    share_rows,
)
from featx.store import CachedRows
from featx.system.cores import available_cores
from featx.system.memory import check_memory
from featx.system.progress import Progress
from featx.task import Task
from featx.verbs.compare.candidates import Candidate, Tried, rank_of
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.judged import Judged, tried_of
from featx.verbs.compare.limit import Limit, TimeIsUp

_MOST_HELD = 2**29
"""Bytes of inner products that wait for their candidates."""

_AT_A_TIME = 2
"""Candidates whose folds are being fitted: the second fills the cores that the first has no more folds for."""


class CrossValidation:
    """Fits candidates on every fold, and keeps what the next ones can share.

    Classical heads that share pooling and scale share one scaling, learned from all training images (without their labels), and
    one matrix of inner products or one decomposition: all their settings, folds and classes are fitted on these. Their
    folds are fitted on all cores at once.

    Parameters
    ----------
    images : TrainingImages
        In folds.
    searches : bool
        Whether there will be further candidates: then what the best so far was fitted on stays in memory, and what does not
        fit into memory is left out, instead of an error.

    Attributes
    ----------
    too_large : set of str
        Poolings that were left out for want of memory.
    no_room : HeadError or None
        What a fit on the last of them would raise.
    """

    def __init__(self, images: TrainingImages, *, searches: bool = False) -> None:
        self._images = images
        self._searches = searches
        self.too_large: set[str] = set()
        self.no_room: HeadError | None = None
        self._kept: tuple[tuple[str, str], SharedRows] | None = None
        self._held: dict[tuple[str, str], SharedRows] = {}
        self._best = (np.inf, np.inf)
        self._features: tuple[str, NDArray[np.floating]] | None = None

    def run(self, candidates: Sequence[Candidate], limit: Limit, progress: Progress | None = None) -> list[Tried | None]:
        """Fit candidates in their order, but those on the same rows together.

        Parameters
        ----------
        candidates : sequence of Candidate
            What to try.
        limit : Limit
            When to stop.
        progress : callable or None
            Called as (stage, newly done, total) after each candidate.

        Returns
        -------
        tried : list of Tried or None
            In the order of the candidates; None for those that there was no time for.

        Raises
        ------
        HeadError, CacheError
            If a candidate cannot be fitted.
        """
        tried: dict[int, Tried] = {}
        if progress:
            progress("cross-validate", 0, len(candidates))
        keys = [basis_key(candidate, self._images.task) for candidate in candidates]
        order = sorted(range(len(candidates)), key=lambda number: keys.index(keys[number]))
        for key, group in itertools.groupby(order, key=keys.__getitem__):
            numbers = list(group)
            results = self._try_all(*key, [candidates[number] for number in numbers], limit)
            with contextlib.suppress(TimeIsUp), contextlib.closing(results):
                for number, result in zip(numbers, results, strict=True):
                    tried[number] = result
                    if progress:
                        progress("cross-validate", 1, len(candidates))
        self._features = None
        return [tried.get(number) for number in range(len(candidates))]

    def _try_all(self, pooling: str, scale: str, candidates: Sequence[Candidate], limit: Limit) -> Generator[Tried]:
        """Yield how each candidate does that is fitted on the same rows."""
        limit.check()
        if not scale:
            for candidate in candidates:
                yield tried_of(self._images, candidate, self._fit_alone(candidate, limit))
            return
        check_scale(scale)
        rows = self.shared_rows(pooling, scale, candidates, limit)
        for tried in self._on_shared(rows, candidates, limit):
            if self._searches and rank_of(tried) < self._best:
                self._best, self._kept = rank_of(tried), ((pooling, scale), rows)
            yield tried

    def hold(self, pooling: str, scale: str, rows: SharedRows) -> None:
        """Keep what was computed until candidates were tried on it, as far as there is room."""
        if rows.gram is not None and rows.gram.nbytes * (1 + len(self._held)) <= _MOST_HELD:
            self._held[pooling, scale] = rows

    def release(self) -> None:
        """Keep nothing more of that."""
        self._held = {}

    def shared_rows(self, pooling: str, scale: str, candidates: Sequence[Candidate], limit: Limit) -> SharedRows:
        """Return what candidates are fitted on that share pooling and scale; raises ``TimeIsUp`` where there is no room."""
        if self._kept and self._kept[0] == (pooling, scale):
            return self._kept[1]
        if (pooling, scale) in self._held:
            return self._held[pooling, scale]
        if self._features is None or self._features[0] != pooling:
            self._features = None  # first of all: two of them might not fit
            images, n_views = self._images, self._n_views
            every = np.arange(len(images.rows))
            cached = self._cached(np.repeat(every, n_views), np.tile(np.arange(n_views), len(every)), pooling)
            n_rows, n_columns = cached.shape
            try:
                check_memory(
                    n_rows * n_columns * cached.dtype.itemsize + memory_of_shared(cached.shape),
                    f"{candidates[0].head} with {pooling}: a search holds all features, and {n_rows:,} rows of {n_columns:,}",
                    "Fit ridge or dense without --tune: they read a block at a time. Or compare --head dense, or with "
                    "--pooling avg.",
                )
            except HeadError as error:
                if not self._searches:
                    raise
                self.no_room, self.too_large = error, self.too_large | {pooling}
                raise TimeIsUp from error
            self._features = pooling, np.asarray(cached)
        fits = [(one.head, one.settings) for one in candidates]
        labels, weights = np.repeat(self._images.labels, self._n_views), self._of_views(self._images.weights)
        return share_rows(self._features[1], labels, weights, scale, fits, limit.check)

    def _on_shared(self, rows: SharedRows, candidates: Sequence[Candidate], limit: Limit) -> Iterator[Tried]:
        """Yield how each candidate does; folds are fitted in threads, as NumPy and scikit-learn leave Python's lock."""
        import threadpoolctl

        stopped = Limit()

        def check() -> None:
            limit.check()
            stopped.check()

        def begin(candidate: Candidate) -> LeftOut:
            check()
            return LeftOut(rows, candidate.head, candidate.settings, check)

        first = begin(candidates[0])  # with all cores; from now on each thread has one, so that they do not fight over them
        running: list[tuple[Candidate, list[Future[Judged]]]] = []
        with threadpoolctl.threadpool_limits(1), ThreadPoolExecutor(available_cores(), "featx-folds") as pool:
            try:
                for candidate in candidates:
                    fits = first if candidate is candidates[0] else begin(candidate)
                    running.append((candidate, [pool.submit(self._fold, fits, fold) for fold in range(self._images.n_folds)]))
                    if len(running) == _AT_A_TIME:
                        yield self._done(*running.pop(0))
                while running:
                    yield self._done(*running.pop(0))
            finally:
                stopped.stop()
                pool.shutdown(cancel_futures=True)

    def _done(self, candidate: Candidate, folds: list[Future[Judged]]) -> Tried:
        return tried_of(self._images, candidate, [fold.result() for fold in folds])

    def _fold(self, fits: LeftOut, fold: int) -> Judged:
        """Fit a classical head on all views of the images outside of a fold, and judge the clean rows of those in it."""
        images = self._images
        learned, labels, judged = self.sides(fold)
        start = time.perf_counter()
        weights = None if images.weights is None else self._of_views(images.weights[images.fold_of != fold])
        with images.naming():
            found = fits.probabilities(learned, labels, judged, weights)
        return *found, time.perf_counter() - start

    def sides(self, fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows that are learned from beside a fold, of all views, and their classes; and the clean rows in it."""
        images, n_views = self._images, self._n_views
        used, left_out = np.flatnonzero(images.fold_of != fold), np.flatnonzero(images.fold_of == fold)
        learned = (used[:, None] * n_views + np.arange(n_views)).ravel()
        return learned, np.repeat(images.labels[used], n_views).astype(np.int64), left_out * n_views

    def _fit_alone(self, candidate: Candidate, limit: Limit) -> list[Judged]:
        """Fit a head of its own on each fold: of labels or numbers, or one that stops by a validation loss.

        The latter does so by the loss of some images which are left out of the fold's fit.
        """
        images, n_views, settings = self._images, self._n_views, candidate.settings
        task = head_task(images.task)
        spec = head_spec(candidate.head, task)
        if "map_shape" in spec.settings():
            settings = settings | {"map_shape": list(images.store.row_shape(images.layer))}
        watched: dict[str, Any] = {} if limit.is_open or spec.classical else {"on_epoch": limit.check}
        judged = []
        for fold in range(images.n_folds):
            limit.check()
            out = images.fold_of == fold
            inner = np.zeros_like(out) if spec.classical else images.validating(~out)
            left_out, val, used = (np.flatnonzero(some) for some in (out, inner, ~out & ~inner))
            X = self._cached(np.repeat(used, n_views), np.tile(np.arange(n_views), len(used)), candidate.pooling)
            y = np.repeat(images.y[used], n_views, axis=0)
            validation = (self._clean(val, candidate.pooling), images.y[val]) if len(val) else (None, None)
            start = time.perf_counter()
            weights = None if images.weights is None else self._of_views(images.weights[used])
            head = make_head(candidate.head, task=task, **settings)
            with images.naming():
                head.fit(X, y, validation[0], validation[1], sample_weight=weights, **watched)
            seconds = time.perf_counter() - start
            of_fold = head.outputs(np.asarray(self._clean(left_out, candidate.pooling)))
            judged.append((head.classes_, of_fold, seconds))
        return judged

    @property
    def _n_views(self) -> int:
        return 1 + len(self._images.store.catalog.view_keys)

    def _of_views(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Return the weight of each view of each image."""
        return None if weights is None else np.repeat(weights, self._n_views)

    def _cached(self, chosen: NDArray[np.int64], numbers: NDArray[np.int64], pooling: str) -> CachedRows:
        """Return the features of images, each in the view of some number."""
        images = self._images
        views = np.array((0, *images.store.catalog.view_keys), np.int64)
        dtype = images.store.maps_dtype if pooling == "flatten" else np.float32
        return CachedRows(images.store, images.rows[chosen], views[numbers], images.layer, pooling, dtype)

    def _clean(self, chosen: NDArray[np.int64], pooling: str) -> CachedRows:
        return self._cached(chosen, np.zeros_like(chosen), pooling)


def cross_validate(images: TrainingImages, candidates: Sequence[Candidate], progress: Progress | None = None) -> list[Tried]:
    """Fit every candidate on every fold, however long it takes.

    Parameters and errors as for ``CrossValidation.run``.

    Returns
    -------
    tried : list of Tried
        In the order of the candidates.
    """
    return [tried for tried in CrossValidation(images).run(candidates, Limit(), progress) if tried is not None]


def basis_key(candidate: Candidate, task: Task) -> tuple[str, str]:
    """Return pooling and scale of the rows that a candidate is fitted on; no scale for heads that scale by themselves."""
    if task.has_targets or not head_spec(candidate.head).classical:
        return candidate.pooling, ""
    return candidate.pooling, str(candidate.settings.get("scale", "standard"))
