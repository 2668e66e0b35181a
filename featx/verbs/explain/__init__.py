"""The verb explain: which part of an image spoke for its class, and which against."""

from featx.verbs.explain.cached import CachedCells, cells_in_cache
from featx.verbs.explain.explain import explain_images
from featx.verbs.explain.explanation import Explanation, Explanations, limits_of
from featx.verbs.explain.seen import CellsSeen

__all__ = ["CachedCells", "CellsSeen", "Explanation", "Explanations", "cells_in_cache", "explain_images", "limits_of"]
