"""How a folder of images is laid out: plain class folders, or splits with class folders inside."""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from featx.errors import ImageListError
from featx.images.listing.names import KNOWN_SPLITS, some_of, splits_called, written_alike
from featx.images.listing.walk import Tally, below, holds_images, loose_images, real_path, subfolders, walk_images

_ORDER = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the class folders are.

    Parameters
    ----------
    splits : list of (str, Path)
        Each split, and a folder of its class folders; one pair without a split for plain class folders.
    notes : list of str
        What was decided that its reader may have meant otherwise.
    """

    splits: list[tuple[str, Path]]
    notes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class _Folder:
    """One folder below the root that holds images: those right inside, and the folders in it that hold some."""

    path: Path
    split: str
    loose: list[str]
    classes: list[str]

    @property
    def name(self) -> str:
        return self.path.name


def find_layout(root: Path, tally: Tally) -> Layout:
    """Tell splits from classes.

    ``train`` may also be a class, of locomotives say. So it is taken for a split only when it holds class folders and
    another split is beside it; or when no folder but splits holds images, and those hold class folders alone.

    Raises
    ------
    ImageListError
        If the folders are splits without class folders, or a split stands beside a folder that looks like another one.
    """
    folders = subfolders(root, tally)
    splits = splits_called(folder.name for folder in folders)
    if not splits:
        return Layout([("", root)], _siblings_of(root))
    found = [_look_into(root, folder, splits.get(folder.name, "")) for folder in folders]
    named = [folder for folder in found if folder.split]
    full = [folder for folder in found if folder.loose or folder.classes]
    full_named = [folder for folder in full if folder.split]
    others = [folder for folder in full if not folder.split]
    as_splits = Layout(
        sorted(((folder.split, folder.path) for folder in named), key=lambda pair: (_ORDER.index(pair[0]), pair[1].name)),
        [*_unusual_names(full_named), *_left_out(others)],
    )
    several = len({folder.split for folder in named}) > 1
    if several and any(folder.split == "train" and folder.classes for folder in named):
        return as_splits
    if not full_named:
        return Layout([("", root)])
    if not others:
        if all(folder.classes and not folder.loose for folder in full_named):
            return as_splits
        if several or not any(folder.classes for folder in full_named):
            raise ImageListError(_describe_flat(root, full_named))
    _refuse_unknown_split(root, full_named, others)
    taken = some_of(f"{folder.name}/" for folder in full_named)
    return Layout(
        [("", root)], [f"{taken}: named like a split, but taken for a class as what lies beside it is no other split"]
    )


def _look_into(root: Path, folder: Path, split: str) -> _Folder:
    above = frozenset({real_path(root), real_path(folder)})
    classes = [inside.name for inside in subfolders(folder, Tally()) if holds_images(inside, above)]
    return _Folder(folder, split, loose_images(root, folder, Tally()), classes)


def _refuse_unknown_split(root: Path, named: Sequence[_Folder], others: Sequence[_Folder]) -> None:
    """Refuse a split beside a folder that is another split under what name ever, or images without a class.

    Of two folders with the same class folders, one called ``train``, the other is a split too. And where ``train`` holds
    several class folders, and images lie right inside the folder beside it, one of the two is not what it is called.
    """
    for split in (folder for folder in named if folder.classes and not folder.loose):
        mine = {written_alike(name) for name in split.classes}
        for other in others:
            shared = sorted(name for name in other.classes if written_alike(name) in mine)
            if shared and not other.loose:
                raise ImageListError(
                    f"{root}: {other.name}/ holds the same class folders ({some_of(shared)}) as {split.name}/ beside it, but "
                    f"its name is none of a split. Rename it to train, val or test, or move it away. "
                    f"Known names: {KNOWN_SPLITS}."
                )
            if len(split.classes) > 1 and not other.classes:
                inside = some_of(sorted(split.classes))
                raise ImageListError(
                    f"{root}: {split.name}/ is named like a split and holds class folders ({inside}), but {other.name}/ "
                    f"beside it holds {len(other.loose):,} images and no class folder. Move {other.name}/ away if "
                    f"{split.name}/ is a split; rename {split.name}/ if it is a class."
                )


def _unusual_names(named: Sequence[_Folder]) -> list[str]:
    said = [f"{folder.name}/ is {folder.split}" for folder in named if folder.name.lower() != folder.split]
    return [f"split folders: {', '.join(said)}"] if said else []


def _left_out(others: Sequence[_Folder]) -> list[str]:
    if not others:
        return []
    return [f"{some_of(f'{o.name}/' for o in others)} beside the split folders: those images are in no split and are left out"]


def _siblings_of(root: Path) -> list[str]:
    """Say so where the folder is one split of several: one level too low, perhaps."""
    if root.parent == root or root.name not in splits_called([root.name]):
        return []
    names = [folder.name for folder in subfolders(root.parent, Tally())]
    others = sorted(splits_called(names).keys() - {root.name})
    others = [name for name in others if holds_images(root.parent / name, frozenset({real_path(root.parent)}))]
    if not others:
        return []
    return [f"{some_of(f'{name}/' for name in others)} beside {root.name}/: give {root.parent} for all splits to be used"]


def _describe_flat(root: Path, named: Sequence[_Folder]) -> str:
    """Say what was found in splits without class folders, and what a manifest of the same images would be."""
    images = [(folder, path) for folder in named for path in folder.loose]
    counts = ", ".join(f"{folder.name} {len(folder.loose):,}" for folder in named if folder.loose)
    guess = _guess_classes([path for _, path in images])
    lines = ["path,label,split"]
    for name in list(dict.fromkeys(guess.values()))[:5]:
        folder, path = next((folder, path) for folder, path in images if guess.get(path) == name)
        lines.append(f"{path},{name},{folder.split}")
    if guess:
        said = f"The file names suggest the classes {some_of(sorted(set(guess.values())))}"
        others = len(images) - len(guess)
        said += f"; {others:,} names give none, and images without a label are of no use here." if others else "."
    else:
        said = "The file names suggest no classes."
        lines += [f"{path},CLASS,{folder.split}" for folder, path in images[:2]]
    return (
        f"{root}: split folders without class folders inside; images right inside them: {counts}. What class an image is of "
        f"cannot be told. {said} Move each image into a folder named by its class (train/cat/…), or write a CSV manifest "
        f"there, one line an image, and give that instead:\n  " + "\n  ".join([*lines, "…"])
    )


_NUMBERED = re.compile(r"(.*?[^\W\d_].*?)[\s._\-]*\(?[0-9]+\)?")


def _guess_classes(paths: Sequence[str]) -> dict[str, str]:
    """Return the classes that names such as ``cat.0.jpg`` suggest: what stands before the number, if it is the same of many."""
    found = {path: match[1] for path in paths if (match := _NUMBERED.fullmatch(Path(path).stem))}
    often = {name for name, count in Counter(found.values()).items() if count > 1}
    return {path: name for path, name in found.items() if name in often} if len(often) > 1 else {}


def images_beside(root: Path, splits: Sequence[tuple[str, Path]], tally: Tally) -> list[str]:
    """Return the images that lie beside split folders: they belong to no split, and leaving them out must be said."""
    taken = {folder for _, folder in splits}
    others = [folder for folder in subfolders(root, tally) if folder not in taken]
    above = frozenset({real_path(root)})
    deep = below(root, (path for folder in others for path in walk_images(folder, tally, above)))
    return [*loose_images(root, root, tally), *deep]
