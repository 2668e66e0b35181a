"""Damages of every kind of file that featx writes, and what reading does then: ``python -m benchmarks.damage [--n N]``.

Each damage is done to a copy, and read through the public interface in a process of its own. Counted are: refused with a typed
error, read right, silently other numbers, crashes (and hangs), and errors that have no type of featx's own. The last three must
be zero; exits with 1 if they are not.

``--forged`` changes values inside the files instead, and makes all checksums fit again. What was forged with fitting checksums
may well be read: it must neither crash nor give an untyped error.
"""

import argparse
import collections
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forgery import forgeries_of
from benchmarks.readers import TURNS, readers_of
from featx.errors import FeatxError

OUTCOMES = ("refused", "read right", "silently other", "crash", "untyped error")
WRONG = OUTCOMES[2:]
_SECONDS = 60
"""Of the processor, not of the clock: other work may go on beside it."""
_PAGE = 4096

Change = Callable[[Path], None]
Victim = tuple[str, str, str]
"""Kind of file for the table, the tree or file of the material that is copied, and the file in it that is damaged."""


def victims(material: Path) -> list[Victim]:
    """Return every file of the material that is to be damaged."""
    found = []
    for tree in ("cache", "int8", "vgg16", "parts"):
        for path in sorted((material / tree).rglob("*")):
            if path.is_file() and (kind := _kind_of(path.relative_to(material))):
                found += [(kind, tree, str(path.relative_to(material / tree)))]
    found += [(f"model, {path.stem}", "models", path.name) for path in sorted((material / "models").glob("*.featx"))]
    single = {"checkpoint": "stopped.featx.checkpoint", "packed file": "packed.h5", "manifest": "manifest.csv"}
    single["clean manifest"] = "clean.csv"
    return found + [(kind, name, "") for kind, name in single.items()]


def _kind_of(place: Path) -> str:
    if place.name == ".lock":
        return ""
    if "layers" in place.parts:
        return f"layers/: {_kind_of(Path(*place.parts[3:]))}"
    if place.parent.name in ("shards", "parts"):
        what = "shard" if place.parent.name == "shards" else "rejects.csv of a part" if place.suffix == ".csv" else "part"
        return f"{what}, int8" if place.parts[0] == "int8" and what == "shard" else what
    return "quantized/" if place.parent.name == "quantized" else place.name


def damages_of(data: bytes, twins: list[Path], rng: random.Random) -> tuple[str, Change]:
    """Draw one damage of a file's bytes."""
    how = rng.choice(("flip", "flip", "flip", "page", "cut", "append", "block", "swap"))
    if how == "swap" and twins:
        twin = rng.choice(twins)
        return f"swapped with {twin}", lambda path: _put(path, twin.read_bytes())
    if how == "append" or not data:
        more = rng.randbytes(rng.choice((1, 16, 4096)))
        return f"{len(more)} bytes more", lambda path: _put(path, data + more)
    at = rng.randrange(len(data))
    if how == "page":
        size = min(_PAGE, max(1, len(data) // 4))
        start = at // size * size
        return f"page at {start} zeroed", lambda path: _put(path, data[:start] + bytes(size) + data[start + size :], len(data))
    if how == "cut":
        return f"cut at {at}", lambda path: _put(path, data[:at])
    if how == "block":  # a sector that was written to another place
        size, source = min(512, len(data)), rng.randrange(len(data))
        return f"block of {source} at {at}", lambda path: _put(path, _moved(data, source, at, size))
    bit = rng.randrange(8)
    return f"bit {bit} of byte {at}", lambda path: _put(path, data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])


def _moved(data: bytes, source: int, at: int, size: int) -> bytes:
    return (data[:at] + data[source : source + size] + data[at + size :])[: len(data)]


def _put(path: Path, data: bytes, most: int | None = None) -> None:
    path.write_bytes(data[:most])


def answers(kind: str, copy: Path, victim: str, material: Path, turn: int) -> dict[str, str]:
    """Ask each reader of a kind; return the digest of what it answered, or the error behind its beginning with ``!``."""
    found = {}
    for name, read in readers_of(kind, copy, victim, material, turn):
        try:
            found[name] = mark(read())
        except FeatxError as error:
            found[name] = f"!refused {type(error).__name__}: {error}"
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            found[name] = f"!untyped {type(error).__name__}: {error} ({place.filename}:{place.lineno})"
    return found


def mark(value: Any) -> str:
    """Return a digest of whatever a reader answers."""
    digest = hashlib.sha256()

    def add(one: Any) -> None:
        if isinstance(one, np.ndarray):
            digest.update(f"{one.dtype} {one.shape}".encode() + np.ascontiguousarray(one).tobytes())
        elif isinstance(one, dict):
            add(sorted(one.items(), key=repr))
        elif isinstance(one, list | tuple):
            digest.update(f"[{len(one)}".encode())
            for inner in one:
                add(inner)
        else:
            digest.update(f"{type(one).__name__} {one!r};".encode("utf-8", "surrogatepass"))

    add(value)
    return digest.hexdigest()


def asked_in_child(work: Path, victim: Victim, material: Path, turn: int, change: Change | None) -> dict[str, str] | str:
    """Copy, damage and ask in a forked process; return its answers, or how it ended."""
    kind, tree, place = victim
    copy = work / "copy"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if place and tree != "models":
        shutil.copytree(material / tree, copy)
    else:
        copy.mkdir()
        shutil.copy(material / tree / place, copy / (place or tree))
    file = copy / (place or tree)
    if change:
        change(file)
    answer = work / "answer.json"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.chdir(work)
            answer.write_text(json.dumps(answers(kind, copy, str(file), material, turn)))
        except BaseException as error:
            answer.write_text(json.dumps({"child": f"!untyped {type(error).__name__}: {error}"}))
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) or not answer.exists():
        return f"crash: signal {os.WTERMSIG(status)}"
    found: dict[str, str] = json.loads(answer.read_text())
    return found


