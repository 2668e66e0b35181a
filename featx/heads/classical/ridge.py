"""Ridge regression on class targets: one decomposition gives every strength of the penalty, and leave-one-out of each."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_class_weight, check_features, check_finite, is_number
from featx.heads.classical.base import (
    ClassicalHead,
    Shapes,
    check_penalty,
    n_decisions,
    read_whole,
    row_weights,
    signed_targets,
)
from featx.heads.classical.column_sums import ColumnSums
from featx.heads.classical.judged import KeptRows, choose_judged
from featx.heads.classical.least_squares import LeastSquares, Values
from featx.heads.classical.platt import fit_sigmoid, sigmoid_planes, sigmoid_probabilities
from featx.heads.classical.scaling import feature_blocks
from featx.heads.classical.span import LARGEST_DECOMPOSITION, gram_matrix, weighted_sum
from featx.heads.copies import row_digests, weights_with_copies
from featx.heads.head import Features
from featx.heads.layers import PlainLayer
from featx.heads.product import steady_product
from featx.system.files import DIGEST_BYTES

# Inside the sample's training images at 96 px (340 at a time, every pooling and scale) the choice fell between 30 and
# 320,000: smallest with sqrt, largest without scaling. The ends are far from both.
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 8, 21))

Blocks = Callable[[], Iterator[tuple[Any, Values]]]
"""Gives (positions, rows in the basis of the decomposition) of all training rows, as often as it is called."""


class RidgeHead(ClassicalHead):
    """Least squares towards +1 and -1 for each class, with an L2 penalty, in closed form.

    Features may be larger than memory: where there are at least as many rows as columns they are read a block at a time, and
    only an array of n_features x n_features is held. All rows are fitted. Of more than ``MOST_JUDGED``, the penalty and the
    sigmoids are chosen by the leave-one-out decisions about an even draw of so many, and the features are read once instead of
    two or three times.

    Parameters
    ----------
    alpha : float or None
        Strength of the penalty; by default that of ``ALPHAS`` with the best leave-one-out accuracy on the judged training
        images, the larger of equals.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced`` gives each class the same weight in all, whatever its number of images.
    seed : int
        Of the draw of rows to judge by, where there are more than ``MOST_JUDGED``; nothing else is random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        On scaled features; scikit-learn's ``RidgeClassifier`` has the same.
    intercept_ : ndarray of shape (n_classes,) or (1,)
    slope_, offset_ : ndarray of shape (n_classes,) or (1,)
        Platt's sigmoid on leave-one-out decisions: probability = 1 / (1 + exp(slope * decision + offset)), scaled to sum to 1.
    alpha_ : ndarray of shape (1,)
        The penalty given or chosen.
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    judged_ : ndarray of shape (n_judged,), int64
        The training rows that it was judged by; all, up to ``MOST_JUDGED``. Known after ``fit`` alone, as what follows.
    left_out_ : ndarray of shape (n_judged, n_classes) or (n_judged, 1)
        What the fit without each of these rows would decide about it.
    left_out_proba_ : ndarray of shape (n_judged, n_classes)
        The same as class probabilities.
    """

    takes_weights: ClassVar[bool] = True

    coef_: Values
    intercept_: Values
    slope_: Values
    offset_: Values
    alpha_: Values
    judged_: NDArray[np.int64]
    left_out_: Values
    left_out_proba_: Values

    def __init__(
        self, alpha: float | None = None, scale: str = "standard", class_weight: str | None = None, seed: int = 0
    ) -> None:
        super().__init__(scale, seed)
        self.alpha = alpha
        self.class_weight = class_weight

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each class, with these settings."""
        return True

    def _check_settings(self) -> None:
        check_penalty("alpha", self.alpha, self.alpha is None or (is_number(self.alpha) and 0 < self.alpha < 1e12))
        check_class_weight(self.class_weight)
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        n_planes = n_decisions(n_classes)
        each = dict.fromkeys(("intercept", "slope", "offset"), (n_planes,))
        return {"coef": (n_planes, n_features), **each, "alpha": (1,)}

    @property
    def n_parameters(self) -> int:
        """Number of coefficients, intercepts and sigmoid values."""
        return super().n_parameters - 1  # alpha is reported, not used

    def predict_proba(self, X: NDArray[np.floating]) -> Values:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        check_features(X, len(self.mean_))
        decision = steady_product(self._scaling(X), self.coef_.T, 2) + self.intercept_
        return sigmoid_probabilities(decision, self.slope_, self.offset_)

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes inside of the sigmoids, and these."""
        return self._plane_layers(*sigmoid_planes(self.coef_, self.intercept_, self.slope_, self.offset_), "sigmoid")

    def _learn(self, X: Features, labels: NDArray[np.integer], weights: Values | None = None) -> None:
        n_rows, n_columns = X.shape
        if min(n_rows, n_columns) > LARGEST_DECOMPOSITION:
            raise HeadError(
                f"ridge: takes at most {LARGEST_DECOMPOSITION:,} training images or as many features. Received: {n_rows:,} "
                f"images of {n_columns:,} features. Use --pooling avgmax."
            )
        if n_rows < n_columns:
            self._learn_wide(read_whole(X, "ridge", 0.5), labels, weights)
        else:
            self._learn_tall(X, labels, weights)

    def _learn_wide(self, X: NDArray[np.floating], labels: NDArray[np.integer], own_weights: Values | None) -> None:
        """Fewer rows than columns: decompose the inner products of the rows."""
        scaling = self._learn_scaling(X, own_weights)
        weights, targets = row_weights(labels, self.class_weight, own_weights), signed_targets(labels, len(self.classes_))
        shares, roots = weights / weights.sum(), np.sqrt(weights)
        gram = gram_matrix(X, scaling)
        # Rows less their weighted mean, each times the root of its weight: the intercept is then free of the penalty.
        to_mean = gram @ shares
        gram -= to_mean
        gram -= (to_mean - shares @ to_mean)[:, None]
        gram *= roots
        gram *= roots[:, None]
        curvature, directions = np.linalg.eigh(gram)
        np.maximum(curvature, 0, out=curvature)
        pull = directions.T @ (roots[:, None] * (targets - shares @ targets))
        rows = directions * np.sqrt(curvature)
        level, total = shares @ targets, float(weights.sum())
        with_copies = weights_with_copies(row_digests(X, labels), weights)
        problem = LeastSquares(curvature, np.sqrt(curvature)[:, None] * pull, level, total, targets, weights, with_copies)
        rows /= roots[:, None]
        self.judged_ = np.arange(len(labels))
        alpha = self._settle(problem, lambda: iter([(slice(None), rows)]), np.ones(len(labels)))
        # How much of each row is in the coefficients of each class, without dividing by lengths: the shortest of them are
        # known to half the digits only.
        of_rows = roots[:, None] * (directions @ (pull / (curvature + alpha)[:, None]))
        of_rows -= weights[:, None] * (of_rows.sum(axis=0) / weights.sum())
        self.coef_ = weighted_sum(X, scaling, of_rows.T)
        self.intercept_ = problem.level - to_mean @ of_rows

    def _learn_tall(self, X: Features, labels: NDArray[np.integer], own_weights: Values | None) -> None:
        """At least as many rows as columns: decompose the inner products of the columns, summed up a block at a time."""
        n_classes = len(self.classes_)
        weights = row_weights(labels, self.class_weight, own_weights)
        total = float(weights.sum())
        # The mean of the targets, without an array of all: +1 for its own class and -1 for the others.
        level = (2 * np.bincount(labels, weights, n_classes) / total - 1)[n_classes - n_decisions(n_classes) :]
        self.judged_, counts = choose_judged(labels, X.shape[1] * X.dtype.itemsize, self.seed)
        sums = ColumnSums(X.shape[1], len(level), self.scale)
        judged, digests = KeptRows(X, self.judged_), np.empty((len(labels), DIGEST_BYTES), np.uint8)
        for at, block in feature_blocks(X):
            check_finite(block)
            own = None if own_weights is None else own_weights[at]
            sums.add(block, weights[at], signed_targets(labels[at], n_classes) - level, own)
            digests[at] = row_digests(block, labels[at])
            judged.add(at, block)
        self.mean_, self.scale_ = sums.scaling(len(labels))
        middle, gram, pull = sums.centred(self.mean_, self.scale_)
        squares, basis = np.linalg.eigh(gram)
        targets = signed_targets(labels[self.judged_], n_classes)
        with_copies = weights_with_copies(digests, weights)
        of_judged = weights[self.judged_], with_copies[self.judged_]
        problem = LeastSquares(np.maximum(squares, 0), basis.T @ pull, level, total, targets, *of_judged)

        def blocks() -> Iterator[tuple[Any, Values]]:
            for at, values in feature_blocks(judged.rows):
                rows = self._scaling(values)
                rows -= middle
                yield at, rows @ basis

        coef = basis @ problem.coef(self._settle(problem, blocks, counts))
        self.coef_ = coef.T.copy()
        self.intercept_ = level - middle @ coef
        self._refit = middle, basis, problem, weights, with_copies

    def left_out_proba(self, X: Features, y: NDArray[np.integer]) -> Values:
        """Return what the fit without each row would predict for it, as class probabilities (n_samples, n_classes).

        Parameters
        ----------
        X, y
            What the head was fitted on just now, less the rows of weight 0.
        """
        if len(self.judged_) == len(y):
            return self.left_out_proba_
        middle, basis, problem, weights, with_copies = self._refit
        labels = np.searchsorted(self.classes_, y)
        probabilities = np.empty((len(y), len(self.classes_)))
        for at, block in feature_blocks(X):
            targets = signed_targets(labels[at], len(self.classes_))
            of_block = dataclasses.replace(problem, targets=targets, weights=weights[at], with_copies=with_copies[at])
            rows = (self._scaling(block) - middle) @ basis
            decision = of_block.with_common_mean(of_block.left_out(slice(None), rows, rows**2, float(self.alpha_[0])))
            probabilities[at] = sigmoid_probabilities(decision, self.slope_, self.offset_)
        return probabilities

    def _settle(self, problem: LeastSquares, blocks: Blocks, counts: Values) -> float:
        """Return the penalty, given or chosen, and fit the sigmoids to what it decides about rows left out."""
        alpha = float(self.alpha) if self.alpha is not None else self._best_alpha(problem, blocks, counts)
        self.alpha_ = np.array([alpha])
        self.left_out_ = np.empty_like(problem.targets)
        for at, rows in blocks():
            self.left_out_[at] = problem.left_out(at, rows, rows**2, alpha)
        decision = problem.with_common_mean(self.left_out_)
        columns = zip(decision.T, problem.targets.T, strict=True)
        # Weighted as the fit is: a sigmoid of rows that all count alike would learn how frequent each class is, and so give
        # back what class weights gained.
        weights = counts * problem.weights
        sigmoids = [fit_sigmoid(column, target > 0, weights) for column, target in columns]
        self.slope_, self.offset_ = (np.array(values) for values in zip(*sigmoids, strict=True))
        self.left_out_proba_ = sigmoid_probabilities(decision, self.slope_, self.offset_)
        return alpha

    def _best_alpha(self, problem: LeastSquares, blocks: Blocks, counts: Values) -> float:
        """Return the penalty that decides most left-out rows rightly, each with its weight, and note it."""
        right, weights = np.zeros(len(ALPHAS)), counts * problem.weights
        for at, rows in blocks():
            true_classes, squares = _classes_of(problem.targets[at]), rows**2
            for which, alpha in enumerate(ALPHAS):
                right[which] += weights[at] @ (_classes_of(problem.left_out(at, rows, squares, alpha)) == true_classes)
        best = len(ALPHAS) - 1 - int(np.argmax(right[::-1]))  # of equals the last, which is the largest
        judged = "" if len(counts) == counts.sum() else f", judged by {len(counts):,} of them"
        alike = "" if self.class_weight is None else ", all classes weighted alike"
        self.notes_ = [
            f"ridge: alpha {ALPHAS[best]:.3g} was chosen, right about {right[best] / weights.sum():.1%} of training images "
            f"left out in turn{judged}{alike}"
        ]
        return ALPHAS[best]


def _classes_of(decision: Values) -> NDArray[np.intp]:
    """Return the position of the class decided for, of two by the sign."""
    return (decision[:, 0] > 0).astype(np.intp) if decision.shape[1] == 1 else decision.argmax(axis=1)
