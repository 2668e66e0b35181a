"""What is exported: everything between pixels and probabilities. Nothing here loads Keras."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from featx.heads.layers import PlainLayer
from featx.recipe import Recipe

INPUT, OUTPUT, NUMBERS = "images", "probabilities", "numbers"
"""Names of a network's input, and of its output where that is probabilities and where it is numbers."""


@dataclasses.dataclass(frozen=True)
class Whole:
    """A backbone, what is pooled of it, and a head.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, image size, preprocessing and the type that features were kept in.
    weights : Path or None
        The backbone's weights file, as ``load_backbone`` takes it.
    layer, pooling : str
        Which layer's maps are cached, and how the head's features are pooled.
    head : tuple of PlainLayer
        From features to probabilities, or to numbers.
    replaced : mapping of str to ndarray, or None
        Fine-tuned weights in place of the backbone's own, as ``layer/name``.
    end : str or None
        The last of fine-tuned layers, whose maps are pooled; by default ``layer`` itself.
    """

    recipe: Recipe
    weights: Path | None
    layer: str
    pooling: str
    head: tuple[PlainLayer, ...]
    replaced: Mapping[str, NDArray[Any]] | None = None
    end: str | None = None
