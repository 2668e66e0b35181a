"""The short form of the fault injections; the full form and its figures: ``python -m benchmarks.faults``."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import featx

pytestmark = pytest.mark.slow

ROOT = Path(featx.__file__).parents[1]


def run_experiment(name: str, n: int, *options: str) -> dict[str, int]:
    """Run one experiment in a process of its own: it forks, which a process full of threads must not."""
    command = [sys.executable, "-m", "benchmarks.faults", name, "--n", str(n), "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    counts: list[dict[str, int]] = list(json.loads(done.stdout).values())
    assert len(counts) == 1
    return counts[0]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: the system calls cannot be recorded")
@pytest.mark.parametrize(("what", "images"), [("extract", 3), ("prune", 12)])
def test_every_crash_state_opens_or_resumes(what: str, images: int) -> None:
    """After each system call, and with each one or two changes lost that were not forced by then."""
    counts = run_experiment("trace", images, "--what", what)
    assert counts["crash states"] > counts["system calls"] > 20
    assert counts["rows lost"] == counts["half-written files"] == counts["states that do not resume"] == 0


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: the library that makes calls fail cannot be built")
def test_every_failing_disk_call_is_a_typed_error_and_resumes() -> None:
    """Open, write, fsync, rename and mkdir failing with ENOSPC, EIO, EACCES and EMFILE, the first, the second, the N-th."""
    counts = run_experiment("errors", 3)
    assert counts["injected errors"] > 50
    assert counts["typed errors"] > counts["absorbed"]
    assert counts["untyped errors"] == counts["not resumed"] == 0


def test_damaged_files_never_give_wrong_rows() -> None:
    """Single flipped bits, truncations and swapped shards: refused, or read right."""
    counts = run_experiment("bits", 400)
    assert counts["damages"] == 400
    assert counts["refused"] > 300
    assert counts["silently wrong"] == counts["untyped errors"] == 0


def test_concurrent_extracts_and_readers_agree_with_a_serial_run() -> None:
    """Four of each on one cache at once."""
    counts = run_experiment("crowd", 2)
    assert counts["reads"] >= 8
    assert counts["half-written states seen"] == counts["failed writers"] == counts["results that differ"] == 0


@pytest.mark.parametrize("what", ["extract", "prune", "repair", "merge", "export", "pack", "finetune"])
def test_kills_at_random_instants_lose_nothing(what: str) -> None:
    """Each is killed, run again, killed again and so on to its end; what came of it is what an undisturbed run gives."""
    counts = run_experiment("kills", 3 if what == "finetune" else 8, "--what", what)
    assert counts["kills"] >= 3
    assert counts["runs ended"] > 0
    assert counts["rows held"] > 0
    assert counts["rows lost"] == counts["sound files moved"] == counts["half-written files"] == 0
    assert counts["results that differ"] == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: the system calls cannot be recorded")
def test_every_writer_forces_its_changes_to_the_disk() -> None:
    """Temporary sibling, fsync, rename, fsync of the folder; new folders, marks, moves and deletions are forced too."""
    counts = run_experiment("protocol", 20)
    assert counts["verbs"] >= 12
    assert counts["changes"] > 200
    assert counts["changes that a power cut could undo"] == counts["files written under their name"] == 0
