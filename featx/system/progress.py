"""How the library reports progress; the caller decides what to show."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as (stage, newly done, total)."""

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called as (epoch, epochs, values) after each epoch of a head that has epochs."""
