"""Ridge regression of labels and of numbers: one decomposition for all columns, and leave-one-out of every penalty."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads.checks import check_finite
from featx.heads.classical.base import read_whole
from featx.heads.classical.column_sums import ColumnSums
from featx.heads.classical.judged import KeptRows, choose_judged
from featx.heads.classical.least_squares import LeastSquares
from featx.heads.classical.ridge import ALPHAS
from featx.heads.classical.scaling import Scaling, feature_blocks
from featx.heads.classical.span import LARGEST_DECOMPOSITION, gram_matrix, weighted_sum
from featx.heads.columns.base import groups_of_columns
from featx.heads.copies import row_digests, weights_with_copies
from featx.heads.head import Features
from featx.system.digests import first_alike
from featx.system.files import DIGEST_BYTES

Values = NDArray[np.float64]
Blocks = Callable[[], Iterator[tuple[Any, Values]]]


@dataclasses.dataclass(frozen=True)
class Planes:
    """What least squares gives for some columns.

    Parameters
    ----------
    coef : ndarray of shape (n_columns, n_features)
        On scaled features.
    intercept, alpha : ndarray of shape (n_columns,)
        The penalty is given or chosen, for each column on its own.
    left_out : ndarray of shape (n_samples, n_columns)
        What the fit without each row would give for it; NaN where the cell is not known or not judged.
    with_common_mean : ndarray of shape (n_samples, n_columns)
        The same with the mean of all rows in it; see ``LeastSquares``.
    """

    coef: Values
    intercept: Values
    alpha: Values
    left_out: Values
    with_common_mean: Values


def check_size(X: Features) -> None:
    """Refuse what cannot be decomposed.

    Raises
    ------
    HeadError
        With the numbers of rows and columns.
    """
    n_rows, n_columns = X.shape
    if min(n_rows, n_columns) > LARGEST_DECOMPOSITION:
        raise HeadError(
            f"ridge: takes at most {LARGEST_DECOMPOSITION:,} training images or as many features. Received: {n_rows:,} "
            f"images of {n_columns:,} features. Use --pooling avgmax."
        )


def fit_planes(
    X: Features, values: Values, weights: Values, scale: str, own: Values | None, alpha: float | None, seed: int
) -> tuple[Scaling, Planes]:
    """Fit each column on the rows where it counts.

    Columns that count the same rows alike share a decomposition; of each other one the rows' inner products are the same.

    Parameters
    ----------
    X : ndarray or Rows of shape (n_samples, n_features)
        Features.
    values : ndarray of shape (n_samples, n_columns)
        Targets; 0 where not known.
    weights : ndarray of shape (n_samples, n_columns)
        How much each cell counts; 0 where it is not known.
    scale : str
        See ``Scaling``.
    own : ndarray of shape (n_samples,) or None
        How much each row counts in the scaling.
    alpha : float or None
        Strength of the penalty; by default that of ``ALPHAS`` with the least squared error of rows left out, the larger of
        equals, as scikit-learn's ``RidgeCV`` chooses it with ``alpha_per_target``.
    seed : int
        Of the draw of rows to judge by, where there are very many.
    """
    check_size(X)
    n_columns = values.shape[1]
    each = np.empty((n_columns, X.shape[1])), np.empty(n_columns), np.empty(n_columns)
    planes = Planes(*each, np.full(values.shape, np.nan), np.full(values.shape, np.nan))
    wide = X.shape[0] < X.shape[1]
    if wide:
        whole = read_whole(X, "ridge", 0.5)
        scaling = Scaling.learn(scale, whole, own)
        gram = gram_matrix(whole, scaling)
        alike = first_alike(row_digests(whole, np.zeros(len(whole), np.int64)))
        of_all = np.zeros((n_columns, len(whole)))
    else:
        scaling = _tall_scaling(X, scale, own)
    for columns in groups_of_columns(weights):
        rows = np.flatnonzero(weights[:, columns[0]])
        of_group = values[np.ix_(rows, columns)], weights[rows, columns[0]]
        if wide:
            found, of_all[np.ix_(columns, rows)] = _fit_wide(rows, gram, alike[rows], *of_group, alpha)
        else:
            found = _fit_tall(X, rows, scaling, *of_group, alpha, seed)
        planes.intercept[columns], planes.alpha[columns] = found.intercept, found.alpha
        if not wide:
            planes.coef[columns] = found.coef
        planes.left_out[np.ix_(rows, columns)] = found.left_out
        planes.with_common_mean[np.ix_(rows, columns)] = found.with_common_mean
    if wide:  # one pass over the features for all columns
        planes.coef[:] = weighted_sum(whole, scaling, of_all)
    return scaling, planes


def _tall_scaling(X: Features, scale: str, own: Values | None) -> Scaling:
    """Learn the scaling of rows that come a block at a time."""
    sums = ColumnSums(X.shape[1], 1, scale) if scale == "standard" else None
    for at, block in feature_blocks(X):
        check_finite(block)
        if sums is not None:
            n = len(block)
            sums.add(block, np.ones(n), np.zeros((n, 1)), None if own is None else own[at])
    if sums is None:
        return Scaling(scale, np.zeros(X.shape[1]), np.ones(X.shape[1]))
    return Scaling(scale, *sums.scaling(len(X)))


def _fit_wide(
    rows: NDArray[np.int64],
    gram: Values,
    alike: NDArray[np.int64],
    targets: Values,
    weights: Values,
    alpha: float | None,
) -> tuple[Planes, Values]:
    """Fewer rows than columns: decompose the inner products of the rows that count; see ``RidgeHead``.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,), int64
        Which of all rows count.
    gram : ndarray of shape (n_samples, n_samples)
        Inner products of all scaled rows.
    alike : ndarray of shape (n_rows,), int64
        A number of each row that its copies share.
    targets, weights : ndarray of shape (n_rows, n_columns) and (n_rows,)
        Of the rows that count.
    alpha : float or None
        As in ``fit_planes``.

    Returns
    -------
    planes : Planes
        Without coefficients.
    of_rows : ndarray of shape (n_columns, n_rows)
        How much of each scaled row is in the coefficients of each column.
    """
    shares, roots = weights / weights.sum(), np.sqrt(weights)
    gram = gram[np.ix_(rows, rows)]
    to_mean = gram @ shares
    gram -= to_mean
    gram -= (to_mean - shares @ to_mean)[:, None]
    gram *= roots
    gram *= roots[:, None]
    curvature, directions = np.linalg.eigh(gram)
    np.maximum(curvature, 0, out=curvature)
    level = shares @ targets
    pull = directions.T @ (roots[:, None] * (targets - level))
    turned = directions * np.sqrt(curvature)
    turned /= roots[:, None]
    with_copies = weights_with_copies(row_digests(alike[:, None].astype(np.float64), targets), weights)
    problem = LeastSquares(
        curvature, np.sqrt(curvature)[:, None] * pull, level, float(weights.sum()), targets, weights, with_copies
    )
    alphas, left_out = _choose(problem, lambda: iter([(slice(None), turned)]), np.ones(len(rows)), alpha)
    of_rows = roots[:, None] * (directions @ (pull / (curvature[:, None] + alphas)))
    of_rows -= weights[:, None] * (of_rows.sum(axis=0) / weights.sum())
    intercept, fair = level - to_mean @ of_rows, problem.with_common_mean(left_out)
    return Planes(np.empty((len(alphas), 0)), intercept, alphas, left_out, fair), of_rows.T


def _fit_tall(
    X: Features,
    rows: NDArray[np.int64],
    scaling: Scaling,
    targets: Values,
    weights: Values,
    alpha: float | None,
    seed: int,
) -> Planes:
    """At least as many rows as columns: decompose the inner products of the columns, summed up a block at a time."""
    place = np.full(X.shape[0], -1)
    place[rows] = np.arange(len(rows))
    level = weights @ targets / weights.sum()
    judged, counts = choose_judged(np.zeros(len(rows), np.int64), X.shape[1] * X.dtype.itemsize, seed)
    sums = ColumnSums(X.shape[1], targets.shape[1], scaling.kind)
    kept, digests = KeptRows(X, rows[judged]), np.empty((len(rows), DIGEST_BYTES), np.uint8)
    for at, block in feature_blocks(X):
        kept.add(at, block)
        some = place[at]
        used = some >= 0
        if not used.any():
            continue
        of_block = some[used]
        sums.add(block[used], weights[of_block], targets[of_block] - level)
        digests[of_block] = row_digests(block[used], targets[of_block])
    middle, gram, pull = sums.centred(scaling.mean, scaling.scale)
    squares, basis = np.linalg.eigh(gram)
    with_copies = weights_with_copies(digests, weights)
    of_judged = targets[judged], weights[judged], with_copies[judged]
    problem = LeastSquares(np.maximum(squares, 0), basis.T @ pull, level, float(weights.sum()), *of_judged)

    def blocks() -> Iterator[tuple[Any, Values]]:
        for at, values in feature_blocks(kept.rows):
            turned = scaling(values)
            turned -= middle
            yield at, turned @ basis

    alphas, of_judged_rows = _choose(problem, blocks, counts, alpha)
    coef = basis @ (problem.pull / (problem.curvature[:, None] + alphas))
    left_out, with_common_mean = np.full(targets.shape, np.nan), np.full(targets.shape, np.nan)
    left_out[judged], with_common_mean[judged] = of_judged_rows, problem.with_common_mean(of_judged_rows)
    return Planes(coef.T.copy(), level - middle @ coef, alphas, left_out, with_common_mean)


def _choose(problem: LeastSquares, blocks: Blocks, counts: Values, alpha: float | None) -> tuple[Values, Values]:
    """Return the penalty of each column, given or chosen, and what it gives for rows left out (n_judged, k)."""
    n_columns = problem.targets.shape[1]
    alphas = np.full(n_columns, np.nan if alpha is None else float(alpha))
    if alpha is None:
        errors = np.zeros((len(ALPHAS), n_columns))
        for at, rows in blocks():
            squares, counted = rows**2, (counts * problem.weights)[at]
            for which, one in enumerate(ALPHAS):
                errors[which] += counted @ (problem.left_out(at, rows, squares, one) - problem.targets[at]) ** 2
        # Of equals the last, which is the largest.
        alphas = np.array(ALPHAS)[len(ALPHAS) - 1 - np.argmin(errors[::-1], axis=0)]
    left_out = np.empty(problem.targets.shape)
    for at, rows in blocks():
        squares = rows**2
        of_block = np.empty((len(rows), n_columns))
        for one in np.unique(alphas):
            columns = np.flatnonzero(alphas == one)
            of_block[:, columns] = problem.left_out(at, rows, squares, float(one))[:, columns]
        left_out[at] = of_block
    return alphas, left_out
