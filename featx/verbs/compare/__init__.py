"""The verb compare: heads, cross-validated inside the training images."""

from featx.verbs.compare.candidates import Candidate
from featx.verbs.compare.compare import compare_heads
from featx.verbs.compare.comparison import ComparedHead, Comparison, check_table_path, save_comparison
from featx.verbs.compare.folds import TrainingImages, cut_into_folds
from featx.verbs.compare.limit import check_minutes
from featx.verbs.compare.scoring import SCORES, figures_of
from featx.verbs.compare.search import Search, search_settings
from featx.verbs.compare.validate import cross_validate

__all__ = [
    "SCORES",
    "Candidate",
    "ComparedHead",
    "Comparison",
    "Search",
    "TrainingImages",
    "check_minutes",
    "check_table_path",
    "compare_heads",
    "cross_validate",
    "cut_into_folds",
    "figures_of",
    "save_comparison",
    "search_settings",
]
