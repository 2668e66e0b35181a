"""Several listings joined into one: the parts of one extract put together again, or the images of different folders."""

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheError
from featx.images import aligned, natural_key, strata_of
from featx.store import EXTRACTED, NOT_GIVEN, SPLITS, Catalog, PartOf, differ
from featx.task import Task
from featx.verbs.extract import draw_splits

_MOST_NAMES = 12


class Listing(NamedTuple):
    """A catalog, and the cache that it was found in."""

    cache: Path
    catalog: Catalog


class Whole(NamedTuple):
    """One listing made of several.

    Parameters
    ----------
    catalog : Catalog
        The listing.
    name : str
        What a cache of it is called by default; empty where the listings have different names.
    differing : list of str
        Images that two of the listings know with another class, split or content: the listing in which the image has
        features counts, else the first.
    missing : int
        Images of parts that are not there.
    """

    catalog: Catalog
    name: str
    differing: list[str]
    missing: int


def unite(listings: Sequence[Listing], partial: bool = False) -> Whole:
    """Make one listing of several: first of the parts of each extract, then of all together.

    Where parts make up a whole, it takes the place of an older listing in the same caches; where they do not, parts that
    were repeated after the whole was finished add nothing.

    Parameters
    ----------
    listings : sequence of Listing
        Whole listings and parts, at least one.
    partial : bool
        Accept parts that do not make up a whole listing.

    Raises
    ------
    CacheError
        If parts are missing, or listings differ in how splits were drawn or views made.
    """
    groups: dict[str, list[Listing]] = {}
    for listing in listings:
        if listing.catalog.part:
            groups.setdefault(listing.catalog.part.listing, []).append(listing)
    joined = {key: _join_parts(group) for key, group in groups.items()}
    renewed = {listing.cache for key, group in groups.items() if not joined[key].missing for listing in group}
    standing = [listing for listing in listings if not listing.catalog.part and listing.cache not in renewed]
    finished = {listing.cache for listing in standing}
    united = [Whole(listing.catalog, "", [], 0) for listing in standing]
    for key, group in groups.items():
        if joined[key].missing and {listing.cache for listing in group} <= finished:
            continue
        if joined[key].missing and not partial:
            raise CacheError(_describe_missing(group, joined[key].missing, listings))
        united.append(joined[key])
        standing.append(group[0])
    _check_alike(standing, _views_of)
    if len(united) == 1:
        return united[0]
    catalog, differing = _together([whole.catalog for whole in united])
    return Whole(catalog, "", sum((whole.differing for whole in united), differing), sum(whole.missing for whole in united))


def _join_parts(group: Sequence[Listing]) -> Whole:
    """Put parts of one listing together in its order, and draw the splits from all of them."""
    _check_alike(group, _draw_of)
    parts = [_part(listing.catalog) for listing in group]
    stack = _stack([dataclasses.replace(listing.catalog, splits=_part(listing.catalog).given) for listing in group])
    positions = np.concatenate([part.positions for part in parts])
    chosen, differing = _one_of_each(stack, positions)
    whole = _take(stack, chosen)
    given = ["" if code == NOT_GIVEN else SPLITS[code] for code in whole.splits.tolist()]
    present = whole.status == EXTRACTED
    shares = parts[0].val_fraction, parts[0].test_fraction
    strata = strata_of(whole.task, whole.labels, whole.targets)
    splits = draw_splits(strata, whole.digests, given, whole.groups, present, shares, parts[0].seed)
    return Whole(dataclasses.replace(whole, splits=splits, part=None), parts[0].name, differing, parts[0].listed - len(whole))


