"""The options of an extract, and the recipe that they make."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path

from featx.backbones import Resolved, resolve_backbone
from featx.errors import AugmentError, ImageListError, RecipeError
from featx.images import (
    DEFAULT_AUGMENT,
    MOST_VIEWS,
    Augmentation,
    GroupFrom,
    ManifestOptions,
    Part,
    view_key,
)
from featx.recipe import COLOUR_FORMS, FULL_DEPTH, Recipe, read_colour
from featx.system.kinds import check_kind, is_whole, plain, shown
from featx.system.names import as_list
from featx.system.paths import StrPath, as_path_or_none

DEFAULT_VIEWS = 4
"""Views of each training image where ``augment`` is given and their number is not."""

# What each option may be, and how that is called.
_KINDS: dict[tuple[str, ...], tuple[tuple[type, ...], str]] = {
    ("preprocess", "resize", "depth", "color_profile", "precision"): ((str,), "a text"),
    ("backbone", "weights"): ((str, Path), "a text or a path"),
    ("layers",): ((tuple, list, str, type(None)), "names of layers, or None"),
    ("augment",): ((str, type(None)), "a text, or None"),
    ("views",): ((Integral, type(None)), "a whole number, or None"),
    ("val_fraction", "test_fraction"): ((Real,), "a number"),
    ("seed",): ((Integral,), "a whole number"),
    ("shard",): ((str, tuple, list, Part, type(None)), "I/N or (I, N), or None"),
}


@dataclasses.dataclass(frozen=True)
class ExtractOptions:
    """What decides which features an extract gives, and for which images.

    Parameters
    ----------
    backbone : str or Path
        Name of the backbone; or a file with a network of your own, ``FILE.onnx`` or ``FILE.keras``.
    weights : str or Path
        ``imagenet``, ``random``, ``random:SEED`` or a weights file.
    layers : tuple of str, str or None
        Layers to keep, all from one forward pass; by default the backbone's last.
    preprocess : str
        How pixels are scaled: ``auto``, as the backbone was trained; by name; or ``mean=R,G,B std=R,G,B``.
    image_size : tuple of int, int or None
        (height, width), or the side of a square [px]; by default the backbone's own.
    resize : str
        ``stretch``, ``crop`` or ``pad``.
    background : tuple of int, or str
        RGB colour, or its name, under transparent pixels and in ``pad``'s margins.
    exact_decode : bool
        Decode JPEGs at full size.
    allow_truncated : bool
        Use what is left of files that end too early.
    depth : str
        What the numbers of files of 16 bits a sample mean: ``16``, ``12``, ``10`` or ``8`` bits, ``auto`` or ``min-max``.
    color_profile : str
        ``ignore`` colour profiles, or convert to ``srgb``.
    precision : str
        Arithmetic of the backbone: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
    calibration : Path, str, FeatureCache, Model or None
        For int8: a cache or model whose quantized network is used, instead of a network made from these images.
    augment : str or None
        How far augmented views are from the clean image, such as ``flip,rotate=15``.
    views : int or None
        Views of each training image, the clean one included.
    val_fraction, test_fraction : float
        Shares drawn where the folders or the manifest give no such split.
    seed : int
        Of that draw, and of the views.
    shard : str, (int, int) or None
        ``"I/N"`` or (I, N): only part I of N parts, for as many machines.
    root, path_column, label_column, split_column, group_column, weight_column, ext : str or None
        How a manifest is to be read; see ``ManifestOptions``.
    label_separator, label_columns, target, ordinal : str, sequence of str, or None
        What is to be learned where it is no class; see ``ManifestOptions``.
    group_from : str or None
        Which images show the same thing and stay in one split: ``parent``, ``exif:camera``, ``exif:time<60s``, ``none``, or a
        regular expression that finds the group in a path. By default the groups of a manifest.
    yes : bool
        Extract images, too, that no head can use: those of a single class, say.

    Raises
    ------
    ImageListError
        If the shares leave nothing to learn from, or there is no such part.
    AugmentError
        If the views cannot be made.
    RecipeError
        If a value is of another type, or ``calibration`` is given without int8.
    """

    backbone: str | Path = "vgg16"
    weights: str | Path = "imagenet"
    layers: tuple[str, ...] | str | None = None
    preprocess: str = "auto"
    image_size: tuple[int, int] | int | None = None
    resize: str = "stretch"
    background: tuple[int, int, int] | str = (255, 255, 255)
    exact_decode: bool = False
    allow_truncated: bool = False
    depth: str = FULL_DEPTH
    color_profile: str = "ignore"
    precision: str = "float32"
    calibration: StrPath | None = None
    augment: str | None = None
    views: int | None = None
    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0
    shard: str | tuple[int, int] | None = None
    root: Path | str | None = None
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    weight_column: str | None = None
    ext: str | None = None
    label_separator: str | None = None
    label_columns: Sequence[str] | str | None = None
    target: Sequence[str] | str | None = None
    ordinal: Sequence[str] | str | None = None
    group_from: str | None = None
    yes: bool = False

    def __post_init__(self) -> None:
        """Refuse what can be seen to be wrong before anything is read."""
        for names, (kinds, wanted) in _KINDS.items():
            for name in names:
                value = getattr(self, name)
                check_kind(name, value, kinds, wanted, RecipeError)
                object.__setattr__(self, name, plain(value))  # what decodes images is asked in JSON
        object.__setattr__(self, "backbone", str(self.backbone))
        given = as_path_or_none(
            "calibration", self.calibration, RecipeError, "a cache's or a model's path, either itself, or None"
        )
        object.__setattr__(self, "calibration", given)
        object.__setattr__(self, "image_size", _image_size(self.image_size))
        object.__setattr__(self, "background", _background(self.background))
        _ = self.manifest, self.part, self.groups
        if self.group_from is not None and self.group_column is not None:
            raise ImageListError(
                "--group-from and --group-column both say which images are of one group: give one of them.", wrong_value=True
            )
        shares = self.val_fraction, self.test_fraction
        if not (min(shares) >= 0 and sum(shares) < 1):
            raise ImageListError(
                f"val and test fractions must be at least 0 and together below 1. Received: {shares[0]} and {shares[1]}.",
                wrong_value=True,
            )
        if not 1 <= self.n_views <= MOST_VIEWS:
            raise AugmentError(f"--views must be from 1 to {MOST_VIEWS}, the clean image included. Received: {self.views}.")
        if self.calibration is not None and self.precision != "int8":
            raise RecipeError(f"--int8-from is for --precision int8 alone. Received: --precision {self.precision}.")
        _ = self.augmentation  # reads the spec

    @property
    def n_views(self) -> int:
        """Views of each training image, the clean one included."""
        if self.views is None:
            return DEFAULT_VIEWS if self.augment else 1
        return self.views

    @property
    def part(self) -> Part | None:
        """Which part of the images; None for all."""
        return None if self.shard is None else Part.parse(self.shard)

    @property
    def manifest(self) -> ManifestOptions:
        """How a manifest is to be read."""
        return ManifestOptions(**{field.name: getattr(self, field.name) for field in dataclasses.fields(ManifestOptions)})

    @property
    def groups(self) -> GroupFrom | None:
        """Where groups are told from; None for those of a manifest."""
        return None if self.group_from is None else GroupFrom.parse(self.group_from)

    @property
    def augmentation(self) -> Augmentation:
        """How far augmented views are from the clean image."""
        return Augmentation.parse(self.augment or DEFAULT_AUGMENT)

    @property
    def view_keys(self) -> tuple[int, ...]:
        """What the augmented views are cached under; empty where there is only the clean image."""
        return tuple(view_key(self.augmentation, self.seed, view) for view in range(1, self.n_views))

    def resolve(self) -> Resolved:
        """Return the backbone that is named, with what was taken where nobody had said it.

        Raises
        ------
        BackboneError, ImageSizeError, RecipeError
            If there is no such backbone, or not with these settings.
        ExtraMissing
            If a network from a file needs libraries that are not installed.
        """
        layers, size = tuple(as_list(self.layers or ())), _image_size(self.image_size)
        return resolve_backbone(str(self.backbone), str(self.weights), layers, size, self.preprocess, self.precision)

    def make_recipe(self, resolved: Resolved | None = None) -> tuple[Recipe, Path | None]:
        """Return the recipe, and the weights file where there is one; errors as for ``resolve``, whose result may be given."""
        found = resolved or self.resolve()
        recipe = Recipe(
            backbone=found.name,
            weights=found.weights,
            layers=found.layers,
            image_size=found.image_size,
            preprocess=found.preprocess,
            resize=self.resize,
            background=_background(self.background),
            exact_decode=self.exact_decode,
            allow_truncated=self.allow_truncated,
            depth=self.depth,
            color_profile=self.color_profile,
            precision=self.precision,
        )
        return recipe, found.file


def _image_size(size: object) -> tuple[int, int] | None:
    """Return (height, width) of what was given: a side of a square, two sides, or None."""
    if size is None:
        return None
    sides = (size, size) if is_whole(size) else tuple(size) if isinstance(size, Iterable) else ()
    if isinstance(size, str | bytes | Mapping) or len(sides) != 2 or not all(map(is_whole, sides)):
        raise RecipeError(
            f"image_size must be (height, width), or the side of a square [px], or None. Received: {shown(size)}."
        )
    return int(sides[0]), int(sides[1])  # NumPy's are no JSON


def _background(colour: object) -> tuple[int, int, int]:
    """Return red, green and blue of what was given: a colour's name, ``#rrggbb``, or three numbers."""
    read = read_colour(colour) if isinstance(colour, str) else None
    if read is not None:
        return read
    parts = tuple(colour) if isinstance(colour, Iterable) and not isinstance(colour, str | bytes | Mapping) else ()
    if len(parts) != 3 or not all(is_whole(part) and 0 <= part <= 255 for part in parts):
        raise RecipeError(f"background must be (red, green, blue), or {COLOUR_FORMS}. Received: {shown(colour)}.")
    return int(parts[0]), int(parts[1]), int(parts[2])