def judged(found: dict[str, str] | str, wanted: dict[str, str]) -> tuple[str, str]:
    """Return the outcome of one damage, the worst of its readers', and what shows it."""
    if isinstance(found, str):
        return "crash", found
    for name, said in found.items():
        if said.startswith("!untyped"):
            return "untyped error", f"{name}: {said[9:]}"
    for name, said in found.items():
        if not said.startswith("!") and said != wanted[name]:
            return "silently other", name
    refusals = [f"{name}: {said[9:]}" for name, said in found.items() if said.startswith("!")]
    return ("refused", refusals[0]) if refusals else ("read right", "")


def changes(victim: Victim, material: Path, n: int, forged: bool, rng: random.Random) -> Iterator[tuple[str, Change]]:
    """Yield n damages of one file, or at most as many forgeries."""
    kind, tree, place = victim
    path = material / tree / place if place else material / tree
    if forged:
        every = list(forgeries_of(kind, path))
        yield from rng.sample(every, min(n, len(every)))
        return
    twins = [
        material / other_tree / other
        for other_kind, other_tree, other in victims(material)
        if place and (other_tree, other) != (tree, place) and _alike(other_kind, kind)
    ]
    twins += [one for one in (material / "other").rglob(Path(place).name if "shard" not in kind else "shards/*.h5") if place]
    if kind == "catalog.h5":
        twins += sorted((material / "parts" / "parts").glob("*.h5"))
    data, edits = path.read_bytes(), []
    if path.suffix in (".json", ".featx"):  # values edited, checksums left as they are
        edits = [one for one in forgeries_of(kind, path) if one[0].startswith("value")]
    for _ in range(n):
        yield rng.choice(edits) if edits and rng.random() < 0.3 else damages_of(data, twins, rng)


def _alike(kind: str, other: str) -> bool:
    """Return whether files of these kinds could be taken for each other; a model in another's place is a sound model."""
    return kind.split(",")[0].removeprefix("layers/: ") == other.split(",")[0].removeprefix("layers/: ") != "model"


def warm(material: Path, work: Path) -> None:
    """Ask here what is asked in children, so that they need not load libraries themselves."""
    for turn in range(TURNS):
        shutil.copytree(material / "cache", work / "copy")
        answers("catalog.h5", work / "copy", "", material, turn)
        answers("model", work, str(material / "models" / "knn.featx"), material, turn)
        answers("model", work, str(material / "models" / "dense.featx"), material, turn)
        shutil.rmtree(work)
    assert "keras" not in sys.modules


