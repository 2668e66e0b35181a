"""Comparing heads: ``python -m benchmarks.compare [speed|choose] [--image-size 224] [--runs 3]``.

``speed`` times four heads, three poolings and five folds on 1,000 images. ``choose`` shows for the bundled sample at 96 px what
compare picks inside the training images alone, and the test accuracy of that pick and of every head as it is by default.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageOps

import featx
from featx.heads import HEADS
from featx.report import comparison_text

N_IMAGES = 1000


def make_cache(work: Path, side: int) -> Path:
    """Extract the sample's 800 images and mirrored copies of 200 of them, all for training."""
    featx.unpack_sample(work / "sample")
    paths = sorted((work / "sample").rglob("*.png"))
    for number in range(N_IMAGES):
        source = paths[number % len(paths)]
        target = work / "images" / source.parent.name / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(source)
        (image if number < len(paths) else ImageOps.mirror(image)).save(target)
    options = {"image_size": (side, side), "val_fraction": 0.0, "test_fraction": 0.0}
    result = featx.extract_features(work / "images", work / "cache", **options)
    assert result.splits["train"] == N_IMAGES, result
    return work / "cache"


def choose(work: Path) -> str:
    """Compare, pick, and only then look at the test images."""
    featx.unpack_sample(work / "sample")
    cache = featx.extract_features(work / "sample", work / "cache", image_size=(96, 96)).cache
    poolings = ("flatten", "avgmax")
    comparison = featx.compare_heads(cache, tuple(HEADS), poolings)
    best = comparison.best
    lines = [comparison_text(comparison), "", "test accuracy:"]
    ways = [("picked by compare", best.head, best.pooling)] + [("default", name, spec.pooling) for name, spec in HEADS.items()]
    for how, head, pooling in ways:
        model = featx.fit_head(cache, head, pooling=pooling, out=work / "m.featx").model
        lines.append(f"  {head:7s} {pooling:8s} {featx.evaluate_model(model).accuracy:.3f}  {how}")
    return "\n".join(lines)


def speed(work: Path, side: int, runs: int) -> str:
    """Time the command as a user runs it, in a process of its own."""
    cache = make_cache(work, side)
    command = [sys.executable, "-c", "from featx.cli import main; main()", "compare", str(cache)]
    command += ["--head", "dense,logreg,svm,ridge", "--pooling", "flatten,avg,avgmax", "--folds", "5"]
    seconds = []
    for _ in range(runs):
        start = time.monotonic()
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds.append(time.monotonic() - start)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    times = ", ".join(f"{one:.1f}" for one in seconds)
    return f"{shown}\n{N_IMAGES:,} images at {side} px: median {statistics.median(seconds):.1f} s ({times}), {peak:.2f} GB"


def main() -> None:
    """Run one experiment or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="?", choices=("speed", "choose"))
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    for name in [chosen.experiment] if chosen.experiment else ["choose", "speed"]:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            print(choose(folder) if name == "choose" else speed(folder, chosen.image_size, chosen.runs), flush=True)


if __name__ == "__main__":
    main()
