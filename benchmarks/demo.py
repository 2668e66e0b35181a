"""Where the seconds of ``featx demo`` go: ``python -m benchmarks.demo``; about three minutes on two cores.

The command itself, in a fresh process and an empty folder, with clocks around its parts. A part's seconds are its own: those of
another part within it, such as a library that is loaded there, count for that one alone.
"""

import builtins
import contextlib
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.sections import ROUNDS, Section, run

LIBRARIES = (
    "tensorflow",
    "keras",
    "sklearn",
    "scipy",
    "matplotlib",
    "jinja2",
    "numpy",
    "h5py",
    "PIL",
    "click",
    "tqdm",
    "joblib",
)

_OTHER = "everything else"


class Clocks:
    """Seconds of each part, its own alone; of the main thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._parts = [_OTHER]
        self._since = time.monotonic()
        self._thread = threading.get_ident()

    def _count(self) -> None:
        now = time.monotonic()
        part = self._parts[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside for this part."""
        if threading.get_ident() != self._thread:
            yield
            return
        self._count()
        self._parts.append(name)
        try:
            yield
        finally:
            self._count()
            self._parts.pop()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock around it."""

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return function(*arguments, **options)

        return timed

    def each(self, name: str, values: Iterator[Any]) -> Iterator[Any]:
        """Yield values, counting the waits for them."""
        while True:
            with self.part(name):
                try:
                    value = next(values)
                except StopIteration:
                    return
            yield value

    def stop(self) -> dict[str, float]:
        """Return all seconds so far."""
        self._count()
        return self.seconds


def watch_imports(clocks: Clocks) -> None:
    """Count the loading of each library, in whatever part it falls."""
    load, begun = builtins.__import__, set[str]()

    def timed(name: str, *arguments: Any, **options: Any) -> Any:
        # Once of each part of a library: it is the first import that takes time.
        library = name.split(".")[0]
        if library not in LIBRARIES or name in sys.modules or name in begun:
            return load(name, *arguments, **options)
        begun.add(name)
        with clocks.part(f"loading {library}"):
            return load(name, *arguments, **options)

    builtins.__import__ = timed


class TimedBackbone:
    """A backbone with clocks around its first batch and around the others."""

    def __init__(self, backbone: Any, clocks: Clocks) -> None:
        self._backbone = backbone
        self._clocks = clocks
        self._part = "network: first batch, which compiles"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def __call__(self, images: Any) -> Any:
        """Run one batch."""
        with self._clocks.part(self._part):
            maps = self._backbone(images)
        self._part = "network: the other batches"
        return maps


def run_demo(folder: str) -> None:
    """Run the command in this process, and write the seconds of its parts to stdout."""
    began = time.monotonic()
    clocks = Clocks()
    watch_imports(clocks)
    with clocks.part("loading featx's own modules"):
        import featx
        import featx.images
        import featx.models.compute
        import featx.store.cache_writer
        import featx.verbs.evaluate.featuremap
        from featx.cli import main

        way = featx.models.compute
        load_batches, load_backbone = way.load_batches, way.load_backbone
        way.load_batches = lambda *a, **o: clocks.each("waiting for decoded pixels", load_batches(*a, **o))
        making = clocks.around("network: building, weights", load_backbone)
        way.load_backbone = lambda *a, **o: TimedBackbone(making(*a, **o), clocks)
        # Before the modules that take it from there.
        featx.images.make_thumbnails = clocks.around("report: thumbnails", featx.images.make_thumbnails)
        featx.verbs.evaluate.featuremap.map_features = clocks.around(
            "report: map of the features", featx.verbs.evaluate.featuremap.map_features
        )
        writer = featx.store.cache_writer.CacheWriter
        for name in ("append", "flush", "commit"):
            setattr(writer, name, clocks.around("writing the cache", getattr(writer, name)))
        import featx.report

        names = {
            "unpack_sample": "sample: unpacking",
            "extract_features": "extract: listing, digests, catalog",
            "evaluate_model": "evaluate",
            "write_report": "report: figures, plots, page",
        }
        for name, part in names.items():
            setattr(featx, name, clocks.around(part, getattr(featx, name)))
        fit_head = featx.fit_head
        featx.fit_head = lambda cache, head, **o: clocks.around(f"fit: {head}", fit_head)(cache, head, **o)
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
        main(["demo", folder], standalone_mode=False)
    print(json.dumps({"began": began, "ended": time.monotonic(), "parts": clocks.stop()}))


def profile() -> dict[str, float]:
    """Run the demo once, in a process of its own; return seconds by part, and ``all``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.demo", "--inside", str(Path(folder) / "demo")]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        ended = time.monotonic()
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    told = json.loads(done.stdout)
    parts = dict(told["parts"])
    parts["interpreter: start"] = told["began"] - started  # one clock for all processes
    parts["interpreter: end"] = ended - told["ended"]
    return parts | {"all": ended - started}


def measure(quick: bool, work: Path, rounds: int = ROUNDS) -> Section:
    """Run the demo several times."""
    found = []
    for number in range(1 if quick else rounds):
        found.append(profile())
        print(f"  round {number + 1}: {found[-1]['all']:.1f} s", file=sys.stderr, flush=True)
    medians = {
        part: statistics.median(one.get(part, 0.0) for one in found) for part in dict.fromkeys(p for one in found for p in one)
    }
    whole = medians.pop("all")
    small = sum(seconds for seconds in medians.values() if seconds < 0.05)
    shown = sorted(((seconds, part) for part, seconds in medians.items() if seconds >= 0.05), reverse=True)
    rows = [[part, f"{seconds:.2f}", f"{seconds / whole:.1%}"] for seconds, part in [*shown, (small, "parts below 0.05 s")]]
    rows.append(["**the whole command**", f"{whole:.2f}", ""])
    notes = [f"Median of {len(found)} rounds, part by part; 800 images at 96 px, three heads, the report."]
    columns = ("part", "seconds", "share")
    return Section(
        "demo", "Where the seconds of the demo go", "python -m benchmarks.demo", columns, rows, (), notes, {"rounds": found}
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        run_demo(sys.argv[2])
    else:
        run(measure, __doc__, rounds=ROUNDS)
