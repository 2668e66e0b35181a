"""One of each kind of file that featx writes and reads, made anew: ``make(folder)``; for ``python -m benchmarks.damage``.

It runs backbones and trains heads, and so loads TensorFlow: in a process of its own, as one that is to fork must not.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import featx
from featx.errors import Interrupted

COLOURS = {"blue": (20, 30, 200), "green": (30, 180, 40), "red": (210, 25, 30)}
SPLITS: dict[str, Any] = {"val_fraction": 0.25, "test_fraction": 0.25}
STUB: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "workers": 1, **SPLITS}
# The beginning of VGG16: 38,720 weights as far as block1, 260,160 as far as block2.
VGG16: dict[str, Any] = {"image_size": (32, 32), "workers": 1, "batch_size": 8, **SPLITS}
HEADS: dict[str, dict[str, Any]] = {
    "logreg": {},
    "svm": {},
    "ridge": {},
    "knn": {},
    "dense": {"epochs": 2},
    "conv": {"epochs": 2},
    "ridge-tuned": {"tune": True, "folds": 2},
    "dense-calibrated": {"calibrate": True, "epochs": 2},
}
"""Models by the name of their file, which begins with the head's."""


def make_photos(folder: Path, seed: int, each: int = 8) -> Path:
    """Write photos of three colours with noise, a copy of one of them, one as JPEG too, and a file that is no image."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        for number in range(each):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = rng.integers(-60, 61, (40, 48, 3))
            Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)
    shutil.copy(folder / "red" / "0.png", folder / "red" / "copy.png")
    Image.open(folder / "blue" / "0.png").save(folder / "blue" / "alike.jpg", quality=95)
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


def make(folder: Path) -> None:
    """Fill a folder with caches, models, a checkpoint, manifests and a packed file."""
    photos, others = make_photos(folder / "photos", 0), make_photos(folder / "others", 1)
    cache = folder / "cache"
    featx.extract_features(photos, cache, augment="flip", views=2, **STUB)
    found = featx.audit_cache(cache)  # leaves what is alike
    featx.write_clean_manifest(found, folder / "clean.csv")
    featx.extract_features(others, folder / "other", augment="flip", views=2, **STUB)
    featx.audit_cache(folder / "other")
    for part in ("1/2", "2/2"):
        featx.extract_features(photos, folder / "parts", shard=part, **STUB)
    featx.pack_cache(cache, folder / "packed.h5")
    (folder / "models").mkdir()
    for name, options in HEADS.items():
        featx.fit_head(cache, name.split("-")[0], out=folder / "models" / f"{name}.featx", **options)  # type: ignore[arg-type]
    _make_tuned(folder, photos)
    _make_int8(folder, photos)
    rows = [f"{path.relative_to(folder)},{path.parent.name},train\n" for path in sorted(photos.glob("*/*.png"))]
    (folder / "manifest.csv").write_text("path,label,split\n" + "".join(rows), "utf-8")


def _make_tuned(folder: Path, photos: Path) -> None:
    """A cache with a cache in ``layers/``, a model with fine-tuned layers, and the checkpoint of another training."""
    cache, dense = folder / "vgg16", folder / "dense-of-vgg16.featx"
    featx.extract_features(photos, cache, layers=("block2_pool",), **VGG16)
    featx.fit_head(cache, "dense", out=dense, epochs=2)
    options: dict[str, Any] = {"model": dense, "learning_rate": 1e-4, "epochs": 2, "batch_size": 8}
    featx.fine_tune(cache, "block2_conv2", out=folder / "models" / "tuned.featx", **options)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        featx.fine_tune(cache, "block2_conv2", out=folder / "stopped.featx", on_epoch=stop, **options)
    except Interrupted:
        return
    raise SystemExit("the fine-tuning was not stopped")


def _make_int8(folder: Path, photos: Path) -> None:
    """A cache of int8 features with its network, and a model that holds the network."""
    featx.extract_features(photos, folder / "int8", layers=("block1_pool",), precision="int8", **VGG16)
    featx.fit_head(folder / "int8", "logreg", pooling="avg", out=folder / "models" / "int8.featx")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
