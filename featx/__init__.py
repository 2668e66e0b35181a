"""featx: a folder of labelled images to a working classifier, without training a deep network.

A frozen VGG16 runs once over all images; its features are kept in HDF5; heads learn from them in seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from featx.estimators import FeatureExtractor, HeadClassifier
    from featx.heads import HeadSettings
    from featx.images import ManifestKeywords
    from featx.models import Model, load_model
    from featx.recipe import Recipe
    from featx.report import write_look_page, write_report
    from featx.store import FeatureCache
    from featx.task import Task
    from featx.verbs.audit import Audit, audit_cache, write_clean_manifest
    from featx.verbs.compare import Comparison, compare_heads
    from featx.verbs.evaluate import Evaluation, LabelsEvaluation, NumbersEvaluation, evaluate_model
    from featx.verbs.explain import Explanation, Explanations, explain_images
    from featx.verbs.export import ExportResult, export_model
    from featx.verbs.extract import ExtractKeywords, ExtractPlan, ExtractResult, extract_features, plan_extract
    from featx.verbs.finetune import FineTuneResult, TuningKeywords, fine_tune
    from featx.verbs.fit import FitResult, fit_head
    from featx.verbs.inspect import inspect_path
    from featx.verbs.look import Look, LookKeywords, look_at_images
    from featx.verbs.merge import MergeResult, merge_caches
    from featx.verbs.pack import pack_cache
    from featx.verbs.predict import (
        ColumnPredictions,
        LabelsPrediction,
        NumbersPrediction,
        Prediction,
        Predictions,
        predict_images,
    )
    from featx.verbs.sample import unpack_sample
    from featx.verbs.verify import verify_cache

from featx import errors as errors
from featx.system.drawing import draw_with
from featx.system.version import __version__ as __version__

draw_with("featx.report")

# Name to the module it comes from. They are imported on first use, so that `import featx` costs next to nothing.
_PUBLIC = {
    "Audit": "featx.verbs.audit",
    "ColumnPredictions": "featx.verbs.predict",
    "Comparison": "featx.verbs.compare",
    "Evaluation": "featx.verbs.evaluate",
    "Explanation": "featx.verbs.explain",
    "Explanations": "featx.verbs.explain",
    "ExportResult": "featx.verbs.export",
    "ExtractKeywords": "featx.verbs.extract",
    "ExtractPlan": "featx.verbs.extract",
    "ExtractResult": "featx.verbs.extract",
    "FeatureCache": "featx.store",
    "FeatureExtractor": "featx.estimators",
    "FineTuneResult": "featx.verbs.finetune",
    "FitResult": "featx.verbs.fit",
    "HeadClassifier": "featx.estimators",
    "HeadSettings": "featx.heads",
    "LabelsEvaluation": "featx.verbs.evaluate",
    "LabelsPrediction": "featx.verbs.predict",
    "Look": "featx.verbs.look",
    "LookKeywords": "featx.verbs.look",
    "ManifestKeywords": "featx.images",
    "MergeResult": "featx.verbs.merge",
    "Model": "featx.models",
    "NumbersEvaluation": "featx.verbs.evaluate",
    "NumbersPrediction": "featx.verbs.predict",
    "Prediction": "featx.verbs.predict",
    "Predictions": "featx.verbs.predict",
    "Recipe": "featx.recipe",
    "Task": "featx.task",
    "TuningKeywords": "featx.verbs.finetune",
    "audit_cache": "featx.verbs.audit",
    "compare_heads": "featx.verbs.compare",
    "evaluate_model": "featx.verbs.evaluate",
    "explain_images": "featx.verbs.explain",
    "export_model": "featx.verbs.export",
    "extract_features": "featx.verbs.extract",
    "fine_tune": "featx.verbs.finetune",
    "fit_head": "featx.verbs.fit",
    "inspect_path": "featx.verbs.inspect",
    "load_model": "featx.models",
    "look_at_images": "featx.verbs.look",
    "merge_caches": "featx.verbs.merge",
    "pack_cache": "featx.verbs.pack",
    "plan_extract": "featx.verbs.extract",
    "predict_images": "featx.verbs.predict",
    "unpack_sample": "featx.verbs.sample",
    "verify_cache": "featx.verbs.verify",
    "write_clean_manifest": "featx.verbs.audit",
    "write_look_page": "featx.report",
    "write_report": "featx.report",
}

__all__ = [
    "Audit",
    "ColumnPredictions",
    "Comparison",
    "Evaluation",
    "Explanation",
    "Explanations",
    "ExportResult",
    "ExtractKeywords",
    "ExtractPlan",
    "ExtractResult",
    "FeatureCache",
    "FeatureExtractor",
    "FineTuneResult",
    "FitResult",
    "HeadClassifier",
    "HeadSettings",
    "LabelsEvaluation",
    "LabelsPrediction",
    "Look",
    "LookKeywords",
    "ManifestKeywords",
    "MergeResult",
    "Model",
    "NumbersEvaluation",
    "NumbersPrediction",
    "Prediction",
    "Predictions",
    "Recipe",
    "Task",
    "TuningKeywords",
    "audit_cache",
    "compare_heads",
    "evaluate_model",
    "explain_images",
    "export_model",
    "extract_features",
    "fine_tune",
    "fit_head",
    "inspect_path",
    "load_model",
    "look_at_images",
    "merge_caches",
    "open_cache",
    "pack_cache",
    "plan_extract",
    "predict_images",
    "unpack_sample",
    "verify_cache",
    "write_clean_manifest",
    "write_look_page",
    "write_report",
]


def open_cache(folder: "str | PathLike[str]") -> "FeatureCache":
    """Open a feature cache for reading.

    Raises
    ------
    CacheNotFound
        If there is none.
    CacheDamaged
        If it cannot be read.

    Examples
    --------
    >>> cache = featx.open_cache("cache/photos")
    >>> len(cache), cache.recipe.backbone
    (36, 'stub')
    """
    from featx.errors import CacheError
    from featx.store import FeatureCache
    from featx.system.paths import CACHE, as_path

    return FeatureCache.open(as_path("folder", folder, CacheError, CACHE))


def __dir__() -> list[str]:
    return sorted({*__all__, "errors", *(name for name in globals() if name.startswith("__"))})


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this gives

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'featx' has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
