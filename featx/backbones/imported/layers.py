"""Which layers of a network from a file features can be taken of, what they are called, and which are taken by default.

A map (n, h, w, c) or (n, c, h, w) is one layer. Tokens (n, tokens, c) of a transformer are up to three, so that a cache holds
maps alone: ``NAME:patches`` (h, w, c), where the tokens are those of a grid of patches; ``NAME:cls`` (1, 1, c), the class token
before them; ``NAME:both`` (1, 1, 2c), the class token and the mean of the patches. Tokens of no grid are ``NAME:tokens``
(tokens, 1, c). What has no places, (n, c), is a map of one place.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from featx.backbones.table import unknown_layer
from featx.errors import UnknownLayer

PARTS = ("patches", "cls", "both")
"""What tokens with a grid and a class token are taken as, in the order that a recipe has them in."""

_MOST_BESIDE = 16
"""Tokens beside those of the grid, at most: a class token, one for distillation, registers."""

_PATCHES = range(4, 33)
"""Sides of a patch [px]."""

_LARGEST_NAME = 120
_MOST_SHOWN = 12
# What gives arrays of three dimensions that need not be tokens: the rows of a detector's boxes, say.
_CUTTING = ("Split", "Slice", "Gather", "Reshape", "Transpose", "Concat", "Concatenate", "Expand", "Softmax")

_LARGE = 4  # a map with more than such a share of the image's rows or columns holds edges, not things


@dataclasses.dataclass(frozen=True)
class Tensor:
    """What a node of a network gives.

    Parameters
    ----------
    name : str
        As it stands in the file.
    kind : str
        The operator or the class of layer.
    shape : tuple of int
        Of one batch, the number of images first.
    layout : str
        Of four dimensions: ``nchw`` or ``nhwc``; empty where they are no map.
    node : str
        Name of the node; several may share it.
    is_output : bool
        Whether the network gives it.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: str = ""
    node: str = ""
    is_output: bool = False


@dataclasses.dataclass(frozen=True)
class Layer:
    """Features that can be kept.

    Parameters
    ----------
    name : str
        As recipes, caches and commands have it.
    tensor : Tensor
        What they are taken from.
    part : str
        Of tokens: ``patches``, ``cls``, ``both`` or ``tokens``; else empty.
    shape : tuple of int
        (h, w, c) of an image.
    grid : tuple of int
        Rows and columns of the patches that the last tokens are of; (0, 0) without any.
    """

    name: str
    tensor: Tensor
    part: str
    shape: tuple[int, int, int]
    grid: tuple[int, int] = (0, 0)

    @property
    def first_patch(self) -> int:
        """How many tokens stand before those of the grid."""
        return self.tensor.shape[1] - math.prod(self.grid)


