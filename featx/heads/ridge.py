"""Ridge regression on class targets: one decomposition gives every strength of the penalty, and leave-one-out of each."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.calibration import calibrated, fit_sigmoid
from featx.heads.classical import (
    ClassicalHead,
    Shapes,
    check_penalty,
    n_decisions,
    row_weights,
    signed_targets,
)
from featx.heads.head import Features, check_class_weight, check_features, is_number
from featx.heads.least_squares import LeastSquares, Values
from featx.heads.scaling import check_finite, deviations, feature_blocks, scale_rows
from featx.heads.span import LARGEST_DECOMPOSITION, gram_matrix, weighted_sum

# Inside the sample's training images at 96 px (340 at a time, every pooling and scale) the choice fell between 30 and
# 320,000: smallest with sqrt, largest without scaling. The ends are far from both.
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 8, 21))

Blocks = Callable[[], Iterator[tuple[Any, Values]]]
"""Gives (positions, rows in the basis of the decomposition) of all training rows, as often as it is called."""


class RidgeHead(ClassicalHead):
    """Least squares towards +1 and -1 for each class, with an L2 penalty, in closed form.

    Features may be larger than memory: where there are at least as many rows as columns they are read a block at a time, two
    or three times, and only an array of n_features x n_features is held.

    Parameters
    ----------
    alpha : float or None
        Strength of the penalty; by default the one of ``ALPHAS`` with the best leave-one-out accuracy on the training images,
        the larger of equals.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced`` gives each class the same weight in all, whatever its number of images.
    seed : int
        Nothing here is random; taken because every head takes it.

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
    left_out_ : ndarray of shape (n_samples, n_classes) or (n_samples, 1)
        What the fit without each one of the training rows would decide about it. Known after ``fit`` alone.
    left_out_proba_ : ndarray of shape (n_samples, n_classes)
        The same as class probabilities.
    """

    coef_: Values
    intercept_: Values
    slope_: Values
    offset_: Values
    alpha_: Values
    left_out_: Values
    left_out_proba_: Values

    def __init__(
        self, alpha: float | None = None, scale: str = "standard", class_weight: str | None = None, seed: int = 0
    ) -> None:
        super().__init__(scale, seed)
        self.alpha = alpha
        self.class_weight = class_weight

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
        """Number of coefficients, intercepts and calibration values."""
        return super().n_parameters - 1  # alpha is told, not used

    def predict_proba(self, X: NDArray[np.floating]) -> Values:
        """Return class probabilities (n_samples, n_classes) of X (n_samples, n_features).

        Raises
        ------
        HeadError
            If X has another number of features than the head was fitted on.
        """
        check_features(X, len(self.mean_))
        return calibrated(self._scaling(X) @ self.coef_.T + self.intercept_, self.slope_, self.offset_)

    def _learn(self, X: Features, labels: NDArray[np.integer]) -> None:
        n_rows, n_columns = X.shape
        if min(n_rows, n_columns) > LARGEST_DECOMPOSITION:
            raise HeadError(
                f"ridge: takes at most {LARGEST_DECOMPOSITION:,} training images or as many features. Received: {n_rows:,} "
                f"images of {n_columns:,} features. Use --pooling avgmax."
            )
        if n_rows < n_columns:
            self._learn_wide(np.asarray(X), labels)
        else:
            self._learn_tall(X, labels)

    def _learn_wide(self, X: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Fewer rows than columns: decompose the inner products of the rows."""
        scaling = self._learn_scaling(X)
        weights, targets = row_weights(labels, self.class_weight), signed_targets(labels, len(self.classes_))
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
        problem = LeastSquares(curvature, np.sqrt(curvature)[:, None] * pull, targets, weights)
        rows /= roots[:, None]
        alpha = self._settle(problem, lambda: iter([(slice(None), rows)]))
        # How much of each row is in the coefficients of each class, without dividing by lengths: the shortest of them are
        # known to half the digits only.
        of_rows = roots[:, None] * (directions @ (pull / (curvature + alpha)[:, None]))
        of_rows -= weights[:, None] * (of_rows.sum(axis=0) / weights.sum())
        self.coef_ = weighted_sum(X, scaling, of_rows.T)
        self.intercept_ = problem.level - to_mean @ of_rows

    def _learn_tall(self, X: Features, labels: NDArray[np.integer]) -> None:
        """At least as many rows as columns: decompose the inner products of the columns, summed up a block at a time."""
        weights, targets = row_weights(labels, self.class_weight), signed_targets(labels, len(self.classes_))
        level = weights @ targets / weights.sum()
        middle, gram, pull = self._sum_up(X, weights, targets - level)
        squares, basis = np.linalg.eigh(gram)
        problem = LeastSquares(np.maximum(squares, 0), basis.T @ pull, targets, weights)

        def blocks() -> Iterator[tuple[Any, Values]]:
            for at, values in feature_blocks(X):
                rows = self._scaling(values)
                rows -= middle
                yield at, rows @ basis

        coef = basis @ problem.coef(self._settle(problem, blocks))
        self.coef_ = coef.T.copy()
        self.intercept_ = problem.level - middle @ coef

    def _sum_up(self, X: Features, weights: Values, pulls: Values) -> tuple[Values, Values, Values]:
        """Read the features once; learn the scaling on the way.

        Returns
        -------
        middle : ndarray of shape (n_features,)
            Weighted mean of the scaled rows.
        gram : ndarray of shape (n_features, n_features)
            Inner products of the columns of the scaled rows less ``middle``, weighted.
        pull : ndarray of shape (n_features, k)
            Weighted inner products of these columns with ``pulls``.
        """
        n_rows, n_columns = X.shape
        sums, weighted, squares = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
        gram, pull = np.zeros((n_columns, n_columns)), np.zeros((n_columns, pulls.shape[1]))
        near = None
        for at, block in feature_blocks(X):
            check_finite(block)
            values = scale_rows(self.scale, block)
            # Everything is summed about a point near the mean: sums of squares about 0 would lose the digits of small
            # differences between large features.
            near = values.mean(axis=0) if near is None else near
            values -= near
            sums += values.sum(axis=0)
            squares += np.einsum("ij,ij->j", values, values)
            weighted += weights[at] @ values
            pull += values.T @ (weights[at, None] * pulls[at])
            values *= np.sqrt(weights[at])[:, None]
            gram += values.T @ values
        assert near is not None, "there are rows of at least two classes"
        total = weights.sum()
        gram -= np.outer(weighted / total, weighted)
        middle = near + weighted / total
        self.mean_, self.scale_ = np.zeros(n_columns), np.ones(n_columns)
        if self.scale == "standard":
            self.mean_ = near + sums / n_rows
            self.scale_ = deviations(self.mean_, squares / n_rows - (sums / n_rows) ** 2, n_rows)
            middle = (middle - self.mean_) / self.scale_
            gram /= self.scale_
            gram /= self.scale_[:, None]
            pull /= self.scale_[:, None]
        return middle, gram, pull

    def _settle(self, problem: LeastSquares, blocks: Blocks) -> float:
        """Return the penalty, given or chosen, and fit the sigmoids to what it decides about rows left out."""
        alpha = float(self.alpha) if self.alpha is not None else self._best_alpha(problem, blocks)
        self.alpha_ = np.array([alpha])
        self.left_out_ = np.empty_like(problem.targets)
        for at, rows in blocks():
            self.left_out_[at] = problem.left_out(at, rows, rows**2, alpha)
        decision = problem.untold(self.left_out_)
        sigmoids = [fit_sigmoid(column, target > 0) for column, target in zip(decision.T, problem.targets.T, strict=True)]
        self.slope_, self.offset_ = (np.array(values) for values in zip(*sigmoids, strict=True))
        self.left_out_proba_ = calibrated(decision, self.slope_, self.offset_)
        return alpha

    def _best_alpha(self, problem: LeastSquares, blocks: Blocks) -> float:
        """Return the penalty that decides most left-out rows rightly, and say so in the notes."""
        right = np.zeros(len(ALPHAS), np.int64)
        for at, rows in blocks():
            wanted, squares = _classes_of(problem.targets[at]), rows**2
            for which, alpha in enumerate(ALPHAS):
                right[which] += (_classes_of(problem.left_out(at, rows, squares, alpha)) == wanted).sum()
        best = len(ALPHAS) - 1 - int(np.argmax(right[::-1]))  # of equals the last, which is the largest
        share = right[best] / len(problem.targets)
        self.notes_ = [
            f"ridge: alpha {ALPHAS[best]:.3g} was chosen, right about {share:.1%} of training images left out in turn"
        ]
        return ALPHAS[best]


def _classes_of(decision: Values) -> NDArray[np.intp]:
    """Return the position of the class decided for, of two by the sign."""
    return (decision[:, 0] > 0).astype(np.intp) if decision.shape[1] == 1 else decision.argmax(axis=1)
