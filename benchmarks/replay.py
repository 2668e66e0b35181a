"""Every state of the disk that a crash could leave behind, from the system calls of a run."""

import dataclasses
import hashlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.strace import Operation

_NAMES = ("rename", "exchange", "link", "unlink", "mkdir")

_MOST_PAIRS = 3
"""Pairs of lost changes are taken among the last so many that were not forced: older ones were seen in states before."""


@dataclasses.dataclass
class State:
    """Files and folders below a place, and what led there."""

    what: str
    files: dict[str, bytes]
    folders: set[str]


def crash_states(operations: Sequence[Operation], prepared: Path, place: Path) -> Iterator[State]:
    """Yield the disk after each call, and the same with one or two changes lost that were not forced by then; none twice.

    Parameters
    ----------
    operations : sequence of Operation
        What the run did.
    prepared, place : Path
        What stood on the disk before; where the run found it.
    """
    files = {str(place / path.relative_to(prepared)): path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    folders = {str(place / path.relative_to(prepared)) for path in prepared.rglob("*") if path.is_dir()} | {str(place)}
    forced = [_forced_by(operations, number) for number in range(len(operations))]
    seen: set[bytes] = set()
    for end in range(len(operations) + 1):
        before = operations[:end]
        loose = [number for number in range(end) if forced[number] >= end]
        pairs = itertools.combinations(loose[-_MOST_PAIRS:], 2)
        for lost in ((), *((number,) for number in loose), *pairs):
            state = _play(before, frozenset(lost), dict(files), set(folders))
            names = " and ".join(f"the {before[number].kind} of call {number + 1}" for number in lost)
            state.what = f"call {end}" + (f", with {names} lost" if lost else "")
            if (known := _digest(state)) not in seen:
                seen.add(known)
                yield state


def _digest(state: State) -> bytes:
    digest = hashlib.sha256(repr(sorted(state.folders)).encode())
    for path, content in sorted(state.files.items()):
        digest.update(f"\0{path}\0{len(content)}\0".encode() + content)
    return digest.digest()


def _forced_by(operations: Sequence[Operation], number: int) -> int:
    """Return which call forced a write (an fsync of its file) or a change of a name (of its folder); -1 for other calls."""
    done = operations[number]
    if done.kind != "write" and done.kind not in _NAMES:
        return -1
    target = done.path if done.kind == "write" else str(Path(done.other or done.path).parent)
    later = range(number + 1, len(operations))
    return next((at for at in later if operations[at].kind == "fsync" and operations[at].path == target), len(operations))


def _play(operations: Sequence[Operation], lost: frozenset[int], files: dict[str, bytes], folders: set[str]) -> State:
    for number, done in enumerate(operations):
        path, other = done.path, done.other
        if number in lost:
            if done.kind == "rename" and path in folders:  # what comes after goes to the old name
                break
            continue
        if done.kind == "mkdir":
            folders.add(path)
        elif str(Path(other or path).parent) not in folders:
            continue  # the folder was lost, and all that came into it
        elif done.kind == "create":
            files.setdefault(path, b"")
        elif done.kind == "truncate":
            files[path] = b""
        elif done.kind == "write":
            content = bytearray(files.get(path, b""))
            content.extend(bytes(max(0, done.offset + len(done.data) - len(content))))
            content[done.offset : done.offset + len(done.data)] = done.data
            files[path] = bytes(content)
        elif done.kind in ("rename", "exchange"):
            _rename(path, other, done.kind == "exchange", files, folders)
        elif done.kind == "link" and path in files:
            files[other] = files[path]
        elif done.kind == "unlink":
            files.pop(path, None)
            if not any(Path(path) in Path(name).parents for name in (*files, *folders)):
                folders.discard(path)
    return State("", files, folders)


def _rename(path: str, other: str, both: bool, files: dict[str, bytes], folders: set[str]) -> None:
    """Give a file or a folder another name, or let two change places."""
    moves = [(path, other), (other, path)] if both else [(path, other)]
    taken: list[tuple[str, bytes | None]] = []
    for old, new in moves:
        inside = [name for name in files if name == old or name.startswith(f"{old}/")]
        taken += [(new + name[len(old) :], files.pop(name)) for name in inside]
        for name in [name for name in folders if name == old or name.startswith(f"{old}/")]:
            folders.discard(name)
            taken.append((new + name[len(old) :], None))
    for name, content in taken:
        if content is None:
            folders.add(name)
        else:
            files[name] = content


def restore(state: State, place: Path) -> None:
    """Put the disk into a state."""
    shutil.rmtree(place, ignore_errors=True)
    for folder in state.folders:
        Path(folder).mkdir(exist_ok=True, parents=True)
    for path, content in state.files.items():
        Path(path).parent.mkdir(exist_ok=True, parents=True)
        Path(path).write_bytes(content)
