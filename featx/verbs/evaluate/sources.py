"""Where an evaluation's probabilities come from: cached features, or files that go through the backbone now."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheNotFound, ClassMismatch, ImageListError, RecipeMismatch
from featx.images import (
    GroupFrom,
    ImageIndex,
    ManifestOptions,
    describe_missing,
    find_missing,
    group_images,
    list_images,
)
from featx.models import (
    FileProbabilities,
    HeadFeatures,
    ListedFiles,
    Model,
    advised,
    blank_notes,
    describe_blank,
    showing_training_images,
)
from featx.store import SPLITS, Catalog, FeatureCache
from featx.system.kinds import check_kind, shown
from featx.system.linked import first_named
from featx.system.progress import Progress
from featx.verbs.evaluate.featuremap import choose_mapped
from featx.verbs.evaluate.truth import Truth


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a model gives for some images of which something is known, from whichever source; numbers stand as probabilities."""

    split: str
    paths: list[str]
    class_of: list[str]
    probabilities: NDArray[np.float64]
    digests: list[bytes]
    rejected: dict[str, str]
    source: str
    notes: list[str] = dataclasses.field(
        default_factory=list
    )  # on how the images were listed, and what their pictures are like
    unknown: int = 0  # images of classes that had no training image, left out
    pooled: NDArray[np.float32] | None = None  # average features of some images, for a map
    pooled_rows: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))  # which they are
    cache: Path | None = None  # that the probabilities are of
    rows: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))  # of its catalog
    strangeness: NDArray[np.float64] | None = None  # None from a model that cannot tell
    weights: NDArray[np.float64] | None = None  # None where all count alike
    groups: NDArray[np.int64] | None = None  # images of one number are of one group; None where there are no groups
    learned_groups: NDArray[np.bool_] | None = None  # whose group has training images; None where nobody could look
    targets: NDArray[np.float64] | None = None  # labels or numbers, in the model's order; None of classes and grades
    shown: NDArray[np.bool_] | None = None  # exact and near duplicates of training images; None where nobody could look

    @property
    def counting_weights(self) -> NDArray[np.float64] | None:
        """How much each image counts; None where all do alike, or none counts at all."""
        return self.weights if self.weights is not None and self.weights.sum() > 0 else None


EVERY_SPLIT = "all"
"""What a user gives for a split to measure on the images of all of them."""


Classify = Callable[..., FileProbabilities]

OnChosen = Callable[[str, str], None]
"""Takes split and source of the images that are about to be measured."""


