"""Four heads, three poolings, five folds on 1,000 images: ``python -m benchmarks.compare [--image-size 224] [--runs 3]``."""

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


def main() -> None:
    """Time the command as a user runs it, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        cache = make_cache(Path(work), chosen.image_size)
        command = [sys.executable, "-c", "from featx.cli import main; main()", "compare", str(cache)]
        command += ["--heads", "dense,logreg,svm,ridge"]
        command += ["--pooling", "flatten,avg,avgmax", "--folds", "5"]
        seconds = []
        for _ in range(chosen.runs):
            start = time.monotonic()
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            seconds.append(time.monotonic() - start)
        print(shown)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        times = ", ".join(f"{one:.1f}" for one in seconds)
        print(
            f"{N_IMAGES:,} images at {chosen.image_size} px: median {statistics.median(seconds):.1f} s ({times}), {peak:.2f} GB"
        )


if __name__ == "__main__":
    main()
