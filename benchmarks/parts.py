"""What parts of an extract cost beyond their own images: ``python -m benchmarks.parts [--n N] [--parts P]``.

Made-up listings and rows of 512 features, so that a million take minutes; files, digests and checks are the real ones.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import featx
from featx.images import ImageIndex, Part, listing_digest
from featx.recipe import Recipe
from featx.store import NOT_GIVEN, Catalog, FeatureCache, PartOf
from featx.system.files import content_digest

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")
BLOCK = 1000


def make_index(n_images: int) -> ImageIndex:
    """List images of ten classes that are nowhere."""
    paths = tuple(f"class {row % 10}/{row:08}.jpg" for row in range(n_images))
    labels = (np.arange(n_images) % 10).astype(np.int32)
    names = tuple(f"class {label}" for label in range(10))
    return ImageIndex(Path("/data/photos"), "photos", paths, labels, names, ("",) * n_images, ("",) * n_images, {})


def make_part(folder: Path, index: ImageIndex, listing: str, chosen: Part, seed: int) -> None:
    """Make the cache of a part: a row for each image, and the listing that a part leaves."""
    rows = chosen.rows(index.paths)
    digests = [content_digest(index.paths[row].encode()) for row in rows]
    rng = np.random.default_rng(seed)
    with FeatureCache.open_or_create(folder, RECIPE).writing(as_part=True) as writer:
        for start in range(0, len(rows), BLOCK):
            block = digests[start : start + BLOCK]
            writer.append(block, {"cells": rng.random((len(block), 512), np.float32)})
        zeros = np.zeros(len(rows), np.int64)
        writer.commit_part(
            Catalog(
                source=str(index.root),
                fingerprint=RECIPE.fingerprint,
                class_names=index.class_names,
                paths=[index.paths[row] for row in rows],
                labels=index.labels[rows],
                splits=zeros.astype(np.int8),
                digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
                sizes=zeros,
                mtimes=zeros,
                ctimes=zeros,
                status=zeros.astype(np.uint8),
                reasons=[""] * len(rows),
                part=PartOf(
                    number=chosen.number,
                    of=chosen.of,
                    name=index.name,
                    listing=listing,
                    listed=len(index.paths),
                    val_fraction=0.15,
                    test_fraction=0.15,
                    seed=0,
                    positions=rows,
                    given=np.full(len(rows), NOT_GIVEN, np.int8),
                ),
            )
        )


def merged(folders: list[Path], out: Path) -> str:
    """Merge in a process of its own, whose memory is its own, and say what it took."""
    code = (
        "import resource, sys, time, featx; started = time.monotonic(); r = featx.merge_caches(sys.argv[2:], sys.argv[1]); "
        "print(f'{r.listed:,} images, {r.linked} shards linked, {r.copied} copied, {r.bytes / 1e9:.2f} GB: "
        "{time.monotonic() - started:.1f} s, peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB')"
    )
    command = [sys.executable, "-c", code, str(out), *map(str, folders)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Make the parts, merge them, and print a line of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="images")
    parser.add_argument("--parts", type=int, default=8)
    options = parser.parse_args()
    index = make_index(options.n)
    started = time.monotonic()
    listing, sizes = listing_digest(index), [len(Part(1, options.parts).rows(index.paths))]
    print(f"choosing a part of {options.n:,} paths: {time.monotonic() - started:.2f} s", flush=True)
    with tempfile.TemporaryDirectory() as work:
        folders = [Path(work) / f"part-{number}" for number in range(1, options.parts + 1)]
        for number, folder in enumerate(folders, start=1):
            make_part(folder, index, listing, Part(number, options.parts), seed=number)
            sizes.append(len(FeatureCache.open(folder)))
        print(f"images of {options.parts} parts: from {min(sizes):,} to {max(sizes):,}", flush=True)
        print(f"merge: {merged(folders, Path(work) / 'out')}", flush=True)
        started = time.monotonic()
        found = featx.verify_cache(Path(work) / "out")
        assert found.sound
        assert found.rows == options.n
        print(f"every byte of it read and unpacked by featx verify: {time.monotonic() - started:.1f} s", flush=True)
        shutil.rmtree(Path(work) / "out")
    print(f"peak memory of making the parts: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
