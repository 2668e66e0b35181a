"""Near duplicates: pictures that are more alike than chance allows where the pictures of this very set lie that densely.

How alike two different photographs are depends on the set: two pairs of trousers agree better than two street scenes ever do.
So no fixed similarity separates copies. Around each picture, the distances to its nearest others are modelled as those of
points spread by chance: then the share of the volume within reach of the k-th that lies within reach of the first follows a
beta distribution, whatever the density is. A pair closer than that lets expect once in the whole set is a near duplicate.

References
----------
Desolneux, Moisan & Morel (2000), Meaningful alignments: a threshold on the expected number of false alarms.
Levina & Bickel (2004), Maximum likelihood estimation of intrinsic dimension: how many dimensions the pictures spread over.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from featx.models.alike.align import disagreement, expected_disagreement, smoothed
from featx.models.alike.nearest import nearest_rows, one_core_each

CANDIDATES = 10
"""Pictures that each is laid over: those that are most like it at 8 x 8."""

SCALE = 5
"""The distance to the neighbor of this rank measures how densely pictures lie; fewer copies of a picture do not change it."""

FALSE_ALARMS = 1.0
"""Pairs of different pictures to be expected among the near duplicates of a whole set, were they spread by chance."""

_SMALL = 8
_STEPS = 3
_BLOCK = 64

# A picture of fewer grey levels shows nothing that could be compared.
_LEAST_DEVIATION = 4.0

# Rounding to whole levels, twice, and compression leave about this much: such pictures are the same, however many there are.
_SAME_LEVELS = 1.0

# Up to so many pictures, all are laid over their candidates; how larger sets spread is learned from so many of them.
_LEARNED_FROM = 2000

# In larger sets only those are laid over their candidates of which one is expected to be striking, or up to so many times as
# far; and nearer than this share of the usual. Of 150 copies (cropped by 4 %, recompressed) among the sample's 800 images, each
# was expected at less than 0.42 of the usual distance; half of all other images lie above 0.64.
_PROMISING, _MOST_PROMISING = 8, 0.5

# Median of the sum of SCALE - 1 logarithms, in one dimension: of the gamma distribution of that shape.
_MEDIAN_SUM = 3.672060748850897

_LEAST = 1e-7

Progress = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """Pairs of pictures that are nearly the same.

    Parameters
    ----------
    pairs : ndarray of shape (n_pairs, 2), int64
        Positions of the two, the smaller first; the least likely to be chance first.
    agreement : ndarray of shape (n_pairs,)
        Correlation of their grey levels once laid over each other.
    false_alarms : ndarray of shape (n_pairs,)
        As close pairs of different pictures to be expected in the whole set.
    dimension : float
        Directions in which the pictures of the set spread; NaN where there are too few to estimate.
    """

    pairs: NDArray[np.int64]
    agreement: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    dimension: float


def find_near_duplicates(
    thumbnails: NDArray[np.uint8], *, threads: int = 1, progress: Progress | None = None, all_of_up_to: int = _LEARNED_FROM
) -> NearDuplicates:
    """Find pictures that are copies of each other but for a small crop, scale, brightness, contrast or compression.

    Mirrored or turned copies are not found, nor a copy of which much more than a tenth was cut off.

    Parameters
    ----------
    thumbnails : ndarray of shape (n, side, side), uint8
        Small grey copies of different images; side a multiple of 8.
    threads : int
        How many to use.
    progress : callable or None
        Called with the number of pictures just done; three times each.
    all_of_up_to : int
        Sets with more pictures are screened first.

    Returns
    -------
    found : NearDuplicates
    """
    spread = thumbnails.std(axis=(1, 2))
    showing = np.flatnonzero(spread >= _LEAST_DEVIATION)
    shown, note = thumbnails[showing], progress or (lambda done: None)
    note(3 * (len(thumbnails) - len(shown)))
    neighbors = nearest_rows(_small_copies(shown), CANDIDATES, threads=threads, progress=progress)
    if neighbors.shape[1] < SCALE:
        note(2 * len(shown))
        return _only_the_same(shown, neighbors, showing, spread[showing])
    layer = _Layer(shown, threads)
    learned_from = np.sort(np.random.default_rng(0).permutation(len(shown))[:all_of_up_to])
    pairs = _unique_pairs(learned_from, neighbors[learned_from])
    left = layer.left(pairs)
    reach = _reach(pairs, left, len(shown))
    dimension = _dimension(pairs, left, reach, learned_from)
    promising = np.ones(len(shown), np.bool_)
    if len(shown) > all_of_up_to:
        expected = np.sort(layer.expected(neighbors, note), axis=1)
        limit = min(_PROMISING * _striking(dimension, len(shown)), _MOST_PROMISING)
        promising = (expected[:, 0] <= limit * expected[:, SCALE - 1]) | (_levels(expected[:, 0], spread[showing]) <= 4)
        asked = np.flatnonzero(promising)
        pairs = _unique_pairs(asked, neighbors[asked])
        left = layer.left(pairs)
        reach = _reach(pairs, left, len(shown))
        note(len(shown))
    else:
        note(2 * len(shown))
    share = np.minimum(left[:, None] / reach[pairs], 1) ** (dimension / 2)
    # Of SCALE - 1 pictures spread by chance within the reach, that the nearest comes this near; the less striking side counts.
    chance = -np.expm1((SCALE - 1) * np.log1p(-np.minimum(share, 1 - 1e-15))).max(axis=1)
    alarms = chance * len(shown)
    same = _levels(left, spread[showing][pairs].min(axis=1)) <= _SAME_LEVELS
    found = np.flatnonzero((promising[pairs].all(axis=1) & (alarms <= FALSE_ALARMS)) | same)
    found = found[np.lexsort((left[found], alarms[found]))]
    return NearDuplicates(showing[pairs[found]], 1.0 - left[found], alarms[found], dimension)


class _Layer:
    """Lays thumbnails over each other, a block at a time."""

    def __init__(self, thumbnails: NDArray[np.uint8], threads: int) -> None:
        self._thumbnails = thumbnails
        self._threads = threads

    def expected(self, neighbors: NDArray[np.int64], note: Progress) -> NDArray[np.float64]:
        """Return about how much each of the neighbors (n, k) would differ: (n, k)."""

        def work(start: int) -> NDArray[np.float32]:
            block = slice(start, start + _BLOCK)
            templates, others = smoothed(self._thumbnails[block]), smoothed(self._thumbnails[neighbors[block]])
            return expected_disagreement(templates, others)

        return self._each_block(work, len(neighbors), note)

    def left(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much the two of each pair differ (n_pairs,), the mean of laying either over the other."""

        def work(start: int) -> NDArray[np.float32]:
            first, second = (smoothed(self._thumbnails[pairs[start : start + _BLOCK, side]]) for side in (0, 1))
            ways = disagreement(first, second[:, None], _STEPS), disagreement(second, first[:, None], _STEPS)
            return np.asarray((ways[0] + ways[1])[:, 0] / 2)

        return np.maximum(self._each_block(work, len(pairs), lambda done: None), _LEAST)

    def _each_block(self, work: Callable[[int], NDArray[np.float32]], n: int, note: Progress) -> NDArray[np.float64]:
        parts = []
        with one_core_each(self._threads), ThreadPoolExecutor(self._threads, thread_name_prefix="featx-alike") as pool:
            for part in pool.map(work, range(0, n, _BLOCK)):
                parts.append(part)
                note(len(part))
        return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def _small_copies(thumbnails: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Return 8 x 8 copies, flat, without their brightness (n, 64)."""
    n, side, _ = thumbnails.shape
    cells = thumbnails.reshape(n, _SMALL, side // _SMALL, _SMALL, side // _SMALL).mean(axis=(2, 4), dtype=np.float32)
    flat = cells.reshape(n, _SMALL**2)
    return np.asarray(flat - flat.mean(axis=1, keepdims=True))


def _striking(dimension: float, n: int) -> float:
    """Return the ratio of the distance to the nearest to that to the SCALE-th at which a near duplicate begins."""
    return float((FALSE_ALARMS / n / (SCALE - 1)) ** (2 / dimension))


def _unique_pairs(asked: NDArray[np.int64], neighbors: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = np.stack([np.repeat(asked, neighbors.shape[1]), neighbors.ravel()], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _reach(pairs: NDArray[np.int64], left: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the distance to the SCALE-th nearest of each picture (n,); endless where fewer were measured."""
    ends, distances = pairs.T.ravel(), np.tile(left, 2)
    order = np.lexsort((distances, ends))
    start = np.searchsorted(ends[order], np.arange(n + 1))
    reach = np.full(n, np.inf)
    enough = np.flatnonzero(np.diff(start) >= SCALE)
    reach[enough] = distances[order][start[enough] + SCALE - 1]
    return reach


def _dimension(
    pairs: NDArray[np.int64], left: NDArray[np.float64], reach: NDArray[np.float64], learned_from: NDArray[np.int64]
) -> float:
    """Return in how many directions pictures spread, by the median picture: copies here and there do not move it."""
    ends, distances = pairs.T.ravel(), np.tile(left, 2)
    inside = distances < reach[ends]
    # The distances are squares of lengths: half their logarithm.
    logs = np.bincount(ends[inside], np.log(reach[ends[inside]] / distances[inside]) / 2, minlength=len(reach))[learned_from]
    logs = logs[np.isfinite(reach[learned_from]) & (logs > 0)]
    return float(_MEDIAN_SUM / np.median(logs)) if len(logs) else float("nan")


def _levels(left: NDArray[np.float64], spread: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what is left between two pictures in grey levels, root mean square."""
    levels: NDArray[np.float64] = np.sqrt(2 * left) * spread
    return levels


def _only_the_same(
    shown: NDArray[np.uint8], neighbors: NDArray[np.int64], showing: NDArray[np.int64], spread: NDArray[np.floating]
) -> NearDuplicates:
    """A handful of pictures is too few to estimate their density: only those equal but for rounding are found."""
    pairs = _unique_pairs(np.arange(len(shown)), neighbors) if neighbors.shape[1] else np.empty((0, 2), np.int64)
    left = _Layer(shown, 1).left(pairs)
    same = np.flatnonzero(_levels(left, spread[pairs].min(axis=1)) <= _SAME_LEVELS)
    return NearDuplicates(showing[pairs[same]], 1.0 - left[same], np.zeros(len(same)), float("nan"))