def share(material: Path, work: Path, kinds: dict[str, list[Victim]], chosen: argparse.Namespace) -> dict[str, Any]:
    """Do n damages of each of some kinds; return outcomes by kind, and what was wrong."""
    n, forged = chosen.n, chosen.forged
    counts: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in kinds}
    wrong: list[str] = []
    to_do: list[tuple[int, Victim, str, Change]] = []
    for kind, files in kinds.items():
        rng = random.Random(f"{chosen.seed} {kind}")
        for victim in files:
            drawn = changes(victim, material, -(-n // len(files)), forged, rng)
            to_do += [(turn, victim, what, change) for turn, (what, change) in enumerate(drawn)]
    to_do.sort(key=lambda one: one[0])  # the kinds in turns: a run that is stopped has done as many of each
    wanted: dict[Victim, dict[str, str]] = collections.defaultdict(dict)
    for turn, victim, what, change in to_do:
        if turn < TURNS:
            first = asked_in_child(work, victim, material, turn, None)
            bad = first if isinstance(first, str) else [said for said in first.values() if said.startswith("!")]
            if bad or isinstance(first, str):
                print(f"{victim}: the sound file is not read: {bad}", file=sys.stderr)
                raise SystemExit(1)
            wanted[victim] |= first
        try:
            found = asked_in_child(work, victim, material, turn, change)
        except _NO_CHANGE:
            continue
        kind = victim[0]
        outcome, shown = judged(found, wanted[victim])
        counts[kind][outcome] += 1
        if outcome in WRONG and not (forged and outcome == "silently other"):
            wrong.append(f"{outcome}: {kind}: {victim[2]}: {what}: {shown}")
            print(wrong[-1], file=sys.stderr, flush=True)
        if chosen.json:  # what was counted so far, should the run be stopped
            chosen.json.with_suffix(f".{work.name}").write_text(json.dumps({"counts": counts, "wrong": wrong}))
    shutil.rmtree(work, ignore_errors=True)
    return {"counts": counts, "wrong": wrong}


def in_workers(material: Path, folder: Path, by_kind: dict[str, list[Victim]], chosen: argparse.Namespace) -> dict[str, Any]:
    """Share the kinds among forked workers; return their results together."""
    children = {}
    for number in range(chosen.workers):
        kinds = {kind: by_kind[kind] for kind in sorted(by_kind)[number :: chosen.workers]}
        child = os.fork()
        if not child:
            status = 1
            try:
                found = share(material, folder / f"work{number}", kinds, chosen)
                (folder / f"{number}.json").write_text(json.dumps(found))
                status = 0
            finally:
                os._exit(status)
        children[child] = number
    counts: dict[str, dict[str, int]] = {}
    wrong: list[str] = []
    for child, number in children.items():
        if os.waitpid(child, 0)[1]:
            raise SystemExit("a worker failed")
        found = json.loads((folder / f"{number}.json").read_text())
        counts |= found["counts"]
        wrong += found["wrong"]
    return {"counts": counts, "wrong": wrong}


_NO_CHANGE = (ValueError, OSError, TypeError, KeyError, OverflowError, RuntimeError)
"""HDF5 has no such change."""


def table(counts: dict[str, dict[str, int]]) -> str:
    """Return the outcomes by kind in Markdown."""
    lines = [f"| file | damages | {' | '.join(OUTCOMES)} |", "|---|" + "---:|" * (1 + len(OUTCOMES))]
    total: collections.Counter[str] = collections.Counter()
    for kind in sorted(counts):
        total.update(counts[kind])
    for kind, row in [*sorted(counts.items()), ("all", total)]:
        numbers = [sum(row.values()), *(row.get(outcome, 0) for outcome in OUTCOMES)]
        lines.append(f"| {kind} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    return "\n".join(lines)


def main() -> None:
    """Make the files, damage them, count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.damage", description=__doc__)
    parser.add_argument("--n", type=int, default=500, help="damages of each kind of file  [default: %(default)s]")
    parser.add_argument("--forged", action="store_true", help="values changed, checksums made to fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--material", type=Path, help="a folder that benchmarks.victims has filled")
    parser.add_argument("--only", default="", help="kinds of file whose name begins so")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where the counts go")
    chosen = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        material = Path(folder) / "material"
        if chosen.material:
            shutil.copytree(chosen.material, material)
        else:
            material.mkdir()
            subprocess.run([sys.executable, "-m", "benchmarks.victims", str(material)], check=True, stderr=subprocess.DEVNULL)
        by_kind: dict[str, list[Victim]] = collections.defaultdict(list)
        for victim in victims(material):
            if victim[0].startswith(chosen.only):
                by_kind[victim[0]].append(victim)
        warm(material, Path(folder) / "work")
        found = in_workers(material, Path(folder), by_kind, chosen)
    if chosen.json:
        chosen.json.write_text(json.dumps(found))
    print(table(found["counts"]))
    print(f"{time.monotonic() - started:.0f} s")
    with contextlib.suppress(ValueError):
        sys.exit(bool(found["wrong"]))


if __name__ == "__main__":
    main()
