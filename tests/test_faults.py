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
    counts: dict[str, int] = json.loads(done.stdout)[name]
    return counts


def test_kill_9_at_random_instants_loses_no_committed_row() -> None:
    """Each killed extract resumes to the same bits; nothing under a final name is ever half a file."""
    counts = run_experiment("kills", 12)
    assert counts["kills"] >= 6, "most extracts must have been alive when they were killed"
    assert counts["rows kept"] > 0
    assert counts["committed rows lost"] == counts["unreadable final files"] == counts["results that differ"] == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: the system calls cannot be recorded")
def test_every_crash_state_of_an_extract_opens_or_resumes() -> None:
    """After each system call, and with each write or rename lost that was not synced by then."""
    counts = run_experiment("trace", 3)
    assert counts["crash states"] > counts["system calls"] > 20
    assert counts["states that neither open nor resume"] == 0


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


@pytest.mark.parametrize("what", ["prune", "repair", "merge", "export", "pack"])
def test_kill_9_at_random_instants_of_other_verbs_loses_nothing(what: str) -> None:
    """Each is killed, run again, killed again and so on to its end; what came of it is what an undisturbed run gives."""
    counts = run_experiment("kills", 5, "--what", what)
    assert counts["kills"] >= 5
    assert counts["runs ended"] > 0
    assert counts["results that differ"] == counts["sound files moved"] == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: the system calls cannot be recorded")
def test_every_writer_forces_its_changes_to_the_disk() -> None:
    """Temporary sibling, fsync, rename, fsync of the folder; new folders, marks, moves and deletions are forced too."""
    counts = run_experiment("protocol", 20)
    assert counts["verbs"] >= 11
    assert counts["changes"] > 200
    assert counts["changes that a power cut could undo"] == counts["files written under their name"] == 0
