"""What a network in a file is to featx: its digest, its layers, and what is taken of it unless something else is asked for."""

import dataclasses
from pathlib import Path

from featx.backbones.imported.layers import Layer


@dataclasses.dataclass(frozen=True)
class ImportedNetwork:
    """A network in a file, and what is taken of it.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        ``onnx`` or ``keras``: the recipe's ``backbone``.
    digest : str
        ``sha256:…``: the recipe's ``weights``.
    layers : tuple of Layer
        Those that there are, as far as was asked for.
    taken : tuple of str
        Names of those that are kept.
    image_size : tuple of int
        (height, width) [px].
    fixed_size : bool
        Whether it takes images of that size alone.
    batch : int or None
        Images a pass, where it takes no other number.
    preprocess : str
        How pixels are scaled for it.
    parameters : int
        Values stored in it, as far as the layers that are kept.
    notes : tuple of str
        What was taken where nobody had said it.
    """

    path: Path
    kind: str
    digest: str
    layers: tuple[Layer, ...]
    taken: tuple[str, ...]
    image_size: tuple[int, int]
    fixed_size: bool
    batch: int | None
    preprocess: str
    parameters: int
    notes: tuple[str, ...] = ()
