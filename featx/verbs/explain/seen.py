"""What cells speak for, of images that are being predicted: for a page, from the maps of the same forward pass."""

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.models import Model
from featx.store import pool_maps
from featx.verbs.explain.cached import MOST_CELLS, CachedCells
from featx.verbs.explain.cells import Explainer
from featx.verbs.explain.explain import choose_classes


class CellsSeen:
    """Divides a linear head's decisions among the cells of maps, a batch at a time.

    Parameters
    ----------
    explainer : Explainer
        Of an exact head.
    model : Model
        The model.
    """

    def __init__(self, explainer: Explainer, model: Model) -> None:
        self._explainer, self._model = explainer, model
        self._found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        self._left = MOST_CELLS

    @classmethod
    def of(cls, model: Model) -> "CellsSeen | None":
        """Return one for a model, or None where its cells cannot be had for nothing: as for ``cells_in_cache``."""
        try:
            explainer = Explainer(model)
        except HeadError:
            return None
        return cls(explainer, model) if explainer.method == "exact" and not model.tail else None

    def __call__(self, files: NDArray[np.int64], maps: NDArray[np.float32], probabilities: NDArray[np.float64]) -> None:
        """Take the maps of some files (n, h, w, c), and their probabilities (n, n_classes)."""
        n = min(len(files), self._left // (maps.shape[1] * maps.shape[2]))
        if not n:
            self._left = 0
            return
        rounded = pool_maps(maps[:n], "flatten", self._model.recipe.stored_dtype).reshape(maps[:n].shape)
        X = pool_maps(rounded, self._model.pooling, "float32")
        labels, others = choose_classes(self._model, probabilities[:n])
        cells = self._explainer(rounded, X, labels, others).cells
        self._found.append((files[:n], others, cells))
        self._left -= cells.size

    def result(self) -> tuple[NDArray[np.int64], CachedCells] | None:
        """Return which files were explained, and their cells; None without any."""
        if not self._found:
            return None
        files, others, cells = (np.concatenate(part) for part in zip(*self._found, strict=True))
        return files, CachedCells(self._explainer.quantity, others, cells)
