"""The verb extract: images through the backbone, once, into a cache; and its dry run."""

from featx.verbs.extract.extract import extract_features
from featx.verbs.extract.keywords import ExtractKeywords
from featx.verbs.extract.options import ExtractOptions
from featx.verbs.extract.plan import ExtractPlan, plan_extract
from featx.verbs.extract.result import ExtractResult
from featx.verbs.extract.splits import draw_splits

__all__ = [
    "ExtractKeywords",
    "ExtractOptions",
    "ExtractPlan",
    "ExtractResult",
    "draw_splits",
    "extract_features",
    "plan_extract",
]
