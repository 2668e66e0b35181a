"""A second extract of unchanged files: ``python -m benchmarks.warm``; less than a minute."""

from pathlib import Path

from benchmarks.scale import warm_seconds
from benchmarks.sections import Section, Target, run, spread


def measure(quick: bool, work: Path) -> Section:
    """Extract once, and then again."""
    n_images, rounds = (60, 2) if quick else (10_000, 7)
    pairs = warm_seconds(work / "warm", n_images, rounds)
    bare, whole = ([pair[place] for pair in pairs] for place in (0, 1))
    beyond = [after - before for before, after in pairs]
    rows = [
        [f"second extract of {n_images:,} files", f"{spread(whole, '.2f')} s"],
        ["starting the interpreter alone", f"{spread(bare, '.2f')} s"],
        ["beyond interpreter start", f"{spread(beyond, '.2f')} s"],
    ]
    notes = [
        f"The whole process, as the shell sees it; median of {rounds} rounds (smallest to largest). Neither TensorFlow nor "
        "Keras nor scikit-learn is loaded. The files are small PNGs, and the backbone is the stub: neither is read or run here."
    ]
    target = Target(f"second extract of {n_images:,} files", 2.0, sorted(whole)[len(whole) // 2], at_least=False, unit=" s")
    figures = {"images": n_images, "rounds": rounds, "bare": bare, "whole": whole}
    return Section("warm", "Warm extract", "python -m benchmarks.warm", ("", "seconds"), rows, [target], notes, figures)


if __name__ == "__main__":
    run(measure, __doc__)
