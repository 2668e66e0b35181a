"""What a power cut leaves of a verb: the experiments ``trace`` and ``protocol`` of ``benchmarks.faults``."""

import functools
import sys
from pathlib import Path

from benchmarks.kills import Counts, Held, broken, load, undisturbed
from benchmarks.replay import crash_states, restore
from benchmarks.scene import complain, decoding_here, result_of, run_child
from benchmarks.strace import breaches, record
from benchmarks.verbs import VERBS, digests_of, fresh, sound_shards


def protocol(work: Path, n: int) -> Counts:
    """Trace the system calls of every verb that writes: each change of a name must be forced, and each file whole before."""
    counts = {"verbs": 0, "changes": 0, "changes that a power cut could undo": 0, "files written under their name": 0}
    for what in list(VERBS)[:n]:
        place = work / what
        place.mkdir()
        result_of(run_child(functools.partial(_prepare, what, place, VERBS[what].images)))
        changes, unforced, in_place = breaches(record(run_of(what, place), place, work))
        if not changes:
            raise RuntimeError(f"{what} changed nothing: nothing would be tested")
        counts["verbs"] += 1
        counts["changes"] += changes
        counts["changes that a power cut could undo"] += len(unforced)
        counts["files written under their name"] += len(in_place)
        for text in unforced[:5] + in_place[:5]:
            complain(f"{what}: {text}")
    return counts


def _prepare(what: str, place: Path, n: int) -> None:
    VERBS[what].prepare(place, n)


def run_of(what: str, place: Path) -> str:
    """Return a line of Python that runs a verb."""
    return f"from benchmarks.verbs import VERBS; VERBS[{what!r}].run(Path({str(place)!r}))"


def trace(what: str, work: Path, n: int) -> Counts:
    """Crash after each system call of a verb, and lose each one or two changes that were not forced by then."""
    verb = VERBS[what]
    prepared, place = work / "prepared", work / "place"
    prepared.mkdir()
    result_of(run_child(functools.partial(_prepare, what, prepared, n)))
    fresh(prepared, place)
    operations = record(run_of(what, place), place, work)
    if not any(operation.kind in ("rename", "exchange") for operation in operations):
        raise RuntimeError("strace recorded no rename: nothing would be tested")
    fresh(prepared, place)
    load(result_of(run_child(lambda: (verb.run(place), verb.result(place), list(sys.modules))[2])))
    counts = {"system calls": len(operations), "crash states": 0, "rows lost": 0, "half-written files": 0}
    counts |= {"states that do not resume": 0}
    held, earlier = Held(), digests_of(prepared)
    with decoding_here():
        wanted = undisturbed(verb, fresh(prepared, place))[1]
        finished = digests_of(place)
        for state in crash_states(operations, prepared, place):
            restore(state, place)
            counts["crash states"] += 1
            before, moved = held.rows(place), 0
            counts["half-written files"] += len(broken(verb, place, earlier, finished))
            try:
                same = undisturbed(verb, place)[1] == wanted or not verb.repeats
                moved = len(sound_shards(place))
            except RuntimeError as error:
                same = False
                complain(str(error))
            counts["rows lost"] += len(before - held.rows(place))
            if not same or moved:
                counts["states that do not resume"] += 1
                complain(f"after {state.what}")
    return counts
