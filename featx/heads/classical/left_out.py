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
from featx.heads.classical.neighbors import KnnHead
from featx.heads.classical.platt import fit_sigmoid, sigmoid_probabilities
from featx.heads.classical.shared import Check, SharedRows, Values, are_compared
from featx.heads.classical.span import LARGEST_DECOMPOSITION
from featx.heads.head import softmax
from featx.heads.registry import make_head

Numbers = NDArray[np.int64]

_SIGMOID_FOLDS = 5
_KERNEL_TOLERANCE = 1e-7
_ROUNDING = 1e-9
"""Of the squared lengths: distances from inner products are sure to no more."""


def share_rows(
    X: NDArray[np.floating], scale: str, fits: list[tuple[str, dict[str, Any]]], check: Check = lambda: None
) -> SharedRows:
    """Compute what some fits share.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Features.
    scale : str
        Of all of them.
    fits : list of (str, dict)
        Names of classical heads, and their settings.
    check : callable
        Called now and then; may raise, to stop.
    """
    compared = [_compares(name, settings, X.shape) for name, settings in fits]
    return SharedRows(
        X,
        scale,
        exact=any(name == "knn" for name, _ in fits),
        compared=any(compared),
        turned=not all(compared),
        check=check,
    )


def _compares(name: str, settings: dict[str, Any], shape: tuple[int, ...]) -> bool:
    """Return whether a head needs nothing but the inner products of all rows."""
    if name == "svm" and settings.get("kernel") == "rbf":
        return shape[0] <= LARGEST_DECOMPOSITION
    return name in ("svm", "knn") and are_compared(shape[0], shape[1])


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
        self._compared = _compares(name, settings, (len(rows), rows.n_features))
        self._problem: HingeProblem | None = None
        if self._compared and name == "svm" and self._head.kernel == "linear":
            assert rows.gram is not None, "asked for by share_rows"
            self._problem = HingeProblem(rows.gram, self._penalty)

    def probabilities(self, learned: Numbers, labels: Numbers, judged: Numbers) -> tuple[Numbers, Values]:
        """Fit on some rows and judge others.

        Parameters
        ----------
        learned : ndarray of shape (n_learned,), int64
            Positions of the rows that are learned from, ascending.
        labels : ndarray of shape (n_learned,), int64
            Their classes.
        judged : ndarray of shape (n_judged,), int64
            Positions of the rows that are judged.

        Returns
        -------
        classes : ndarray of shape (n_classes,), int64
            The labels seen, ascending.
        probabilities : ndarray of shape (n_judged, n_classes)
        """
        classes = seen_classes(labels)
        places = np.searchsorted(classes, labels)
        self._check()
        if isinstance(self._head, LogregHead):
            return classes, self._regression(learned, places, judged)
        if isinstance(self._head, SvmHead) and (self._compared or self._head.kernel == "linear"):
            return classes, self._machine(learned, places, classes, judged)
        if isinstance(self._head, KnnHead) and self._compared:
            return classes, self._votes(learned, places, judged)
        assert self._rows.rows is not None, "every other head takes rows"
        head = make_head(self._name, **self._settings).fit(self._rows.rows[learned], labels)
        return classes, head.predict_proba(self._rows.rows[judged])

    @property
    def _penalty(self) -> float:
        return float(self._head.C if self._head.C is not None else DEFAULT_C[self._head.kernel])

    def _regression(self, learned: Numbers, places: Numbers, judged: Numbers) -> Values:
        assert self._rows.rows is not None, "asked for by share_rows"
        weights = row_weights(places, self._head.class_weight)
        coef, intercept, _ = fit_logistic(self._rows.rows[learned], places, weights, self._penalty)
        decision = self._rows.rows[judged] @ coef.T + intercept
        return softmax(np.hstack([np.zeros_like(decision), decision]) if decision.shape[1] == 1 else decision)

    def _machine(self, learned: Numbers, places: Numbers, classes: Numbers, judged: Numbers) -> Values:
        """A machine on all rows that are learned from, and sigmoids on what machines on most of them decide about the rest."""
        from sklearn.model_selection import StratifiedKFold

        counts = np.bincount(places)
        if counts.min() < 2:
            few = {int(classes[at]): count for at, count in enumerate(counts.tolist()) if count < 2}
            raise TooFewImages("svm", "at least 2 training images in each class, to fit its sigmoids", few)
        folds = StratifiedKFold(min(_SIGMOID_FOLDS, int(counts.min())), shuffle=True, random_state=self._head.seed)
        cut = list(folds.split(places, places))
        signs = signed_targets(places, len(classes))
        if self._head.kernel == "rbf":
            decision, held_out = self._decide_by_kernel(learned, signs, judged, cut)
        elif self._compared:
            decision, held_out = self._decide_by_products(learned, places, signs, judged, cut)
        else:
            decision, held_out = self._decide_by_columns(learned, places, signs, judged, cut)
        weights = row_weights(places, self._head.class_weight)
        columns = zip(held_out.T, signs.T, strict=True)
        sigmoids = [fit_sigmoid(column, sign > 0, weights) for column, sign in columns]
        slope, offset = (np.array(values) for values in zip(*sigmoids, strict=True))
        return sigmoid_probabilities(decision, slope, offset)

    def _decide_by_products(
        self, learned: Numbers, places: Numbers, signs: Values, judged: Numbers, cut: list[Any]
    ) -> tuple[Values, Values]:
        problem, n_rows = self._problem, len(self._rows)
        assert problem is not None, "made for a linear kernel"
        decision, held_out = np.empty((len(judged), signs.shape[1])), np.empty(signs.shape)
        for column, own in enumerate(signs.T):
            whole = np.zeros(n_rows)
            whole[learned] = own
            of_rows, found = problem.fit(whole != 0, whole, self._spread(learned, self._costs(places, own, column)))
            decision[:, column] = found[judged]
            for kept, out in cut:
                self._check()
                used = np.zeros(n_rows, np.bool_)
                used[learned[kept]] = True
                costs = self._spread(learned[kept], self._costs(places[kept], own[kept], column))
                _, found = problem.fit(used, whole, costs, start=of_rows != 0)
                held_out[out, column] = found[learned[out]]
        return decision, held_out

    def _decide_by_columns(
        self, learned: Numbers, places: Numbers, signs: Values, judged: Numbers, cut: list[Any]
    ) -> tuple[Values, Values]:
        assert self._rows.rows is not None, "there where rows are too many to compare"
        X = self._rows.rows

        def fit(some: Numbers | slice) -> tuple[Values, Values]:
            columns = enumerate(signs[some].T)
            costs = [self._costs(places[some], own, column) for column, own in columns]
            weights = self._penalty * np.stack([np.ones(len(places[some])) if one is None else one for one in costs], axis=1)
            return fit_hinge(X[learned[some]], signs[some], weights, self._check)

        coef, intercept = fit(slice(None))
        decision, held_out = X[judged] @ coef.T + intercept, np.empty(signs.shape)
        for kept, out in cut:
            coef, intercept = fit(kept)
            held_out[out] = X[learned[out]] @ coef.T + intercept
        return decision, held_out

    def _costs(self, places: Numbers, signs: Values, column: int) -> Values | None:
        """Return how much each row counts, None where all count alike.

        ``balanced`` as scikit-learn's ``LinearSVC`` has it: of several classes a machine weighs the rows of its own, by the
        frequency among all; of two classes the only machine weighs the rows of both.
        """
        if self._head.class_weight is None:
            return None
        weights = row_weights(places, self._head.class_weight)
        return weights if places.max() == 1 else np.where(signs > 0, weights, 1.0)

    def _spread(self, learned: Numbers, costs: Values | None) -> Values | None:
        if costs is None:
            return None
        spread = np.ones(len(self._rows))
        spread[learned] = costs
        return spread

    def _decide_by_kernel(self, learned: Numbers, signs: Values, judged: Numbers, cut: list[Any]) -> tuple[Values, Values]:
        from sklearn.svm import SVC

        gamma = self._gamma(learned)
        kernel = np.exp(-gamma * self._rows.distances(learned, learned))
        to_judged = np.exp(-gamma * self._rows.distances(judged, learned))
        options: dict[str, Any] = {"kernel": "precomputed", "C": self._penalty, "class_weight": self._head.class_weight}
        options |= {"tol": _KERNEL_TOLERANCE, "random_state": self._head.seed}

        def fit(matrix: Values, own: Values, others: Values) -> Values:
            self._check()
            machine = SVC(**options).fit(matrix, own)
            decided: Values = others[:, machine.support_] @ machine.dual_coef_[0] + machine.intercept_[0]
            return decided

        decision = np.stack([fit(kernel, own, to_judged) for own in signs.T], axis=1)
        held_out = np.empty(signs.shape)
        for kept, out in cut:
            matrix, others = kernel[np.ix_(kept, kept)], kernel[np.ix_(out, kept)]
            for column, own in enumerate(signs.T):
                held_out[out, column] = fit(matrix, own[kept], others)
        return decision, held_out

    def _gamma(self, learned: Numbers) -> float:
        """Return what ``scaled_gamma`` does of the scaled rows that are learned from."""
        assert self._rows.gram is not None, "asked for by share_rows"
        size = len(learned) * self._rows.n_features
        mean = float(self._rows.sums[learned].sum()) / size
        variance = float(np.diagonal(self._rows.gram)[learned].sum()) / size - mean**2
        return 1 / (self._rows.n_features * variance) if variance > 0 else 1.0

    def _votes(self, learned: Numbers, places: Numbers, judged: Numbers) -> Values:
        """The shares of the nearest rows' classes; of rows equally far away the first are taken, as the head does."""
        assert self._rows.gram is not None, "asked for by share_rows"
        count = min(self._head.neighbors, len(learned))
        distances = self._rows.distances(judged, learned)
        limit = np.partition(distances, count - 1, axis=1)[:, count - 1]
        unsure = (_ROUNDING * (np.diagonal(self._rows.gram)[judged] + limit))[:, None]
        sure = distances < limit[:, None] - unsure
        rest = (distances <= limit[:, None] + unsure) & ~sure
        open_places = count - sure.sum(axis=1, keepdims=True)
        nearest = sure | (rest & (rest.cumsum(axis=1) <= open_places))
        votes = np.stack([nearest[:, places == place].sum(axis=1) for place in range(int(places.max()) + 1)], axis=1)
        shares: Values = votes / count
        return shares
