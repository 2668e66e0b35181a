"""The readers of foreign files as targets of a fuzzer: of each a sound file and what reads it; for ``benchmarks.fuzz``."""

import contextlib
import dataclasses
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from featx.backbones.weights_check import check_weights_file
from featx.errors import FeatxError
from featx.images import decode_image
from featx.images.listing.columns import ManifestOptions
from featx.images.listing.manifest import read_manifest
from featx.models import load_model
from featx.recipe import Recipe
from featx.store.documents import read_json
from featx.store.listing.catalog import Catalog
from featx.store.shards.shard import Shard
from featx.verbs.finetune.checkpoint import load_checkpoint, save_checkpoint

FOUND = Path(__file__).parents[1] / "tests" / "data"
OLD, CORPUS = FOUND / "before", FOUND / "found"


@dataclasses.dataclass(frozen=True)
class Target:
    """What reads a file, the name that the file needs, and a sound one's bytes."""

    read: Callable[[Path], Any]
    name: str
    sound: Callable[[], bytes]


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def _checkpoint() -> bytes:
    done = {"epoch": 1, "step": 0, "sums": [0.0, 0.0, 0.0], "seconds": 1.0}
    document = {"done": done, "history": {"loss": [1.0]}, "before": {}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        save_checkpoint(path, "x", document, {"now/0": np.zeros(3, np.float32), "best/0": np.zeros(3, np.float32)})
        return path.read_bytes()


def _decode(path: Path) -> None:
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")
    decode_image(path.read_bytes(), recipe)


def _shard(path: Path) -> None:
    shard = Shard(path)
    for name in (*(f"maps/{one}" for one in shard.layers("maps")), *(f"pooled/{one}" for one in shard.layers("pooled"))):
        shard.read(name, np.arange(len(shard)))


TARGETS = {
    "manifest": Target(
        lambda path: read_manifest(path, ManifestOptions()),
        "m.csv",
        lambda: b'path,label,split\na.png,x,train\n"b,.png",y,test\n',
    ),
    "guard": Target(_shard, "s.h5", lambda: next((OLD / "cache" / "shards").glob("*.h5")).read_bytes()),
    "catalog": Target(Catalog.read, "catalog.h5", lambda: (OLD / "cache" / "catalog.h5").read_bytes()),
    "model": Target(load_model, "m.featx", lambda: (OLD / "logreg.featx").read_bytes()),
    "checkpoint": Target(lambda path: load_checkpoint(path, "x"), "c", _checkpoint),
    "json": Target(read_json, "network.json", lambda: json.dumps({"parameters": 1, "layers": []}).encode()),
    "weights": Target(check_weights_file, "w.h5", lambda: (OLD / "packed.h5").read_bytes()),
    "decode": Target(_decode, "i.png", _picture),
}
"""By what reads them."""


def try_target(name: str, data: bytes, folder: Path) -> None:
    """Read some bytes as a target does; errors of featx's own pass, all others are the caller's to see."""
    path = folder / TARGETS[name].name
    path.write_bytes(data)
    with contextlib.suppress(FeatxError):
        TARGETS[name].read(path)
