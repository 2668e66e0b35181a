"""Images that come in groups: ``python -m benchmarks.groups``; some three minutes on two idle cores.

One picture becomes eight crops, as a burst or an animal in front of a trap gives many pictures of one thing. What accuracy does
cross-validation promise, with and without the groups, and what is it on pictures of new things? Do intervals hold the truth?
"""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import featx
from benchmarks.sections import Section, Target, run
from featx.images import assign_splits
from featx.verbs.compare import Candidate, cross_validate, cut_into_folds
from featx.verbs.evaluate.grouped import GroupedAnswers
from featx.verbs.evaluate.intervals import measure_intervals

CROPS = 8
SOURCES = 15
"""Of each class, to learn from."""

MANIFESTS, SIMULATIONS = 1000, 200


def write_bursts(folder: Path, rng: np.random.Generator) -> Path:
    """Write crops of the sample's images and a manifest of them: some sources to learn from, all others are the test."""
    sample = folder / "sample"
    featx.unpack_sample(sample)
    rows = []
    for kind in sorted({path.parent.name for path in sample.glob("*/*/*")}):
        files = sorted(sample.glob(f"*/{kind}/*"))
        for number, place in enumerate(rng.permutation(len(files)).tolist()):
            source = Image.open(files[place]).convert("RGB")
            name, split = f"{kind}-{number}", "train" if number < SOURCES else "test"
            for crop in range(CROPS if split == "train" else 1):
                path = folder / "crops" / kind / f"{number}_{crop}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cropped(source, rng).save(path)
                rows.append((f"crops/{kind}/{path.name}", kind, name, split))
    with (folder / "bursts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group", "split"), *rows])
    return folder / "bursts.csv"


def cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a random window of nine tenths of each side."""
    width, height = image.size
    w, h = round(0.9 * width), round(0.9 * height)
    left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return image.crop((left, top, left + w, top + h))


def measure_bursts(work: Path, seed: int, backbone: str, side: int) -> tuple[float, float, float]:
    """Return accuracy by cross-validation with groups torn and with groups whole, and accuracy on new sources."""
    folder = work / f"bursts-{seed}"
    table = write_bursts(folder, np.random.default_rng(seed))
    cache = featx.extract_features(
        table, folder / "cache", backbone=backbone, image_size=side, val_fraction=0, test_fraction=0
    ).cache
    store = featx.open_cache(cache)
    candidate = Candidate("logreg", "avgmax", {"seed": 0})
    torn, whole = (
        cross_validate(cut_into_folds(store, store.recipe.layers[-1], 5, seed, by_group=by_group), [candidate])[0].accuracy
        for by_group in (False, True)
    )
    fitted = featx.fit_head(cache, "logreg", out=folder / "model.featx")
    return torn, whole, featx.evaluate_model(fitted, split="test").accuracy


def torn_groups(n_manifests: int) -> int:
    """Return how many groups stand in two splits, over random manifests of up to 400 images."""
    torn = 0
    for seed in range(n_manifests):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(3, 400))
        names = [f"g{number}" if rng.random() < 0.9 else "" for number in rng.integers(0, rng.integers(1, n + 1), n)]
        labels = rng.integers(0, rng.integers(1, 9), n).astype(np.int32)
        digests = rng.integers(0, 256, (n, 32)).astype(np.uint8)
        splits = assign_splits(labels, digests, [""] * n, names, seed=seed)
        sides: dict[str, set[str]] = defaultdict(set)
        for name, split in zip(names, splits, strict=True):
            sides[name].add(split)
        torn += sum(len(found) > 1 for name, found in sides.items() if name)
    return torn


def coverage(n_simulations: int, n_groups: int = 60, size: int = 8, accuracy: float = 0.7) -> tuple[float, float]:
    """Return how often the intervals of accuracy, by group and by image, hold the truth.

    Each group is easy or hard: the share of its images that is right is drawn from a beta distribution around the truth.
    """
    held: NDArray[np.int64] = np.zeros(2, np.int64)
    rng = np.random.default_rng(0)
    for seed in range(n_simulations):
        ease = rng.beta(accuracy, 1 - accuracy, n_groups)
        groups = np.repeat(np.arange(n_groups), size)
        y = np.repeat(rng.integers(0, 2, n_groups), size)
        predicted = np.where(rng.random(len(y)) < ease[groups], y, 1 - y)
        confusion = np.zeros((2, 2), np.int64)
        np.add.at(confusion, (y, predicted), 1)
        for way, grouped in enumerate((GroupedAnswers(y, predicted, groups), None)):
            low, high = measure_intervals(confusion, grouped, seed=seed, resamples=1000)["accuracy"]
            held[way] += low <= accuracy <= high
    return float(held[0] / n_simulations), float(held[1] / n_simulations)


def measure(quick: bool, work: Path) -> Section:
    """Measure all three."""
    backbone, side, seeds = ("stub", 32, range(1)) if quick else ("efficientnet-lite0", 96, range(5))
    found = np.array([measure_bursts(work / "groups", seed, backbone, side) for seed in seeds])
    torn, whole, new = found.mean(axis=0)
    n_torn = torn_groups(20 if quick else MANIFESTS)
    by_group, by_image = coverage(10 if quick else SIMULATIONS)
    rows = [
        ["cross-validation, crops of one source on both sides", f"{torn:.3f}"],
        ["cross-validation by group", f"{whole:.3f}"],
        ["accuracy on new sources", f"{new:.3f}"],
        [f"groups on two sides in {20 if quick else MANIFESTS:,} random manifests", f"{n_torn}"],
        ["truth inside the 95 % interval, drawn by group", f"{by_group:.3f}"],
        ["truth inside the 95 % interval, drawn by image", f"{by_image:.3f}"],
    ]
    targets = [
        Target("points that torn groups promise too much", 10, 100 * (torn - new), unit=""),
        Target("points between cross-validation by group and new sources", 2, 100 * abs(whole - new), at_least=False, unit=""),
        Target("groups on two sides", 0, n_torn, at_least=False, unit=""),
        Target("intervals by group that hold the truth", 0.9, by_group, unit=""),
    ]
    notes = [
        f"{SOURCES} sources of each of the sample's ten classes, {CROPS} random crops of nine tenths of each; logistic "
        f"regression on {backbone} at {side} px; mean of {len(seeds)} draws of the sources. New sources are one crop of every "
        "other image.",
        f"Intervals: {10 if quick else SIMULATIONS} simulations of 60 groups of 8 images, right in 0.7 of the cases, each "
        "group easier or harder by a beta distribution.",
    ]
    figures = {"bursts": found.tolist(), "torn": n_torn, "by_group": by_group, "by_image": by_image}
    columns = ("figure", "value")
    return Section(
        "groups", "Images that come in groups", "python -m benchmarks.groups", columns, rows, targets, notes, figures
    )


if __name__ == "__main__":
    run(measure, __doc__)
