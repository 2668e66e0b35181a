"""The verb compare: heads, cross-validated inside the training images."""

from featx.verbs.compare.compare import Comparison, check_table_path, compare_heads, save_comparison
from featx.verbs.compare.folds import cut_into_folds
from featx.verbs.compare.search import Candidate, cross_validate, search_settings

__all__ = [
    "Candidate",
    "Comparison",
    "check_table_path",
    "compare_heads",
    "cross_validate",
    "cut_into_folds",
    "save_comparison",
    "search_settings",
]
