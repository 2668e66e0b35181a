"""What heads fitted on some of shared rows decide about others: the work of a cross-validation, without models to keep.

Each decides as its head would that is fitted on the same rows alone; what the fits have in common is computed once.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from featx.errors import TooFewImages
from featx.heads.checks import seen_classes
from featx.heads.classical.base import row_weights, signed_targets
from featx.heads.classical.hinge import HingeProblem, fit_hinge
from featx.heads.classical.kernel import DEFAULT_C
from featx.heads.classical.linear import LogregHead, SvmHead
from featx.heads.classical.logistic import fit_logistic
from featx.heads.classical.machines import KERNEL_TOLERANCE, SIGMOID_FOLDS
from featx.heads.classical.neighbors import KnnHead
from featx.heads.classical.platt import fit_sigmoid, sigmoid_probabilities
from featx.heads.classical.shared import Check, SharedRows, Values, are_compared
from featx.heads.classical.span import LARGEST_DECOMPOSITION
from featx.heads.copies import halved_if_alone, one_of_each, row_digests
from featx.heads.head import softmax
from featx.heads.registry import make_head
from featx.heads.weights import check_whole

Numbers = NDArray[np.int64]
Fold = tuple[Numbers, Numbers]
"""Positions that a machine is fitted on, and those that its sigmoids are fitted on."""

_MOST_LOOSE = 10
"""Inverse strength of a penalty up to which rows of fewer columns are compared."""

_ROUNDING = 1e-9
"""Of the squared lengths: distances from inner products are sure to no more."""


def share_rows(
    X: NDArray[np.floating],
    labels: Numbers,
    weights: Values | None,
    scale: str,
    fits: list[tuple[str, dict[str, Any]]],
    check: Check = lambda: None,
) -> SharedRows:
    """Compute what some fits share.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Features.
    labels : ndarray of shape (n_rows,), int64
        Classes.
    weights : ndarray of shape (n_rows,) or None
        How much each row counts.
    scale : str
        Of all of them.
    fits : list of (str, dict)
        Names of classical heads, and their settings.
    check : callable
        Called now and then; may raise, to stop.
    """
    compared = [_compares(name, settings, len(X), X.shape[1]) for name, settings in fits]
    return SharedRows(
        X,
        scale,
        row_digests(X, labels),
        weights,
        exact=any(name == "knn" for name, _ in fits),
        compared=any(compared),
        turned=not all(compared),
        check=check,
    )


def _compares(name: str, settings: dict[str, Any], n_rows: int, n_features: int) -> bool:
    """Return whether a head needs nothing but the inner products of all rows."""
    if name == "svm" and settings.get("kernel") == "rbf":
        return n_rows <= LARGEST_DECOMPOSITION
    # Of more rows than columns the inner products have no inverse: where next to no penalty is added, digits are lost.
    loose = n_rows > n_features and float(settings.get("C") or 0) > _MOST_LOOSE
    return are_compared(n_rows, n_features) and (name == "knn" or (name == "svm" and not loose))


class LeftOut:
    """A classical head with its settings, fitted on some of shared rows at a time.

    Parameters
    ----------
    rows : SharedRows
        From ``share_rows``, for this head among others.
    name : str
        The head's.
    settings : dict
        Its own; of these ``scale`` is what the rows were scaled with.
    check : callable
        Called between parts of a fit; may raise, to stop.
    """

    def __init__(self, rows: SharedRows, name: str, settings: dict[str, Any], check: Check = lambda: None) -> None:
        self._rows, self._name, self._check = rows, name, check
        self._settings = settings | {"scale": "none"}
        self._head = cast("Any", make_head(name, **self._settings))  # a classical one, whose parts are used here
        self._head._check_settings()
        self._compared = _compares(name, settings, len(rows), rows.n_features)

    def probabilities(
        self, learned: Numbers, labels: Numbers, judged: Numbers, weights: Values | None = None
    ) -> tuple[Numbers, Values]:
        """Fit on some rows and judge others.

        Parameters
        ----------
        learned : ndarray of shape (n_learned,), int64
            Positions of the rows that are learned from, ascending.
        labels : ndarray of shape (n_learned,), int64
            Their classes.
        judged : ndarray of shape (n_judged,), int64
            Positions of the rows that are judged.
        weights : ndarray of shape (n_learned,) or None
            How much each row counts that is learned from.

        Returns
        -------
        classes : ndarray of shape (n_classes,), int64
            The labels seen, ascending.
        probabilities : ndarray of shape (n_judged, n_classes)
        """
        self._check()
        if weights is not None:
            learned, labels, weights = learned[weights > 0], labels[weights > 0], weights[weights > 0]
            weights = None if (weights == 1).all() else weights
        classes = seen_classes(labels)
        places = np.searchsorted(classes, labels)
        if isinstance(self._head, LogregHead):
            return classes, self._regression(learned, places, weights, judged)
        if isinstance(self._head, SvmHead) and (self._compared or self._head.kernel == "linear"):
            counts = np.maximum(np.bincount(places), np.bincount(places, weights))
            if counts.min() < 2:
                few = {int(classes[at]): int(count) for at, count in enumerate(counts.tolist()) if count < 2}
                raise TooFewImages("svm", "at least 2 training images in each class, to fit its sigmoids", few)
            return classes, self._machine(learned, places, weights, judged)
        if isinstance(self._head, KnnHead) and self._compared:
            return classes, self._votes(learned, places, weights, judged)
        rows = cast(Values, self._rows.rows)
        head = make_head(self._name, **self._settings).fit(rows[learned], labels, sample_weight=weights)
        return classes, head.predict_proba(rows[judged])

    @property
    def _penalty(self) -> float:
        return float(self._head.C if self._head.C is not None else DEFAULT_C[self._head.kernel])

    def _regression(self, learned: Numbers, places: Numbers, weights: Values | None, judged: Numbers) -> Values:
        rows = cast(Values, self._rows.rows)
        of_rows = row_weights(places, self._head.class_weight, weights)
        coef, intercept, _ = fit_logistic(rows[learned], places, of_rows, self._penalty)
        decision = rows[judged] @ coef.T + intercept
        return softmax(np.hstack([np.zeros_like(decision), decision]) if decision.shape[1] == 1 else decision)

    def _machine(self, learned: Numbers, places: Numbers, weights: Values | None, judged: Numbers) -> Values:
        """A machine on all rows that are learned from, and sigmoids on what machines on most of them decide about the rest."""
        from sklearn.model_selection import StratifiedKFold

        kept, weights = one_of_each(self._rows.digests[learned], weights)
        learned, places, weights = halved_if_alone(learned[kept], places[kept], weights)
        n_folds = min(SIGMOID_FOLDS, int(np.bincount(places).min()))
        folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=self._head.seed).split(places, places))
        signs = signed_targets(places, int(places.max()) + 1)
        if self._head.kernel == "rbf":
            decision, held_out = self._decide_by_kernel(learned, signs, weights, judged, folds)
        elif self._compared:
            decision, held_out = self._decide_by_products(learned, places, signs, weights, judged, folds)
        else:
            decision, held_out = self._decide_by_columns(learned, places, signs, weights, judged, folds)
        of_rows = row_weights(places, self._head.class_weight, weights)
        columns = zip(held_out.T, signs.T, strict=True)
        sigmoids = [fit_sigmoid(column, sign > 0, of_rows) for column, sign in columns]
        slope, offset = (np.array(values) for values in zip(*sigmoids, strict=True))
        return sigmoid_probabilities(decision, slope, offset)

    def _decide_by_products(
        self,
        learned: Numbers,
        places: Numbers,
        signs: Values,
        weights: Values | None,
        judged: Numbers,
        folds: list[Fold],
    ) -> tuple[Values, Values]:
        gram = cast(Values, self._rows.gram)
        problem = HingeProblem(gram[np.ix_(learned, learned)], self._penalty)
        everything = np.arange(len(learned))
        decision, held_out = np.empty((len(judged), signs.shape[1])), np.empty(signs.shape)
        for column, own in enumerate(signs.T):
            costs = self._costs(places, own, weights, everything)
            of_rows, _ = problem.fit(np.ones(len(own), np.bool_), own, costs)
            decision[:, column] = gram[np.ix_(judged, learned)] @ of_rows + of_rows.sum()
            for kept, out in folds:
                self._check()
                used = np.zeros(len(own), np.bool_)
                used[kept] = True
                costs = self._costs(places, own, weights, kept)
                _, found = problem.fit(used, own, costs, start=of_rows != 0)
                held_out[out, column] = found[out]
        return decision, held_out

    def _decide_by_columns(
        self,
        learned: Numbers,
        places: Numbers,
        signs: Values,
        weights: Values | None,
        judged: Numbers,
        folds: list[Fold],
    ) -> tuple[Values, Values]:
        X = cast(Values, self._rows.rows)

        def fit(some: Numbers) -> tuple[Values, Values]:
            costs = np.ones(signs[some].shape)
            for column, own in enumerate(signs.T):
                found = self._costs(places, own, weights, some)
                costs[:, column] = 1 if found is None else found[some]
            return fit_hinge(X[learned[some]], signs[some], self._penalty * costs, self._check)

        coef, intercept = fit(np.arange(len(learned)))
        decision, held_out = X[judged] @ coef.T + intercept, np.empty(signs.shape)
        for kept, out in folds:
            coef, intercept = fit(kept)
            held_out[out] = X[learned[out]] @ coef.T + intercept
        return decision, held_out

    def _costs(self, places: Numbers, signs: Values, weights: Values | None, used: Numbers) -> Values | None:
        """Return how much each row counts for a machine on some of them (n_rows,); None where all count alike.

        ``balanced`` as scikit-learn's ``LinearSVC`` has it, by the frequencies among the rows used: of several classes a
        machine weighs the rows of its own, of two classes those of both. Of weights that rows have it is a factor.
        """
        if weights is not None:
            return row_weights(places, self._head.class_weight, weights)
        if self._head.class_weight is None:
            return None
        costs = np.ones(len(places))
        costs[used] = row_weights(places[used], self._head.class_weight)
        return costs if places.max() == 1 else np.where(signs > 0, costs, 1.0)

    def _decide_by_kernel(
        self, learned: Numbers, signs: Values, weights: Values | None, judged: Numbers, folds: list[Fold]
    ) -> tuple[Values, Values]:
        from sklearn.svm import SVC

        gamma = self._gamma(learned, weights)
        kernel = np.exp(-gamma * self._rows.distances(learned, learned))
        to_judged = np.exp(-gamma * self._rows.distances(judged, learned))
        options: dict[str, Any] = {"kernel": "precomputed", "C": self._penalty, "tol": KERNEL_TOLERANCE}
        options |= {"random_state": self._head.seed, "class_weight": self._head.class_weight if weights is None else None}

        def fit(some: Numbers, own: Values, others: Values) -> Values:
            self._check()
            side = (own[some] > 0).astype(np.int64)
            of_rows = None if weights is None else row_weights(side, self._head.class_weight, weights[some])
            machine = SVC(**options).fit(kernel[np.ix_(some, some)], side, of_rows)
            decided: Values = others[:, machine.support_] @ machine.dual_coef_[0] + machine.intercept_[0]
            return decided

        decision = np.stack([fit(np.arange(len(learned)), own, to_judged) for own in signs.T], axis=1)
        held_out = np.empty(signs.shape)
        for kept, out in folds:
            for column, own in enumerate(signs.T):
                held_out[out, column] = fit(kept, own, kernel[np.ix_(out, kept)])
        return decision, held_out

    def _gamma(self, learned: Numbers, weights: Values | None) -> float:
        """Return what ``scaled_gamma`` does of the scaled rows that are learned from."""
        of_rows = np.ones(len(learned)) if weights is None else weights
        size = float(of_rows.sum()) * self._rows.n_features
        mean = float(of_rows @ self._rows.sums[learned]) / size
        variance = float(of_rows @ np.diagonal(cast(Values, self._rows.gram))[learned]) / size - mean**2
        return 1 / (self._rows.n_features * variance) if variance > 0 else 1.0

    def _votes(self, learned: Numbers, places: Numbers, weights: Values | None, judged: Numbers) -> Values:
        """The shares of the nearest rows' classes; of rows equally far away the first are taken, as the head does."""
        if weights is not None:
            check_whole(weights, "knn")
            learned, places = (np.repeat(one, weights.astype(np.int64)) for one in (learned, places))
        count = min(self._head.neighbors, len(learned))
        distances = self._rows.distances(judged, learned)
        limit = np.partition(distances, count - 1, axis=1)[:, count - 1]
        lengths = np.diagonal(cast(Values, self._rows.gram))
        unsure = (_ROUNDING * (lengths[judged] + limit))[:, None]
        sure = distances < limit[:, None] - unsure
        rest = (distances <= limit[:, None] + unsure) & ~sure
        open_places = count - sure.sum(axis=1, keepdims=True)
        nearest = sure | (rest & (rest.cumsum(axis=1) <= open_places))
        votes = np.stack([nearest[:, places == place].sum(axis=1) for place in range(int(places.max()) + 1)], axis=1)
        shares: Values = votes / count
        return shares
