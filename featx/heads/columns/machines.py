"""Support vector machine of labels, each against its absence, from one scaling and one decomposition, or one kernel."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError, TooFewImages
from featx.heads.checks import check_class_weight, check_features, check_setting, is_number
from featx.heads.classical.base import Shapes, check_penalty, read_whole
from featx.heads.classical.distances import stored_rows
from featx.heads.classical.kernel import DEFAULT_C, rbf_decision, rbf_matrix, scaled_gamma, support_of
from featx.heads.classical.machines import KERNEL_TOLERANCE, SIGMOID_FOLDS
from featx.heads.classical.platt import fit_sigmoid, sigmoid_planes
from featx.heads.classical.span import LARGEST_DECOMPOSITION
from featx.heads.columns.base import LabelHead, Mask, Targets, split_targets
from featx.heads.columns.basis import Basis
from featx.heads.columns.logistic import sigmoids_of
from featx.heads.columns.newton import TOLERANCE, hinge_loss, minimise
from featx.heads.copies import without_copies
from featx.heads.head import Features
from featx.heads.layers import Dense, PlainLayer, RbfKernel, Sigmoids
from featx.heads.product import steady_product

Values = NDArray[np.float64]


_OF_FOLDS = 1e-6
"""What fits to folds end at: the sigmoids that are learned from them need no more digits."""


class SvmLabels(LabelHead):
    """Support vector machine of each label on scaled features, with sigmoids from distance to probability.

    Parameters
    ----------
    C : float or None
        Inverse strength of the L2 penalty; by default 0.001 for the linear kernel and 3 for rbf, as in ``SvmHead``.
    kernel : str
        ``linear``, or ``rbf``: exp(-gamma * squared distance), gamma as scikit-learn's ``scale`` takes it from the scaled
        training rows; one matrix of it serves all labels.
    scale : str
        ``standard``, ``l2``, ``sqrt`` or ``none``; see ``Scaling``.
    class_weight : str or None
        ``balanced``: of each label, the rows that have it and those that have not weigh the same.
    seed : int
        Of the folds that the sigmoids are fitted on.

    Attributes
    ----------
    coef_ : ndarray of shape (n_labels, n_features), or (n_labels, n_rows) with rbf
        scikit-learn's ``LinearSVC`` of each label on the rows where it is known has the same.
    intercept_, slope_, offset_ : ndarray of shape (n_labels,)
        Platt's sigmoid: probability = 1 / (1 + exp(slope * distance + offset)).
    mean_, scale_ : ndarray of shape (n_features,)
        Of the training features, with ``standard``; else zeros and ones.
    rows_ : ndarray of shape (n_rows, n_features), float32
        With rbf: the support vectors of any label, scaled.
    gamma_ : ndarray of shape (1,)
        With rbf.
    """

    _name = "svm"

    coef_: Values
    intercept_: Values
    slope_: Values
    offset_: Values
    rows_: NDArray[np.float32]
    gamma_: Values

    def __init__(
        self,
        C: float | None = None,
        kernel: str = "linear",
        scale: str = "standard",
        class_weight: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(scale, seed)
        self.C = C
        self.kernel = kernel
        self.class_weight = class_weight

    @property
    def is_linear(self) -> bool:
        """Whether it will be a plane for each label, with these settings."""
        return self.kernel == "linear"

    def _check_settings(self) -> None:
        check_penalty("C", self.C, self.C is None or (is_number(self.C) and 0 < self.C < 1e12))
        check_setting("kernel", self.kernel, isinstance(self.kernel, str) and self.kernel in DEFAULT_C, "linear or rbf")
        check_class_weight(self.class_weight)
        super()._check_settings()

    def _shapes(self, n_classes: int, n_features: int, n_rows: int) -> Shapes:
        each: Shapes = dict.fromkeys(("intercept", "slope", "offset"), (n_classes,))
        if self.kernel == "rbf":
            return {"coef": (n_classes, n_rows), **each, "rows": (n_rows, n_features), "gamma": (1,)}
        return {"coef": (n_classes, n_features), **each}

    @property
    def _penalty(self) -> float:
        return float(self.C if self.C is not None else DEFAULT_C[self.kernel])

    def _learn(self, X: Features, targets: Targets) -> None:
        if self.kernel == "rbf" and len(X) > LARGEST_DECOMPOSITION:
            raise HeadError(
                f"svm: kernel rbf compares every image with every other and takes at most {LARGEST_DECOMPOSITION:,} training "
                f"images. Received: {len(X):,}. Use kernel linear."
            )
        X = read_whole(X, "svm", 2)
        given = np.where(targets.known, targets.values, np.nan)
        X, given, own = without_copies(X, given, targets.weights)
        targets = split_targets(given, own)
        folds = _deal(targets, self.seed)
        scaling = self._learn_scaling(X, own)
        if self.kernel == "rbf":
            # One gamma for all folds and labels, so that one matrix serves them all.
            gamma = scaled_gamma(X, scaling, own)
            rows = stored_rows(X, scaling)
            kernel = rbf_matrix(rows, gamma)
            held_out = self._held_out(targets, folds, lambda used: self._machines(kernel, targets, used)[0])
            _, machines = self._machines(kernel, targets, targets.known)
            support, self.coef_, self.intercept_ = support_of(machines, len(rows))
            self.rows_, self.gamma_ = rows[support], np.array([gamma])
        else:
            basis = Basis(X, scaling)
            coef = self._planes(basis.rows, targets, targets.known)

            def decide(used: Mask) -> Values:
                found = self._planes(basis.rows, targets, used, coef, _OF_FOLDS)
                decision: Values = basis.rows @ found[:-1] + found[-1]
                return decision

            held_out = self._held_out(targets, folds, decide)
            self.coef_, self.intercept_ = basis.back(coef[:-1].T), coef[-1]
        weights = self._cell_weights(targets, targets.known)
        found = [
            fit_sigmoid(held_out[known, at], targets.values[known, at] > 0, weights[known, at])
            for at, known in enumerate(targets.known.T)
        ]
        self.slope_, self.offset_ = (np.array(values) for values in zip(*found, strict=True))

    def _cell_weights(self, targets: Targets, used: Mask) -> Values:
        """Return how much each cell counts (n, n_labels); ``balanced`` by the frequencies among the cells used, as in a fit."""
        some = Targets(targets.values, used, targets.weights)
        return some.balanced_weights() if self.class_weight else some.cell_weights

    def _planes(
        self, rows: Values, targets: Targets, used: Mask, start: Values | None = None, tolerance: float = TOLERANCE
    ) -> Values:
        """Return coefficients and intercepts (n_directions + 1, n_labels) learned from the cells that are used."""
        loss = hinge_loss(targets.values, self._penalty * self._cell_weights(targets, used))
        coef, converged = minimise(rows, loss, targets.values.shape[1], 1, 1, start, tolerance)
        if not converged:
            self.notes_ = [f"SvmLabels: did not converge at C {self._penalty:g}: a smaller one would"]
        return coef

    def _machines(self, kernel: Values, targets: Targets, used: Mask) -> tuple[Values, list[Any]]:
        """Return decisions about all rows (n, n_labels) and the machines, each learned from the cells that are used."""
        from sklearn.svm import SVC

        weights, decision, machines = self._cell_weights(targets, used), np.empty(targets.values.shape), []
        for at, known in enumerate(used.T):
            some = np.flatnonzero(known)
            machine = SVC(kernel="precomputed", C=self._penalty, tol=KERNEL_TOLERANCE, random_state=self.seed)
            machine.fit(kernel[np.ix_(some, some)], targets.values[some, at] > 0, weights[some, at])
            decision[:, at] = kernel[:, some[machine.support_]] @ machine.dual_coef_[0] + machine.intercept_[0]
            machine.support_ = some[machine.support_]
            machines.append(machine)
        return decision, machines

    def _held_out(self, targets: Targets, folds: NDArray[np.int64], decide: Callable[[Mask], Values]) -> Values:
        """Return what is decided about each known cell by a fit that it was left out of."""
        held_out = np.zeros(targets.values.shape)
        for fold in range(int(folds.max()) + 1):
            out = folds == fold
            decision = decide(targets.known & ~out)
            held_out[out] = decision[out]
        return held_out

    def outputs(self, X: NDArray[np.floating]) -> Values:
        """Return the probability of each label; the same as ``predict_proba``."""
        check_features(X, len(self.mean_))
        if self.kernel == "linear":
            decision = steady_product(self._scaling(X), self.coef_.T, 2)
        else:
            decision = rbf_decision(stored_rows(X, self._scaling), self.rows_, float(self.gamma_[0]), self.coef_)
        return sigmoids_of(-(self.slope_ * (decision + self.intercept_) + self.offset_))

    def as_layers(self) -> tuple[PlainLayer, ...]:
        """Return the planes inside of the sigmoids, and these; with rbf, planes of the kernel to each support vector."""
        coef, intercept = sigmoid_planes(self.coef_, self.intercept_, self.slope_, self.offset_)
        scaling = self._scaling
        if self.kernel == "linear":
            return (*scaling.as_layers(), Dense((coef * scaling.row_length).T.copy(), intercept), Sigmoids())
        layers, rows = self._row_layers(self.rows_)
        return (
            *layers,
            RbfKernel(rows, float(self.gamma_[0]) * scaling.row_length**2),
            Dense(coef.T.copy(), intercept),
            Sigmoids(),
        )


def _deal(targets: Targets, seed: int) -> NDArray[np.int64]:
    """Return the fold of each known cell (n, n_labels), -1 where unknown; stratified for each label on its own.

    Raises
    ------
    TooFewImages
        If fewer than two rows have a label, or have it not.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = np.full(targets.values.shape, -1)
    few: dict[int, int] = {}
    for at, known in enumerate(targets.known.T):
        rows = np.flatnonzero(known)
        positive = targets.values[rows, at].astype(np.int64)
        least = int(np.bincount(positive, minlength=2).min())
        if least < 2:
            few[at] = least
            continue
        cut = StratifiedKFold(min(SIGMOID_FOLDS, least), shuffle=True, random_state=seed)
        for fold, (_, out) in enumerate(cut.split(positive, positive)):
            folds[rows[out], at] = fold
    if few:
        raise TooFewImages(
            "svm", "at least 2 different images with each label and 2 without, to fit its sigmoids", few, "label"
        )
    return folds
