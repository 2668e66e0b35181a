"""What the audit finds, and what it takes: ``python -m benchmarks.audit [planted|scale|decode] [--seeds 5] [--rows 100000]``.

``planted`` puts 30 near duplicates of training images into the sample's test images and gives 30 other training images wrong
labels, anew with each seed, and counts what the audit finds. ``scale`` audits a made-up cache, of pictures as alike as garments
are, in a process of its own. ``decode`` times what measuring pictures adds to decoding them.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import featx
from featx.images import decode_image
from featx.images.decode import decode_and_measure
from featx.recipe import Recipe
from featx.store import Catalog, FeatureCache
from featx.system.files import content_digest
from featx.verbs.audit.audit import audit_cache

N_PLANTED = 30
N_LOOKED_AT = 60
CROP, BRIGHTNESS, QUALITY = 0.04, 0.10, 60


def near_duplicate(path: Path, rng: np.random.Generator) -> Image.Image:
    """Cut 4 % of each side off somewhere, stretch it back, and change the brightness by a tenth."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    left, top = rng.uniform(0, CROP) * width, rng.uniform(0, CROP) * height
    box = (left, top, left + width * (1 - CROP), top + height * (1 - CROP))
    pixels = np.asarray(image.resize(image.size, Image.Resampling.BICUBIC, box=box), np.float64)
    factor = 1 + rng.choice([-BRIGHTNESS, BRIGHTNESS])
    return Image.fromarray(np.clip(np.rint(pixels * factor), 0, 255).astype(np.uint8))


def plant(root: Path, seed: int) -> tuple[set[frozenset[str]], set[str]]:
    """Return the pairs of near duplicates, and the paths of wrong labels, that were planted into a sample."""
    rng = np.random.default_rng(seed)
    train = sorted((root / "train").rglob("*.png"))
    order = rng.permutation(len(train))
    pairs, wrong = set(), set()
    for number, at in enumerate(order[:N_PLANTED]):
        target = root / "test" / train[at].parent.name / f"planted-{number}.jpg"
        near_duplicate(train[at], rng).save(target, quality=QUALITY)
        pairs.add(frozenset(str(path.relative_to(root)) for path in (train[at], target)))
    names = sorted({path.parent.name for path in train})
    for at in order[N_PLANTED : 2 * N_PLANTED]:
        other = rng.choice([name for name in names if name != train[at].parent.name])
        target = root / "train" / other / f"planted-{train[at].parent.name}-{train[at].name}"
        train[at].rename(target)
        wrong.add(str(target.relative_to(root)))
    return pairs, wrong


def planted(work: Path, seeds: int) -> str:
    """Plant, extract what is new, audit, and count."""
    featx.unpack_sample(work / "plain")
    featx.extract_features(work / "plain", work / "cache", image_size=(96, 96))
    lines = ["seed  near duplicates: planted, found, others, precision, recall   wrong labels: among the first 60, flagged"]
    totals = np.zeros(4)
    for seed in range(seeds):
        root, cache = work / f"images-{seed}", work / f"cache-{seed}"
        featx.unpack_sample(root)
        pairs, wrong = plant(root, seed)
        shutil.copytree(work / "cache", cache)
        featx.extract_features(root, cache, image_size=(96, 96))
        audit = audit_cache(cache)
        groups = [{image.path for image in group.images} for group in audit.duplicates]
        hits = sum(any(pair <= group for group in groups) for pair in pairs)
        others = [group for group in groups if frozenset(group) not in pairs]
        first = sum(error.image.path in wrong for error in audit.label_errors[:N_LOOKED_AT])
        totals += hits, len(groups) - hits, first, len(audit.label_errors)
        lines.append(
            f"{seed:4d}  {len(pairs)}, {hits}, {len(others)}, {hits / max(len(groups), 1):.3f}, {hits / len(pairs):.3f}   "
            f"{first} of {len(wrong)} ({first / len(wrong):.2f}), {len(audit.label_errors)}   {audit.seconds:.1f} s   "
            f"{[sorted(group) for group in others]}"
        )
    found, others_found, first, flagged = totals
    lines.append(
        f"all   precision {found / max(found + others_found, 1):.3f}, recall {found / (seeds * N_PLANTED):.3f}   "
        f"wrong labels: recall among the first {N_LOOKED_AT} {first / (seeds * N_PLANTED):.3f}, {flagged / seeds:.0f} flagged"
    )
    return "\n".join(lines)


