"""What fine-tuning gains over the best frozen head: ``python -m benchmarks.pays``; about an hour on two cores.

EfficientNet-Lite0 and the defaults of ``featx finetune``, on the sets that are at hand: the sample of Fashion-MNIST;
scikit-learn's digits; Tux Paint's stamps (Debian's package tuxpaint-stamps-default); photographs of solar cells (``pip install
elpv-dataset``; two classes: a probability of a defect above one half). A quarter of each set tests, stratified, drawn anew for
each seed. ``--vgg16 1`` does the same with VGG16 from block5_conv1 on. ``--fashion 0``, ``--digits 0``, ``--stamps 0`` and
``--cells 0`` leave a set out.
"""

import csv
import importlib.util
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

import featx
from benchmarks.accuracy import STAMPS, link_stamps
from benchmarks.sections import Section, Target, run
from featx.heads.epochs.network import KerasSteps
from featx.models import save_model
from featx.verbs.finetune.origin import fit_frozen

TEST, VAL = 0.25, 0.15
"""Shares: of all images, and of the others."""

CELLS = 0.884
"""Test accuracy of the VGG19 that the photographs' authors fine-tuned (Deitsch et al. 2019, arXiv:1807.02894)."""

Row = tuple[Path, str, str]
"""File, class, and what the draw is stratified by."""


def fashion(work: Path) -> list[Row]:
    """Return all images of the sample."""
    featx.unpack_sample(work / "fashion")
    return [(path, path.parent.name, path.parent.name) for path in sorted((work / "fashion").rglob("*.png"))]


