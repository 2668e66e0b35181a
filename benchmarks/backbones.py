"""EfficientNet-Lite0 beside VGG16: ``python -m benchmarks.backbones``; about half an hour on two cores.

Accuracy: linear heads on averages and maxima of each backbone's last maps, by five-fold cross-validation on the sample at
96 px and, where Debian's package tuxpaint-stamps-default is installed, on its photographs and drawings in colour at 224 px.
Folds are the same on both sides. Speed: the network alone on pixels in memory, in turn, each a process of its own.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import featx
from benchmarks.accuracy import FOLDS, HEADS, STAMPS, cross_validated, features, link_stamps, mean_accuracy, paired_error
from benchmarks.contenders import Contender, race
from benchmarks.made import precisions, why_no_int8
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread

BACKBONES = ("vgg16", "efficientnet-lite0")
SAMPLE_SIDE = 96
LEAST = 10
"""Stamps in a class: two for each fold."""

BATCH = 16


def network_alone(backbone: str, precision: str, side: int, n_images: int) -> Callable[[], dict[str, Any]]:
    """Get ready to run a backbone over pixels in memory."""
    from sklearn.datasets import load_sample_images

    from featx.backbones import backbone_spec, load_backbone, quantize_backbone, resolve_weights
    from featx.recipe import Recipe

    spec = backbone_spec(backbone)
    recipe = Recipe(backbone, resolve_weights(spec, "imagenet")[0], spec.layers, (side, side), spec.preprocess)
    rng, (photograph, _) = np.random.default_rng(0), load_sample_images().images
    corners = [rng.integers(0, np.array(photograph.shape[:2]) - side) for _ in range(n_images)]
    images = np.array([photograph[top : top + side, left : left + side] for top, left in corners])
    network = None
    if precision == "int8":
        draft = dataclasses.replace(recipe, precision="int8")
        network = quantize_backbone(draft, None, images[:32])
        recipe = dataclasses.replace(draft, quantized=network.identity)
    ready = load_backbone(recipe, batch_size=BATCH, quantized=network)
    ready(images[:BATCH])

    def turn() -> dict[str, Any]:
        started, cpu = time.monotonic(), time.process_time()
        ready(images)
        return {"rate": n_images / (time.monotonic() - started), "per_cpu_second": n_images / (time.process_time() - cpu)}

    return turn


def speeds(quick: bool, side: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Measure each backbone in each precision, in turn."""
    contenders = {
        f"{backbone}, {precision}": Contender(
            "benchmarks.backbones:network_alone",
            backbone=backbone,
            precision=precision,
            side=side,
            # As long as VGG16 about, so that what starting a pass takes is as small a part.
            n_images=2 * BATCH if quick or backbone == "vgg16" else 8 * BATCH,
        )
        for backbone in BACKBONES
        for precision in precisions()
    }
    try:
        return race({name: one.go for name, one in contenders.items()}, rounds)
    finally:
        for one in contenders.values():
            one.close()


def accuracies(quick: bool, work: Path, side: int) -> tuple[list[list[str]], dict[str, Any]]:
    """Cross-validate each head on each set and backbone; return rows of a table, and figures."""
    featx.unpack_sample(work / "sample")
    sources = {"the sample": (work / "sample", 64 if quick else SAMPLE_SIDE)}
    if STAMPS.is_dir() and not quick:
        sources["Tux Paint's stamps"] = (link_stamps(work / "stamps", LEAST), side)
    rows, figures = [], {}
    for name, (images, pixels) in sources.items():
        found = {}
        for backbone in BACKBONES:
            cache = work / f"{images.name}-{backbone}"
            if not cache.exists():
                featx.extract_features(images, cache, backbone=backbone, image_size=(pixels, pixels))
            found[backbone] = features(cache)
        (X, y, paths), (other, _, other_paths) = (found[backbone] for backbone in BACKBONES)
        assert paths == other_paths
        for head in HEADS:
            one, two = cross_validated(X, y, head), cross_validated(other, y, head)
            means, error = [mean_accuracy(y, classes) for classes in (one, two)], paired_error(y, one, two)
            figures[f"{name}, {head}"] = dict(zip(BACKBONES, means, strict=True)) | {"error": error, "images": len(y)}
            difference = f"{100 * (means[1] - means[0]):+.1f} ± {100 * error:.1f}"
            of = f"{name}, {len(y):,} images, {len(np.unique(y))} classes, {pixels} px"
            rows.append([of, head, *(f"{mean:.3f}" for mean in means), difference])
    return rows, figures


def measure(quick: bool, work: Path, side: int = 224, rounds: int = ROUNDS) -> Section:
    """Measure both."""
    if quick:
        side, rounds = 64, 2
    rows, accuracy = accuracies(quick, work, side)
    found = speeds(quick, side, rounds)
    notes = [
        f"Balanced accuracy by {FOLDS}-fold cross-validation, averages and maxima; ± is the standard error of the "
        "difference in points, from drawing the images anew.",
    ]
    bare = found[f"{BACKBONES[0]}, float32"]
    ratios = {}
    for name, turns in found.items():
        ratios[name] = {key: ratio([t[key] for t in turns], [t[key] for t in bare]) for key in ("rate", "per_cpu_second")}
        notes.append(
            f"{name}: {spread([turn['rate'] for turn in turns])} images/s, {ratios[name]['rate']:.2f} times VGG16 in float32; "
            f"{statistics.median(turn['per_cpu_second'] for turn in turns):.1f} a CPU second, "
            f"{ratios[name]['per_cpu_second']:.2f} times."
        )
    if why_no_int8():
        notes.append(f"int8: not measured, {why_no_int8()}.")
    lite0 = {precision: ratios.get(f"{BACKBONES[1]}, {precision}", {}).get("rate") for precision in ("float32", "int8")}
    targets = [
        Target("EfficientNet-Lite0 against VGG16, both float32", 5, lite0["float32"]),
        Target("EfficientNet-Lite0 in int8 against VGG16 in float32", 10, lite0["int8"]),
    ]
    figures = {"side": side, "rounds": rounds, "accuracy": accuracy, "turns": found, "ratios": ratios}
    columns = ("images", "head", *BACKBONES, "difference, points")
    title = "EfficientNet-Lite0 beside VGG16"
    return Section("backbones", title, "python -m benchmarks.backbones", columns, rows, targets, notes, figures)


if __name__ == "__main__":
    run(measure, __doc__, side=224, rounds=ROUNDS)
