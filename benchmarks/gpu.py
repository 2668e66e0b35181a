"""What a GPU gives: ``KERAS_BACKEND=jax python -m benchmarks.gpu [--batch 64] [--files 2048]``; some five minutes.

With jax or torch underneath, from a checkout, without TensorFlow; needed are keras, jax or torch, pillow, h5py, scikit-learn,
tqdm and click. Images/s at 224 px of the bare forward pass in float32 and in bfloat16, of decoding alone, of writing the cache
alone, and of the whole extract. ``--quick`` runs without a GPU too, to see that it works.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.made import has_precision, photos
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread
from benchmarks.speed import build_vgg16, extraction, ready_images

Turn = Callable[[], dict[str, Any]]


def find_device() -> tuple[str, bool]:
    """Return the name of what Keras computes on, and whether it is a GPU.

    Raises
    ------
    SystemExit
        If Keras would run on TensorFlow.
    """
    from featx.system.quiet import quiet_loading

    backend = os.environ.get("KERAS_BACKEND", "")
    # JAX settles with its first look at the devices how it takes their memory: as featx has it, not three quarters at once.
    with quiet_loading():
        if backend == "jax":
            import jax

            device = jax.devices()[0]
            return str(device.device_kind), device.platform != "cpu"
        if backend == "torch":
            import torch

            on_gpu = torch.cuda.is_available()
            return (torch.cuda.get_device_name() if on_gpu else "cpu"), on_gpu
    raise SystemExit("Set KERAS_BACKEND to jax or torch: this benchmark runs without TensorFlow.")


def forward(side: int, batch: int, n_images: int, policy: str, exact: bool = False) -> tuple[Turn, Turn]:
    """Get ready to run the bare network on arrays in the machine's memory, and on arrays in the device's.

    Exact: in products of float32, as featx has them run. Keras by itself lets a GPU round their factors to TF32.
    """
    import keras

    from featx.backbones.forward import forward_of

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = build_vgg16(side)
    finally:
        keras.config.set_dtype_policy(before)
    run_network = forward_of(network) if exact else network.predict_on_batch
    images = ready_images(side, batch)
    there = keras.ops.convert_to_tensor(images)

    def timed(part: Any) -> dict[str, Any]:
        started, done = time.monotonic(), 0
        while done < n_images:
            np.asarray(run_network(part))
            done += batch
        return {"rate": done / (time.monotonic() - started)}

    timed(images)
    timed(there)
    return lambda: timed(images), lambda: timed(there)


def decoding(paths: list[Path], side: int, batch: int) -> Turn:
    """Get ready to decode all files in order, as an extract does, and throw the pixels away."""
    from featx.images import load_batches
    from featx.verbs.extract.options import ExtractOptions

    recipe, _ = ExtractOptions(image_size=(side, side)).make_recipe()

    def turn() -> dict[str, Any]:
        started = time.monotonic()
        done = sum(len(found.positions) for found in load_batches(paths, recipe, batch))
        return {"rate": done / (time.monotonic() - started)}

    turn()  # starts the processes
    return turn


def sparse_maps(side: int, batch: int) -> NDArray[np.float32]:
    """Return maps such as VGG16's last: 91 % of the numbers are zero."""
    shape = (batch, side // 32, side // 32, 512)
    return np.maximum(np.random.default_rng(0).normal(-13.4, 10, shape), 0).astype(np.float32)


def writing(side: int, batch: int, n_images: int) -> Turn:
    """Get ready to write rows of maps, 91 % zeros as VGG16's are, into a new cache."""
    from featx.store import FeatureCache
    from featx.system.files import content_digest
    from featx.verbs.extract.options import ExtractOptions

    recipe, _ = ExtractOptions(image_size=(side, side)).make_recipe()
    maps = sparse_maps(side, batch)

    def turn() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            cache = FeatureCache.open_or_create(Path(folder) / "cache", recipe)
            started = time.monotonic()
            with cache.writing() as writer:
                for start in range(0, n_images, batch):
                    digests = [content_digest(b"%d" % row) for row in range(start, start + batch)]
                    writer.append(digests, {"block5_pool": maps})
                writer.flush()
            return {"rate": -(-n_images // batch) * batch / (time.monotonic() - started)}

    return turn


def measure(quick: bool, work: Path, side: int = 224, batch: int = 64, files: int = 2048, rounds: int = ROUNDS) -> Section:
    """Run all in turn, in this process: the device's memory is held by one at a time."""
    device, on_gpu = find_device()
    if not on_gpu and not quick:
        raise SystemExit(f"No GPU here (Keras computes on: {device}). Run it on a machine with one, or give --quick.")
    if quick:
        side, batch, files, rounds = 64, 8, 64, 2
    paths = photos(work / "gpu", files, (640, 480), classes=2)
    images = str(work / "gpu")
    turns: dict[str, Turn] = {}
    for name, policy in (("float32", "float32"), ("TF32 (Keras' own float32)", "float32"), ("bfloat16", "mixed_bfloat16")):
        bare, on_device = forward(side, batch, files, policy, exact=name == "float32")
        turns[f"forward pass, {name}"], turns[f"forward pass, {name}, arrays on the device"] = bare, on_device
    turns["decoding alone"] = decoding(paths, side, batch)
    turns["writing alone"] = writing(side, batch, files)
    turns["featx extract, float32"] = extraction(images, side, "float32", batch)
    if has_precision():
        turns["featx extract, bfloat16"] = extraction(images, side, "bfloat16", batch)
    for name in turns:
        if name.startswith("featx"):
            turns[name]()  # compiles
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in turns}
    for number in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn())
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    if "tensorflow" in sys.modules:
        raise SystemExit("TensorFlow was loaded, which must not be.")
    rates = {name: [turn["rate"] for turn in values] for name, values in found.items()}
    rows, targets, shares = [], [], {}
    for name, values in rates.items():
        cells = [name, spread(values, ".0f"), "", ""]
        if name.startswith("featx"):
            precision = name.split(", ")[1]
            bare = rates[f"forward pass, {precision}"]
            smaller = [min(pair) for pair in zip(bare, rates["decoding alone"], strict=True)]
            shares[precision] = ratio(values, smaller)
            limit = "decoding" if statistics.median(rates["decoding alone"]) < statistics.median(bare) else "the forward pass"
            seconds = statistics.median(turn["seconds"] for turn in found[name])
            cells[2:] = [f"{shares[precision]:.2f} ({limit})", f"{seconds:.1f} s"]
            if on_gpu:
                targets.append(
                    Target(f"extract, {precision}, of the smaller of decoding and forward pass", 0.9, shares[precision])
                )
        rows.append(cells)
    if not on_gpu:
        targets.append(Target("extract of the smaller of decoding and forward pass, on a GPU", 0.9, None))
    notes = [
        f"{device}{'' if on_gpu else ', no GPU'}; KERAS_BACKEND={os.environ['KERAS_BACKEND']}, no TensorFlow. Images/s at "
        f"{side} px, batches of {batch}, {files:,} JPEGs of 640 × 480, median of {rounds} rounds (smallest to largest). The "
        "forward pass takes float32 arrays in the machine's memory and gives maps there; the rate of an extract is that after "
        "its start-up, its seconds are all of it."
    ]
    if not has_precision():
        notes.append("Extract in bfloat16: not measured, this featx has no --precision.")
    columns = ("", "images/s", "share of the smaller of decoding and forward pass", "whole extract")
    figures = {"device": device, "gpu": on_gpu, "side": side, "batch": batch, "files": files, "turns": found, "shares": shares}
    command = f"KERAS_BACKEND={os.environ['KERAS_BACKEND']} python -m benchmarks.gpu"
    return Section("gpu", "On a GPU", command, columns, rows, targets, notes, figures)


if __name__ == "__main__":
    run(measure, __doc__, side=224, batch=64, files=2048, rounds=ROUNDS)
