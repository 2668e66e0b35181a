"""Cells of a map as a page shows them: in few steps of one scale, so that a reader sees what is larger and not a value."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.models import Model
from featx.recipe import Recipe
from featx.verbs.explain import CachedCells, limits_of

STEPS = 5
"""On each side of 0."""

_LETTERS = "abcdefghijk"
"""One for each step, from the strongest against to the strongest for; the middle one is nothing."""

_CLIPPED = 0.01
"""Share of the cells that may be stronger than the last step: a single one must not make all others pale."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """What the steps of a page stand for.

    Parameters
    ----------
    step : float
        How much of a margin one step is.
    """

    step: float

    @classmethod
    def of(cls, cells: list[NDArray[np.float64]]) -> "Scale":
        """Return the scale on which all these cells can be told apart."""
        sizes = np.abs(np.concatenate([each.ravel() for each in cells])) if cells else np.zeros(1)
        return cls(max(float(np.quantile(sizes, 1 - _CLIPPED)), 1e-300) / STEPS)

    def levels(self, cells: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the step of each cell, from -STEPS to STEPS."""
        return np.rint(np.clip(cells / self.step, -STEPS, STEPS)).astype(np.int64)

    def letters(self, cells: NDArray[np.float64]) -> str:
        """Return the steps as one letter a cell, row by row."""
        return "".join(_LETTERS[level + STEPS] for level in self.levels(cells).ravel().tolist())

    def drawing(self, cells: NDArray[np.float64]) -> dict[str, Any]:
        """Return paths on a grid of unit squares: name and squares of each step that occurs, and the strokes of the signs."""
        levels = self.levels(cells)
        squares = []
        for level in (number for number in range(-STEPS, STEPS + 1) if number):
            places = np.argwhere(levels == level)
            if len(places):
                path = "".join(f"M{column} {row}h1v1h-1z" for row, column in places.tolist())
                squares.append({"name": f"{'for' if level > 0 else 'against'} l{abs(level)}", "path": path})
        # A sign in each cell that counts: who sees no colours, or prints without them, reads it too.
        strong = [(row, column, levels[row, column]) for row, column in np.argwhere(np.abs(levels) >= 2).tolist()]
        signs = "".join(f"M{c}.35 {r}.5h.3" + (f"M{c}.5 {r}.35v.3" if level > 0 else "") for r, c, level in strong)
        return {"squares": squares, "signs": signs}


def legend() -> list[str]:
    """Return the names of the steps, from the strongest against to the strongest for."""
    sides = [f"against l{level}" for level in range(STEPS, 0, -1)], [f"for l{level}" for level in range(1, STEPS + 1)]
    return [*sides[0], "", *sides[1]]


def explained_part(model: Model, found: CachedCells | None) -> dict[str, Any] | None:
    """Return scale and sentences beside the cells of an image; None where no cells are known."""
    if found is None:
        return None
    return {
        "steps": legend(),
        "step": Scale.of(list(found.cells)).step,
        "quantity": found.quantity,
        "limits": limits_of(model, "exact", found.quantity, found.cells.shape[1:]),
    }


def cells_data(recipe: Recipe, found: CachedCells | None, places: list[int]) -> dict[str, Any] | None:
    """Return what the script draws cells from: a letter a cell and the runner-up, by an image's place on the page."""
    if found is None:
        return None
    scale = Scale.of(list(found.cells))
    return {
        "rows": found.cells.shape[1],
        "columns": found.cells.shape[2],
        "height": recipe.image_size[0],
        "width": recipe.image_size[1],
        "resize": recipe.resize,
        "steps": STEPS,
        "letters": {place: scale.letters(cells) for place, cells in zip(places, found.cells, strict=True)},
        "others": dict(zip(places, found.others.tolist(), strict=True)),
    }
