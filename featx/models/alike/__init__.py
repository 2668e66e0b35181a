"""Alike: which rows, and which pictures, are nearest to each other. Plain NumPy on arrays."""

from featx.models.alike.duplicates import CANDIDATES, FALSE_ALARMS, NearDuplicates, find_near_duplicates
from featx.models.alike.nearest import nearest_rows

__all__ = ["CANDIDATES", "FALSE_ALARMS", "NearDuplicates", "find_near_duplicates", "nearest_rows"]
