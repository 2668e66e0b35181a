"""A head that featx does not have: what somebody who adds one would write."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.checks import check_features
from featx.heads.classical.base import ClassicalHead, Shapes, read_whole
from featx.heads.head import Features, softmax
from featx.heads.layers import PlainLayer
from featx.heads.product import steady_product
from featx.heads.registry import HeadSpec


class CentroidHead(ClassicalHead):
    """The nearer a class's mean, the more probable the class: softmax of -distance**2 / 2, which is a plane for each class."""

    means_: NDArray[np.float64]

    def __init__(self, scale: str = "standard", seed: int = 0) -> None:
        super().__init__(scale, seed)

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        return {"means": (n_classes, n_features)}

    def _learn(self, X: Features, labels: NDArray[np.integer]) -> None:
        X = read_whole(X, "centroid", 1)
        rows = self._learn_scaling(X)(X)
        self.means_ = np.stack([rows[labels == label].mean(axis=0) for label in range(len(self.classes_))])

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return class probabilities (n_samples, n_classes)."""
        check_features(X, len(self.mean_))
        probabilities: NDArray[np.float64] = softmax(steady_product(self._scaling(X), self.means_.T, 2) + self._intercept)
        return probabilities

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes."""
        return self._plane_layers(self.means_, self._intercept, "softmax")

    @property
    def _intercept(self) -> Any:
        return -(self.means_**2).sum(axis=1) / 2


ENTRY = HeadSpec("centroid", "tests.heads.made_up", "CentroidHead", "avg")
