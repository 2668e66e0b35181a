"""The verb look: the listing is whole, headers and pixels are of a draw where there are many images."""

from collections import Counter
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError, RecipeError
from featx.images import (
    MAX_PIXELS,
    Header,
    ImageIndex,
    ManifestKeywords,
    describe_missing,
    find_copies,
    find_missing,
    list_images,
    listing_faults,
    listing_notes,
    members_of,
    read_headers,
)
from featx.models import Compute, advised
from featx.recipe import Recipe
from featx.store import SPLITS
from featx.system.bars import ProgressOption, as_progress, closing_bars
from featx.system.kinds import is_whole, shown
from featx.system.names import check_keywords, keywords_of
from featx.system.paths import StrPath, as_path
from featx.verbs.extract import ExtractOptions
from featx.verbs.look.examples import Gallery
from featx.verbs.look.result import Look, Shape

MOST_MEASURED = 4000
"""Files whose headers are read: some two seconds' work."""

EXAMPLES = 4
"""Of each class, where not told otherwise."""

_MOST_COMPARED_BYTES = 256_000_000
_MOST_LOOKED_AT_AGAIN = 100
_MOST_SIZES = 12

_SETTINGS = (
    *("backbone", "image_size", "resize", "background", "exact_decode", "allow_truncated", "depth", "color_profile"),
    "preprocess",
)

_CHANGED = 1.25
"""How many times higher or wider the shape may be that the network sees, before it is said."""


class LookKeywords(ManifestKeywords, total=False):
    """Keywords of ``look_at_images`` that decide what the network sees; see ``ExtractOptions``.

    Examples
    --------
    >>> options: featx.LookKeywords = {"image_size": 64, "resize": "pad"}
    >>> featx.look_at_images("photos", **options).listed
    36
    """

    backbone: str
    preprocess: str
    image_size: tuple[int, int] | int | None
    resize: Literal["stretch", "crop", "pad"]
    background: tuple[int, int, int] | str
    exact_decode: bool
    allow_truncated: bool
    depth: Literal["auto", "8", "10", "12", "16", "min-max"]
    color_profile: Literal["ignore", "srgb"]
    augment: str | None
    views: int | None
    seed: int


@closing_bars()
def look_at_images(
    images: StrPath,
    *,
    examples: int = EXAMPLES,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: ProgressOption = None,
    **options: Unpack[LookKeywords],
) -> Look:
    """Look at a folder of images before anything is extracted: how many, how large, which cannot be used, what they look like.

    Takes seconds, also for a million images: all are listed, the headers of up to 4,000 are read, and only the examples are
    decoded. Nothing is written, and Keras is not loaded.

    Parameters
    ----------
    images : Path or str
        A folder of class folders, or a manifest, as for ``extract_features``.
    examples : int
        Images of each class that are decoded; fewer of each where there are many classes, so that they are a few hundred in
        all.
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    progress : callable, bool or None
        Called as (stage, newly done, total). True is a bar, False none; by default a bar in a terminal or a notebook.
    **options
        What decides which pixels the network sees, as for ``extract_features``: ``backbone``, ``image_size``, ``resize``,
        ``background``, ``exact_decode``, ``allow_truncated``, ``depth``, ``color_profile``; ``augment``, ``views`` and
        ``seed`` for augmented views, the very views that an extract would make; and how a manifest is to be read.

    Returns
    -------
    look : Look
        Counts, sizes, examples, and what is wrong. ``write_look_page`` shows it.

    Raises
    ------
    ImageListError
        If there is no such folder or manifest, or it gives no image a class.
    BackboneError, ImageSizeError, RecipeError, AugmentError
        If there is no such backbone, or not with these settings.

    Examples
    --------
    >>> look = featx.look_at_images("photos", image_size=64, augment="flip,rotate=15", views=3)
    >>> look.listed, look.duplicates, look.rejected
    (36, 0, 0)
    >>> look.examples[0].views.shape  # the clean image and two augmented views
    (3, 64, 64, 3)
    """
    progress = as_progress(progress)
    known = [*LookKeywords.__annotations__]
    check_keywords(options, known, RecipeError, "look: has no option", beside=keywords_of(look_at_images))
    if not is_whole(examples) or examples < 0:
        raise RecipeError(f"examples must be a whole number from 0. Received: {shown(examples)}.", wrong_value=True)
    compute = Compute(workers=workers, max_pixels=max_pixels)
    # No weights are looked for: they change no pixel, and may have to be downloaded.
    chosen = ExtractOptions(**options, weights="random")
    recipe, _ = chosen.make_recipe()
    source = as_path("images", images, ImageListError, "the path of a folder or a manifest")
    with advised(source, "listing"):
        index = list_images(source, chosen.manifest)
    notes = [*listing_notes(index), *listing_faults(index)]
    if missing := find_missing(index):
        notes.append(describe_missing(index, missing))
    rows = _drawn(index, chosen.seed)
    paths = [index.root / index.paths[row] for row in rows.tolist()]
    show = (lambda done: progress("headers", done, len(paths))) if progress else None
    headers = read_headers(paths, workers=workers, max_pixels=max_pixels, progress=show)
    gallery = Gallery(index, recipe, chosen, compute, progress)
    shown_images = gallery.examples(int(examples))
    # What extract would say of them: only a decoder knows.
    doubtful = {row: one for row, one in zip(rows.tolist(), headers, strict=True) if isinstance(one, str)}
    unknown = [row for row in doubtful if row not in gallery.rejects][:_MOST_LOOKED_AT_AGAIN]
    again = gallery.look_again(unknown)
    rest = {row: reason for row, reason in doubtful.items() if row not in unknown}
    given = {row: reason for row, reason in enumerate(index.reasons) if reason}
    rejects = given | again | rest | gallery.rejects
    whole = len(rows) + len(given) == len(index.paths)
    copies = find_copies(paths, headers, _MOST_COMPARED_BYTES) if whole else None
    return Look(
        source=index.root,
        name=index.name,
        listed=len(index.paths),
        classes=len(index.class_names or index.task.names),
        task=index.task,
        **_counts(index),
        measured=len(rows),
        **_measures([one for one in headers if isinstance(one, Header)], recipe),
        rejected=len(rejects),
        rejects={index.paths[row]: rejects[row] for row in sorted(rejects)},
        reasons=dict(Counter(rejects.values()).most_common()),
        decoded=gallery.decoded,
        duplicates=None if copies is None else sum(len(group) - 1 for group in copies),
        copies=None if copies is None else [[index.paths[rows[place]] for place in group] for group in copies],
        skipped=index.skipped,
        passed_over=index.passed_over,
        hidden=index.hidden,
        notes=[*notes, *_left_out(len(rows), whole, copies is None), *gallery.notes],
        settings={name: getattr(recipe, name) for name in _SETTINGS},
        augment=str(chosen.augmentation) if chosen.n_views > 1 else "",
        examples=shown_images,
    )


