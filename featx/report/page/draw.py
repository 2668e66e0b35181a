"""From figures to places on an SVG drawing."""

import dataclasses
import math
from collections.abc import Sequence

COLOURS = ("#4477aa", "#cc6644", "#339966", "#aa4499", "#b8901f", "#33a0b8", "#d0567f", "#7a6fc4", "#6f8f2f", "#8c6d5a")
"""Distinct on light and on dark paper; past ten, hues follow."""

_GOLDEN_ANGLE = 137.508


@dataclasses.dataclass(frozen=True)
class Frame:
    """A plot's area inside its drawing, and what its axes run over.

    Parameters
    ----------
    width, height : float
        Of the drawing.
    x_range, y_range : (low, high)
        What the axes run over.
    left, right, top, bottom : float
        Margins of the plot in the drawing.
    whole_x : bool
        Whether only whole numbers of the x axis are labelled.
    """

    width: float
    height: float
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    left: float = 46.0
    right: float = 12.0
    top: float = 12.0
    bottom: float = 40.0
    whole_x: bool = False

    @property
    def x_ticks(self) -> list[float]:
        """Where the x axis is labelled."""
        return [tick for tick in ticks(*self.x_range) if not self.whole_x or tick == int(tick)]

    @property
    def y_ticks(self) -> list[float]:
        """Where the y axis is labelled."""
        return ticks(*self.y_range)

    def x(self, value: float) -> float:
        """Return where a value lies from the left."""
        low, high = self.x_range
        return round(self.left + (self.width - self.left - self.right) * (value - low) / ((high - low) or 1), 2)

    def y(self, value: float) -> float:
        """Return where a value lies from the top."""
        low, high = self.y_range
        return round(
            self.height - self.bottom - (self.height - self.top - self.bottom) * (value - low) / ((high - low) or 1), 2
        )

    def line(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """Return the path through some points."""
        places = [f"{self.x(x):g} {self.y(y):g}" for x, y in zip(xs, ys, strict=True)]
        return "M" + "L".join(places)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers between two ends: steps of 1, 2 or 5 times a power of ten.

    The step nearest to the wanted step. Matplotlib's ``MaxNLocator`` takes the next larger, which leaves few labels: three
    from 0 to 1.4.
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first
    return [round((first + number) * step, 10) for number in range(count + 1)]


def colours(count: int) -> list[str]:
    """Return one colour for each of so many classes."""
    return [
        COLOURS[number] if number < len(COLOURS) else f"hsl({number * _GOLDEN_ANGLE % 360:.0f} 45% 52%)"
        for number in range(count)
    ]
