"""Results of several files, told from other people's by a small JSON file beside them, and put in place only when whole."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from featx.errors import OutputError
from featx.system.files import check_folder, file_digest, replacing_text, sync_file, sync_folder, temporary_sibling, writing_to

_MARK = "featx_export"


def sidecar_of(path: Path) -> Path:
    """Return the name of the JSON file beside a result: ``photos.onnx.json`` beside ``photos.onnx``."""
    return path.with_name(f"{path.name}.json")


def check_place(path: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Make sure that a result may be put there; cheap, so that it can be asked before the work.

    Parameters
    ----------
    path : Path
        The result's file or folder.
    names : tuple of str
        Every file or folder beside it that belongs to it, its own name included.
    overwrite : bool
        Whether an earlier result of that name may be replaced.

    Raises
    ------
    OutputError
        If something stands there that featx did not write, or that was changed since; if a result stands there and may not
        be replaced; or if the folder cannot be written.
    """
    places = [path.with_name(name) for name in names]
    sidecar = sidecar_of(path)
    with writing_to(path, "Give another OUT."):
        check_folder(path.parent)
        for place in (*places, sidecar):
            if place.is_symlink():
                raise OutputError(f"{place}: is a link. Give the name that it leads to, or another OUT.")
        written = _written(sidecar)
        if written is None and os.path.lexists(sidecar):
            raise OutputError(f"{sidecar}: exists and was not written by featx; this export needs the name. Give another OUT.")
        standing = [place for place in places if os.path.lexists(place) and not _is_empty_folder(place)]
        if standing and not _is_ours(standing, written or {}):
            raise OutputError(
                f"{standing[0]}: exists and is not, or no longer, what featx export wrote. Give another OUT, or delete it."
            )
    if standing and not overwrite:
        raise OutputError(f"{path}: exists. Give --overwrite to replace it, or another OUT.")


@contextlib.contextmanager
def workshop(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside a result's place, on the same file system; it goes when the block ends, however it ends.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    folder = temporary_sibling(path).with_suffix("")
    with writing_to(path, "Give another OUT."):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, path: Path, names: tuple[str, ...], facts: Mapping[str, Any]) -> int:
    """Move what was made in a workshop to its place, and write the JSON file beside it: ``facts``, and each file's SHA-256.

    Returns
    -------
    size : int
        Of all files but the JSON file [bytes].

    Raises
    ------
    OutputError
        If that fails; an earlier result then stands where it stood.
    """
    with writing_to(path, "Give another OUT."):
        made = [folder / name for name in names]
        files = {name: _digest(file) for place in made for name, file in _files_of(place)}
        size = sum((folder / name).stat().st_size for name in files)
        for name in files:
            sync_file(folder / name)
        _swap(folder, [(place, path.with_name(place.name)) for place in made])
        with replacing_text(sidecar_of(path)) as file:
            json.dump({_MARK: 1, **facts, "files": files}, file, indent=2)
            file.write("\n")
        sync_folder(path.parent)
    return size


def _swap(folder: Path, moves: list[tuple[Path, Path]]) -> None:
    """Rename all or none; what stood there before is kept aside until all are in place."""
    aside: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        for number, (new, place) in enumerate(moves):
            if os.path.lexists(place):
                kept = folder / f"before-{number}"
                place.rename(kept)
                aside.append((kept, place))
            new.rename(place)
            placed.append(place)
    except BaseException:  # Ctrl-C too: what stood there must not go with the workshop
        for number, place in enumerate(placed):
            place.rename(folder / f"withdrawn-{number}")
        for kept, place in aside:
            kept.rename(place)
        raise


def _is_ours(standing: list[Path], written: Mapping[str, str]) -> bool:
    """Tell whether nothing stands there but files that are as we wrote them."""
    found = {name: file for place in standing for name, file in _files_of(place)}
    # Names first: the digests of a folder full of somebody else's files would take long.
    return (
        bool(found) and found.keys() <= written.keys() and all(_digest(file) == written[name] for name, file in found.items())
    )


def _written(sidecar: Path) -> dict[str, str] | None:
    """Return the digests that a JSON file of ours names; None of anything else."""
    if not sidecar.is_file():
        return None
    try:
        document = json.loads(sidecar.read_bytes())
        files = document["files"] if document[_MARK] else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return files if isinstance(files, dict) else None


def _files_of(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or every file below a folder, with its path from the folder that the place is in."""
    if not place.is_dir():
        yield place.name, place
        return
    for file in sorted(place.rglob("*")):
        if file.is_symlink() or not file.is_dir():
            yield str(file.relative_to(place.parent)), file


def _digest(file: Path) -> str:
    """Return a file's SHA-256; nothing for links, pipes and the like, which no digest of ours can equal."""
    return file_digest(file).hex() if file.is_file() and not file.is_symlink() else ""


def _is_empty_folder(place: Path) -> bool:
    return place.is_dir() and next(place.iterdir(), None) is None