def _drawn(index: ImageIndex, seed: int) -> NDArray[np.int64]:
    """Return the rows whose headers are read: all that can be, or a draw, in the order of the listing."""
    rows = np.flatnonzero([not reason for reason in index.reasons])
    if len(rows) > MOST_MEASURED:
        rows = np.sort(np.random.default_rng(seed & 0xFFFFFFFF).choice(rows, MOST_MEASURED, replace=False))
    return rows


def _left_out(measured: int, whole: bool, not_compared: bool) -> list[str]:
    if not whole:
        return [f"sizes, depths and formats are those of {measured:,} images drawn at random; duplicates were not looked for"]
    if not_compared:
        return ["exact duplicates were not looked for: too many files are of one length. featx audit finds them"]
    return []


def _counts(index: ImageIndex) -> dict[str, Any]:
    unlabelled = index.labels < 0 if index.targets is None else np.isnan(index.targets).all(axis=1)
    return {
        "images_of_class": {name: len(rows) for name, rows in members_of(index).items()},
        "splits": {split: count for split in SPLITS if (count := index.splits.count(split))},
        "unlabelled": int(unlabelled.sum()),
    }


def _measures(headers: list[Header], recipe: Recipe) -> dict[str, Any]:
    """Return sizes and depths of the files, and what resizing does to their shapes."""
    heights = np.array([header.height for header in headers], np.int64)
    widths = np.array([header.width for header in headers], np.int64)
    height, width = recipe.image_size
    # Wider or higher by what factor than the network sees it: the same for stretching, cutting and padding.
    change = (widths / np.maximum(heights, 1)) / (width / height)
    return {
        "shape": Shape(_quartiles(heights), _quartiles(widths), _aspects(widths, heights)) if headers else None,
        "sizes": dict(Counter(f"{one.height}x{one.width}" for one in headers).most_common(_MOST_SIZES)),
        "formats": dict(Counter(one.image_format for one in headers).most_common()),
        "depths": dict(Counter(one.depth for one in headers).most_common()),
        "smaller": int(((heights < height) | (widths < width)).sum()),
        "reshaped": int((np.maximum(change, 1 / np.maximum(change, 1e-9)) > _CHANGED).sum()),
        "heights": heights,
        "widths": widths,
    }


def _quartiles(values: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(value) for value in np.percentile(values, (0, 25, 50, 75, 100), method="nearest"))


def _aspects(widths: NDArray[np.int64], heights: NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in np.percentile(widths / heights, (0, 25, 50, 75, 100), method="nearest"))
