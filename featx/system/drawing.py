"""Which module draws results. It stands on a higher floor than they do, so ``featx`` itself names it here."""

import importlib
from typing import Any

_drawn_by = ""


def draw_with(module: str) -> None:
    """Name the module whose functions draw results; it is imported when the first result is shown."""
    global _drawn_by
    _drawn_by = module


def draw(how: str, result: Any) -> Any:
    """Return what a function of that module gives for a result."""
    return getattr(importlib.import_module(_drawn_by), how)(result)
