"""How strange an image is to a model: far from the training images of every class, or of no class that the head is sure of.

The distance is Mahalanobis' from the nearest class mean, between square roots of average features of unit length, with one
covariance for all classes, shrunk towards that of a sphere. To it the entropy of the head's probabilities is added, both in
units of their spread among genuine images. It was chosen by measurement among nearest neighbours, class means, distances less
that from all classes, residuals, and what a head gives, with and without square roots, unit length and shrinkage:
docs/howto/unknown.md has the figures.

References
----------
Lee, Lee, Lee & Shin (2018), A simple unified framework for detecting out-of-distribution samples, arXiv:1807.03888.
Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world, chapter 2: shares that hold for any finite scale.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.models.separation import Judged

SHRINKAGE = 0.8
"""Weight of the sphere in the covariance; the rest is the training images' own."""

WEIGHT_OF_DOUBT = 0.75
"""Of the head's entropy beside the distance, each in units of its spread."""

MOST_DIRECTIONS = 64
"""In which the training images of a class differ most; in all others they are taken to differ equally."""

MOST_TRAINING, MOST_JUDGING = 10_000, 2_000
"""Images that the means and the covariance are of, and images on the scale: more change nothing and cost time."""

LEAST_JUDGING = 20
"""Validation images. With fewer, training images make the scale, each by a fit that has not seen it."""

_FOLDS, _MOST_IN_FOLDS = 5, 1000
_STEPS = 4
_LEAST_SPREAD = 1e-6  # what rounding leaves of equal images

Averages = NDArray[np.floating]
"""Average features (n, n_channels), of any sign."""


