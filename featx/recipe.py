"""Recipe: everything that changes a feature's value, and nothing else."""

import contextlib
import dataclasses
import hashlib
import json
from typing import Any

from featx.errors import RecipeError

DECODE_VERSION = 1
"""Raised whenever the same file would decode to other pixels than before."""

FORMAT_VERSION = 1
"""Raised whenever the cache's files can no longer be read by an older featx."""

RESIZE_MODES = ("stretch", "crop", "pad")
PREPROCESS_MODES = ("caffe", "torch", "tf", "rescale", "none")
PRECISIONS = ("float32", "float16", "bfloat16", "int8")
STORED_DTYPES = ("float16", "float32")

FULL_DEPTH = "16"
"""All bits of a file of 16 count, as they always did."""

DEPTHS = ("auto", "8", "10", "12", FULL_DEPTH, "min-max")
COLOR_PROFILES = ("ignore", "srgb")

# Settings that caches and models of the first featx know nothing of. Left out at their default, so that the fingerprints
# of everything extracted before stay what they were.
_LATER: dict[str, Any] = {
    "allow_truncated": False,
    "quantized": "",
    "tail": "",
    "depth": FULL_DEPTH,
    "color_profile": COLOR_PROFILES[0],
}

LARGEST_SIDE = 8192
"""An image side past this is taken for a damaged recipe [px]."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a feature was made. Two features with equal recipes may be compared; others may not.

    Batch size, worker count, device and Keras' own backend are no part of it: they change how fast a
    feature is computed, not what it means.

    Parameters
    ----------
    backbone : str
        Name in the registry of backbones.
    weights : str
        Digest of the weights: ``sha256:…`` of the file, or ``random:SEED``.
    layers : tuple of str
        Layers whose outputs are kept.
    image_size : tuple of int
        (height, width) of the pixels that the backbone sees [px].
    preprocess : str
        How pixels are scaled: ``caffe``, ``torch``, ``tf`` (Keras' names), ``rescale`` (1/255), ``none``; or a ``Scaling``.
    resize : str
        ``stretch`` to the image size, ``crop`` to its shape first, or ``pad`` to it.
    background : tuple of int
        RGB colour that shows through transparent pixels and fills ``pad``'s margins.
    exact_decode : bool
        Decode JPEGs at full size before resizing, instead of at a reduced size.
    allow_truncated : bool
        Take what is left of a file that ends too early, instead of rejecting it.
    precision : str
        Arithmetic of the forward pass.
    stored_dtype : str
        Type of the cached maps.
    quantized : str
        Digest of the quantized network, for ``int8``; empty until it has been made, and with every other precision.
    tail : str
        Which fine-tuned layers took the place of frozen ones, as ``FIRST:DIGEST``; empty where all are frozen. Only models
        have it: the features that their heads take are no longer those of any cache.
    depth : str
        What the numbers of a file of 16 bits a sample mean, see ``featx.images.depth``: ``16``, all bits count; ``8``,
        ``10`` or ``12``, the file holds no more; ``auto``, the fewest that hold the image's largest value; or ``min-max``,
        the image's own range.
    color_profile : str
        ``ignore`` the colour profile of a file, or convert its colours to ``srgb``.
    decode_version, format_version : int
        Of the decode rules and of the cache's files.

    Raises
    ------
    RecipeError
        If a setting has the wrong type or is outside its range.

    Examples
    --------
    >>> recipe = featx.open_cache("cache/photos").recipe
    >>> recipe.backbone, recipe.layers, recipe.image_size
    ('stub', ('cells',), (64, 64))
    >>> import dataclasses
    >>> recipe.differences(dataclasses.replace(recipe, resize="crop"))
    {'resize': ('stretch', 'crop')}
    """

    backbone: str
    weights: str
    layers: tuple[str, ...]
    image_size: tuple[int, int]
    preprocess: str
    resize: str = "stretch"
    background: tuple[int, int, int] = (255, 255, 255)
    exact_decode: bool = False
    allow_truncated: bool = False
    precision: str = "float32"
    stored_dtype: str = "float16"
    decode_version: int = DECODE_VERSION
    format_version: int = FORMAT_VERSION
    quantized: str = ""
    tail: str = ""
    depth: str = FULL_DEPTH
    color_profile: str = "ignore"

    def __post_init__(self) -> None:
        """Refuse values that no featx could have written.

        Written out, and not a schema of msgspec as a model's document has: ``--help`` lists the modes of this module, and loads
        no library; and rules such as layers that differ are beyond a schema.
        """
        self._require("backbone", isinstance(self.backbone, str) and 0 < len(self.backbone) <= 100, "a name")
        self._require("weights", isinstance(self.weights, str) and 0 < len(self.weights) <= 200, "a digest")
        self._require(
            "layers",
            isinstance(self.layers, tuple)
            and 0 < len(self.layers) <= 100
            and all(isinstance(layer, str) and layer and "/" not in layer and "." not in layer for layer in self.layers)
            and len(set(self.layers)) == len(self.layers),
            "different layer names",
        )
        self._require(
            "image_size",
            _is_whole_numbers(self.image_size, 2, 1, LARGEST_SIDE),
            f"(height, width), each 1 to {LARGEST_SIDE} px",
        )
        self._require("background", _is_whole_numbers(self.background, 3, 0, 255), "three numbers from 0 to 255")
        self._require("tail", isinstance(self.tail, str) and len(self.tail) <= 200, "a layer and a digest, or empty")
        quantized = isinstance(self.quantized, str) and len(self.quantized) <= 200
        self._require("quantized", quantized and (not self.quantized or self.precision == "int8"), "a digest, for int8 alone")
        for name in ("exact_decode", "allow_truncated"):
            self._require(name, isinstance(getattr(self, name), bool), "true or false")
        for name, allowed in (
            ("resize", RESIZE_MODES),
            ("precision", PRECISIONS),
            ("stored_dtype", STORED_DTYPES),
            ("depth", DEPTHS),
            ("color_profile", COLOR_PROFILES),
        ):
            self._require(name, getattr(self, name) in allowed, "one of " + ", ".join(allowed))
        # Spelled in one way alone: two spellings of one scaling would be two recipes.
        scaling = read_scaling(self.preprocess) if isinstance(self.preprocess, str) else None
        self._require("preprocess", scaling is not None and str(scaling) == self.preprocess, f"one of {SCALING_FORMS}")
        for name in ("decode_version", "format_version"):
            self._require(name, _is_whole_numbers((getattr(self, name),), 1, 1, 10**6), "a whole number from 1")

    @property
    def is_draft(self) -> bool:
        """Whether its quantized network has yet to be made: nothing can be extracted with it."""
        return self.precision == "int8" and not self.quantized

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise RecipeError(f"recipe: {name} must be {rule}. Received: {getattr(self, name)!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types, those of ``_LATER`` only where they are not at their default."""
        settings = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}
        return {name: v for name, v in settings.items() if name not in _LATER or v != _LATER[name]}

    @classmethod
    def from_dict(cls, settings: object) -> "Recipe":
        """Rebuild a recipe from ``to_dict``'s result.

        Raises
        ------
        RecipeError
            If a setting is missing, unknown or outside its range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(settings, dict) or not names - set(_LATER) <= set(settings) <= names:
            received = sorted(map(str, settings)) if isinstance(settings, dict) else type(settings).__name__
            raise RecipeError(f"recipe: must have exactly the settings {sorted(names)}. Received: {received}.")
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}
        return cls(**values)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings as canonical JSON, in hexadecimal."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences(self, other: "Recipe") -> dict[str, tuple[Any, Any]]:
        """Return each setting that differs, as name to (value in this recipe, value in the other)."""
        mine, theirs = _LATER | self.to_dict(), _LATER | other.to_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


SCALING_FORMS = f"{', '.join(PREPROCESS_MODES)}, or 'mean=R,G,B std=R,G,B'"
"""What ``read_scaling`` reads."""


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What is done to RGB pixels from 0 to 255 before a network sees them; as text, the recipe's ``preprocess``.

    Parameters
    ----------
    mode : str
        One of ``PREPROCESS_MODES``; empty where means and deviations are given.
    mean, std : tuple of float
        Of red, green and blue: the mean is subtracted, then it is divided by the deviation. Of pixels from 0 to 1, as
        torchvision, timm and Hugging Face write them; where one of the six is above 1, of pixels from 0 to 255.
    bgr : bool
        Whether blue comes first.
    layout : str
        ``nchw`` or ``nhwc``, where the shape of a network's input does not tell where its channels are; else empty.
    """

    mode: str = ""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    layout: str = ""

    def __str__(self) -> str:
        """Return the only spelling that a recipe takes."""
        mean, std = (",".join(f"{number:.9g}" for number in numbers) for numbers in (self.mean, self.std))
        words = (self.mode or f"mean={mean} std={std}", "bgr" if self.bgr else "", self.layout)
        return " ".join(word for word in words if word)

    @property
    def factors(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What pixels from 0 to 255 are multiplied by, and what is then added; of red, green and blue, without a mode."""
        unit = 1.0 if max(*self.mean, *self.std) > 1 else 255.0
        added = tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))
        return tuple(1 / (unit * std) for std in self.std), added


def read_scaling(text: str) -> Scaling | None:
    """Read a mode, or ``mean=R,G,B std=R,G,B``, and behind it ``bgr``, ``nchw`` or ``nhwc``; None if it is no scaling.

    One number stands for all three colours; a mean alone has deviations of 1, and deviations alone means of 0.
    """
    words = text.lower().replace("/", " ").split()
    pairs = [word.partition("=") for word in words]
    numbers = {name: _three_numbers(value) for name, _, value in pairs if name in ("mean", "std")}
    modes = [word for word in words if word in PREPROCESS_MODES]
    layouts = [word for word in words if word in ("nchw", "nhwc")]
    known = len(modes) + len(layouts) + len(numbers) + ("bgr" in words)
    if known != len(words) or len(modes) + bool(numbers) != 1 or len(layouts) > 1 or {"caffe", "bgr"} <= {*words}:
        return None
    mean, std = numbers.get("mean", (0.0,) * 3), numbers.get("std", (1.0,) * 3)
    if not mean or not std or min(std) <= 0:
        return None
    return Scaling("".join(modes), mean, std, "bgr" in words, "".join(layouts))


def _three_numbers(text: str) -> tuple[float, ...]:
    """Return three numbers of moderate size, or nothing."""
    with contextlib.suppress(ValueError):
        found = tuple(float(part) for part in text.split(","))
        if len(found) in (1, 3) and all(abs(number) <= 1e6 for number in found):
            return found if len(found) == 3 else found * 3
    return ()


COLOUR_FORMS = "white, grey, black, #rrggbb or RED,GREEN,BLUE from 0 to 255"
"""What ``read_colour`` reads."""

_COLOURS = {"white": (255, 255, 255), "grey": (128, 128, 128), "gray": (128, 128, 128), "black": (0, 0, 0)}


def read_colour(text: str) -> tuple[int, int, int] | None:
    """Return a colour's red, green and blue from its name, ``#rrggbb`` or ``RED,GREEN,BLUE``; None if it is no colour."""
    text = text.lower().strip()
    if text in _COLOURS:
        return _COLOURS[text]
    with contextlib.suppress(ValueError):
        parts = [int(text[i : i + 2], 16) for i in (1, 3, 5)] if text.startswith("#") else [int(p) for p in text.split(",")]
        if len(parts) == 3 and all(0 <= part <= 255 for part in parts) and (len(text) == 7 or text[0] != "#"):
            return parts[0], parts[1], parts[2]
    return None


def _is_whole_numbers(values: object, length: int, least: int, most: int) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == length
        and all(isinstance(v, int) and not isinstance(v, bool) and least <= v <= most for v in values)
    )
