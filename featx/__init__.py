"""featx: a folder of labelled images to a working classifier, without training a deep network.

A frozen VGG16 runs once over all images; its features are kept in HDF5; heads learn from them in seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featx.audit import audit_cache, write_clean_manifest
    from featx.compare import Comparison, compare_heads
    from featx.estimators import FeatureExtractor, HeadClassifier
    from featx.evaluate import Evaluation, evaluate_model
    from featx.export import ExportResult, export_model
    from featx.extract import ExtractResult, extract_features
    from featx.findings import Audit
    from featx.finetune import FineTuneResult, fine_tune
    from featx.fit import FitResult, fit_head
    from featx.inspect import inspect_path
    from featx.merge import MergeResult, merge_caches
    from featx.model import Model, load_model
    from featx.pack import pack_cache
    from featx.plan import ExtractPlan, plan_extract
    from featx.predict import Prediction, predict_images
    from featx.recipe import Recipe
    from featx.report import write_report
    from featx.sample import unpack_sample
    from featx.store import FeatureCache
    from featx.verify import verify_cache

__version__ = "0.1.0"

# Name to the module it comes from. They are imported on first use, so that `import featx` costs next to nothing.
_PUBLIC = {
    "Audit": "featx.findings",
    "Comparison": "featx.compare",
    "Evaluation": "featx.evaluate",
    "ExportResult": "featx.export",
    "ExtractPlan": "featx.plan",
    "ExtractResult": "featx.extract",
    "FeatureCache": "featx.store",
    "FeatureExtractor": "featx.estimators",
    "FineTuneResult": "featx.finetune",
    "FitResult": "featx.fit",
    "HeadClassifier": "featx.estimators",
    "MergeResult": "featx.merge",
    "Model": "featx.model",
    "Prediction": "featx.predict",
    "Recipe": "featx.recipe",
    "audit_cache": "featx.audit",
    "compare_heads": "featx.compare",
    "evaluate_model": "featx.evaluate",
    "export_model": "featx.export",
    "extract_features": "featx.extract",
    "fine_tune": "featx.finetune",
    "fit_head": "featx.fit",
    "inspect_path": "featx.inspect",
    "load_model": "featx.model",
    "merge_caches": "featx.merge",
    "pack_cache": "featx.pack",
    "plan_extract": "featx.plan",
    "predict_images": "featx.predict",
    "unpack_sample": "featx.sample",
    "verify_cache": "featx.verify",
    "write_clean_manifest": "featx.audit",
    "write_report": "featx.report",
}

__all__ = [
    "Audit",
    "Comparison",
    "Evaluation",
    "ExportResult",
    "ExtractPlan",
    "ExtractResult",
    "FeatureCache",
    "FeatureExtractor",
    "FineTuneResult",
    "FitResult",
    "HeadClassifier",
    "MergeResult",
    "Model",
    "Prediction",
    "Recipe",
    "audit_cache",
    "compare_heads",
    "evaluate_model",
    "export_model",
    "extract_features",
    "fine_tune",
    "fit_head",
    "inspect_path",
    "load_model",
    "merge_caches",
    "open_cache",
    "pack_cache",
    "plan_extract",
    "predict_images",
    "unpack_sample",
    "verify_cache",
    "write_clean_manifest",
    "write_report",
]


def open_cache(folder: str) -> "FeatureCache":
    """Open a feature cache for reading.

    Raises
    ------
    CacheNotFound
        If there is none.
    CacheDamaged
        If it cannot be read.
    """
    from pathlib import Path

    from featx.store import FeatureCache

    return FeatureCache.open(Path(folder))


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'featx' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value
