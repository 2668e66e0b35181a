"""Thousands of classes: ``python -m benchmarks.classes [--rows 5]``; evaluate of 5,000 and audit of 2,000, made-up features.

Each command runs in a process of its own and writes its whole report, as a user's does. Fitting is not part of the figure.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.audit import make_cache

EVALUATED, AUDITED = 5_000, 2_000
LIMITS = {"evaluate": 30.0, "audit": 60.0}
"""What each may take [s]."""


def timed(*arguments: str) -> tuple[float, float]:
    """Run a command of featx; return how long it took, and how much CPU time [s]."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "import featx.cli; featx.cli.run()", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(work: Path, rows: int, evaluated: int = EVALUATED, audited: int = AUDITED) -> dict[str, tuple[float, float]]:
    """Return what both commands took, as ``timed`` gives it.

    Parameters
    ----------
    work : Path
        An empty folder.
    rows : int
        Images a class, on average; a fifth of them for the test.
    evaluated, audited : int
        How many classes.
    """
    make_cache(work / "evaluated", evaluated * rows, evaluated)
    timed("fit", str(work / "evaluated"), "--head", "dense", "--epochs", "1", "--out", str(work / "model.featx"))
    found = {"evaluate": timed("evaluate", str(work / "model.featx"), "--out", str(work / "report"))}
    make_cache(work / "audited", audited * rows, audited)
    return found | {"audit": timed("audit", str(work / "audited"), "--out", str(work / "findings"))}


def main() -> None:
    """Measure and print a line a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--classes", type=int, nargs=2, default=(EVALUATED, AUDITED), metavar=("EVALUATED", "AUDITED"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="featx-classes-") as work:
        found = measure(Path(work), chosen.rows, *chosen.classes)
    for (name, (seconds, cpu)), classes in zip(found.items(), chosen.classes, strict=True):
        what = f"{name} of {classes:,} classes, {classes * chosen.rows:,} images"
        print(f"{what}: {seconds:.1f} s ({cpu:.1f} s of CPU time), wanted at most {LIMITS[name]:.0f} s")
    print(f"largest process {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