def made_thumbnails(n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make pictures that are about as alike as garments: mixtures of two of the sample's, shifted a little."""
    with tempfile.TemporaryDirectory() as work:
        featx.unpack_sample(Path(work))
        paths = sorted(Path(work).rglob("*.png"))
        known = np.stack([np.asarray(Image.open(path).convert("L").resize((32, 32)), np.float32) for path in paths])
    one, other = rng.integers(0, len(known), (2, n))
    share = rng.uniform(0.2, 0.8, n).astype(np.float32)[:, None, None]
    made = np.empty((n, 32, 32), np.uint8)
    for start in range(0, n, 10_000):
        block = slice(start, start + 10_000)
        mixed = known[one[block]] * share[block] + known[other[block]] * (1 - share[block])
        for at, shift in enumerate(rng.integers(-2, 3, (len(mixed), 2))):
            mixed[at] = np.roll(mixed[at], shift, axis=(0, 1))
        made[block] = np.clip(mixed + rng.normal(0, 3, mixed.shape), 0, 255).astype(np.uint8)
    return made


def make_cache(folder: Path, n: int, classes: int = 10) -> None:
    """Write a cache of 512 channels, a fifth of its images for the test; near duplicates of one in a thousand."""
    recipe = Recipe(backbone="vgg16", weights="none", layers=("block5_pool",), image_size=(32, 32), preprocess="caffe")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n).astype(np.int32)
    middles = np.maximum(rng.normal(0, 4, (classes, 512)), 0)
    thumbnails = made_thumbnails(n, rng)
    copies = rng.choice(n // 2, n // 1000, replace=False)
    thumbnails[n - 1 - copies] = np.clip(thumbnails[copies] * 0.9 + 4, 0, 255).astype(np.uint8)
    digests = [content_digest(b"%d" % row) for row in range(n)]
    cache = FeatureCache.open_or_create(folder, recipe)
    measures = np.tile(np.array([480, 640, 0.5, 0.25, 0.01, 0.01, 0.2], np.float32), (n, 1))
    measures[:, -1] = np.exp(rng.normal(-1.5, 0.4, n))
    with cache.writing() as writer:
        for start in range(0, n, 500):
            block = slice(start, min(start + 500, n))
            maps = np.maximum(middles[labels[block]] + rng.normal(0, 4, (block.stop - start, 512)), 0).astype(np.float32)
            pictures = {"measures": measures[block], "thumbnail": thumbnails[block]}
            writer.append(digests[block], {"block5_pool": maps[:, None, None]}, 0, pictures)
        zeros = np.zeros(n, np.int64)
        writer.commit(
            Catalog(
                source="/data",
                fingerprint=recipe.fingerprint,
                class_names=tuple(f"class {label}" for label in range(classes)),
                paths=[f"{label}/{row}.jpg" for row, label in enumerate(labels)],
                labels=labels,
                splits=(rng.random(n) < 0.2).astype(np.int8) * 2,
                digests=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
                sizes=zeros,
                mtimes=zeros,
                ctimes=zeros,
                status=zeros.astype(np.uint8),
                reasons=[""] * n,
            )
        )


def scale(work: Path, rows: int) -> str:
    """Audit in a process of its own, as the command does, without the page: the files are not there."""
    make_cache(work / "cache", rows)
    code = (
        "import resource, sys, time, featx; a = featx.audit_cache(sys.argv[1]); "
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6; n = int(sys.argv[2]); "
        "numbers = [{int(i.path.split('/')[1][:-4]) for i in g.images} for g in a.duplicates]; "
        "planted = sum(any(n - 1 - number in group for number in group) for group in numbers); "
        "print(a.seconds, time.process_time(), peak, len(a.duplicates), planted)"
    )
    command = [sys.executable, "-c", code, str(work / "cache"), str(rows)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, cpu, peak, duplicates, found = map(float, shown.split())
    return (
        f"{rows:,} rows of 512 features, {rows // 1000} planted copies: {seconds:.1f} s ({cpu:.0f} s of CPU time), "
        f"peak {peak:.2f} GB; {duplicates:.0f} groups of duplicates, {found:.0f} of them planted"
    )


def decode(work: Path, side: int = 224, n: int = 40) -> str:
    """Time decoding with and without measuring, in turns, on photographs of 1600 x 1200."""
    rng = np.random.default_rng(0)
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(side, side), preprocess="none")
    files = []
    for number in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
        noisy = np.clip(np.asarray(coarse, np.int16) + rng.integers(-8, 9, (1200, 1600, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(work / f"{number}.jpg", quality=75)
        files.append((work / f"{number}.jpg").read_bytes())
    # The quickest of several turns, file by file: what else the machine does only ever adds.
    times = np.full((2, n), np.inf)
    for _ in range(9):
        for at, data in enumerate(files):
            for which, function in enumerate((decode_image, decode_and_measure)):
                start = time.perf_counter()
                function(data, recipe)
                times[which, at] = min(times[which, at], time.perf_counter() - start)
    plain, measured = times.mean(axis=1)
    size = np.mean([len(data) for data in files]) / 1000
    spent = f"{1000 * plain:.2f} ms, measuring adds {100 * (measured / plain - 1):.1f} %"
    return f"1600 x 1200 JPEG of {size:.0f} KB to {side} px: {spent}"


def main() -> None:
    """Run one experiment or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="?", choices=("planted", "scale", "decode"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000)
    chosen = parser.parse_args()
    runs = {
        "planted": lambda folder: planted(folder, chosen.seeds),
        "scale": lambda folder: scale(folder, chosen.rows),
        "decode": decode,
    }
    for name in [chosen.experiment] if chosen.experiment else list(runs):
        with tempfile.TemporaryDirectory(prefix="featx-audit-") as work:
            print(runs[name](Path(work).resolve()), flush=True)


if __name__ == "__main__":
    main()
