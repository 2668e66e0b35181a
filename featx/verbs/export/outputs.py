"""Results of several files, told from other people's by a small JSON file beside them, and put in place only when whole.

The JSON file holds the SHA-256 of each file. While files are being replaced it holds those of the earlier and of the coming
ones: wherever a run is killed, the next one knows what it finds.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from featx.errors import CacheLocked, CacheWriteError, OutputError
from featx.system.durable import delete, discard, exchange, make_folder, move
from featx.system.files import (
    TEMPORARY_PREFIX,
    check_folder,
    content_digest,
    file_digest,
    keep_owner_and_mode,
    replacing,
    replacing_text,
    sync_file,
    writing_to,
)
from featx.system.lock_file import locked
from featx.system.marks import EXPORT as _MARK
from featx.system.outputs import refuse_address, tell_replaced

_COMING = "coming"
_WORKSHOP = f"{TEMPORARY_PREFIX}export-"
_BEFORE = ".before"
_LOCK = ".lock"


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
    refuse_address(path)
    places = [path.with_name(name) for name in names]
    sidecar = sidecar_of(path)
    with writing_to(path, "Give another OUT."):
        check_folder(path.parent)
        sweep_workshops(path.parent)
        for place in (*places, sidecar):
            if place.is_symlink():
                raise OutputError(f"{place}: is a link. Give the name that it leads to, or another OUT.")
        document = _document(sidecar)
        if document is None and os.path.lexists(sidecar):
            raise OutputError(f"{sidecar}: exists and was not written by featx; this export needs the name. Give another OUT.")
        standing = [place for place in places if os.path.lexists(place) and not _is_empty_folder(place)]
        earlier, coming = (document or {}).get("files", {}), (document or {}).get(_COMING, {})
        if standing and not _is_ours(standing, (earlier, coming)):
            other = f"such as {path / 'model.onnx'}" if standing[0].is_dir() else "or delete it"
            raise OutputError(
                f"{standing[0]}: exists and is not, or no longer, what featx export wrote. Give another OUT, {other}."
            )
    # A run that was killed while its first files came in: nothing finished stands there.
    if standing and not overwrite and not (coming and _is_ours(standing, (coming,))):
        raise OutputError(f"{path}: exists. Give --overwrite to replace it, or another OUT.")
    if standing:
        tell_replaced(f"will replace {path}, an earlier export")


@contextlib.contextmanager
def workshop(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside a result's place, on the same file system; it goes when the block ends, however it ends.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    # Always the same name for the same result, so that what a killed run left is found.
    folder = path.with_name(f"{_WORKSHOP}{content_digest(os.fsencode(path.name))[:8].hex()}")
    sweep_workshops(path.parent)
    with contextlib.ExitStack() as held:
        with writing_to(path, "Give another OUT."):
            make_folder(folder)
            try:
                held.enter_context(locked(folder / _LOCK))
            except CacheLocked:
                raise OutputError(
                    f"{path}: another process is exporting to it. Wait for it to end, or give another OUT."
                ) from None
            except CacheWriteError:
                pass  # a file system without locks
        try:
            yield folder
        finally:
            discard(folder)


def sweep_workshops(parent: Path) -> None:
    """Delete what killed exports have left hidden in a folder, unless another process is at work on it."""
    for left in parent.glob(f"{_WORKSHOP}*"):
        if (left / _LOCK).is_file():
            with contextlib.suppress(CacheLocked, CacheWriteError, OSError), locked(left / _LOCK):
                for kept in left.glob(f"{_BEFORE}/*"):
                    if not os.path.lexists(parent / kept.name):  # killed between two renames, where names cannot be exchanged
                        move(kept, parent / kept.name)
                discard(left)


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
        for place in made:
            _force(place)
        _replace_all(folder, path, names, facts, files)
    return size


def _force(place: Path) -> None:
    """Force a file, or all files and folders below a folder."""
    if place.is_dir():
        for inside in place.iterdir():
            _force(inside)
    sync_file(place)


def _replace_all(folder: Path, path: Path, names: tuple[str, ...], facts: Mapping[str, Any], files: Mapping[str, str]) -> None:
    sidecar = sidecar_of(path)
    before = sidecar.read_bytes() if sidecar.exists() else b""
    document = _document(sidecar) or {_MARK: 1, "files": {}}
    try:
        _write_document(sidecar, document | {_COMING: files})
        _swap(folder, [(folder / name, path.with_name(name)) for name in names])
    except BaseException:  # Ctrl-C too
        if before:
            with replacing(sidecar) as temporary:
                temporary.write_bytes(before)
        else:
            delete(sidecar)
        raise
    _write_document(sidecar, {_MARK: 1, **facts, "files": files})


def _write_document(sidecar: Path, document: Mapping[str, Any]) -> None:
    with replacing_text(sidecar) as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def _swap(folder: Path, moves: list[tuple[Path, Path]]) -> None:
    """Put all in place or none; what stood there before is kept aside until all are, and no name is ever without a file.

    The result's own file comes last: with it, and only with it, those beside it are in use.
    """
    aside: list[tuple[Path, Path]] = []
    placed: list[tuple[Path, Path]] = []
    before = folder / _BEFORE
    make_folder(before)
    try:
        for new, place in reversed(moves):
            if os.path.lexists(place):
                aside.append((before / place.name, place))
                keep_owner_and_mode(place.stat(), new)
                exchange(new, place, before / place.name)
            else:
                placed.append((new, place))
                move(new, place)
    except BaseException:  # Ctrl-C too: what stood there must not go with the workshop
        for new, place in placed:
            if not os.path.lexists(new):
                move(place, new)
        for kept, place in aside:
            if os.path.lexists(kept):
                exchange(kept, place, folder / f"withdrawn-{place.name}")
        raise


def _is_ours(standing: list[Path], written: Sequence[Mapping[str, str]]) -> bool:
    """Return whether nothing stands there but files with a digest that one of the mappings has for their name."""
    found = {name: file for place in standing for name, file in _files_of(place)}
    known = set().union(*written)
    # Names first: the digests of a folder full of somebody else's files would take long.
    return (
        bool(found)
        and found.keys() <= known
        and all(_digest(file) in [digests.get(name) for digests in written] for name, file in found.items())
    )


def _document(sidecar: Path) -> dict[str, Any] | None:
    """Return what a JSON file of ours holds; None of anything else."""
    if not sidecar.is_file():
        return None
    try:
        document = json.loads(sidecar.read_bytes())
        is_ours = bool(document[_MARK]) and all(isinstance(document.get(key, {}), dict) for key in ("files", _COMING))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return document if is_ours and "files" in document else None


def _files_of(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or every file below a folder, with its path from the folder that the place is in."""
    if not place.is_dir():
        yield place.name, place
        return
    for file in sorted(place.rglob("*")):
        if file.is_symlink() or not file.is_dir():
            yield file.relative_to(place.parent).as_posix(), file


def _digest(file: Path) -> str:
    """Return a file's SHA-256; nothing for links, pipes and the like, which no digest of ours can equal."""
    return file_digest(file).hex() if file.is_file() and not file.is_symlink() else ""


def _is_empty_folder(place: Path) -> bool:
    return place.is_dir() and next(place.iterdir(), None) is None
