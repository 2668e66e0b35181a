"""What cells speak for, of images whose maps a cache holds: for a page, without a forward pass."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError, HeadError
from featx.models import Model
from featx.store import FeatureCache, pool_maps
from featx.verbs.explain.cells import Explainer
from featx.verbs.explain.explain import choose_classes

MOST_CELLS = 200_000
"""Of all images together: at one character each they stay small beside the thumbnails of a page."""

_BLOCK_BYTES = 32_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class CachedCells:
    """Cells of some images, the predicted class against the runner-up.

    Parameters
    ----------
    quantity : str
        As in ``Explanation``; the method is ``exact``.
    others : ndarray of shape (n,), int64
        The runner-up of each image.
    cells : ndarray of shape (n, h, w), float64
        As in ``Explanation``. A cache rounds maps to float16: with the bias they give the margin to 2**-11 of the sum of the
        sizes of what its features add, and cells whose maxima the rounding makes equal share what is one cell's.
    """

    quantity: str
    others: NDArray[np.int64]
    cells: NDArray[np.float64]


def cells_in_cache(
    model: Model, folder: Path, rows: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> CachedCells | None:
    """Divide a linear head's decisions about cached images among the cells of their maps.

    Parameters
    ----------
    model : Model
        The model.
    folder : Path
        The cache that the probabilities are of.
    rows : ndarray of shape (n,), int64
        Rows of its catalog, the most useful first: where there are very many, the first alone are divided.
    probabilities : ndarray of shape (n, n_classes)
        What the model predicts for them.

    Returns
    -------
    cells : CachedCells or None
        Of the first of the rows; None where there is nothing to divide without a forward pass: behind fine-tuned layers, of a
        head that is not linear, or if the cache cannot be read any more.
    """
    try:
        explainer = Explainer(model)
        if model.tail or explainer.method != "exact" or not len(rows):
            return None
        store = FeatureCache.open(folder)
        height, width, channels = store.row_shape(model.layer)
        rows = rows[: max(1, MOST_CELLS // (height * width))]
        labels, others = choose_classes(model, probabilities[: len(rows)])
        cells = np.empty((len(rows), height, width))
        for at, flat in store.blocks(rows, layer=model.layer, pooling="flatten", block_bytes=_BLOCK_BYTES):
            maps = flat.reshape(len(flat), height, width, channels).astype(np.float32)
            X = pool_maps(maps, model.pooling, "float32")
            cells[at] = explainer(maps, X, labels[at], others[at]).cells
    except (CacheError, HeadError):  # knn among them; and the cache may be gone: the figures are to be read all the same
        return None
    return CachedCells(explainer.quantity, others, cells)
