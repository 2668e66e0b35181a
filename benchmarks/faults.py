"""Fault injection on the cache: ``python -m benchmarks.faults [all|kills|trace|errors|bits|crowd|protocol] [--n N]``.

Every experiment runs a real verb (stub backbone, real files) and counts what must be zero. Exits with 1 if it is not.
``kills`` and ``trace`` take ``--what``: extract (the default), prune, repair, merge, export, finetune, pack and others.
"""

import argparse
import contextlib
import ctypes
import errno
import functools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.crashes import protocol, trace
from benchmarks.kills import Counts, kills
from benchmarks.scene import UNTYPED, complain, decoding_here, extract, make_images, outcome_of, rows_of, run_child
from benchmarks.verbs import VERBS
from featx.errors import FeatxError
from featx.store.shards.shard import Shard

KINDS = {"open": 0, "write": 1, "fsync": 2, "rename": 3, "mkdir": 4}
ERRORS = {
    "open": ("EACCES", "EMFILE", "EIO"),
    "write": ("ENOSPC", "EIO"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EACCES", "EIO", "ENOSPC"),
    "mkdir": ("EACCES", "ENOSPC"),
}


def final_shards(cache: Path) -> list[Path]:
    """Return the files with a final name."""
    return sorted(cache.glob("shards/[!.]*.h5"))


def committed_rows(cache: Path) -> tuple[set[bytes], int]:
    """Return the keys of all rows in final files, and how many of those files are not whole."""
    keys: set[bytes] = set()
    unreadable = 0
    for path in final_shards(cache):
        try:
            shard = Shard(path)
            shard.check()
            keys |= {digest.tobytes() for digest in shard.digests}
        except FeatxError as error:
            unreadable += 1
            complain(str(error))
    return keys, unreadable


def resumed(images: Path, cache: Path, whole: dict[str, bytes]) -> bool:
    """Run the extract again and tell whether the result is that of an undisturbed one, to the bit."""
    kind, told = outcome_of(run_child(lambda: extract(images, cache) and rows_of(cache)))
    if kind != "done":
        complain(f"{kind}: {told}")
    return kind == "done" and told == whole


def errors(work: Path, n: int) -> Counts:
    """Fail the N-th open, write, fsync, rename and mkdir in the cache, for every N, with each error that fits."""
    if "featx_shim" not in os.environ.get("LD_PRELOAD", ""):
        return _with_shim(work, n)
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    images = make_images(work / "images", n)
    extract(images, work / "whole")
    whole = rows_of(work / "whole")
    counts = {"injected errors": 0, "typed errors": 0, "absorbed": 0, "untyped errors": 0, "not resumed": 0}
    for kind, names in ERRORS.items():
        for name in names:
            for nth in range(1, 10_000):
                cache = work / "cache"
                # From nothing for most; from a finished cache too, since a second run takes other ways.
                if nth % 4 == 0:
                    shutil.copytree(work / "whole", cache)

                def armed(cache: Path = cache, kind: str = kind, nth: int = nth, name: str = name, report: int = -1) -> int:
                    shim.featx_arm(str(cache).encode(), KINDS[kind], nth, getattr(errno, name))
                    try:
                        extract(images, cache)
                    finally:
                        os.write(report, b"%d" % shim.featx_seen())
                    return 0

                listening, report = os.pipe()
                outcome, told = outcome_of(run_child(functools.partial(armed, report=report)))
                os.close(report)
                reached = int(os.read(listening, 20) or b"0")
                os.close(listening)
                if reached >= nth:
                    counts["injected errors"] += 1
                    counts[{"typed": "typed errors", "done": "absorbed"}.get(outcome, "untyped errors")] += 1
                    if outcome == UNTYPED:
                        complain(f"{kind} {nth} {name}: {told}")
                    if committed_rows(cache)[1] or not resumed(images, cache, whole):
                        counts["not resumed"] += 1
                        complain(f"{kind} {nth} {name}: not resumed")
                shutil.rmtree(cache, ignore_errors=True)
                if reached < nth and nth % 4:
                    break
    return counts


def _with_shim(work: Path, n: int) -> Counts:
    """Build the shim and start over with it loaded."""
    shim = work / "featx_shim.so"
    source = Path(__file__).with_name("disk_shim.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    command = [sys.executable, "-m", "benchmarks.faults", "errors", "--n", str(n), "--json"]
    done = subprocess.run(command, env=os.environ | {"LD_PRELOAD": str(shim)}, stdout=subprocess.PIPE, check=False)
    counts: Counts = json.loads(done.stdout)["errors"]
    return counts


def bits(work: Path, n: int) -> Counts:
    """Flip single bits, cut files short, and swap shards; then read every row."""
    images = make_images(work / "images", 24)
    cache = work / "cache"
    extract(images, cache, shard_bytes=6_000)
    other = work / "other"
    extract(make_images(work / "other images", 24, seed=1), other, shard_bytes=6_000)
    whole = rows_of(cache)
    files = [*final_shards(cache), cache / "catalog.h5", cache / "recipe.json"]
    contents = {path: path.read_bytes() for path in files}
    rng = random.Random(n)
    counts = {"damages": 0, "refused": 0, "read right": 0, "silently wrong": 0, "untyped errors": 0}
    for number in range(n):
        path = rng.choice(files) if number % 2 else rng.choice(files[:-2])
        content = contents[path]
        if number % 20 == 0:
            damaged = content[: rng.randrange(len(content))]
        elif number % 20 == 1 and path in files[:-2]:
            damaged = rng.choice([*final_shards(other), *files[:-2]]).read_bytes()
        else:
            at = rng.randrange(len(content))
            damaged = content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        path.write_bytes(damaged)
        counts["damages"] += 1
        try:
            counts["read right" if rows_of(cache) == whole else "silently wrong"] += 1
        except FeatxError:
            counts["refused"] += 1
        except Exception as error:
            counts["untyped errors"] += 1
            complain(f"{path.name}: {error!r}")
        path.write_bytes(content)
    return counts


def crowd(work: Path, n: int) -> Counts:
    """Let four extracts and four readers loose on one cache at once."""
    images = make_images(work / "images", 40)
    extract(images, work / "whole")
    whole = rows_of(work / "whole")
    counts = {"rounds": 0, "reads": 0, "half-written states seen": 0, "failed writers": 0, "results that differ": 0}
    for number in range(n):
        cache = work / f"cache{number}"
        writers = [run_child(lambda cache=cache: extract(images, cache, wait=True).extracted) for _ in range(4)]  # type: ignore[misc]
        readers = [run_child(lambda cache=cache: _read_until_whole(cache, whole)) for _ in range(4)]  # type: ignore[misc]
        for kind, told in map(outcome_of, writers):
            if kind != "done":
                counts["failed writers"] += 1
                complain(str(told))
        for kind, told in map(outcome_of, readers):
            if kind != "done":
                counts["half-written states seen"] += 1
                complain(str(told))
            else:
                counts["reads"] += told
        counts["rounds"] += 1
        counts["results that differ"] += rows_of(cache) != whole
        shutil.rmtree(cache)
    return counts


def _read_until_whole(cache: Path, whole: dict[str, bytes]) -> int:
    """Read again and again until the cache is whole; what is not there yet may be missing, what is there must be right."""
    from featx.errors import CacheNotFound

    reads = 0
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        reads += 1
        try:
            if rows_of(cache) != whole:
                raise AssertionError("a reader saw rows that no extract made")
            return reads
        except CacheNotFound:
            time.sleep(0.001)
    raise AssertionError("the cache was not whole after two minutes: its writers failed")


EXPERIMENTS: dict[str, tuple[Callable[[Path, int], Counts], int]] = {
    "errors": (errors, 10),
    "bits": (bits, 10_000),
    "crowd": (crowd, 50),
    "protocol": (protocol, len(VERBS)),
}
KILLS = {"extract": 1000, "prune": 300, "repair": 300, "merge": 300, "export": 300, "finetune": 300, "pack": 300}
"""How many of each verb the full form has."""

TRACED = ("extract", "prune", "repair", "export")
MUST_BE_ZERO = (
    "rows lost",
    "half-written files",
    "unreadable final files",
    "results that differ",
    "states that do not resume",
    "untyped errors",
    "not resumed",
    "silently wrong",
    "half-written states seen",
    "failed writers",
    "sound files moved",
    "changes that a power cut could undo",
    "files written under their name",
)


def experiments(options: argparse.Namespace) -> dict[str, Callable[[Path], Counts]]:
    """Return what was asked for, each by the arguments that give it alone."""
    what, n = options.what, options.n
    chosen: dict[str, Callable[[Path], Counts]] = {}
    for name in (what,) if what else KILLS:
        if options.experiment in ("all", "kills"):
            count = n or KILLS.get(name, 100)
            chosen[f"kills --what {name}"] = functools.partial(_kills, name, count, options.images, options.seed)
    for name in (what,) if what else TRACED:
        if options.experiment in ("all", "trace"):
            chosen[f"trace --what {name}"] = functools.partial(_trace, name, n or VERBS[name].traced)
    for name, (experiment, full) in EXPERIMENTS.items():
        if options.experiment in ("all", name):
            chosen[name] = functools.partial(_counted, experiment, n or full)
    return chosen


def _counted(experiment: Callable[[Path, int], Counts], n: int, work: Path) -> Counts:
    return experiment(work, n)


def _kills(what: str, n: int, images: int | None, seed: int, work: Path) -> Counts:
    return kills(what, work, n, images, seed)


def _trace(what: str, n: int, work: Path) -> Counts:
    return trace(what, work, n)


def main() -> None:
    """Run the experiments asked for and print a table of what they counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="?", default="all", choices=["all", "kills", "trace", *EXPERIMENTS])
    parser.add_argument("--n", type=int, help="how many (trace and errors: images); by default the full form")
    parser.add_argument("--what", choices=list(VERBS), help="which verb is killed or traced; by default each in turn")
    parser.add_argument("--images", type=int, help="how many images a killed verb works on")
    parser.add_argument("--seed", type=int, default=0, help="of the instants of kills; another one, other instants")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    results: dict[str, Counts] = {}
    for name, experiment in experiments(options).items():
        with tempfile.TemporaryDirectory(prefix="featx-faults-") as work:
            started = time.monotonic()
            with decoding_here() if name in ("errors", "crowd") else contextlib.nullcontext():
                results[name] = experiment(Path(work).resolve())
        if not options.json:
            counted = ", ".join(f"{count:,} {what}" for what, count in results[name].items())
            print(f"| {name} | {counted} | {time.monotonic() - started:.0f} s |", flush=True)
    if options.json:
        print(json.dumps(results))
    if any(counts.get(what) for counts in results.values() for what in MUST_BE_ZERO):
        sys.exit(1)


if __name__ == "__main__":
    main()
