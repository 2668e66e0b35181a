"""What an explanation holds, and the sentences that say how far it goes."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from featx.images import PassedOver
from featx.models import Model
from featx.system.results import Result


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation(Result):
    """Which cells of an image's map spoke for its class and against the runner-up, or the reason why there is none.

    Parameters
    ----------
    path : str
        The file, as it was given, or as it was found in a folder.
    label, other : str
        The class that is explained, and the class that it is held against; empty if rejected.
    confidence, other_confidence : float or None
        Their probabilities; None if rejected.
    method : str
        ``exact``: cells and bias add up to the margin. ``occlusion``: a cell's value is what the margin loses where that cell
        is replaced by the mean of the image's other cells, and the values add up to nothing.
    quantity : str
        What the margin is the difference of: ``logit`` (what the softmax is taken of), ``log-odds`` (of a sigmoid for each
        class) or ``log-probability``.
    margin : float or None
        The value of ``label`` less that of ``other``, before any calibration.
    bias : float or None
        With ``exact``: the part of the margin that is the same in every image.
    cells : ndarray of shape (h, w), float64, or None
        What each cell of the map adds to the margin: above 0 it spoke for ``label``, below 0 for ``other``.
    digest : str
        SHA-256 of the file's content, in hex.
    error : str
        Reason of the rejection; empty otherwise.

    Examples
    --------
    >>> (explanation,) = featx.explain_images("models/photos-logreg.featx", ["photos/red/0.png"])
    >>> explanation.label, explanation.method, explanation.cells.shape
    ('red', 'exact', (2, 2))
    >>> bool(abs(explanation.cells.sum() + explanation.bias - explanation.margin) < 1e-5)
    True
    """

    path: str
    label: str = ""
    other: str = ""
    confidence: float | None = None
    other_confidence: float | None = None
    method: str = ""
    quantity: str = ""
    margin: float | None = None
    bias: float | None = None
    cells: NDArray[np.float64] | None = None
    digest: str = ""
    error: str = ""

    @property
    def speaking_for(self) -> float:
        """Sum of the cells above 0; 0 if rejected."""
        return 0.0 if self.cells is None else float(np.maximum(self.cells, 0).sum())

    @property
    def speaking_against(self) -> float:
        """Sum of the cells below 0; 0 if rejected."""
        return 0.0 if self.cells is None else float(np.minimum(self.cells, 0).sum())

    def strongest(self, count: int = 3) -> list[tuple[int, int, float]]:
        """Return row and column, from 0 at the top left, and value of the cells of greatest size, these first."""
        if self.cells is None:
            return []
        order = np.argsort(-np.abs(self.cells), axis=None, kind="stable")[:count]
        places = zip(*np.unravel_index(order, self.cells.shape), strict=True)
        return [(int(row), int(column), float(self.cells[row, column])) for row, column in places]


class Explanations(Result, list[Explanation]):
    """A list of explanations, and what was found beside the images.

    Attributes
    ----------
    passed_over : PassedOver
        What the folders hold besides images: ``skipped`` by suffix, ``folders`` by name, ``hidden``.

    Examples
    --------
    >>> explanations = featx.explain_images("models/photos-logreg.featx", "photos/red")
    >>> len(explanations), explanations.passed_over.skipped
    (12, {})
    """

    passed_over: PassedOver = PassedOver()

    def __repr__(self) -> str:
        rejected = sum(1 for explanation in self if explanation.error)
        return f"Explanations(images={len(self)}, explained={len(self) - rejected}, rejected={rejected})"


def limits_of(model: Model, method: str, quantity: str, grid: tuple[int, ...]) -> list[str]:
    """Return what a reader must know of explanations: how they were made, what they tell and do not, how fine they are.

    Parameters
    ----------
    model : Model
        The model that was explained.
    method, quantity : str
        As in ``Explanation``.
    grid : (int, int)
        Rows and columns of the cells.
    """
    return [
        " ".join(_how_made(model, method, quantity)),
        "It tells where the evidence lay that this head used for one class and against the other. It does not tell whether "
        "that evidence is the object itself: a background that goes with a class counts as much as the object does.",
        _how_fine(model, *grid),
    ]


def _how_made(model: Model, method: str, quantity: str) -> list[str]:
    if method == "occlusion":
        return [
            "By occlusion: the value of a cell is how much of the margin, the difference between the logarithms of the two "
            "probabilities, is lost where this cell is replaced by the mean of the image's other cells. Such values add up to "
            "nothing, and where two cells hold the same evidence neither may show."
        ]
    made = ["Exact: the cells and the bias add up to the margin,"]
    if quantity == "logit":
        made.append("the difference between the two classes' logits, of which the softmax makes probabilities.")
    else:
        made.append(
            "the difference between the log-odds of the two classes' own sigmoids; the probabilities are these sigmoids, made "
            "to sum to 1."
        )
    scale = model.head.settings().get("scale")
    if scale in ("l2", "sqrt"):
        made.append("The length that the image's features are divided by is taken as given.")
    if scale == "sqrt" and "avg" in model.pooling:
        made.append("What the root of an average adds is divided as the cells divide the average.")
    if "max" in model.pooling:
        made.append("What a maximum adds is its cell's alone.")
    return made


def _how_fine(model: Model, rows: int, columns: int) -> str:
    height, width = model.recipe.image_size
    cell = f"{height / rows:.3g} x {width / columns:.3g} px of the {height} x {width} px that the network saw"
    seen = receptive_field(model)
    if seen == 0:
        around = "A cell has seen more than its own square; in a deep network that may be the whole image."
    elif seen > max(height / rows, width / columns):
        around = f"A cell has seen more than its own square: {seen} x {seen} px around it."
    else:
        around = "A cell has seen nothing else."
    return f"The map has {rows} x {columns} cells of {cell}. {around}"


def receptive_field(model: Model) -> int:
    """Return the side of the square of pixels that a cell is computed from [px]; 0 where it is not known."""
    if model.recipe.backbone == "stub":
        return 1
    if model.recipe.backbone not in ("vgg16", "vgg19"):
        return 0
    seen, step, end = 1, 1, model.tail.end if model.tail else model.layer
    for layer in model.network.get("layers", ()):
        # Every convolution is 3 x 3 in steps of 1, every pooling 2 x 2 in steps of 2.
        if "Conv" in layer["type"]:
            seen += 2 * step
        elif "Pooling" in layer["type"]:
            seen += step
            step *= 2
        if layer["name"] == end:
            return seen
    return 0