@dataclasses.dataclass(frozen=True)
class Familiarity:
    """What training images look like, and how strange genuine images of these classes are.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_channels), float16
        Of unit rows; NaN for a class without training images.
    directions : ndarray of shape (n_channels, n_directions), float16
        Those along which the images of a class differ most, by length: how far a distance along each is cut.
    typical : ndarray of shape (2, 2), float64
        Of the images on the scale: mean and spread of the distance, and of the entropy; an infinite spread leaves it out.
    scale : ndarray of shape (n,), float64
        Strangeness of images that the model has not learned from, ascending.
    judged_by : str
        ``val`` or ``train``: which images those are.
    """

    means: NDArray[np.float16]
    directions: NDArray[np.float16]
    typical: NDArray[np.float64]
    scale: NDArray[np.float64]
    judged_by: str

    @classmethod
    def learn(
        cls,
        averages: Averages,
        y: NDArray[np.integer],
        n_classes: int,
        judging: Averages,
        probabilities: NDArray[np.floating],
    ) -> Self | None:
        """Learn from training images, and make the scale of validation images.

        Parameters
        ----------
        averages : ndarray of shape (n_train, n_channels)
            Average features of the training images.
        y : ndarray of shape (n_train,)
            Their labels.
        n_classes : int
            Labels are below it.
        judging : ndarray of shape (n_val, n_channels)
            Average features of the validation images, which may be none.
        probabilities : ndarray of shape (n_val, n_classes)
            What the model gives them.

        Returns
        -------
        familiarity : Familiarity or None
            None if there are fewer than two images to learn from, features that are not finite left out.
        """
        averages, y = _finite(averages, y)
        judging, probabilities = _finite(judging, probabilities)
        if len(averages) < 2:
            return None
        rows = unit_roots(averages)
        means, directions = _learn(rows, y, n_classes)
        if len(judging) >= LEAST_JUDGING:
            distances, doubts, judged_by = _distances(means, directions, unit_roots(judging)), entropy(probabilities), "val"
        else:
            # The head is surer of what it has learned from than of any other image: only the distance can be judged by them.
            distances, judged_by = _distances_by_others(rows, y, n_classes), "train"
            doubts = np.zeros_like(distances)
        typical = np.stack(
            [_mean_and_spread(distances, _LEAST_SPREAD, _LEAST_SPREAD), _mean_and_spread(doubts, _LEAST_SPREAD, np.inf)]
        )
        return cls(means, directions, typical, np.sort(_together(typical, distances, doubts)), judged_by)

    def strangeness(self, averages: Averages, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return how strange images are (n,), in no unit: more is stranger; infinite where features are not finite.

        Parameters
        ----------
        averages : ndarray of shape (n, n_channels)
            Average features.
        probabilities : ndarray of shape (n, n_classes)
            What the model gives them.
        """
        finite = np.isfinite(averages).all(axis=1) & np.isfinite(probabilities).all(axis=1)
        strange = np.full(len(averages), np.inf)
        distances = _distances(self.means, self.directions, unit_roots(averages[finite]))
        strange[finite] = _together(self.typical, distances, entropy(probabilities[finite]))
        return strange

    def shares(self, strangeness: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the share of genuine images that are as strange or stranger (n,): small for a strange image.

        Of genuine images at most the share a gets a or less, for each a, whatever the number of images on the scale.
        """
        stranger = len(self.scale) - np.searchsorted(self.scale, strangeness, side="left")
        shares: NDArray[np.float64] = (stranger + 1) / (len(self.scale) + 1)
        return shares

    def judge(self, strangeness: NDArray[np.float64], probabilities: NDArray[np.floating]) -> Judged:
        """Return what the model finds of images, by their strangeness and probabilities."""
        return Judged(strangeness, self.shares(strangeness), probabilities.max(axis=1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that is in it as arrays."""
        return {name: getattr(self, name) for name in ("means", "directions", "typical", "scale")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], judged_by: str, n_classes: int) -> Self:
        """Take what ``arrays`` gave.

        Raises
        ------
        ValueError
            If it holds what no fit gives.
        """
        wanted = {"means": np.float16, "directions": np.float16, "typical": np.float64, "scale": np.float64}
        if {name: array.dtype for name, array in arrays.items()} != wanted:
            raise ValueError(f"familiar: must have the arrays {', '.join(wanted)}, of their types")
        found = cls(**arrays, judged_by=judged_by)
        means, directions, scale = found.means, found.directions, found.scale
        shapes = means.ndim == directions.ndim == 2 and len(means) == n_classes and means.shape[1] == len(directions)
        if not shapes or found.typical.shape != (2, 2) or scale.ndim != 1 or not len(scale):
            raise ValueError("familiar: its arrays do not fit together")
        ascending = np.isfinite(scale).all() and (np.diff(scale) >= 0).all()
        typical = np.isfinite(found.typical[:, 0]).all() and (found.typical[:, 1] > 0).all()
        if not ascending or not typical or not np.isfinite(directions).all() or not np.isfinite(means).all(axis=1).any():
            raise ValueError("familiar: holds numbers that no fit gives")
        return found


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the entropy of each row (n,) [nats]: 0 where the head is sure, the logarithm of their number among equals."""
    shares = np.asarray(probabilities, np.float64)
    logarithms = np.log(np.where(shares > 0, shares, 1.0))
    entropies: NDArray[np.float64] = -(shares * logarithms).sum(axis=1)
    return entropies


def unit_roots(averages: Averages) -> NDArray[np.float32]:
    """Return square roots of features, with their signs, each row of length 1; of zeros zeros.

    Roots: a few channels with large averages would decide alone. Length 1: contrast and exposure are no sign of another class.
    """
    roots = np.sqrt(np.abs(averages, dtype=np.float32))
    lengths = np.sqrt(np.einsum("ij,ij->i", roots, roots, dtype=np.float64))
    roots /= np.where(lengths > 0, lengths, 1.0).astype(np.float32)[:, None]
    return np.copysign(roots, averages).astype(np.float32, copy=False)


def _learn(
    rows: NDArray[np.float32], y: NDArray[np.integer], n_classes: int
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Return the means, and the directions with the length that cuts a distance as the shrunk covariance's inverse does.

    For S = V diag(v) V' with mean eigenvalue m, the inverse of (1 - s) S + s m I is 1 / (s m) (I - V diag(q / (1 + q)) V')
    with q = (1 - s) v / (s m). The factor before it is the same for all distances, and is left out.
    """
    means = np.full((n_classes, rows.shape[1]), np.nan, np.float16)
    order = np.argsort(y, kind="stable")
    present, starts, counts = np.unique(y[order], return_index=True, return_counts=True)
    means[present] = np.add.reduceat(rows[order], starts, axis=0) / counts[:, None]
    residuals = rows - means[y].astype(np.float32)
    covariance = (residuals.T @ residuals).astype(np.float64) / len(rows)
    average = np.trace(covariance) / len(covariance)
    values, vectors = _largest(covariance)
    raised = (1 - SHRINKAGE) * values / (SHRINKAGE * average) if average > 0 else np.zeros_like(values)
    return means, (vectors * np.sqrt(raised / (1 + raised))).astype(np.float16)


def _largest(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues and their vectors (n_channels, n_directions), by subspace iteration.

    A full decomposition of 1,280 channels takes half a second; this a twentieth of it.
    """
    count = min(MOST_DIRECTIONS, len(covariance))
    start = np.random.default_rng(0).standard_normal((len(covariance), min(count + 16, len(covariance))))
    basis = np.linalg.qr(start)[0]
    for _ in range(_STEPS):
        basis = np.linalg.qr(covariance @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ covariance @ basis)
    return np.maximum(values[-count:], 0.0), basis @ vectors[:, -count:]


def _distances(means: NDArray[np.float16], directions: NDArray[np.float16], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the squared distance (n,) of each image from the nearest mean."""
    known = means[np.isfinite(means).all(axis=1)].astype(np.float32)
    wide = directions.astype(np.float32)
    nearest: NDArray[np.float64] = np.maximum(_squared(rows, known) - _squared(rows @ wide, known @ wide), 0.0).min(axis=1)
    return nearest


def _squared(rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return all squared distances (n_rows, n_others)."""
    products = (rows @ others.T).astype(np.float64)
    lengths, of_others = (np.einsum("ij,ij->i", one, one, dtype=np.float64) for one in (rows, others))
    squared: NDArray[np.float64] = lengths[:, None] - 2 * products + of_others
    return squared


def _distances_by_others(rows: NDArray[np.float32], y: NDArray[np.integer], n_classes: int) -> NDArray[np.float64]:
    """Return the distance of training images (n,), each by what was learned from the others; of many, of a fifth of them."""
    order = np.random.default_rng(0).permutation(len(y))
    # Spread over the classes: of a class with two images each is judged by the other.
    fold_of = np.empty(len(y), np.int64)
    fold_of[order[np.argsort(y[order], kind="stable")]] = np.arange(len(y)) % _FOLDS
    distances = []
    for fold in range(_FOLDS if len(y) <= _MOST_IN_FOLDS else 1):
        judged = fold_of == fold
        if judged.any() and not judged.all():
            means, directions = _learn(rows[~judged], y[~judged], n_classes)
            distances.append(_distances(means, directions, rows[judged][:MOST_JUDGING]))
    return np.concatenate(distances)


def _mean_and_spread(values: NDArray[np.float64], least: float, otherwise: float) -> NDArray[np.float64]:
    """Return mean and spread, or another than a spread that is below the least one."""
    spread = float(values.std())
    return np.array([values.mean(), spread if spread >= least else otherwise])


def _together(typical: NDArray[np.float64], distances: NDArray[np.float64], doubts: NDArray[np.float64]) -> NDArray[np.float64]:
    (distance, its_spread), (doubt, spread_of_doubt) = typical.tolist()
    strange: NDArray[np.float64] = (distances - distance) / its_spread + WEIGHT_OF_DOUBT * (doubts - doubt) / spread_of_doubt
    return strange


def _finite(averages: Averages, others: NDArray[Any]) -> tuple[Averages, NDArray[Any]]:
    """Leave out images whose features or other values are not finite."""
    finite = np.isfinite(averages).all(axis=1) & np.isfinite(others).all(axis=tuple(range(1, others.ndim)))
    return averages[finite], others[finite]
