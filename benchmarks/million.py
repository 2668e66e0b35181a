"""A million images: ``python -m benchmarks.million [SIZE …]``; what each part costs against the number of images.

A folder of small files, all different, stands for the photos, and rows of made features for what a backbone gives; everything
between is the real thing: listing, hashing, catalog, shards, reading, fitting. Each part runs in a process of its own, so that
its peak memory is its own, and its seconds leave the interpreter's start out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import featx
from featx.recipe import Recipe
from featx.store import FeatureCache
from featx.system.files import content_digest

SIZES = (10_000, 100_000, 1_000_000)
CLASSES = 100
CHANNELS = 512
SHARD_ROWS = 2160
"""A shard is closed after a minute: what 36 images/s give."""

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")

_PART = """
import json, re, sys, time
from pathlib import Path
from benchmarks import million
seconds = {}
started = time.process_time()
million.PARTS[sys.argv[2]](Path(sys.argv[1]), seconds)
# Not getrusage: its figure is handed down from the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(json.dumps({"seconds": seconds, "gigabytes": int(peak) / 1e6, "cpu": time.process_time() - started}))
"""


def make_files(folder: Path, n_images: int) -> None:
    """Write ``n_images`` different files of some 100 bytes, named as photos are, in ``CLASSES`` folders."""
    for label in range(CLASSES):
        (folder / f"class {label}").mkdir(parents=True)
    for number in range(n_images):
        name = f"{folder}/class {number % CLASSES}/IMG_{number:08d}_original.jpg"
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, content_of(number))
        os.close(descriptor)


def content_of(number: int) -> bytes:
    """Return what stands in one file."""
    return b"%08d" % number * 12


def make_cache(folder: Path, n_images: int) -> None:
    """Write shards with features of all the files, but no catalog: as after an extract that was killed at its very end."""
    rng = np.random.default_rng(0)
    middles = rng.normal(0, 0.25, (CLASSES, CHANNELS)).astype(np.float32)
    cache = FeatureCache.open_or_create(folder, RECIPE)
    with cache.writing() as writer:
        listed = np.argsort(np.arange(n_images) % CLASSES, kind="stable")  # by class, as an extract goes through them
        for start in range(0, n_images, SHARD_ROWS):
            numbers = listed[start : start + SHARD_ROWS].tolist()
            values = rng.standard_normal((len(numbers), CHANNELS), np.float32) + middles[np.array(numbers) % CLASSES]
            digests = [content_digest(content_of(number)) for number in numbers]
            writer.append(digests, {"cells": np.maximum(values, 0)[:, None, None, :]})
            writer.flush()


def list_files(work: Path, seconds: dict[str, float]) -> None:
    """List the folder."""
    from featx.images import list_images

    started = time.monotonic()
    list_images(work / "images")
    seconds["list"] = time.monotonic() - started


def extract(work: Path, seconds: dict[str, float]) -> None:
    """Extract, where every image has its features already."""
    started = time.monotonic()
    result = featx.extract_features(work / "images", work / "cache", backbone="stub", image_size=(64, 64))
    seconds["extract"] = time.monotonic() - started
    assert result.reused == result.listed, result


def catalog(work: Path, seconds: dict[str, float]) -> None:
    """Write and read the catalog."""
    from featx.store import Catalog

    started = time.monotonic()
    found = Catalog.read(work / "cache" / "catalog.h5")
    seconds["open"] = time.monotonic() - started
    started = time.monotonic()
    found.write(work / "catalog.h5")
    seconds["write"] = time.monotonic() - started


def read(work: Path, seconds: dict[str, float]) -> None:
    """Open the cache and read all features, in order and shuffled."""
    started = time.monotonic()
    cache = FeatureCache.open(work / "cache")
    rows = cache.catalog.rows()
    seconds["open cache"] = time.monotonic() - started
    for name, seed in (("in order", None), ("shuffled", 1)):
        started = time.monotonic()
        assert sum(len(X) for _, X in cache.blocks(rows, pooling="avg", seed=seed)) == len(rows)
        seconds[name] = time.monotonic() - started


def ridge(work: Path, seconds: dict[str, float]) -> None:
    """Fit a ridge head on the training images."""
    started = time.monotonic()
    result = featx.fit_head(work / "cache", "ridge", pooling="avg", out=work / "ridge.featx")
    seconds["fit"] = time.monotonic() - started
    seconds["of it, without opening"] = result.seconds


def dense(work: Path, seconds: dict[str, float]) -> None:
    """Fit a dense head on the training images for two epochs."""
    started = time.monotonic()
    featx.fit_head(work / "cache", "dense", pooling="avg", epochs=2, out=work / "dense.featx")
    seconds["two epochs"] = time.monotonic() - started


PARTS = {
    "list": list_files, "first": extract, "again": extract, "catalog": catalog, "read": read, "ridge": ridge, "dense": dense,
}  # fmt: skip
"""What is measured, in this order; "first" reads and hashes every file, "again" none."""


def measure(work: Path, part: str) -> Iterator[tuple[str, float, float]]:
    """Run one part in a process of its own; yield (name, seconds, gigabytes), last the CPU time of all its threads."""
    run = subprocess.run([sys.executable, "-c", _PART, str(work), part], check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(run.stdout.splitlines()[-1])
    for name, seconds in (found["seconds"] | {"CPU": found["cpu"]}).items():
        yield f"{part}: {name}", seconds, found["gigabytes"]


def measured(work: Path, n_images: int, parts: list[str]) -> Iterator[tuple[str, float, float]]:
    """Make a folder and a cache of ``n_images`` where they are not there yet, and yield what each part took."""
    if not (work / "images").exists():
        make_files(work / "images", n_images)
        started = time.monotonic()
        make_cache(work / "cache", n_images)
        yield "make shards", time.monotonic() - started, 0.0
        time.sleep(2.1)  # until then no mtime is trusted
    for part in parts:
        yield from measure(work, part)


def main() -> None:
    """Measure and print a table: seconds, microseconds an image, and the peak memory of each part's process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated, in their order")
    parser.add_argument("--work", type=Path, help="keep folders and caches here for the next time")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="featx-million-"))
    try:
        for n_images in given.sizes:
            place = work.resolve() / str(n_images)
            place.mkdir(parents=True, exist_ok=True)
            for part, seconds, gigabytes in measured(place, n_images, given.parts.split(",")):
                each = seconds / n_images * 1e6
                print(f"{n_images:>9,}  {part:30} {seconds:8.2f} s {each:8.1f} us/image {gigabytes:6.2f} GB", flush=True)
    finally:
        if given.work is None:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
