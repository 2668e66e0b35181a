"""The text of any result: what its command prints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from featx.errors import ModelError
from featx.models import Model
from featx.report.files.audit import AuditFiles
from featx.report.files.columns import ColumnFiles
from featx.report.files.evaluation import ReportFiles
from featx.report.text.audit import audit_text
from featx.report.text.compare import comparison_text
from featx.report.text.doctor import doctor_text
from featx.report.text.evaluate import measured_text
from featx.report.text.explain import explanation_text
from featx.report.text.export import export_text
from featx.report.text.extract import extract_text, plan_text
from featx.report.text.finetune import finetune_text
from featx.report.text.fit import fit_text
from featx.report.text.inspect import cache_text, model_text
from featx.report.text.look import look_text
from featx.report.text.merge import merge_text
from featx.report.text.pack import pack_text
from featx.report.text.predict import predictions_text
from featx.report.text.sample import sample_text
from featx.report.text.verify import verify_text
from featx.report.text.words import join_lines
from featx.store import FeatureCache
from featx.verbs.audit import Audit
from featx.verbs.compare import Comparison
from featx.verbs.doctor import Diagnosis
from featx.verbs.evaluate import Evaluation, LabelsEvaluation, NumbersEvaluation
from featx.verbs.explain import Explanation, Explanations
from featx.verbs.export import ExportResult
from featx.verbs.extract import ExtractPlan, ExtractResult
from featx.verbs.finetune import FineTuneResult
from featx.verbs.fit import FitResult
from featx.verbs.inspect import CacheSummary, ModelSummary, summarise_cache, summarise_model
from featx.verbs.look import Look
from featx.verbs.merge import MergeResult
from featx.verbs.pack import PackResult
from featx.verbs.predict import ColumnPredictions, LabelsPrediction, NumbersPrediction, Prediction, Predictions
from featx.verbs.sample import SampleResult
from featx.verbs.verify import VerifyResult


def as_text(result: Any) -> str:
    """Return the text of a result.

    Parameters
    ----------
    result : object
        What a function of featx returns.

    Returns
    -------
    text : str
        Its command's; the ``repr`` of what no command prints.
    """
    return _TEXTS.get(type(result), repr)(result)


def loaded_summary(model: Model) -> ModelSummary:
    """Return what ``inspect`` tells of a model that is loaded."""
    try:
        path = Path(model)
    except ModelError:
        path = Path("in memory")
    return summarise_model(model, path)


def _files_text(files: ReportFiles | ColumnFiles | AuditFiles) -> str:
    named = [path.name for path in vars(files).values() if path is not None and path != files.folder]
    return join_lines([f"report {files.folder}: {', '.join(named)}"])


_TEXTS: dict[type, Callable[[Any], str]] = {
    Audit: audit_text,
    AuditFiles: _files_text,
    CacheSummary: cache_text,
    ColumnFiles: _files_text,
    ColumnPredictions: predictions_text,
    Comparison: comparison_text,
    Diagnosis: doctor_text,
    Evaluation: measured_text,
    Explanation: lambda one: explanation_text([one]),
    Explanations: explanation_text,
    ExportResult: export_text,
    ExtractPlan: plan_text,
    ExtractResult: extract_text,
    FeatureCache: lambda cache: cache_text(summarise_cache(cache)),
    FineTuneResult: finetune_text,
    FitResult: fit_text,
    LabelsEvaluation: measured_text,
    LabelsPrediction: lambda one: one.path + ": " + (one.error or ", ".join(one.labels) or "no label"),
    Look: look_text,
    MergeResult: merge_text,
    Model: lambda model: model_text(loaded_summary(model)),
    ModelSummary: model_text,
    NumbersEvaluation: measured_text,
    NumbersPrediction: lambda one: one.path + ": " + (one.error or str(one.values)),
    PackResult: pack_text,
    Prediction: lambda one: predictions_text([one]),
    Predictions: predictions_text,
    ReportFiles: _files_text,
    SampleResult: sample_text,
    VerifyResult: verify_text,
}
