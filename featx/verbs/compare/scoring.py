"""What candidates are ranked by, and what a fit reports of its validation images, by task."""

import warnings

import numpy as np
from numpy.typing import NDArray

from featx.heads import answer_grades, choose_answer
from featx.task import Task

Values = NDArray[np.float64]

SCORES = {"classes": "accuracy", "grades": "quadratic_kappa", "labels": "mean_average_precision", "numbers": "r2"}
"""The figure that counts, by kind of task; the larger the better."""


def figures_of(
    task: Task,
    y: NDArray[np.generic],
    outputs: Values,
    weights: Values | None = None,
    called: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Return figures of what a head gives for images that it was not fitted on.

    Parameters
    ----------
    task : Task
        Which figures.
    y : ndarray of shape (n,), or (n, n_columns)
        Classes or grades; labels or numbers, NaN where not known.
    outputs : ndarray of shape (n, n_columns)
        Probabilities or numbers.
    weights : ndarray of shape (n,) or None
        How much each image counts.
    called : ndarray of shape (n,) or None
        What each image is called; by default the most probable class; the median grade, or the most probable one where
        that gives the larger quadratic kappa.

    Returns
    -------
    figures : dict of str to float
        Of classes ``accuracy``. Of grades ``accuracy``, ``quadratic_kappa`` and ``mean_absolute_error`` in grades. Of labels
        ``mean_average_precision``, ``macro_f1`` at a probability of one half and ``log_loss``, means over the labels that some
        images have and some have not. Of numbers ``r2``, ``rmse`` and ``mean_absolute_error``, means over the targets. What
        cannot be told from these images is left out.
    """
    if task.kind == "labels":
        return _of_labels(np.asarray(y, np.float64), outputs, weights)
    if task.kind == "numbers":
        return _of_numbers(np.asarray(y, np.float64), outputs, weights)
    labels = np.asarray(y, np.int64)
    if called is None:
        called = answer_grades(outputs, choose_answer(outputs, labels, weights) if task.is_ordered else "most_probable")
    figures = {"accuracy": float(np.average(called == labels, weights=weights))}
    if task.is_ordered:
        from sklearn.metrics import cohen_kappa_score

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about images all of one grade: then it is no number
            # All grades, also those that no image has: without these, two grades further apart would count as neighbours.
            every = range(outputs.shape[1])
            kappa = float(cohen_kappa_score(labels, called, labels=every, weights="quadratic", sample_weight=weights))
        figures |= {"quadratic_kappa": kappa} if np.isfinite(kappa) else {}
        figures["mean_absolute_error"] = float(np.average(np.abs(called - labels), weights=weights))
    return figures


def score_of(task: Task, y: NDArray[np.generic], outputs: Values, weights: Values) -> float | None:
    """Return the one of ``figures_of`` that counts, or None where it cannot be told; quicker for labels than all of them."""
    if task.kind != "labels":
        return figures_of(task, y, outputs, weights).get(SCORES[task.kind])
    found = []
    for true, p in zip(np.asarray(y, np.float64).T, outputs.T, strict=True):
        some = np.flatnonzero(~np.isnan(true) & (weights > 0))
        order = some[np.argsort(-p[some], kind="stable")]
        hits = np.cumsum(weights[order] * true[order])
        called = np.cumsum(weights[order])
        if len(order) and 0 < hits[-1] < called[-1]:
            # Of equal probabilities all are called at once.
            ends = np.append(np.flatnonzero(np.diff(p[order])), len(order) - 1)
            gained = np.diff(hits[ends], prepend=0.0)
            found.append(float((gained * hits[ends] / called[ends]).sum() / hits[-1]))
    return float(np.mean(found)) if found else None


def _of_labels(y: Values, outputs: Values, weights: Values | None) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, f1_score, log_loss

    found: dict[str, list[float]] = {"mean_average_precision": [], "macro_f1": [], "log_loss": []}
    for true, p in zip(y.T, outputs.T, strict=True):
        known = ~np.isnan(true) if weights is None else ~np.isnan(true) & (weights > 0)
        if len(np.unique(true[known])) < 2:
            continue
        own = None if weights is None else weights[known]
        found["mean_average_precision"].append(average_precision_score(true[known], p[known], sample_weight=own))
        found["macro_f1"].append(f1_score(true[known], p[known] >= 0.5, sample_weight=own, zero_division=0))
        found["log_loss"].append(log_loss(true[known], p[known], sample_weight=own, labels=[0, 1]))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def _of_numbers(y: Values, outputs: Values, weights: Values | None) -> dict[str, float]:
    found: dict[str, list[float]] = {"r2": [], "rmse": [], "mean_absolute_error": []}
    for true, given in zip(y.T, outputs.T, strict=True):
        known = ~np.isnan(true) if weights is None else ~np.isnan(true) & (weights > 0)
        if not known.any():
            continue
        own = np.ones(int(known.sum())) if weights is None else weights[known]
        off = given[known] - true[known]
        squared = float(np.average(off**2, weights=own))
        spread = float(np.average((true[known] - np.average(true[known], weights=own)) ** 2, weights=own))
        found["rmse"].append(squared**0.5)
        found["mean_absolute_error"].append(float(np.average(np.abs(off), weights=own)))
        if spread > 0:
            found["r2"].append(1 - squared / spread)
    return {name: float(np.mean(values)) for name, values in found.items() if values}
