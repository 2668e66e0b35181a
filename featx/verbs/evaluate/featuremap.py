"""A map of features: two numbers an image, so that images that the backbone finds alike lie near one another."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.errors import FeatxError
from featx.system.kinds import shown

MAPS = ("auto", "pca", "tsne", "none")
"""Ways to make a map: ``auto`` is t-SNE where that takes seconds, else PCA."""

MOST_MAPPED = 5000
"""More points than this hide one another, and t-SNE takes minutes for them."""

# On two cores t-SNE takes some two seconds for these, and grows faster than their number.
_MOST_AT_ONCE = 500

# What t-SNE looks at: the distances in more components are noise that costs time.
_COMPONENTS = 50

_PERPLEXITY = 30.0
_STEPS = 500


@dataclasses.dataclass(frozen=True)
class FeatureMap:
    """Where images lie on a map.

    Parameters
    ----------
    method : str
        ``pca`` or ``tsne``.
    rows : ndarray of shape (n_points,), int64
        Which image each point is.
    points : ndarray of shape (n_points, 2), float64
        In no unit; of t-SNE only who is near whom means anything.
    explained : float or None
        Of PCA: the share of the features' variance that the two axes show.
    """

    method: str
    rows: NDArray[np.int64]
    points: NDArray[np.float64]
    explained: float | None


def check_map(method: str) -> None:
    """Refuse an unknown way to make a map.

    Raises
    ------
    FeatxError
        With the known maps.
    """
    if not isinstance(method, str) or method not in MAPS:
        raise FeatxError(f"map {shown(method)}: unknown. Give one of {', '.join(MAPS)}.", wrong_value=True)


def choose_mapped(n_images: int, seed: int = 0) -> NDArray[np.int64]:
    """Return which of the images go on the map: all, or ``MOST_MAPPED`` drawn from them, ascending."""
    if n_images <= MOST_MAPPED:
        return np.arange(n_images)
    return np.sort(np.random.default_rng(seed).choice(n_images, MOST_MAPPED, replace=False))


def map_features(X: NDArray[np.floating], rows: NDArray[np.int64], method: str = "auto", seed: int = 0) -> FeatureMap | None:
    """Lay features out in the plane.

    Parameters
    ----------
    X : ndarray of shape (n_points, n_features)
        Pooled features.
    rows : ndarray of shape (n_points,), int64
        Which image each row of ``X`` is of.
    method : str
        One of ``MAPS``.
    seed : int
        Of all randomness.

    Returns
    -------
    featuremap : FeatureMap or None
        None for fewer than three images, for features that have no map (all the same, not finite), and for ``none``.
    """
    from sklearn.decomposition import PCA  # here, not above: importing featx must not import scikit-learn

    check_map(method)
    if method == "none" or len(X) < 3 or min(X.shape) < 2:
        return None
    values = X.astype(np.float64)
    if not np.isfinite(values).all() or np.ptp(values, axis=0).max() == 0:
        return None
    n_components = min(_COMPONENTS, *X.shape)
    pca = PCA(n_components, random_state=seed)
    try:
        components = pca.fit_transform(values)
    except np.linalg.LinAlgError:  # a decomposition that does not converge: there is no map, and the page goes without
        return None
    if method == "pca" or (method == "auto" and len(X) > _MOST_AT_ONCE):
        return FeatureMap("pca", rows, components[:, :2], float(pca.explained_variance_ratio_[:2].sum()))
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(X) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, max_iter=_STEPS, random_state=seed)
    return FeatureMap("tsne", rows, tsne.fit_transform(components).astype(np.float64), None)
