"""What the fault injections share: a small folder of images, an extract of it, and every row that comes out."""

import contextlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import featx
import featx.images.loader
import featx.store.writer
from featx.errors import FeatxError
from featx.images import worker
from featx.images.decoder import Decoded

UNTYPED = "untyped"


def make_images(folder: Path, n_images: int, seed: int = 0) -> Path:
    """Write ``n_images`` different small PNGs in three classes, and two files that are no images."""
    rng = np.random.default_rng(seed)
    for number in range(n_images):
        path = folder / f"class{number % 3}" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(path, compress_level=1)
    for number in range(2):
        (folder / "class0" / f"bad{number}.jpg").write_text(f"no image {number}")
    return folder


def extract(images: Path, cache: Path, *, shard_bytes: int = 2_000, wait: bool = False) -> featx.ExtractResult:
    """Extract with the stub backbone, closing a shard about every four images."""
    featx.store.writer.SHARD_BYTES = shard_bytes
    return featx.extract_features(images, cache, backbone="stub", image_size=(128, 128), batch_size=4, wait=wait)


@contextlib.contextmanager
def decoding_here() -> Iterator[None]:
    """Decode without another process: starting one takes longer than an extract of a few images, and it writes nothing."""
    usual = featx.images.loader.decode_file

    def decode(path: Path, *, known: bool = False, **request: Any) -> Decoded:
        digest, images, picture, traits = worker._decode(request | {"path": str(path)})
        return Decoded(digest, images, picture, traits)

    featx.images.loader.decode_file = decode
    try:
        yield
    finally:
        featx.images.loader.decode_file = usual


def rows_of(cache: Path) -> dict[str, bytes]:
    """Read everything the cache says of each image: features, pooled features, label and split, to the bit."""
    store = featx.FeatureCache.open(cache)
    catalog = store.catalog
    rows = catalog.rows()
    maps = store.features(rows, dtype=np.float32)
    pooled = store.features(rows, pooling="avgmax")
    return {
        catalog.paths[row]: b"".join(
            (
                maps[i].tobytes(),
                pooled[i].tobytes(),
                catalog.class_names[catalog.labels[row]].encode(),
                bytes([catalog.splits[row]]),
            )
        )
        for i, row in enumerate(rows)
    }


def run_child(work: Callable[[], Any], lifetime: float = 0) -> tuple[int, int]:
    """Fork, and run ``work`` in the child; return its process number and the pipe that its outcome will come through.

    With a lifetime the system ends the child after so many seconds of its processor time (SIGPROF, which like SIGKILL leaves
    it no time for a word): a machine that is busy with something else does not shift where in the work that is.
    The outcome is ("done", result), ("typed", message of a FeatxError) or ("untyped", traceback).
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    try:
        os.close(reading)
        if lifetime:
            signal.setitimer(signal.ITIMER_PROF, lifetime)
        outcome: tuple[str, Any]
        try:
            outcome = ("done", work())
        except FeatxError as error:
            outcome = ("typed", f"{type(error).__name__}: {error}")
        except BaseException:
            outcome = (UNTYPED, traceback.format_exc())
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(outcome, pipe)
    finally:
        os._exit(0)


def result_of(child: tuple[int, int]) -> Any:
    """Wait for a child and return its result.

    Raises
    ------
    RuntimeError
        If it did not come to its end.
    """
    kind, told = outcome_of(child)
    if kind != "done":
        raise RuntimeError(f"{kind}: {told}")
    return told


def outcome_of(child: tuple[int, int]) -> tuple[str, Any]:
    """Wait for a child and return its outcome; ("killed", None) if it did not live to tell."""
    process, reading = child
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(process, 0)
    return pickle.loads(told) if told else ("killed", None)


def complain(text: str) -> None:
    """Show the first lines of something unexpected."""
    with contextlib.suppress(BrokenPipeError):
        print("  !", *text.strip().splitlines()[-3:], sep="\n    ", file=sys.stderr)
