"""A rough answer of any linear head, in a fraction of its time: a ridge regression on inner products."""

import numpy as np
from numpy.typing import NDArray

from featx.heads.classical.kernel import DEFAULT_C
from featx.heads.classical.positive import Cholesky
from featx.heads.classical.shared import SharedRows, Values

_RIDGE = 1 / (2 * DEFAULT_C["linear"])
"""That of a support vector machine at its default penalty, of which this is the first of Newton's steps."""


def rough_decisions(
    rows: SharedRows, learned: NDArray[np.int64], labels: NDArray[np.int64], judged: NDArray[np.int64], n_classes: int
) -> Values:
    """Return what a ridge regression on signs decides: one factor for all classes, and nothing to settle.

    Parameters
    ----------
    rows : SharedRows
        With their inner products.
    learned : ndarray of shape (n_learned,), int64
        Positions of the rows that are learned from.
    labels : ndarray of shape (n_learned,), int64
        Their classes.
    judged : ndarray of shape (n_judged,), int64
        Positions of the rows that are judged.
    n_classes : int
        Classes there are; one of which nothing is learned is never the answer.

    Returns
    -------
    decision : ndarray of shape (n_judged, n_classes)
        The class of the largest is the answer.
    """
    assert rows.gram is not None, "asked for where rows are compared"
    shifted = rows.gram[np.ix_(learned, learned)] + 1
    shifted[np.diag_indices_from(shifted)] += _RIDGE
    of_rows = Cholesky(shifted).solve(np.where(labels[:, None] == np.arange(n_classes), 1.0, -1.0))
    decision: Values = (rows.gram[np.ix_(judged, learned)] + 1) @ of_rows
    decision[:, ~np.isin(np.arange(n_classes), labels)] = -np.inf
    return decision
