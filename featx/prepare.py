"""What extract and its dry run share: the listing, the recipe, what is cached already, and the catalog to come."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import QuantizedNetwork, backbone_spec, check_image_size, check_int8_installed, resolve_weights
from featx.calibrating import find_network
from featx.contents import Digests, first_alike
from featx.errors import AugmentError, CacheError, ImageListError, ImageSizeError, RecipeError
from featx.images import (
    DEFAULT_AUGMENT,
    MOST_VIEWS,
    NEVER_TRUSTED,
    NO_DIGEST,
    Augmentation,
    Batch,
    Identities,
    ImageIndex,
    KnownFiles,
    Part,
    assign_splits,
    identify_files,
    list_images,
    listing_digest,
    take_images,
    view_key,
)
from featx.progress import Progress
from featx.recipe import Recipe
from featx.store import EXTRACTED, NOT_GIVEN, REJECTED, SPLITS, Catalog, FeatureCache, PartOf

DEFAULT_VIEWS = 4
"""Views of each training image where ``augment`` is given and their number is not."""


@dataclasses.dataclass(frozen=True)
class ExtractOptions:
    """What decides which features an extract gives, and for which images.

    Parameters
    ----------
    backbone : str
        Name of the backbone.
    weights : str
        ``imagenet``, ``random``, ``random:SEED`` or a weights file.
    layers : tuple of str or None
        Layers to keep, all from one forward pass; by default the backbone's last.
    preprocess : str
        How pixels are scaled: ``auto``, as the backbone was trained, or by name.
    image_size : tuple of int or None
        (height, width) [px]; by default the backbone's own.
    resize : str
        ``stretch``, ``crop`` or ``pad``.
    background : tuple of int
        RGB colour under transparent pixels and in ``pad``'s margins.
    exact_decode : bool
        Decode JPEGs at full size.
    allow_truncated : bool
        Use what is left of files that end too early.
    precision : str
        Arithmetic of the backbone: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
    calibration : Path or None
        For int8: a cache or model whose quantized network is used, instead of making one from these images.
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

    Raises
    ------
    ImageListError
        If the shares leave nothing to learn from, or there is no such part.
    AugmentError
        If the views cannot be made.
    """

    backbone: str = "vgg16"
    weights: str = "imagenet"
    layers: tuple[str, ...] | None = None
    preprocess: str = "auto"
    image_size: tuple[int, int] | None = None
    resize: str = "stretch"
    background: tuple[int, int, int] = (255, 255, 255)
    exact_decode: bool = False
    allow_truncated: bool = False
    precision: str = "float32"
    calibration: Path | str | None = None
    augment: str | None = None
    views: int | None = None
    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0
    shard: str | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse what can be seen to be wrong before anything is read."""
        _ = self.part
        shares = self.val_fraction, self.test_fraction
        if not (min(shares) >= 0 and sum(shares) < 1):
            raise ImageListError(
                f"val and test fractions must be at least 0 and together below 1. Received: {shares[0]} and {shares[1]}."
            )
        if not 1 <= self.n_views <= MOST_VIEWS:
            raise AugmentError(f"--views must be from 1 to {MOST_VIEWS}, the clean image included. Received: {self.views}.")
        if self.calibration is not None and self.precision != "int8":
            raise RecipeError(f"--calibration is for --precision int8 alone. Received: --precision {self.precision}.")
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
    def augmentation(self) -> Augmentation:
        """How far augmented views are from the clean image."""
        return Augmentation.parse(self.augment or DEFAULT_AUGMENT)

    @property
    def view_keys(self) -> tuple[int, ...]:
        """What the augmented views are cached under; empty where there is only the clean image."""
        return tuple(view_key(self.augmentation, self.seed, view) for view in range(1, self.n_views))

    def make_recipe(self) -> tuple[Recipe, Path | None]:
        """Return the recipe, and the weights file where there is one.

        Raises
        ------
        BackboneError, ImageSizeError, RecipeError
            If there is no such backbone, or not with these settings.
        ExtraMissing
            If int8 needs libraries that are not installed.
        """
        spec = backbone_spec(self.backbone)
        size = self.image_size or spec.image_size
        if not isinstance(size, tuple | list) or len(size) != 2:
            raise ImageSizeError(f"image size must be (height, width). Received: {size!r}.")
        check_image_size(spec, size)
        layers = tuple(self.layers or spec.layers)
        digest, weights_file = resolve_weights(spec, self.weights, layers)
        if spec.is_stub and self.precision != "float32":
            raise RecipeError(f"backbone {spec.name}: computes in float32 alone. Received: --precision {self.precision}.")
        recipe = Recipe(
            backbone=spec.name,
            weights=digest,
            layers=layers,
            image_size=size,
            preprocess=spec.preprocess if self.preprocess == "auto" else self.preprocess,
            resize=self.resize,
            background=self.background,
            exact_decode=self.exact_decode,
            allow_truncated=self.allow_truncated,
            precision=self.precision,
        )
        return recipe, weights_file


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The images that are listed, and the cache that their features belong in.

    Parameters
    ----------
    options : ExtractOptions
        What was asked for.
    index : ImageIndex
        The listing.
    identities : Identities
        What each listed file is; decoding adds what it finds.
    recipe : Recipe
        How the features are made.
    weights_file : Path or None
        Of the backbone.
    store : FeatureCache
        Nothing has been written to it yet.
    part : PartOf or None
        Of which listing ``index`` is only a part, and which.
    quantized : QuantizedNetwork or None
        For int8: the network. None where it has yet to be made: the recipe is a draft then.
    """

    options: ExtractOptions
    index: ImageIndex
    identities: Identities
    recipe: Recipe
    weights_file: Path | None
    store: FeatureCache
    part: PartOf | None = None
    quantized: QuantizedNetwork | None = None

    def rows_to_extract(self) -> list[int]:
        """Return the first row of each content that has no features yet."""
        wanted = np.flatnonzero(self._readable & ~self.store.has(self.identities.digests))
        rows: list[int] = _one_of_each(self.identities.digests, wanted).tolist()
        return rows

    @property
    def _readable(self) -> NDArray[np.bool_]:
        return np.array([not reason for reason in self.identities.reasons], np.bool_)

    def views_to_extract(self, catalog: Catalog) -> tuple[list[int], list[int]]:
        """Return rows of training images, and numbers of the views of them that have no features yet.

        Parameters
        ----------
        catalog : Catalog
            Says which images are for training.

        Returns
        -------
        rows, numbers : list of int
            One entry for each view; those of one image stand together.
        """
        if not self.options.view_keys:
            return [], []
        rows = _one_of_each(catalog.digests, catalog.rows("train"))
        absent = np.stack([~self.store.has(catalog.digests[rows], key) for key in self.options.view_keys], axis=1)
        places, views = np.nonzero(absent)
        return rows[places].tolist(), (views + 1).tolist()

    def paths(self, rows: list[int]) -> Sequence[Path]:
        """Return the files of some rows, each made when it is asked for: a million of them would take half a gigabyte."""
        return _Files(self.index, rows)

    def note(self, rows: list[int], batch: Batch) -> None:
        """Take over what decoding found: reasons, and files that were edited since they were listed."""
        for position, reason in batch.rejected.items():
            self.identities.reasons[rows[position]] = reason
        for position, digest in zip(batch.positions, batch.digests, strict=True):
            row = rows[position]
            if digest != self.identities.digests[row].tobytes():
                self.identities.digests[row] = np.frombuffer(digest, np.uint8)
                self.identities.mtimes[row] = NEVER_TRUSTED

    def make_catalog(self, with_features: NDArray[np.bool_]) -> Catalog:
        """Return the listing: every image with its split, or with its reason.

        Parameters
        ----------
        with_features : ndarray of shape (n_images,), bool
            Whether each image's content has features.
        """
        index, identities, options = self.index, self.identities, self.options
        # A file that cannot be read today may have a row from another day; whether it is still its row nobody can say.
        readable = self._readable
        present = with_features & readable
        reason_of = {identities.digests[row].tobytes(): identities.reasons[row] for row in np.flatnonzero(~readable).tolist()}
        reason_of.pop(NO_DIGEST, None)
        reasons = list(identities.reasons)
        for row in np.flatnonzero(readable & ~present).tolist():
            reasons[row] = reason_of.get(identities.digests[row].tobytes(), CHANGED)
        shares = options.val_fraction, options.test_fraction
        splits = draw_splits(index.labels, identities.digests, index.splits, present, shares, options.seed)
        return Catalog(
            source=str(index.root),
            fingerprint=self.recipe.fingerprint,
            class_names=index.class_names,
            paths=list(index.paths),
            labels=index.labels,
            splits=splits,
            digests=identities.digests.copy(),  # decoding the views may still change these
            sizes=identities.sizes,
            mtimes=identities.mtimes,
            ctimes=identities.ctimes,
            status=np.where(present, EXTRACTED, REJECTED).astype(np.uint8),
            reasons=reasons,
            augment=str(options.augmentation) if options.view_keys else "",
            view_seed=options.seed,
            view_keys=options.view_keys,
            part=self.part,
        )


class _Files(Sequence[Path]):
    def __init__(self, index: ImageIndex, rows: list[int]) -> None:
        self._index = index
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: Any) -> Any:
        return self._index.root / self._index.paths[self._rows[position]]


CHANGED = "changed while it was being read"
"""Reason of an image whose file became another one between two looks."""


def draw_splits(
    labels: NDArray[np.int32],
    digests: Digests,
    given: Sequence[str],
    present: NDArray[np.bool_],
    shares: tuple[float, float],
    seed: int,
) -> NDArray[np.int8]:
    """Return each image's split, as an index into ``SPLITS``; those without features take no part in the draw.

    Parameters
    ----------
    labels : ndarray of shape (n_images,), int32
        Class of each image.
    digests : ndarray of shape (n_images, 32), uint8
        Content digest of each.
    given : sequence of str
        Its split where folder or manifest say so, else empty.
    present : ndarray of shape (n_images,), bool
        Whether it has features.
    shares : tuple of float
        For val and for test.
    seed : int
        Of the draw.
    """
    rows = np.flatnonzero(present)
    drawn = assign_splits(
        labels[rows],
        digests[rows],
        [given[row] for row in rows.tolist()],
        val_fraction=shares[0],
        test_fraction=shares[1],
        seed=seed,
    )
    code_of = {"": SPLITS.index("train")} | {split: code for code, split in enumerate(SPLITS)}
    splits = np.array([code_of[split] for split in given], np.int8)
    splits[rows] = [code_of[split] for split in drawn]
    return splits


def prepare(
    images: Path | str,
    cache: Path | str | None,
    options: ExtractOptions,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """List the images, tell what each is, and open the cache. Nothing is written.

    Raises
    ------
    ImageListError, BackboneError, ImageSizeError, RecipeMismatch, CacheError
        As for ``extract_features``.
    """
    index = list_images(Path(images))
    recipe, weights_file = options.make_recipe()
    folder = Path(cache) if cache else Path("cache") / index.name
    network = None
    if recipe.is_draft:
        given = Path(options.calibration) if options.calibration else None
        recipe, network = find_network(folder, recipe, given, overwrite)
        if network is None:
            check_int8_installed()
    store = FeatureCache.open_or_create(folder, recipe, overwrite)
    chosen = options.part
    previous = store.previous_catalog()
    listings = [previous] if previous else []
    listings += store.part_listings(chosen.number, chosen.of) if chosen else store.part_listings()
    if cache is None:
        _refuse_another_folders_cache(index, listings, folder)
    part, index = _take_part(chosen, index, options) if chosen else (None, index)
    identities = identify_files(index, _known_files(index, listings), workers, progress)
    return Prepared(options, index, identities, recipe, weights_file, store, part, network)


def _take_part(chosen: Part, index: ImageIndex, options: ExtractOptions) -> tuple[PartOf, ImageIndex]:
    rows = chosen.rows(index.paths)
    part = PartOf(
        number=chosen.number,
        of=chosen.of,
        name=index.name,
        listing=listing_digest(index),
        listed=len(index.paths),
        val_fraction=options.val_fraction,
        test_fraction=options.test_fraction,
        seed=options.seed,
        positions=rows,
        given=np.array([SPLITS.index(index.splits[row]) if index.splits[row] else NOT_GIVEN for row in rows], np.int8),
    )
    return part, take_images(index, rows)


def _refuse_another_folders_cache(index: ImageIndex, listings: list[Catalog], folder: Path) -> None:
    """Keep two folders of one name from taking turns in one default cache, and models from being measured on the other."""
    for listing in listings:
        if listing.source != str(index.root) and Path(listing.source).exists():
            raise CacheError(
                f"{folder}: lists the images of {listing.source}, not of {index.root}. "
                f"Give --cache with another name; or --cache {folder} if it is to list these from now on."
            )


def _known_files(index: ImageIndex, listings: list[Catalog]) -> KnownFiles | None:
    """Return what the last listings of the same folder knew of each file; of a file in several, the last one's counts."""
    known = [listing for listing in reversed(listings) if listing.source == str(index.root)]
    if not known:
        return None
    columns = [np.concatenate([getattr(one, name) for one in known]) for name in ("digests", "sizes", "mtimes", "ctimes")]
    return KnownFiles([path for one in known for path in one.paths], *columns)


def _one_of_each(digests: Digests, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of some rows that no other with the same digest stands before."""
    kept: NDArray[np.int64] = rows[first_alike(digests[rows]) == np.arange(len(rows))]
    return kept