class Layers:
    """The layers of a network.

    Parameters
    ----------
    tensors : iterable of Tensor
        In the order in which they are computed.
    image_size : tuple of int
        (height, width) [px].
    names : sequence of str or None
        Of all tensors there are, those that no features can be taken of included: what one is called must not hang on what is
        known of the others. By default those of ``tensors``.
    """

    def __init__(self, tensors: Iterable[Tensor], image_size: tuple[int, int], names: Sequence[str] | None = None) -> None:
        self._image_size = image_size
        self._tensors = [tensor for tensor in tensors if _parts(tensor, image_size)]
        self._names = _stored_names([tensor.name for tensor in self._tensors] if names is None else names)
        self.by_name: dict[str, Layer] = {}
        for tensor in self._tensors:
            base = self._names[tensor.name]
            parts = _parts(tensor, image_size)
            grid = parts["patches"][:2] if "patches" in parts else (0, 0)
            for part, shape in parts.items():
                name = f"{base}:{part}" if part else base
                self.by_name[name] = Layer(name, tensor, part, shape, grid)

    @property
    def default(self) -> tuple[str, ...]:
        """The layers that are taken where none is named.

        Of what the network gives the last map or grid of tokens; else the last one that leads there; else what it gives. Maps
        with more than a quarter of the image's rows or columns only where there are no others.
        """
        places = [tensor for tensor in self._tensors if self._places(tensor) > (1, 1)]
        small = [tensor for tensor in places if self._is_small(tensor)]
        given = [tensor for tensor in small if tensor.is_output]
        ends = [tensor for tensor in self._tensors if tensor.is_output]
        chosen = (given or small or places or ends or self._tensors)[-1:]
        return tuple(name for tensor in chosen for name in self._of(tensor))

    def stored_name(self, tensor: str) -> str:
        """Return the name that a tensor's layers begin with."""
        return self._names.get(tensor) or _plain(tensor)

    def find(self, asked: Sequence[str], backbone: str) -> tuple[str, ...]:
        """Return the layers of some names: a layer's, a tensor's, a node's, or a part of a path that one tensor alone has.

        Raises
        ------
        UnknownLayer
            If there is none of that name, or several share it.
        """
        return tuple(dict.fromkeys(name for text in asked for name in self._find(text, backbone)))

    def _find(self, text: str, backbone: str) -> list[str]:
        if text in self.by_name:
            return [text]
        base, _, part = text.rpartition(":")
        if base and part in (*PARTS, "tokens"):
            found = [name for name in self._find(base, backbone) if name.endswith(f":{part}")]
            if found:
                return found
        same = [tensor for tensor in self._tensors if text in (tensor.name, self._names[tensor.name])]
        same = same or [tensor for tensor in self._tensors if text == tensor.node]
        same = same or [tensor for tensor in self._tensors if _has_part(tensor.name, text)]
        if len(same) == 1:
            return self._of(same[0])
        if not same:
            raise unknown_layer(backbone, text, list(self.by_name), ())
        listed = ", ".join(self._names[tensor.name] for tensor in same[-_MOST_SHOWN:])
        more = f", and {len(same) - _MOST_SHOWN} before them" if len(same) > _MOST_SHOWN else ""
        raise UnknownLayer(f"{backbone}: {len(same)} layers share the name {text!r}. Give one of: {listed}{more}.")

    def _of(self, tensor: Tensor) -> list[str]:
        base, parts = self._names[tensor.name], _parts(tensor, self._image_size)
        return [f"{base}:{part}" if part else base for part in parts]

    def _places(self, tensor: Tensor) -> tuple[int, int]:
        """Return rows and columns of a map, or of a grid of tokens that an operator computes and does not merely cut out."""
        parts = _parts(tensor, self._image_size)
        if "patches" in parts and tensor.kind in _CUTTING and not tensor.is_output:
            return 1, 1
        return parts.get("", parts.get("patches", (1, 1, 1)))[:2]

    def _is_small(self, tensor: Tensor) -> bool:
        height, width = self._places(tensor)
        return height * _LARGE <= self._image_size[0] and width * _LARGE <= self._image_size[1]


def grid_of(tokens: int, image_size: tuple[int, int]) -> tuple[int, int] | None:
    """Return rows and columns of the patches that all but some first tokens are of; None where they are of no grid."""
    sides = {(image_size[0] // patch, image_size[1] // patch) for patch in _PATCHES}
    fitting = [(h, w) for h, w in sides if h * w > 1 and 0 <= tokens - h * w <= _MOST_BESIDE]
    return max(fitting, key=math.prod, default=None)


def is_grid(height: int, width: int, image_size: tuple[int, int]) -> bool:
    """Tell whether so many rows and columns can be an image's, made smaller by one factor."""
    steps = {math.ceil(image_size[0] / height), image_size[0] // height} if height else set()
    return (
        any(width in (image_size[1] // step, math.ceil(image_size[1] / step)) for step in steps if step)
        and height <= image_size[0]
    )


def _parts(tensor: Tensor, image_size: tuple[int, int]) -> Mapping[str, tuple[int, int, int]]:
    """Return what can be kept of a tensor, by part, with the shape (h, w, c) of an image."""
    match tensor.shape:
        case (_, channels):
            return {"": (1, 1, channels)}
        case (_, channels, height, width) if tensor.layout == "nchw":
            return {"": (height, width, channels)}
        case (_, height, width, channels) if tensor.layout == "nhwc":
            return {"": (height, width, channels)}
        case (_, tokens, channels):
            grid = grid_of(tokens, image_size)
            if grid is None:
                return {"tokens": (tokens, 1, channels)}
            patches = {"patches": (*grid, channels)}
            return patches | ({"cls": (1, 1, channels), "both": (1, 1, 2 * channels)} if tokens > math.prod(grid) else {})
    return {}


def _stored_names(names: Sequence[str]) -> dict[str, str]:
    """Return a name for each that HDF5 and recipes can take; those that need no change keep theirs."""
    plain = {name: _plain(name) for name in names}
    taken = {name for name in names if plain[name] == name}
    stored = {}
    for name in names:
        new, count = plain[name], 1
        while new != name and new in taken:
            count += 1
            new = f"{plain[name]}_{count}"
        taken.add(new)
        stored[name] = new
    return stored


def _plain(name: str) -> str:
    known = re.sub(r"[^A-Za-z0-9_:+-]+", "_", name.strip("/"))[-_LARGEST_NAME:]
    return re.sub(rf":(?=({'|'.join((*PARTS, 'tokens'))})$)", "_", known) or "tensor"


def _has_part(name: str, text: str) -> bool:
    return bool(text) and (text in re.split(r"/", name) or f"/{text.strip('/')}/" in f"/{name.strip('/')}/")