def _together(catalogs: Sequence[Catalog]) -> tuple[Catalog, list[str]]:
    """List the images of several folders, each with the class and the split that it had."""
    sources = [catalog.source for catalog in catalogs]
    try:
        root = Path(os.path.commonpath(sources)).as_posix()
    except ValueError:  # disks of Windows
        raise CacheError(
            f"the images are on several disks ({', '.join(sources)}), which no folder is above. Merge those of each disk apart."
        ) from None
    task = _joined_task(catalogs)
    names = task.names if task.is_ordered else _together_named(catalogs, "class_names")
    stack = _stack(
        [
            dataclasses.replace(
                catalog,
                source=root,
                class_names=names,
                paths=_below(root, catalog),
                labels=_relabel(catalog, names),
                task=task,
                targets=None if catalog.targets is None else _under_names(catalog, task),
            )
            for catalog in catalogs
        ]
    )
    number_of = {path: number for number, path in enumerate(dict.fromkeys(stack.paths))}
    chosen, differing = _one_of_each(stack, np.array([number_of[path] for path in stack.paths], np.int64))
    return _take(stack, chosen), differing


def _together_named(holders: Sequence[Catalog] | Sequence[Task], where: str) -> tuple[str, ...]:
    return tuple(sorted({name for holder in holders for name in getattr(holder, where)}, key=natural_key))


def _joined_task(catalogs: Sequence[Catalog]) -> Task:
    """Return the task of all: labels and numbers that one listing has, and another has not, are not known there.

    Raises
    ------
    CacheError
        If they are of different kinds, or have different grades.
    """
    first, *others = catalogs
    for other in others:
        same = other.task.kind == first.task.kind and (first.task.has_targets or other.task == first.task)
        if not same:
            raise CacheError(
                f"{other.source}: is of {other.task.describe()}, but {first.source} of {first.task.describe()}. Extract one of "
                "them as the other is."
            )
    if not first.task.has_targets or all(catalog.task == first.task for catalog in catalogs):
        return first.task
    return Task(first.task.kind, _together_named([catalog.task for catalog in catalogs], "names"))


def _under_names(catalog: Catalog, task: Task) -> NDArray[np.float64]:
    assert catalog.targets is not None
    return aligned(catalog.targets, catalog.task.names, task.names, math.nan)


def _below(root: str, catalog: Catalog) -> list[str]:
    between = Path(os.path.relpath(catalog.source, root)).as_posix()
    return catalog.paths if between == "." else [f"{between}/{path}" for path in catalog.paths]


def _relabel(catalog: Catalog, names: tuple[str, ...]) -> NDArray[np.int32]:
    """Give each image the number that its class has among other names; -1 stays."""
    number_of = {name: number for number, name in enumerate(names)}
    return np.array([*(number_of[name] for name in catalog.class_names), -1], np.int32)[catalog.labels]


