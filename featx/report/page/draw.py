"""From figures to places on an SVG drawing."""

import dataclasses
import math
from collections.abc import Sequence

COLOURS = 8
"""Of the classes on a map, ``--map-a`` to ``--map-h`` in the style sheet: apart for every kind of colour vision."""

SHAPES = (
    "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0 -2 0z",
    "M-.9 -.9h1.8v1.8h-1.8z",
    "M0 -1.2L1.1 .8h-2.2z",
    "M-.4 -1.15h.8v.75h.75v.8h-.75v.75h-.8v-.75h-.75v-.8h.75z",
    "M0 1.2L1.1 -.8h-2.2z",
    "M0 -1.3L.85 0L0 1.3L-.85 0z",
    "M-.55 -1.1L0 -.55L.55 -1.1L1.1 -.55L.55 0L1.1 .55L.55 1.1L0 .55L-.55 1.1L-1.1 .55L-.55 0L-1.1 -.55z",
    "M-1.25 -.5h2.5v1h-2.5z",
)
"""Of the points, about as large as a circle of radius 1: who sees no colours tells classes by them."""


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


def marks_of(count: int) -> list[tuple[str, int]]:
    """Return of each of so many classes the letter of its colour and the number of its shape.

    The first eight classes differ in both, the first 64 in one of them; later ones repeat.
    """
    marks = []
    for label in range(count):
        colour = label % COLOURS
        marks.append((chr(ord("a") + colour), (colour + label // COLOURS) % len(SHAPES)))
    return marks
