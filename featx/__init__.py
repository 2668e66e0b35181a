"""featx: a folder of labelled images to a working classifier, without training a deep network.

A frozen VGG16 runs once over all images; its features are kept in HDF5; heads learn from them in seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featx.estimators import FeatureExtractor, HeadClassifier
    from featx.models.file import load_model
    from featx.models.model import Model
    from featx.recipe import Recipe
    from featx.report import write_report
    from featx.store import FeatureCache
    from featx.verbs.audit.audit import audit_cache, write_clean_manifest
    from featx.verbs.audit.findings import Audit
    from featx.verbs.compare.compare import Comparison, compare_heads
    from featx.verbs.evaluate.evaluate import Evaluation, evaluate_model
    from featx.verbs.export.export import ExportResult, export_model
    from featx.verbs.extract.extract import ExtractResult, extract_features
    from featx.verbs.extract.plan import ExtractPlan, plan_extract
    from featx.verbs.finetune.finetune import FineTuneResult, fine_tune
    from featx.verbs.fit.fit import FitResult, fit_head
    from featx.verbs.inspect import inspect_path
    from featx.verbs.merge.merge import MergeResult, merge_caches
    from featx.verbs.pack import pack_cache
    from featx.verbs.predict import Prediction, predict_images
    from featx.verbs.sample import unpack_sample
    from featx.verbs.verify import verify_cache

from featx.system.version import __version__ as __version__

# Name to the module it comes from. They are imported on first use, so that `import featx` costs next to nothing.
_PUBLIC = {
    "Audit": "featx.verbs.audit.findings",
    "Comparison": "featx.verbs.compare.compare",
    "Evaluation": "featx.verbs.evaluate.evaluate",
    "ExportResult": "featx.verbs.export.export",
    "ExtractPlan": "featx.verbs.extract.plan",
    "ExtractResult": "featx.verbs.extract.extract",
    "FeatureCache": "featx.store",
    "FeatureExtractor": "featx.estimators",
    "FineTuneResult": "featx.verbs.finetune.finetune",
    "FitResult": "featx.verbs.fit.fit",
    "HeadClassifier": "featx.estimators",
    "MergeResult": "featx.verbs.merge.merge",
    "Model": "featx.models.file",
    "Prediction": "featx.verbs.predict",
    "Recipe": "featx.recipe",
    "audit_cache": "featx.verbs.audit.audit",
    "compare_heads": "featx.verbs.compare.compare",
    "evaluate_model": "featx.verbs.evaluate.evaluate",
    "export_model": "featx.verbs.export.export",
    "extract_features": "featx.verbs.extract.extract",
    "fine_tune": "featx.verbs.finetune.finetune",
    "fit_head": "featx.verbs.fit.fit",
    "inspect_path": "featx.verbs.inspect",
    "load_model": "featx.models.file",
    "merge_caches": "featx.verbs.merge.merge",
    "pack_cache": "featx.verbs.pack",
    "plan_extract": "featx.verbs.extract.plan",
    "predict_images": "featx.verbs.predict",
    "unpack_sample": "featx.verbs.sample",
    "verify_cache": "featx.verbs.verify",
    "write_clean_manifest": "featx.verbs.audit.audit",
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
