"""Many images: ``python -m benchmarks.scale [warm|catalog|reading]``; medians, and ratios within one run."""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import featx
import featx.store.writer
from benchmarks.scene import make_images
from featx.recipe import Recipe
from featx.store import Catalog, FeatureCache
from featx.system.files import content_digest

RUNS = 5


def seconds_of(code: str) -> float:
    """Run code in a fresh interpreter and return the wall time of the whole process."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def warm_seconds(work: Path, n_images: int, runs: int = RUNS) -> list[tuple[float, float]]:
    """Return seconds of starting the interpreter, and of a second extract over unchanged files, for each run."""
    images = make_images(work / "images", n_images)
    options = "backbone='stub', image_size=(64, 64)"
    extract = f"import featx; r = featx.extract_features({str(images)!r}, {str(work / 'cache')!r}, {options})"
    seconds_of(extract)
    time.sleep(2.1)  # until then no mtime is trusted
    seconds_of(extract)
    heavy = "import sys; assert r.extracted == 0; assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    return [(seconds_of("pass"), seconds_of(f"{extract}; {heavy}")) for _ in range(runs)]


def warm(work: Path, n_images: int = 10_000) -> str:
    """Time a second extract over unchanged files against starting the interpreter; count the modules it loads."""
    bare, whole = (statistics.median(column) for column in zip(*warm_seconds(work, n_images), strict=True))
    return f"second extract over {n_images:,} unchanged files: {whole:.2f} s, {whole - bare:.2f} s beyond interpreter start"


def catalog(work: Path, n_rows: int = 1_000_000) -> str:
    """Open a synthetic catalog of a million rows in a process of its own."""
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")
    rng = np.random.default_rng(0)
    path = work / "catalog.h5"
    Catalog(
        source="/data/photos",
        fingerprint=recipe.fingerprint,
        class_names=tuple(f"class {label}" for label in range(1000)),
        paths=[f"train/class {row % 1000}/IMG_{row:08d}_original.jpg" for row in range(n_rows)],
        labels=(np.arange(n_rows) % 1000).astype(np.int32),
        splits=np.zeros(n_rows, np.int8),
        digests=rng.integers(0, 256, (n_rows, 32), np.uint8),
        sizes=rng.integers(10_000, 10_000_000, n_rows),
        mtimes=rng.integers(0, 2**60, n_rows),
        ctimes=rng.integers(0, 2**60, n_rows),
        status=np.zeros(n_rows, np.uint8),
        reasons=[""] * n_rows,
    ).write(path)
    code = (
        "import resource, time; from pathlib import Path; from featx.store import Catalog; started = time.monotonic(); "
        f"c = Catalog.read(Path({str(path)!r})); assert len(c.paths) == {n_rows}; "
        "print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True) for _ in range(RUNS)]
    figures = [tuple(map(float, run.stdout.split())) for run in runs]
    seconds, gigabytes = (statistics.median(column) for column in zip(*figures, strict=True))
    return (
        f"catalog of {n_rows:,} rows ({path.stat().st_size / 1e6:.0f} MB): "
        f"opens in {seconds:.2f} s, peak memory of the process {gigabytes:.2f} GB"
    )


def reading(work: Path, n_rows: int = 12_000) -> str:
    """Compare a shuffled pass with a sequential one over VGG16-shaped maps, a tenth of them held at a time."""
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")
    rng = np.random.default_rng(0)
    cache = FeatureCache.open_or_create(work / "cache", recipe)
    digests = [content_digest(b"%d" % row) for row in range(n_rows)]
    with cache.writing() as writer:
        for start in range(0, n_rows, 100):
            maps = np.maximum(rng.normal(-13.4, 10, (100, 7, 7, 512)), 0).astype(np.float32)  # about 91 % zeros
            writer.append(digests[start : start + 100], {"cells": maps})
        zeros = np.zeros(n_rows, np.int64)
        writer.commit(
            Catalog(
                source="/data",
                fingerprint=recipe.fingerprint,
                class_names=("a", "b"),
                paths=[f"a/{row}.png" for row in range(n_rows)],
                labels=zeros.astype(np.int32),
                splits=zeros.astype(np.int8),
                digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
                sizes=zeros,
                mtimes=zeros,
                ctimes=zeros,
                status=zeros.astype(np.uint8),
                reasons=[""] * n_rows,
            )
        )
    rows = cache.catalog.rows()
    block_bytes = n_rows * 7 * 7 * 512 * 2 // 10

    def seconds(seed: int | None) -> float:
        started = time.monotonic()
        n_seen = sum(len(X) for _, X in cache.blocks(rows, dtype=np.float16, block_bytes=block_bytes, seed=seed))
        assert n_seen == n_rows
        return time.monotonic() - started

    pairs = [(seconds(None), seconds(run)) for run in range(RUNS)]
    sequential, shuffled = (statistics.median(column) for column in zip(*pairs, strict=True))
    bytes_a_row = cache.stored_bytes / n_rows
    return (
        f"{n_rows:,} maps of 7 x 7 x 512 ({bytes_a_row / 1000:.1f} KB each on disk), {len(cache.shards)} shards: "
        f"sequential {n_rows / sequential:,.0f} rows/s, shuffled {n_rows / shuffled:,.0f} rows/s, "
        f"ratio {sequential / shuffled:.2f}"
    )


EXPERIMENTS = {"warm": warm, "catalog": catalog, "reading": reading}


def main() -> None:
    """Run the measurements asked for and print a line of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="*", help=", ".join(EXPERIMENTS))
    chosen = parser.parse_args().experiment or list(EXPERIMENTS)
    print(f"featx {featx.__version__}, Python {sys.version.split()[0]}, median of {RUNS} runs")
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="featx-scale-") as work:
            print(f"| {name} | {EXPERIMENTS[name](Path(work).resolve())} |", flush=True)
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
