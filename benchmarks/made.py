"""What several benchmarks measure on: folders of images, and the command line in a process of its own."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from featx.verbs.extract.options import ExtractOptions
from featx.verbs.sample.make import CLASS_NAMES, IMAGES_PER_CLASS, ORIGINALS, png, read_idx

WEIGHTS = Path(__file__).parents[1] / "featx/backbones/weights/vgg16-imagenet-notop.weights.h5"

FASHION = {"train": 2000, "val": 500, "test": 500}
"""Images of the set that the tutorials' way is compared on."""


def why_no_int8() -> str:
    """Return why ``precision="int8"`` cannot be measured; empty where it can."""
    if not has_precision():
        return "this featx has no --precision"
    missing = [name for name in ("openvino", "nncf") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


def has_precision() -> bool:
    """Tell whether an extract can be given a precision."""
    return "precision" in {field.name for field in dataclasses.fields(ExtractOptions)}


def precisions() -> list[str]:
    """Return those of float32 and int8 that can be measured."""
    return ["float32"] if why_no_int8() else ["float32", "int8"]


def precision_options(precision: str) -> dict[str, str]:
    """Return what ``extract_features`` is to be given; nothing for float32, which every featx has."""
    return {} if precision == "float32" else {"precision": precision}


def photos(folder: Path, n_images: int, size: tuple[int, int], classes: int = 1) -> list[Path]:
    """Write JPEGs of scikit-learn's two photographs, cut somewhere and enlarged, with some grain, as a camera writes them.

    Parameters
    ----------
    folder : Path
        Gets a folder for each class.
    n_images : int
        All different.
    size : tuple of int
        (width, height) [px].
    classes : int
        Folders that the images are dealt out to, in turn.
    """
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    bases = [Image.fromarray(array) for array in load_sample_images().images]
    paths = []
    for number in range(n_images):
        base = bases[number % 2]
        left, top = (rng.uniform(0, 0.3) * side for side in base.size)
        box = (left, top, left + 0.7 * base.size[0], top + 0.7 * base.size[1])
        pixels = np.asarray(base.resize(size, Image.Resampling.BICUBIC, box=box), np.float32)
        pixels = pixels + 2 * rng.standard_normal((size[1], size[0], 1), np.float32)
        path = folder / f"class {number % classes}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=85)
        paths.append(path)
    return paths


def fashion(folder: Path, counts: dict[str, int]) -> Path:
    """Write images of Fashion-MNIST as ``folder/<split>/<class>/<row>.png``, as many of each class, none of the sample's.

    Raises
    ------
    SystemExit
        If the originals are not at hand.
    """
    if not ORIGINALS.is_dir():
        raise SystemExit(f"{ORIGINALS}: not there. Install Debian's package dataset-fashion-mnist.")
    taken = dict.fromkeys(range(10), IMAGES_PER_CLASS["train"])
    for split, count in counts.items():
        prefix = "t10k" if split == "test" else "train"
        images, labels = (read_idx(ORIGINALS / f"{prefix}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
        for label, class_name in enumerate(CLASS_NAMES):
            start = IMAGES_PER_CLASS["test"] if split == "test" else taken[label]
            rows = np.flatnonzero(labels == label)[start : start + count // 10]
            target = folder / split / class_name
            target.mkdir(parents=True, exist_ok=True)
            for row in rows:
                (target / f"{row:05d}.png").write_bytes(png(images[row]))
            if split != "test":
                taken[label] = start + count // 10
    return folder


def fashion_cache(work: Path, quick: bool, side: int, precision: str) -> Path:
    """Return features of the set at an image size [px]; made here unless another benchmark has left them in ``work``."""
    import featx

    counts = quick_counts() if quick else FASHION
    images = fashion(work / f"fashion-{counts['train']}", counts)
    size = (side, side)
    cache = work / f"fashion-{counts['train']}-{side}-{precision}"
    return featx.extract_features(images, cache, image_size=size, **precision_options(precision)).cache


def quick_counts() -> dict[str, int]:
    """Return a set that takes seconds."""
    return {"train": 60, "val": 20, "test": 20}


def featx_command(*arguments: object) -> tuple[float, dict[str, Any]]:
    """Run a featx command in a process of its own; return its wall time, start-up included [s], and what it printed.

    Raises
    ------
    RuntimeError
        If it fails, with what it said.
    """
    command = [sys.executable, "-c", "from featx.cli import main; main()", *map(str, arguments), "--json"]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[3:])}: {done.stderr.strip()[-2000:]}")
    return seconds, dict(json.loads(done.stdout))