def from_cache(
    model: Model,
    split: str | None,
    folder: Path,
    features: HeadFeatures,
    classify: Classify | None,
    given: bool,
    on_chosen: OnChosen | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Take the images that a cache lists; with ``classify``, run their files through the backbone again.

    Raises
    ------
    CacheError, ImageListError
        If there is no such cache, or it has no such images.
    RecipeMismatch
        If it holds other features than the model was fitted on.
    ClassMismatch
        If the model knows none of their classes.
    """
    if not (folder / "recipe.json").exists():
        with advised(folder, "cache") if given else contextlib.nullcontext():
            raise CacheNotFound(
                f"{folder}: the cache that this model was fitted on is not there. "
                "Give --cache, or --images with a folder of labelled images."
            )
    store = FeatureCache.open(folder)
    differences = store.recipe.differences(model.cached_recipe)
    if differences:
        name, (held, expected) = next(iter(differences.items()))
        raise RecipeMismatch(
            f"{folder}: holds features made with {name}={held!r}, but the model was fitted on {name}={expected!r}. "
            "Fit the head again, or give the cache it was fitted on."
        )
    catalog = store.catalog
    split = split or ("test" if len(catalog.rows("test")) else "val")
    rows = catalog.rows(None if split == EVERY_SPLIT else split)
    if not len(rows):
        counts = ", ".join(f"{name} {len(catalog.rows(name))}" for name in SPLITS)
        raise ImageListError(f"{folder}: has no images in split {split!r} ({counts}). Give another --split, or --images.")
    every = Truth.of(model, catalog, rows, str(folder))
    measured, unknown = rows[every.measurable], len(rows) - int(every.measurable.sum())
    if not len(measured):
        if every.targets is not None:
            raise ImageListError(f"{folder}: nothing is known of its {len(rows)} images in split {split!r}. Give --split.")
        raise ClassMismatch(_describe_unknown(str(folder), sorted(set(every.class_of)), model))
    truth = every.take(np.flatnonzero(every.measurable))
    if on_chosen:
        on_chosen(split, catalog.source)
    digests = [catalog.digests[row].tobytes() for row in measured]
    if classify:
        # The very contents that are listed: a file that was edited since is another image.
        classified = classify(ListedFiles(catalog, measured))
        probabilities, strangeness = classified.probabilities, classified.strangeness
        rejected = {catalog.paths[measured[place]]: reason for place, reason in classified.rejected.items()}
    else:
        # A whole split of maps may not fit into memory.
        (probabilities, strangeness), rejected = _classified(model, features, store, measured), {}
    kept = [place for place, row in enumerate(measured) if catalog.paths[row] not in rejected]
    if not kept:
        raise ImageListError(f"{catalog.source}: none of its {len(measured)} images could be read. Leave --tta out.")
    # A map shows the features of the clean images, also where the probabilities are of several views.
    pooled_rows = choose_mapped(len(kept))
    pooled = store.features(measured[kept][pooled_rows], layer=model.layer, pooling="avg")
    contents = [digests[place] for place in kept]
    truth = truth.take(kept)
    return Measured(
        split=split,
        paths=[catalog.paths[row] for row in measured[kept]],
        class_of=truth.class_of,
        probabilities=probabilities[kept],
        digests=contents,
        rejected=rejected,
        source=catalog.source,
        notes=[*truth.notes, *blank_notes(store, measured[kept], "measured")],
        unknown=unknown,
        targets=truth.targets,
        pooled=pooled.astype(np.float32),
        pooled_rows=pooled_rows,
        cache=None if classify else folder,
        rows=measured[kept],
        strangeness=None if strangeness is None else strangeness[kept],
        weights=catalog.weights_of(measured[kept]),
        groups=catalog.joined_groups(measured[kept]) if catalog.groups else None,
        learned_groups=_learned_groups(catalog, measured[kept]) if catalog.groups else None,
        shown=showing_training_images(model, store, contents, progress=progress),
    )


def _learned_groups(catalog: Catalog, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    learned = {catalog.groups[row] for row in catalog.rows("train").tolist()} - {""}
    return np.array([catalog.groups[row] in learned for row in rows.tolist()], np.bool_)


def _classified(
    model: Model, features: HeadFeatures, store: FeatureCache, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return probabilities of cached images, and how strange they are."""
    familiarity = model.familiarity
    if familiarity is None:
        return np.concatenate([model.outputs(X) for _, X in features.of_cache(store, rows)]), None
    probabilities, strangeness = [], []
    for _, X, averages in features.with_averages_of_cache(store, rows):
        probabilities.append(model.outputs(X))
        strangeness.append(familiarity.strangeness(averages, model.shares_of(probabilities[-1])))
    return np.concatenate(probabilities), np.concatenate(strangeness)


def check_split(split: str | None) -> None:
    """Refuse the name of a split that there is none of.

    Raises
    ------
    ImageListError
        With those that there are.
    """
    check_kind("split", split, (str, type(None)), f"one of {', '.join((*SPLITS, EVERY_SPLIT))}, or None", ImageListError)
    if split not in (None, *SPLITS, EVERY_SPLIT):
        raise ImageListError(
            f"split {shown(split)}: unknown. Give one of {', '.join((*SPLITS, EVERY_SPLIT))}.", wrong_value=True
        )


def list_to_measure(images: Path, options: ManifestOptions, groups: GroupFrom | None = None) -> ImageIndex:
    """List a folder or manifest, with its groups; files of a manifest that are not there are noted.

    Raises
    ------
    ImageListError
        If it cannot be listed, or none of a manifest's files is there.
    """
    with advised(images, "listing"):
        index = group_images(list_images(images, options), groups)
    missing, unlisted = find_missing(index), str(index.unlisted)
    notes = [*([describe_missing(index, missing)] if missing else []), *([f"passed over: {unlisted}"] if unlisted else [])]
    return dataclasses.replace(index, notes=(*index.notes, *notes)) if notes else index


def from_files(
    model: Model,
    index: ImageIndex,
    split: str | None,
    classify: Classify,
    on_chosen: OnChosen | None = None,
    *,
    by_separator: bool = False,
) -> Measured:
    """Take the images of a listing and run their files through the backbone.

    Raises
    ------
    ImageListError
        If there are no such images.
    ClassMismatch
        If the model does not know all of their classes.
    """
    splits = set(index.splits)
    if split is None:
        split = next((name for name in ("test", "val") if name in splits), "all")
    rows = [row for row, given in enumerate(index.splits) if split == "all" or given == split]
    if not rows:
        raise ImageListError(f"{index.root}: has no {split}/ folder. Give another --split, or none for all images.")
    usable = np.array([row for row in rows if not index.reasons[row]], np.int64)
    every = Truth.of(model, index, usable, str(index.root), by_separator=by_separator)
    absent = sorted(set(every.class_of) - set(model.class_names))
    if absent:  # before the backbone runs over them for nothing
        raise ClassMismatch(_describe_unknown(str(index.root), absent, model))
    listed = usable[every.measurable].tolist()
    if usable.size and not listed:
        raise ImageListError(f"{index.root}: nothing is known of its {len(rows)} images. Give images of which something is.")
    truth = every.take(np.flatnonzero(every.measurable))
    if on_chosen:
        on_chosen(split, index.root.as_posix())
    result = classify([index.root / index.paths[row] for row in listed], pooled_files=choose_mapped(len(listed)))
    kept = [place for place in range(len(listed)) if place not in result.rejected]
    if not kept:
        raise ImageListError(f"{index.root}: none of its {len(rows)} images could be used. Try featx predict on one of them.")
    rejected = {index.paths[listed[place]]: reason for place, reason in result.rejected.items()}
    # From places among all files to places among those that are measured.
    mapped = ~np.isin(result.pooled_files, list(result.rejected))
    return Measured(
        split=split,
        paths=[index.paths[listed[place]] for place in kept],
        class_of=truth.take(kept).class_of,
        probabilities=result.probabilities[kept],
        digests=[result.digests[place] for place in kept],
        rejected=rejected | {index.paths[row]: index.reasons[row] for row in rows if index.reasons[row]},
        source=index.root.as_posix(),
        pooled=None if result.pooled is None else result.pooled[mapped],
        pooled_rows=np.searchsorted(kept, result.pooled_files[mapped]),
        strangeness=None if result.strangeness is None else result.strangeness[kept],
        weights=None if index.weights is None else index.weights[[listed[place] for place in kept]],
        groups=first_named([index.groups[listed[place]] for place in kept]) if index.groups else None,
        notes=[*index.notes, *truth.notes, *describe_blank(result.blank, len(kept), "measured")],
        targets=truth.take(kept).targets,
        unknown=len(usable) - len(listed),
    )


def check_classes(model: Model, path: Path, measured: Measured) -> None:
    """Refuse images of classes that the model does not know.

    Raises
    ------
    ClassMismatch
        With both lists.
    """
    absent = sorted(set(measured.class_of) - set(model.class_names))
    if absent:
        raise ClassMismatch(_describe_unknown(str(path), absent, model))


def _describe_unknown(where: str, absent: Sequence[str], model: Model) -> str:
    return (
        f"{where}: there are images of {', '.join(map(repr, absent[:10]))}, but the model knows "
        f"{', '.join(map(repr, model.class_names[:10]))}{' …' if len(model.class_names) > 10 else ''}. "
        "Rename the folders to the model's classes, or fit a head on images of these classes."
    )
