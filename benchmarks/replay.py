"""The system calls of an extract, recorded by strace, and every state of the disk that a crash could leave behind."""

import copy
import dataclasses
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_CALLS = (
    "openat,open,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,"
    "unlink,unlinkat,rmdir,link,linkat,mkdir,mkdirat,close"
)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_UNFINISHED = re.compile(r"^(\d+) +(.*?) *<unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclasses.dataclass(frozen=True)
class Operation:
    """One system call on the cache: ``kind``, the path, and what it did."""

    kind: str
    path: str
    other: str = ""
    offset: int = 0
    data: bytes = b""


@dataclasses.dataclass
class State:
    """Files and folders below the cache, and what led there."""

    what: str
    files: dict[str, bytes]
    folders: list[str]


def record_trace(images: Path, cache: Path) -> list[Operation]:
    """Run an extract under strace and return what it did below ``cache``, in order."""
    operations = record(
        f"from benchmarks.scene import extract; extract(Path({str(images)!r}), Path({str(cache)!r}), shard_bytes=10**9)",
        cache,
        cache.parent,
    )
    if not any(operation.kind == "rename" for operation in operations):
        raise RuntimeError("strace recorded no rename below the cache: nothing would be tested")
    return operations


def record(script: str, below: Path, work: Path) -> list[Operation]:
    """Run Python under strace and return what it did below a folder, in order."""
    log = work / "strace.log"
    command = ["strace", "-f", "-xx", "-s", "100000000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(log)]
    subprocess.run([*command, sys.executable, "-c", f"from pathlib import Path; {script}"], check=True)
    return list(_parse(log.read_text(), str(below)))


def breaches(operations: list[Operation]) -> tuple[int, list[str], list[str]]:
    """Hold what was done against the protocol of every writer.

    Returns
    -------
    changes : int
        Final names that came, went or were replaced.
    unforced : list of str
        Those of them that no fsync of their folder followed, and renames of files that were written after their last fsync.
    in_place : list of str
        Files that were written under a final name, where a kill leaves half of one.
    """
    changes, unforced, in_place = 0, [], []
    dirty: set[str] = set()
    for number, done in enumerate(operations):
        if done.kind in ("write", "truncate", "create"):
            dirty.add(done.path)
            if done.kind == "write" and not _passing(done.path):
                in_place.append(done.path)
        elif done.kind == "fsync":
            dirty.discard(done.path)
        elif done.kind in ("rename", "exchange", "link", "unlink", "mkdir"):
            final = done.other or done.path
            if _passing(final):
                continue
            changes += 1
            if done.kind in ("rename", "exchange", "link") and done.path in dirty:
                unforced.append(f"{done.path} became {final} before its bytes were forced")
            if not any(later.kind == "fsync" and later.path == str(Path(final).parent) for later in operations[number:]):
                unforced.append(f"{done.kind} of {final}")
    return changes, unforced, in_place


def _passing(path: str) -> bool:
    """Tell whether a name is one that no run relies on: hidden temporaries and locks."""
    return any(part.startswith(".") for part in Path(path).parts)


def _whole_lines(log: str) -> Iterator[str]:
    """Join calls that another thread's call cut in two."""
    begun: dict[str, str] = {}
    for line in log.splitlines():
        cut = _UNFINISHED.match(line)
        if cut and cut[2].startswith("close("):
            yield f"{cut[1]} {cut[2]}) = 0"  # its number is free at once, for the next file of another thread
        elif cut:
            begun[cut[1]] = f"{cut[1]} {cut[2]}"
        elif (rest := _RESUMED.match(line)) and rest[1] in begun:
            yield begun.pop(rest[1]) + rest[2]
        else:
            yield line


def _parse(log: str, cache: str) -> Iterator[Operation]:
    open_files: dict[int, tuple[str, int]] = {}
    for_writing: set[int] = set()
    for line in _whole_lines(log):
        found = _LINE.match(line)
        if not found or int(found[4]) < 0:
            continue
        call, arguments, result = found[2], found[3], int(found[4])
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in _HEX.findall(arguments)]
        number = re.match(r"(\d+)", arguments)
        descriptor = int(number[1]) if number else -1
        if call in ("open", "openat"):
            path = texts[0].decode()
            if path.startswith(cache):
                open_files[result] = (path, 0)
                # Processes share this table: a number that stands for a file that is only read is another file elsewhere.
                (for_writing.discard if "O_RDONLY" in arguments else for_writing.add)(result)
                if "O_CREAT" in arguments or "O_TRUNC" in arguments:
                    yield Operation("truncate" if "O_TRUNC" in arguments else "create", path)
            else:
                open_files.pop(result, None)
        elif call == "close":
            open_files.pop(descriptor, None)
        elif call in ("write", "pwrite64") and descriptor in open_files and descriptor in for_writing:
            path, position = open_files[descriptor]
            offset = position
            if call == "pwrite64":
                offset = int(arguments.rsplit(",", 1)[1])
            else:
                open_files[descriptor] = (path, position + result)
            yield Operation("write", path, offset=offset, data=texts[0][:result])
        elif call == "ftruncate" and descriptor in open_files:
            yield Operation("truncate", open_files[descriptor][0])
        elif call in ("fsync", "fdatasync") and descriptor in open_files:
            yield Operation("fsync", open_files[descriptor][0])
        elif call.startswith("rename") and texts[-1].decode().startswith(cache):
            kind = "exchange" if "RENAME_EXCHANGE" in arguments else "rename"
            yield Operation(kind, texts[0].decode(), other=texts[1].decode())
        elif call.startswith("link") and texts[-1].decode().startswith(cache):
            yield Operation("link", texts[0].decode(), other=texts[1].decode())
        elif call.startswith(("unlink", "rmdir")) and texts[0].decode().startswith(cache):
            yield Operation("unlink", texts[0].decode())
        elif call.startswith("mkdir") and texts[0].decode().startswith(cache):
            yield Operation("mkdir", texts[0].decode())


def crash_states(operations: list[Operation]) -> Iterator[State]:
    """Yield the disk after each call, and the same with each write or rename lost that was not synced by then."""
    for end in range(len(operations) + 1):
        before = operations[:end]
        yield _play(before, f"call {end}")
        for lost, operation in enumerate(before):
            if operation.kind in ("write", "rename") and not _is_synced(before, lost):
                rest = before[:lost] + before[lost + 1 :]
                yield _play(rest, f"call {end}, with the {operation.kind} of call {lost + 1} lost")


def _is_synced(operations: list[Operation], number: int) -> bool:
    """Tell whether a write was followed by an fsync of its file, or a rename by one of its folder."""
    done = operations[number]
    target = done.path if done.kind == "write" else str(Path(done.other).parent)
    return any(later.kind == "fsync" and later.path == target for later in operations[number:])


def _play(operations: list[Operation], what: str) -> State:
    files: dict[str, bytearray] = {}
    folders: list[str] = []
    for done in operations:
        if done.kind == "mkdir":
            folders.append(done.path)
        elif done.kind == "create":
            files.setdefault(done.path, bytearray())
        elif done.kind == "truncate":
            files[done.path] = bytearray()
        elif done.kind == "write":
            content = files.setdefault(done.path, bytearray())
            content.extend(bytes(max(0, done.offset + len(done.data) - len(content))))
            content[done.offset : done.offset + len(done.data)] = done.data
        elif done.kind == "rename" and done.path in files:
            files[done.other] = files.pop(done.path)
        elif done.kind == "unlink":
            files.pop(done.path, None)
    return State(what, {path: bytes(content) for path, content in files.items()}, copy.copy(folders))


def restore(state: State, cache: Path) -> None:
    """Put the disk into a state."""
    shutil.rmtree(cache, ignore_errors=True)
    for folder in state.folders:
        Path(folder).mkdir(exist_ok=True, parents=True)
    for path, content in state.files.items():
        Path(path).parent.mkdir(exist_ok=True, parents=True)
        Path(path).write_bytes(content)
