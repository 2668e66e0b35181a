"""Peak memory of an extract by the number of images: ``python -m benchmarks.memory``; about three minutes on two cores.

The whole command with VGG16 at 32 px over JPEGs of 320 x 240, each time in a fresh process and into a new cache. Counted is the
resident memory of the process and of all that it starts, the decoders, every 20 ms; a page that several share counts for each.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.made import photos
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread

PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY = 0.02


def descendants(pid: int) -> list[int]:
    """Return a process and all that it has started, as far as they are still there."""
    found = [pid]
    for process in found:
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
        except OSError:  # it ended meanwhile
            continue
    return found


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and all that it has started [bytes]."""
    total = 0
    for process in descendants(pid):
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
        except (OSError, IndexError):
            continue
    return total


def peak_of(command: list[str]) -> tuple[float, float]:
    """Run a command; return its peak memory [MB] and its seconds."""
    started, peak = time.monotonic(), 0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            peak = max(peak, resident_bytes(process.pid))
            time.sleep(EVERY)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read()[-2000:])
    return peak / 1e6, time.monotonic() - started


def extract(images: Path, cache: Path, side: int) -> tuple[float, float]:
    """Extract with the whole command; return peak memory [MB] and seconds."""
    program = "from featx.cli import main; main()"
    arguments = ["extract", str(images), "--cache", str(cache), "--image-size", str(side)]
    return peak_of([sys.executable, "-c", program, *arguments])


def measure(quick: bool, work: Path) -> Section:
    """Extract few and many images in turn."""
    side, (counts, rounds) = 32, ((40, 80), 2) if quick else ((500, 5000), ROUNDS)
    for count in counts:
        photos(work / f"memory/{count}", count, (320, 240), classes=2)
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for number in range(rounds):
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                found[count].append(extract(work / f"memory/{count}", Path(folder) / "cache", side))
            print(f"  round {number + 1}: {count} images, {found[count][-1][0]:.0f} MB", file=sys.stderr, flush=True)
    few, many = ([peak for peak, _ in found[count]] for count in counts)
    growth = ratio(many, few)
    rows = [
        [f"{count:,}", f"{spread(peaks, '.0f')} MB", f"{statistics.median(seconds for _, seconds in found[count]):.0f} s"]
        for count, peaks in zip(counts, (few, many), strict=True)
    ]
    notes = [
        f"The whole command, decoders included, at {side} px; median of {rounds} rounds (smallest to largest). A page that "
        "several processes share counts for each."
    ]
    target = Target(f"memory of {counts[1]:,} images over that of {counts[0]:,}", 1.05, growth, at_least=False)
    columns = ("images", "peak resident memory", "seconds")
    figures = {"side": side, "rounds": rounds, "peak_mb_and_seconds": found, "growth": growth}
    return Section(
        "memory", "Memory by the number of images", "python -m benchmarks.memory", columns, rows, [target], notes, figures
    )


if __name__ == "__main__":
    run(measure, __doc__)
