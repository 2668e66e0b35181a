"""What the page of numbers shows: measures of each target, predicted against true, residuals, and the images furthest off."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.report.page.draw import Frame
from featx.report.page.render import isolated
from featx.report.text.columns import number_text, range_of
from featx.report.text.shares import interval_text, share_text
from featx.verbs.evaluate import NumbersEvaluation, TargetMeasures

_MOST_TARGETS, _MOST_POINTS, _MOST_SHOWN = 8, 1500, 24


def numbers_part(evaluation: NumbersEvaluation) -> dict[str, Any]:
    """Return what the template takes of numbers."""
    plots = [_plots(evaluation, one) for one in evaluation.per_target[:_MOST_TARGETS]]
    more = len(evaluation.per_target) - len(plots)
    return {
        "contents": [("targets", "Targets"), ("plots", "Predicted and true")],
        "figures": _figures(evaluation),
        "rows": [_row(one) for one in evaluation.per_target],
        "bounds": evaluation.bounds,
        "plots": plots,
        "more_targets": more,
    }


def _figures(evaluation: NumbersEvaluation) -> list[dict[str, str]]:
    """Return the figures of the first target; those of all stand in the table."""
    if not evaluation.per_target:  # what is known is of images that weigh nothing
        return []
    one = evaluation.per_target[0]
    of = f" of {one.name}" if len(evaluation.per_target) > 1 else ""
    rows = [
        (f"Mean absolute error{of}", number_text(one.mae), "mae", f"always the median: {number_text(one.baseline_mae)}"),
        ("RMSE", number_text(one.rmse), "rmse", ""),
        ("R²", "–" if one.r2 is None else f"{one.r2:.3f}", "r2", ""),
        ("Spearman", "–" if one.spearman is None else f"{one.spearman:.3f}", "spearman", ""),
    ]
    figures = [
        {"label": label, "value": value, "note": ", ".join(filter(None, (_interval(one, key), note)))}
        for label, value, key, note in rows
    ]
    for found in evaluation.bounds[:1]:
        note = f"{interval_text(found.interval)}, {number_text(found.mean_width)} wide"
        figures.append({"label": f"Between the bounds at {found.level:g}", "value": share_text(found.coverage), "note": note})
    return figures


def _row(one: TargetMeasures) -> dict[str, Any]:
    return {
        "name": one.name,
        "images": one.images,
        "cells": [
            *((number_text(getattr(one, key)), _interval(one, key)) for key in ("mae", "rmse")),
            *(
                ("–" if getattr(one, key) is None else f"{getattr(one, key):.3f}", _interval(one, key))
                for key in ("r2", "spearman")
            ),
            (f"{one.bias:+.3g}", _interval(one, "bias")),
        ],
        "baseline": number_text(one.baseline_mae),
    }


def _interval(one: TargetMeasures, key: str) -> str:
    """Return an interval as text: of shares with three digits, of numbers in the target's units with four that matter."""
    if key not in one.intervals:
        return ""
    return interval_text(one.intervals[key]) if key in ("r2", "spearman") else range_of(one.intervals[key])


def _plots(evaluation: NumbersEvaluation, one: TargetMeasures) -> dict[str, Any]:
    column = evaluation.model.column_names.index(one.name)
    y, predicted = evaluation.targets[:, column], evaluation.predicted[:, column]
    known = np.flatnonzero(~np.isnan(y))
    if len(known) > _MOST_POINTS:
        known = np.sort(np.random.default_rng(0).choice(known, _MOST_POINTS, replace=False))
    true, given = y[known], predicted[known]
    ends = _range(np.concatenate([true, given]))
    residual = given - true
    far = float(np.abs(residual).max()) * 1.05 or 1.0
    widths = None if evaluation.high is None else float((evaluation.high - evaluation.predicted)[0, column])
    scatter = Frame(420, 340, ends, ends, left=58)
    residuals = Frame(420, 260, _range(given), (-far, far), left=58)
    spearman = "none" if one.spearman is None else f"{one.spearman:.3f}"
    return {
        "name": one.name,
        "drawn": len(known) if len(known) < one.images else 0,
        "images": one.images,
        "scatter": scatter,
        "dots": _dots(scatter, true, given),
        "diagonal": scatter.line(ends, ends),
        "bounds": []
        if widths is None or not math.isfinite(widths)
        else [_shifted(scatter, ends, off) for off in (-widths, widths)],
        "scatter_label": f"Predicted against true {one.name}, {one.images} images; rank correlation {spearman}",
        "residuals": residuals,
        "residual_dots": _dots(residuals, given, residual),
        "zero": residuals.line(residuals.x_range, (0.0, 0.0)),
        "residual_label": f"Predicted less true {one.name}, by what was predicted; mean {one.bias:+.3g}",
    }


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _dots(frame: Frame, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> str:
    """Return a path whose strokes are points: one element for all of them."""
    return "".join(f"M{frame.x(x):g} {frame.y(y):g}h.01" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))


def _shifted(frame: Frame, ends: tuple[float, float], off: float) -> str:
    """Return the diagonal moved up or down, as far as it lies in the plot."""
    low, high = ends
    start, end = max(low, low - off), min(high, high - off)
    return frame.line((start, end), (start + off, end + off)) if start < end else ""


def worst_residuals(evaluation: NumbersEvaluation) -> list[tuple[int, str]]:
    """Return the images furthest off, as place and what is to be said; targets in units of their spread."""
    residual = evaluation.predicted - evaluation.targets
    spread = np.array([np.nanstd(column) if not np.isnan(column).all() else 1.0 for column in evaluation.targets.T])
    off = np.nan_to_num(np.abs(residual) / np.where(spread > 0, spread, 1.0), nan=-1.0)
    worst = off.argmax(axis=1)
    order = np.argsort(-off.max(axis=1), kind="stable")[:_MOST_SHOWN]
    shown = []
    for place in order.tolist():
        column = int(worst[place])
        name = isolated(evaluation.model.column_names[column])
        given, true = evaluation.predicted[place, column], evaluation.targets[place, column]
        shown.append((place, f"{name} {number_text(given)}, is {number_text(true)}"))
    return shown
