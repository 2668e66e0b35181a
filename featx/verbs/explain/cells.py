"""What each cell of a map speaks for: exactly for heads that are sums over the features, by occlusion for the others."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import LinearForm
from featx.models import Model
from featx.store import pool_maps, sums_by_cell

Method = Literal["exact", "occlusion"]
Quantity = Literal["logit", "log-odds", "log-probability"]

_BLOCK_BYTES = 64_000_000
"""Of the maps of one image, a cell less in each, that a head is given at a time."""

_SMALLEST = 1e-12
"""A smaller probability counts as this where its logarithm is taken."""

Values = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """One class against another, in some images.

    Parameters
    ----------
    margin : ndarray of shape (n,), float64
        How far the head is for the class and against the other.
    cells : ndarray of shape (n, h, w), float64
        What each cell adds to the margin.
    bias : ndarray of shape (n,), float64, or None
        Of an exact division: what is the same in every image; with the cells it gives the margin.
    """

    margin: Values
    cells: Values
    bias: Values | None


class Explainer:
    """Divides the margins of a model's head among the cells of the maps that it starts from.

    Parameters
    ----------
    model : Model
        The head, and how its features are pooled.

    Raises
    ------
    HeadError
        If the head counts neighbours.
    """

    def __init__(self, model: Model) -> None:
        if model.head_name == "knn":
            raise HeadError(
                "knn: cannot be explained: it counts the nearest training images, and in most images no single cell changes "
                "which these are. Fit another head, such as logreg."
            )
        self._model = model
        self._linear = LinearForm.of(model.head.as_layers())

    @property
    def method(self) -> Method:
        """``exact`` where cells and bias add up to the margin, else ``occlusion``."""
        return "occlusion" if self._linear is None else "exact"

    @property
    def quantity(self) -> Quantity:
        """What the margin is the difference of, between the two classes."""
        if self._linear is None:
            return "log-probability"
        return "logit" if self._linear.kind == "softmax" else "log-odds"

    def __call__(self, maps: NDArray[np.floating], X: NDArray[np.floating], labels: Labels, others: Labels) -> Cells:
        """Divide the margins of one class over another.

        Parameters
        ----------
        maps : ndarray of shape (n, h, w, c)
            What the features were pooled from.
        X : ndarray of shape (n, n_features)
            The features.
        labels, others : ndarray of shape (n,), int64
            The two classes of each image.
        """
        if self._linear is None:
            return self._occluded(maps, labels, others)
        mix = np.zeros((len(X), len(self._linear.bias)))
        each = np.arange(len(X))
        mix[each, labels] += 1
        mix[each, others] -= 1
        margin = np.einsum("nk,nk->n", mix, self._linear.values(X))
        cells = sums_by_cell(maps, self._linear.weights(X, mix), self._model.pooling)
        return Cells(margin, cells, mix @ self._linear.bias)

    def _occluded(self, maps: NDArray[np.floating], labels: Labels, others: Labels) -> Cells:
        n, height, width, _ = maps.shape
        margin, cells = np.empty(n), np.empty((n, height * width))
        for place, (image, label, other) in enumerate(zip(maps, labels, others, strict=True)):
            margin[place] = self._margins(image[None], label, other)[0]
            step = max(1, _BLOCK_BYTES // (8 * image.size))
            for start in range(0, height * width, step):
                taken = np.arange(start, min(start + step, height * width))
                without = _without_cells(image, taken)
                cells[place, taken] = margin[place] - self._margins(without, label, other)
        return Cells(margin, cells.reshape(n, height, width), None)

    def _margins(self, maps: NDArray[np.floating], label: int, other: int) -> Values:
        rows = pool_maps(maps.astype(np.float32), self._model.pooling, "float32")
        logs: Values = np.log(np.maximum(self._model.head.predict_proba(rows), _SMALLEST))
        return logs[:, label] - logs[:, other]


def _without_cells(image: NDArray[np.floating], taken: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return a copy of maps (h, w, c) for each cell of ``taken``, in which that cell is the mean of all others."""
    flat = image.reshape(-1, image.shape[2])
    copies = np.repeat(flat[None], len(taken), axis=0)
    copies[np.arange(len(taken)), taken] = (flat.sum(axis=0) - flat[taken]) / max(1, len(flat) - 1)
    return copies.reshape(len(taken), *image.shape)
