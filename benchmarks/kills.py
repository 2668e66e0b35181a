"""Ends of a process at random instants of a verb, and what it left: the experiment ``kills`` of ``benchmarks.faults``."""

import contextlib
import importlib
import random
import sys
import time
from pathlib import Path
from typing import Any

import featx
from benchmarks.scene import complain, decoding_here, outcome_of, result_of, run_child
from benchmarks.verbs import VERBS, Verb, digests_of, fresh, holds_its_name, sound_shards
from featx.errors import FeatxError
from featx.store import Catalog
from featx.store.shards.shard import Shard
from featx.system.files import TEMPORARY_PREFIX

MOST_IN_A_ROW = 20
"""So many runs are killed one after the other, each where the one before left off, before one may go to its end."""

WITH_DECODERS = 5
"""In one of so many rounds images are decoded in other processes, as usual; in the others where they are needed."""

Counts = dict[str, int]
Row = tuple[str, bytes, int]


class Held:
    """The rows of every cache below a folder that are listed or not listed yet; what was read of a shard is remembered."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[bytes, int]]] = {}
        self.unreadable: set[str] = set()

    def rows(self, place: Path) -> set[Row]:
        """Return cache, digest and view of every row in whole shards, and note which shards are not whole."""
        rows: set[Row] = set()
        self.unreadable = set()
        for folder in sorted(place.rglob("shards")):
            cache = str(folder.parent.relative_to(place))
            listed = None
            if (folder.parent / "catalog.h5").exists():
                listed = {digest.tobytes() for digest in Catalog.read(folder.parent / "catalog.h5").digests}
            for path in folder.glob("[!.]*.h5"):
                if not holds_its_name(path):
                    self.unreadable.add(path.name)
                    continue
                if path.name not in self._known:
                    shard = Shard(path)
                    shard.check()
                    keys = zip((digest.tobytes() for digest in shard.digests), shard.views.tolist(), strict=True)
                    self._known[path.name] = list(keys)
                rows |= {(cache, *key) for key in self._known[path.name] if listed is None or key[0] in listed}
        return rows


def kills(what: str, work: Path, n: int, images: int | None = None, seed: int = 0) -> Counts:
    """End a verb at a random instant, run it again, end that too, and so on until it is done; n times in all.

    After each end nothing that was held may be gone, and every file under a final name must be whole; in the end the result
    must be that of an undisturbed run.
    """
    verb = VERBS[what]
    prepared, place = work / "prepared", work / "place"
    prepared.mkdir()
    result_of(run_child(lambda: verb.prepare(prepared, images or verb.images) and None))
    fresh(prepared, place)
    load(result_of(run_child(lambda: (verb.run(place), verb.result(place), list(sys.modules))[2])))
    with decoding_here():
        seconds, wanted = undisturbed(verb, fresh(prepared, place))
    finished, earlier = digests_of(place), digests_of(prepared)
    held, rng = Held(), random.Random(seed)
    held.rows(prepared)
    damaged = held.unreadable
    counts = {"kills": 0, "runs ended": 0, "rows held": 0, "rows lost": 0, "sound files moved": 0, "half-written files": 0}
    counts |= {"results that differ": 0, "leftovers": 0}
    while counts["kills"] < n:
        fresh(prepared, place)
        before = held.rows(place)
        with contextlib.nullcontext() if counts["runs ended"] % WITH_DECODERS == 0 else decoding_here():
            ended = False
            for _ in range(min(MOST_IN_A_ROW, n - counts["kills"])):
                kind, told = outcome_of(run_child(lambda: verb.run(place) and None, rng.uniform(0, seconds) or seconds))
                if ended := kind == "done":
                    break
                if kind != "killed":
                    counts["results that differ"] += 1
                    complain(f"{what}, after a kill: {told}")
                counts["kills"] += 1
                after = held.rows(place)
                counts["rows held"] += len(after)
                counts["rows lost"] += len(before - after)
                counts["half-written files"] += len(held.unreadable - damaged)
                counts["half-written files"] += len(broken(verb, place, earlier, finished))
                before = after
        try:
            told = result_of(run_child(lambda: verb.result(place))) if ended else undisturbed(verb, place)[1]
            same = told == wanted or not verb.repeats
        except RuntimeError as error:
            same = False
            complain(str(error))
        counts["runs ended"] += 1
        print(f"  {counts['kills']} of {n}", end="\r", file=sys.stderr, flush=True)
        counts["rows lost"] += len(before - held.rows(place))
        counts["results that differ"] += not same
        counts["sound files moved"] += len(sound_shards(place))
        counts["leftovers"] += sum(1 for path in place.rglob(f"{TEMPORARY_PREFIX}*"))
    return counts


def load(modules: list[str]) -> None:
    """Load what a run has loaded, so that those after it find it: loading takes longer than most runs."""
    for name in modules:
        with contextlib.suppress(Exception):  # some are made up as they go, or meant for another system
            if name not in ("__main__", "__mp_main__"):
                importlib.import_module(name)


def undisturbed(verb: Verb, place: Path) -> tuple[float, Any]:
    """Run a verb to its end, and return the processor time that it took [s], and what came of it."""

    def whole() -> tuple[float, Any]:
        started = time.process_time()
        verb.run(place)
        return time.process_time() - started, verb.result(place)

    seconds, result = result_of(run_child(whole))
    return float(seconds), result


def broken(verb: Verb, place: Path, earlier: dict[str, str], finished: dict[str, str]) -> list[str]:
    """Return the files under final names that are neither what stood there before nor what comes in the end."""
    standing = digests_of(place)
    found = [name for name in verb.whole if standing.get(name) not in (earlier.get(name), finished[name])]
    for path in place.rglob("[!.]*.featx"):
        try:
            featx.load_model(path)
        except FeatxError as error:
            found.append(f"{path.name}: {error}")
    for text in found:
        complain(text)
    return found
