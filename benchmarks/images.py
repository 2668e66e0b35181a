"""Decoding and views: ``python -m benchmarks.images [decode|pipeline|mutants|views]``; medians, ratios within one run."""

import argparse
import hashlib
import io
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

import featx
import featx.images.decoder
from featx.backbones import load_backbone
from featx.images import decode_image, load_batches
from featx.recipe import Recipe
from featx.verbs.extract.options import ExtractOptions
from tests.images.test_odd_images import MUTATIONS, SMALL

RUNS = 7


def make_photos(folder: Path, n_images: int, size: tuple[int, int]) -> list[Path]:
    """Write JPEGs of scikit-learn's two photographs, enlarged, with some grain, as a camera writes them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(n_images):
        base = Image.fromarray(load_sample_images().images[number % 2]).resize(size, Image.Resampling.BICUBIC)
        grain = rng.normal(0, 2, (size[1], size[0], 1))
        pixels = np.clip(np.asarray(base) + grain, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=85)
    return paths


def recipe_of(side: int) -> Recipe:
    """Return VGG16's recipe at a size."""
    return ExtractOptions(image_size=(side, side)).make_recipe()[0]


def plain(data: bytes, side: int) -> NDArray[np.uint8]:
    """Decode as a notebook does."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def seconds_of(run: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def decode(work: Path) -> str:
    """Decode 1600 x 1200 JPEGs: against plain Pillow on one core, and two processes against one."""
    paths = make_photos(work / "large", 24, (1600, 1200))
    files = [path.read_bytes() for path in paths]
    lines = [f"1600 x 1200 JPEGs of {statistics.mean(map(len, files)) / 1e3:.0f} KB"]
    for side in (224, 150, 96):
        recipe = recipe_of(side)
        pairs = [
            (seconds_of(lambda side=side: [plain(data, side) for data in files]),
             seconds_of(lambda recipe=recipe: [decode_image(data, recipe) for data in files]))
            for _ in range(RUNS)
        ]  # fmt: skip
        theirs, ours = (len(files) / statistics.median(column) for column in zip(*pairs, strict=True))
        lines.append(
            f"to {side} px on one core: plain {theirs:.0f} images/s, featx {ours:.0f} images/s, {ours / theirs:.2f} times"
        )
    many, recipe = paths * 4, recipe_of(224)
    for workers in (1, 2):
        list(load_batches(paths, recipe, 8, workers))  # starts the processes
    pairs = [tuple(seconds_of(lambda n=n: list(load_batches(many, recipe, 32, n))) for n in (1, 2)) for _ in range(RUNS)]
    one, two = (len(many) / statistics.median(column) for column in zip(*pairs, strict=True))
    lines.append(f"two processes against one: {one:.0f} and {two:.0f} images/s, {two / one:.2f} times")
    return "\n".join(lines)


def pipeline(work: Path, n_images: int = 160) -> str:
    """Run VGG16 at 224 px over decoded pixels, and over files: what loading costs beside the backbone."""
    recipe, weights = ExtractOptions().make_recipe()
    backbone = load_backbone(recipe, weights, 32)
    lines = []
    for size in ((640, 480), (1600, 1200)):
        paths = make_photos(work / f"{size[0]}", n_images, size)
        ready = [batch.images for batch in load_batches(paths, recipe, 32)]
        backbone(ready[0])

        def from_files(paths: list[Path] = paths) -> tuple[float, float]:
            """Return all seconds and those in which the backbone had nothing to do, the filling of the pipeline left out."""
            batches, waited = load_batches(paths, recipe, 32), 0.0
            backbone(next(batches).images)
            start = time.perf_counter()
            while True:
                before = time.perf_counter()
                batch = next(batches, None)
                waited += time.perf_counter() - before
                if batch is None:
                    return time.perf_counter() - start, waited
                backbone(batch.images)

        rows = [(seconds_of(lambda ready=ready: [backbone(images) for images in ready[1:]]), *from_files()) for _ in range(3)]
        alone, whole, waited = (statistics.median(column) for column in zip(*rows, strict=True))
        lines.append(
            f"{size[0]} x {size[1]}: backbone alone {(n_images - 32) / alone:.2f} images/s, from files "
            f"{(n_images - 32) / whole:.2f}; it waited for pixels {waited / whole:.2%} of the time"
        )
    return "\n".join(lines)


def mutants(work: Path, n_images: int = 20_000, seed: int = 1) -> str:
    """Extract mutated files: flipped bytes, truncations, lies in the header."""
    rng = np.random.default_rng(seed)
    sound = list(SMALL.values())
    for number in range(n_images):
        path = work / "mutants" / f"class {number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MUTATIONS[number % len(MUTATIONS)](bytearray(sound[number % len(sound)]), rng))
    slowest = [0.0]
    real = featx.images.decoder.Decoder.decode

    def timed(*arguments: object) -> object:
        start = time.perf_counter()
        try:
            return real(*arguments)  # type: ignore[arg-type]
        finally:
            slowest[0] = max(slowest[0], time.perf_counter() - start)

    featx.images.decoder.Decoder.decode = timed  # type: ignore[assignment,method-assign]
    result = featx.extract_features(work / "mutants", work / "cache", backbone="stub", image_size=(64, 64))
    featx.images.decoder.end_idle_decoders()
    assert result.listed == result.extracted + result.reused + result.rejected == n_images, result
    crashed = sum(count for reason, count in result.reasons.items() if "crashes" in reason or "longer than" in reason)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    reasons = ", ".join(f"{count} {reason}" for reason, count in list(result.reasons.items())[:6])
    return (
        f"seed {seed}: {result.listed:,} listed = {result.extracted:,} extracted + {result.reused:,} reused + "
        f"{result.rejected:,} rejected; {crashed} crashes or hangs, slowest {slowest[0]:.1f} s, "
        f"largest decoder {peak:.2f} GB, {result.seconds:.0f} s\n  {reasons} …"
    )


def views(work: Path, n_subsets: int = 5, n_views: int = 5) -> str:
    """Fit on small parts of the sample, with and without augmented views; test accuracy on its 200 test images."""
    featx.unpack_sample(work / "sample")
    lines = ["images a class, head: test accuracy with clean images alone, with views, and with views and --tta"]
    for per_class in (5, 10, 20):
        found: dict[str, list[tuple[float, ...]]] = {"dense": [], "logreg": []}
        for subset in range(n_subsets):
            folder = work / f"{per_class}-{subset}"
            (folder / "test").parent.mkdir()
            (folder / "test").symlink_to(work / "sample" / "test")
            for source in sorted((work / "sample" / "train").iterdir()):
                drawn = sorted(source.iterdir(), key=lambda path, n=subset: hashlib.sha256(f"{n}{path.name}".encode()).digest())
                (folder / "train" / source.name).mkdir(parents=True)
                for path in drawn[:per_class]:
                    (folder / "train" / source.name / path.name).symlink_to(path)
            accuracies: dict[str, list[float]] = {head: [] for head in found}
            for count in (1, n_views):
                # One cache for all: the rows are keyed by content, so each image goes through the backbone once.
                featx.extract_features(folder, work / "cache", image_size=(96, 96), views=count)
                for head, values in accuracies.items():
                    model = featx.fit_head(work / "cache", head, out=work / "m.featx").model
                    values.append(featx.evaluate_model(model).accuracy)
                    if count > 1:
                        values.append(featx.evaluate_model(model, tta=True).accuracy)
            for head, values in accuracies.items():
                found[head].append(tuple(values))
        for head, rows in found.items():
            means = np.mean(rows, axis=0)
            gain = np.array(rows)[:, 1] - np.array(rows)[:, 0]
            lines.append(
                f"{per_class:3d} {head:6s}: {means[0]:.3f}, {means[1]:.3f}, {means[2]:.3f}; "
                f"views gain {gain.mean():+.3f}, from {gain.min():+.3f} to {gain.max():+.3f} over {n_subsets} draws"
            )
    return "\n".join(lines)


def main() -> None:
    """Run one experiment or all."""
    experiments = {"decode": decode, "pipeline": pipeline, "mutants": mutants, "views": views}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="?", choices=experiments)
    chosen = parser.parse_args().experiment
    for name in [chosen] if chosen else experiments:
        with tempfile.TemporaryDirectory() as work:
            print(f"{name}\n{experiments[name](Path(work))}", flush=True)


if __name__ == "__main__":
    main()
