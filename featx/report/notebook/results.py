"""What a notebook shows of each kind of result."""

import dataclasses
from collections.abc import Callable
from typing import Any

from featx.models import Model
from featx.report.notebook.blocks import Shown, short
from featx.report.notebook.columns import show_column_prediction, show_column_predictions, show_labels, show_numbers
from featx.report.notebook.draw import draw_result
from featx.report.notebook.made import show_cache, show_extract, show_look, show_merge, show_model, show_plan
from featx.report.notebook.measured import (
    show_audit,
    show_comparison,
    show_evaluation,
    show_explanation,
    show_explanations,
    show_finetune,
    show_fit,
    show_predictions,
)
from featx.report.text.shown import loaded_summary
from featx.store import FeatureCache
from featx.system.kinds import shown as as_shown
from featx.verbs.audit import Audit
from featx.verbs.compare import Comparison
from featx.verbs.evaluate import Evaluation, LabelsEvaluation, NumbersEvaluation
from featx.verbs.explain import Explanation, Explanations
from featx.verbs.extract import ExtractPlan, ExtractResult
from featx.verbs.finetune import FineTuneResult
from featx.verbs.fit import FitResult
from featx.verbs.inspect import CacheSummary, ModelSummary, summarise_cache
from featx.verbs.look import Look
from featx.verbs.merge import MergeResult
from featx.verbs.predict import ColumnPredictions, LabelsPrediction, NumbersPrediction, Prediction, Predictions


def as_html(result: Any) -> str:
    """Return the HTML of a result.

    Parameters
    ----------
    result : object
        What a function of featx returns.

    Returns
    -------
    html : str
        A table, and a picture where there is one to draw; names in it are escaped, and its size is bounded.
    """
    return draw_result(_KINDS.get(type(result), _fields)(result))


def _fields(result: Any) -> Shown:
    """Show what has no better table: each field, large ones by their size."""
    fields = dataclasses.fields(result) if dataclasses.is_dataclass(result) else ()
    values = {field.name: getattr(result, field.name) for field in fields}
    kept = {name: value for name, value in values.items() if not (value is None or (isinstance(value, str) and not value))}
    return Shown(type(result).__name__, {name: _value(value) for name, value in kept.items()})


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return short(str(value)) if isinstance(value, str | int) or hasattr(value, "__fspath__") else short(as_shown(value))


_KINDS: dict[type, Callable[[Any], Shown]] = {
    Audit: show_audit,
    CacheSummary: show_cache,
    ColumnPredictions: show_column_predictions,
    Comparison: show_comparison,
    Evaluation: show_evaluation,
    Explanation: show_explanation,
    Explanations: show_explanations,
    ExtractPlan: show_plan,
    ExtractResult: show_extract,
    FeatureCache: lambda cache: show_cache(summarise_cache(cache)),
    FineTuneResult: show_finetune,
    FitResult: show_fit,
    LabelsEvaluation: show_labels,
    LabelsPrediction: show_column_prediction,
    Look: show_look,
    MergeResult: show_merge,
    Model: lambda model: show_model(loaded_summary(model)),
    ModelSummary: show_model,
    NumbersEvaluation: show_numbers,
    NumbersPrediction: show_column_prediction,
    Prediction: lambda one: show_predictions([one]),
    Predictions: show_predictions,
}
