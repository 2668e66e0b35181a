"""The system calls of a run below a folder, recorded by strace, and whether they keep to the protocol of every writer."""

import dataclasses
import os
import re
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
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>, )?"((?:\\x[0-9a-f]{2})*)"')


@dataclasses.dataclass(frozen=True)
class Operation:
    """One system call on the cache: ``kind``, the path, and what it did."""

    kind: str
    path: str
    other: str = ""
    offset: int = 0
    data: bytes = b""


def record(script: str, below: Path, work: Path) -> list[Operation]:
    """Run Python under strace and return what it did below a folder, in order."""
    log = work / "strace.log"
    command = ["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(log)]
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


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return os.fsdecode(_bytes(text))


def _parse(log: str, cache: str) -> Iterator[Operation]:
    open_files: dict[int, tuple[str, int]] = {}
    for_writing: set[int] = set()
    for line in _whole_lines(log):
        found = _LINE.match(line)
        if not found or int(found[4]) < 0:
            continue
        call, arguments, result = found[2], found[3], int(found[4])
        paths = [str(Path(_text(folder)) / _text(name)) for folder, name in _PATH.findall(arguments)]
        number = re.match(r"(\d+)", arguments)
        descriptor = int(number[1]) if number else -1
        if call in ("open", "openat"):
            path = paths[0]
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
            yield Operation("write", path, offset=offset, data=_bytes(_HEX.findall(arguments)[0])[:result])
        elif call == "ftruncate" and descriptor in open_files:
            yield Operation("truncate", open_files[descriptor][0])
        elif call in ("fsync", "fdatasync") and descriptor in open_files:
            yield Operation("fsync", open_files[descriptor][0])
        elif call.startswith("rename") and paths[-1].startswith(cache):
            kind = "exchange" if "RENAME_EXCHANGE" in arguments else "rename"
            yield Operation(kind, paths[0], other=paths[1])
        elif call.startswith("link") and paths[-1].startswith(cache):
            yield Operation("link", paths[0], other=paths[1])
        elif call.startswith(("unlink", "rmdir")) and paths[0].startswith(cache):
            yield Operation("unlink", paths[0])
        elif call.startswith("mkdir") and paths[0].startswith(cache):
            yield Operation("mkdir", paths[0])