def _one_of_each(stack: Catalog, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """Choose one row for each key, ascending, and name the images whose rows differ."""
    order = np.lexsort((np.arange(len(keys)), stack.status, keys))  # extracted before rejected, then as they were given
    _, first, group = np.unique(keys[order], return_index=True, return_inverse=True)
    chosen = order[first]
    kept = chosen[group]  # for each row of the order, the row that represents it
    usable = (stack.status[order] == EXTRACTED) & (stack.status[kept] == EXTRACTED)
    differs = (
        differ(stack, order, kept)
        | (stack.splits[order] != stack.splits[kept])
        | (stack.digests[order] != stack.digests[kept]).any(axis=1)
    )
    return chosen, list(dict.fromkeys(stack.paths[row] for row in order[usable & differs]))


def _stack(catalogs: Sequence[Catalog]) -> Catalog:
    """Put the rows of several listings one below the other; all else is the first listing's."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(catalog, name) for catalog in catalogs])
        for name in ("labels", "splits", "digests", "sizes", "mtimes", "ctimes", "status")
    }
    texts: dict[str, Any] = {
        name: [text for catalog in catalogs for text in getattr(catalog, name)] for name in ("paths", "reasons")
    }
    if catalogs[0].targets is not None:
        columns["targets"] = np.concatenate([catalog.targets for catalog in catalogs if catalog.targets is not None])
    return dataclasses.replace(catalogs[0], part=None, groups=_groups(catalogs), weights=_weights(catalogs), **columns, **texts)


def _groups(catalogs: Sequence[Catalog]) -> list[str]:
    """Put groups one below the other; where only some listings have any, the images of the others stand alone."""
    if not any(catalog.groups for catalog in catalogs):
        return []
    return [group for catalog in catalogs for group in catalog.groups or [""] * len(catalog)]


def _weights(catalogs: Sequence[Catalog]) -> NDArray[np.float64] | None:
    """Put weights one below the other; an image of a listing without any counts as one."""
    if all(catalog.weights is None for catalog in catalogs):
        return None
    return np.concatenate([np.ones(len(each)) if each.weights is None else each.weights for each in catalogs])


def _take(stack: Catalog, rows: NDArray[np.int64]) -> Catalog:
    columns: dict[str, Any] = {
        name: getattr(stack, name)[rows] for name in ("labels", "splits", "digests", "sizes", "mtimes", "ctimes", "status")
    }
    texts: dict[str, Any] = {name: [getattr(stack, name)[row] for row in rows.tolist()] for name in ("paths", "reasons")}
    if stack.groups:
        texts["groups"] = [stack.groups[row] for row in rows.tolist()]
    if stack.weights is not None:
        columns["weights"] = stack.weights[rows]
    if stack.targets is not None:
        columns["targets"] = stack.targets[rows]
    return dataclasses.replace(stack, **columns, **texts)


def _part(catalog: Catalog) -> PartOf:
    assert catalog.part
    return catalog.part


def _views_of(catalog: Catalog) -> dict[str, Any]:
    """Return how the augmented views were made, as a user would set it."""
    if not catalog.view_keys:
        return {"views": 1}
    return {"views": 1 + len(catalog.view_keys), "augment": catalog.augment, "seed": catalog.view_seed}


def _draw_of(catalog: Catalog) -> dict[str, Any]:
    part = _part(catalog)
    draw = {"val_fraction": part.val_fraction, "test_fraction": part.test_fraction, "seed": part.seed}
    return draw | _views_of(catalog)


def _check_alike(listings: Sequence[Listing], settings_of: Callable[[Catalog], dict[str, Any]]) -> None:
    """Refuse listings that were made in different ways, naming the setting and both values."""
    first, *others = listings
    expected = settings_of(first.catalog)
    for other in others:
        settings = settings_of(other.catalog)
        names = [name for name in settings | expected if settings.get(name) != expected.get(name)]
        if names:
            mine, theirs = (", ".join(f"{name}={values.get(name)!r}" for name in names) for values in (settings, expected))
            raise CacheError(
                f"{_where(other)}: was extracted with {mine}, but {_where(first)} with {theirs}. Extract one of them again "
                "with the other's setting: what it has of clean images is reused."
            )


def _where(listing: Listing) -> str:
    return f"{listing.cache}{f' (part {listing.catalog.part})' if listing.catalog.part else ''}"


def _describe_missing(group: Sequence[Listing], missing: int, listings: Sequence[Listing]) -> str:
    """Name the parts of a listing that are missing, and those of another listing: the folder changed between them."""
    parts = [_part(listing.catalog) for listing in group]
    name, of = parts[0].name, max(part.of for part in parts)
    absent = sorted(set(range(1, of + 1)) - {part.number for part in parts if part.of == of})
    every_part = [listing.catalog.part for listing in listings if listing.catalog.part]
    others = [part for part in every_part if part.listing != parts[0].listing]
    changed = [f"{part} lists {part.listed} images" for part in others if part.name == name]
    named = ", ".join(f"{number}/{of}" for number in absent[:_MOST_NAMES]) + (" …" if len(absent) > _MOST_NAMES else "")
    return (
        f"{name}: {missing} of its {parts[0].listed} images are in no part that is here. Missing: {named}"
        f"{' (the folder changed in between: ' + ', '.join(changed[:_MOST_NAMES]) + ')' if changed else ''}. "
        "Extract what is missing, or give --partial to take what is here for the whole."
    )