def digits(work: Path) -> list[Row]:
    """Write scikit-learn's digits as images of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = []
    for number, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        path = work / "digits" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((image * 15.9375).astype(np.uint8)).save(path)
        rows.append((path, str(label), str(label)))
    return rows


def stamps(work: Path) -> list[Row] | None:
    """Link to the pictures of Tux Paint."""
    if not STAMPS.is_dir():
        return None
    folder = link_stamps(work / "stamps")
    return [(path, path.parent.name, path.parent.name) for path in sorted(folder.rglob("*.png"))]


def cells(work: Path) -> list[Row] | None:
    """Return the photographs of solar cells where the package has put them; by grade and kind of cell."""
    found = importlib.util.find_spec("elpv_dataset")
    if found is None or not found.submodule_search_locations:
        return None
    data = Path(found.submodule_search_locations[0]) / "data"
    lines = [line.split() for line in (data / "labels.csv").read_text("utf-8").splitlines() if line.strip()]
    return [
        (data / name, "defective" if float(grade) > 0.5 else "sound", f"{float(grade):.2f} {kind}")
        for name, grade, kind in lines
    ]


SETS: dict[str, tuple[str, Callable[[Path], list[Row] | None]]] = {
    "fashion": ("Fashion-MNIST's sample", fashion),
    "digits": ("scikit-learn's digits", digits),
    "stamps": ("Tux Paint's stamps", stamps),
    "cells": ("solar cells", cells),
}


def manifest(path: Path, rows: list[Row], seed: int) -> Path:
    """Write a manifest with one draw of splits."""
    places, strata = np.arange(len(rows)), [stratum for *_, stratum in rows]
    rest, test = train_test_split(places, test_size=TEST, stratify=strata, random_state=seed)
    train, val = train_test_split(rest, test_size=VAL, stratify=[rows[place][1] for place in rest], random_state=seed)
    split = {int(place): name for name, some in (("train", train), ("val", val), ("test", test)) for place in some}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        writer.writerows([file_path, label, split[place]] for place, (file_path, label, _) in enumerate(rows))
    return path


def tune(cache: Path, start: str | None, folder: Path, seed: int, epochs: int) -> dict[str, Any]:
    """Fit the best frozen head, fine-tune from it, and measure both on the test images."""
    _, frozen = fit_frozen(featx.open_cache(str(cache)), seed)
    save_model(frozen, folder / "frozen.featx")
    clock: list[float] = []
    result = featx.fine_tune(
        cache,
        start,
        model=folder / "frozen.featx",
        out=folder / "tuned.featx",
        seed=seed,
        epochs=epochs,
        on_epoch=lambda *_: clock.append(time.process_time()),
    )
    before, after = (featx.evaluate_model(folder / f"{name}.featx", split="test").accuracy for name in ("frozen", "tuned"))
    return {
        "head": f"{frozen.head_name} on {frozen.layer}, {frozen.pooling}",
        "frozen": before,
        "tuned": after,
        "val_frozen": result.val_accuracy_before,
        "val_tuned": result.val_accuracy,
        "improved": result.improved,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds_per_epoch": statistics.median(np.diff(clock)) if len(clock) > 1 else math.nan,  # the first compiles
        "train_images": result.train_images,
    }


def bare_epoch(cache: Path, start: str | None, n_images: int, batch: int = 32) -> float:
    """Return the processor's seconds of the passes of an epoch: the same batch again and again, nothing read or averaged."""
    from featx.backbones import find_weights, load_tail
    from featx.heads.epochs.settings import TrainingRules

    store = featx.open_cache(str(cache))
    tail = load_tail(store.recipe, find_weights(store.recipe, None), start, store.recipe.layers[-1])
    maps = np.random.default_rng(0).random((batch, *tail.input_shape)).astype(np.float16)
    kernel = np.zeros((tail(maps[:1]).shape[-1], 2), np.float32)
    network = tail.with_head(
        [kernel], [np.zeros(2, np.float32)], scale=1.0, pooling="avg", dropout=0.3, seed=0, dtype=maps.dtype
    )
    steps = KerasSteps(network, TrainingRules("softmax", "categorical_crossentropy", 0.0, "sgd", 1e-9, 0.0, None))
    labels, count = np.arange(batch) % 2, math.ceil(n_images / batch)
    steps.step(maps, labels, None)
    seconds = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(count):
            steps.step(maps, labels, None)
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def measure(quick: bool, work: Path, **sizes: int) -> Section:
    """Do every set with every seed."""
    backbone, start = ("vgg16", "block5_conv1") if sizes["vgg16"] else ("efficientnet-lite0", None)
    side = 32 if quick else sizes["side"]
    work = work / f"pays-{backbone}-{side}"
    work.mkdir(exist_ok=True)
    rows, targets, figures, notes = [], [], dict[str, Any](), []
    for name, (title, make) in SETS.items():
        images = make(work) if sizes[name] else None
        if images is None:
            notes.append(f"{title}: not measured{'' if sizes[name] else ', left out'}.")
            continue
        found: list[dict[str, Any]] = []
        for seed in range(1 if quick else sizes["seeds"]):
            table = manifest(work / f"{name}.csv", images[:: 8 if quick else 1], seed)
            cache = work / f"cache-{name}"
            featx.extract_features(table, cache, backbone=backbone, image_size=(side, side), progress=False)
            folder = work / f"{name}-{seed}"
            folder.mkdir(exist_ok=True)
            one = tune(work / f"cache-{name}", start, folder, seed, 2 if quick else sizes["epochs"])
            found.append(one)
            print(name, seed, one, flush=True)
        frozen, tuned = (statistics.mean(one[key] for one in found) for key in ("frozen", "tuned"))
        bare = bare_epoch(work / f"cache-{name}", start, found[-1]["train_images"])
        ratio = found[-1]["seconds_per_epoch"] / bare
        figures[name] = {"frozen": frozen, "tuned": tuned, "seeds": found, "bare_epoch": bare}
        rows.append(
            [
                f"{title}, {len(images):,} images",
                "; ".join(dict.fromkeys(one["head"] for one in found)),
                f"{frozen:.3f}",
                f"{tuned:.3f}",
                f"{100 * (tuned - frozen):+.1f}",
                " ".join(f"{100 * (one['tuned'] - one['frozen']):+.1f}" for one in found),
                f"{found[-1]['seconds_per_epoch']:.1f} s, {ratio:.2f}",
            ]
        )
        targets.append(
            Target(f"{title}: points lost against the best frozen head", 0.5, 100 * (frozen - tuned), False, unit="")
        )
        targets.append(Target(f"{title}: processor time of an epoch over the bare passes", 1.3, ratio, at_least=False))
        if name == "cells":
            targets.append(Target("solar cells: test accuracy", CELLS, tuned, unit=""))
    columns = (
        "set",
        "best frozen head",
        "frozen",
        "fine-tuned",
        "points",
        "by seed",
        "processor time of an epoch, over bare passes",
    )
    notes.append(
        f"{backbone} at {side} px, {sizes['epochs']} epochs, the other settings as they are by default. Test accuracy, mean of "
        f"{1 if quick else sizes['seeds']} draws; validation images choose the epoch, and between before and after. "
        "Seconds are the processor's."
    )
    return Section("pays", "What fine-tuning gains", "python -m benchmarks.pays", columns, rows, targets, notes, figures)


if __name__ == "__main__":
    run(measure, __doc__, side=224, seeds=3, epochs=10, vgg16=0, fashion=1, digits=1, stamps=1, cells=1)
