"""Extraction against bare forward passes: ``python -m benchmarks.speed``; about seven minutes on two cores.

VGG16 without its top at 224 px, batches of 32. Keras' ``model.predict``, ONNX Runtime and OpenVINO (float32) get arrays that
are decoded, scaled and in memory already; featx gets JPEGs of 640 x 480 in a folder and leaves a cache. Each is a process of
its own that sleeps while another is measured.
"""

import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import Contender, race
from benchmarks.made import WEIGHTS, photos, precision_options, precisions, why_no_int8
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread

BATCH = 32
AHEAD = 2
"""Batches that are decoded before they are asked for."""

Turn = Callable[[], dict[str, Any]]


def build_vgg16(side: int) -> Any:
    """Build the network that all run."""
    import keras

    network = keras.applications.VGG16(include_top=False, weights=None, input_shape=(side, side, 3))
    network.load_weights(WEIGHTS)
    return network


def ready_images(side: int, n_images: int) -> Any:
    """Return preprocessed pixels (n_images, side, side, 3), float32: what is in them does not change the time."""
    rng = np.random.default_rng(0)
    return rng.uniform(-120, 150, (n_images, side, side, 3)).astype(np.float32)


def timed(forward: Callable[[Any], Any], images: Any) -> dict[str, Any]:
    """Run all batches once and return images/s, and images per second of processor time."""
    started, cpu = time.monotonic(), time.process_time()
    for start in range(0, len(images), BATCH):
        forward(images[start : start + BATCH])
    return {"rate": len(images) / (time.monotonic() - started), "per_cpu_second": len(images) / (time.process_time() - cpu)}


def predict(side: int, n_images: int) -> Turn:
    """Get ready to run ``model.predict``: one call over all images, which is how it is quickest."""
    network, images = build_vgg16(side), ready_images(side, n_images)
    network.predict(images[:BATCH], verbose=0)

    def turn() -> dict[str, Any]:
        started = time.monotonic()
        network.predict(images, batch_size=BATCH, verbose=0)
        return {"rate": len(images) / (time.monotonic() - started)}

    return turn


def predict_on_batch(side: int, n_images: int) -> Turn:
    """Get ready to run ``predict_on_batch``: the same network without the input pipeline that ``predict`` sets up."""
    network, images = build_vgg16(side), ready_images(side, n_images)
    network.predict_on_batch(images[:BATCH])
    return functools.partial(timed, network.predict_on_batch, images)


def onnx_runtime(side: int, n_images: int, path: str) -> Turn:
    """Get ready to run ONNX Runtime on a file from ``write_onnx``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name, images = session.get_inputs()[0].name, ready_images(side, n_images)
    forward = functools.partial(_run_session, session, name)
    forward(images[:BATCH])
    return functools.partial(timed, forward, images)


def _run_session(session: Any, name: str, part: Any) -> Any:
    return session.run(None, {name: part})[0]


def openvino_float32(side: int, n_images: int, path: str) -> Turn:
    """Get ready to run OpenVINO on the same file; in float32, as it would choose bfloat16 where the processor has it."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([BATCH, side, side, 3])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = ready_images(side, n_images)

    def forward(part: Any) -> Any:
        return compiled([part])[0]

    forward(images[:BATCH])
    return functools.partial(timed, forward, images)


def write_onnx(side: int, path: str) -> Turn:
    """Write the network as ONNX, and check at a turn that ONNX Runtime gives what Keras gives."""
    import keras

    network = build_vgg16(side)
    signature = [keras.InputSpec("float32", (None, side, side, 3), name="images")]
    network.export(path, format="onnx", verbose=False, input_signature=signature)

    def turn() -> dict[str, Any]:
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        images = ready_images(side, 2)
        theirs = _run_session(session, session.get_inputs()[0].name, images)
        ours = network.predict(images, verbose=0)
        return {"difference": float(np.abs(theirs - ours).max() / np.abs(ours).max())}

    return turn


def extraction(images: str, side: int, precision: str, batch: int = BATCH) -> Turn:
    """Get ready to extract a folder into a new cache at each turn."""
    import featx

    n_batches = -(-sum(1 for path in Path(images).rglob("*") if path.is_file()) // batch)
    if n_batches < AHEAD + 2:
        raise SystemExit(f"{n_batches} batches tell no rate: give more files, or a smaller batch; {AHEAD + 2} are needed.")

    def turn() -> dict[str, Any]:
        done = [(0, time.monotonic())]

        def note(stage: str, newly: int, total: int) -> None:
            if stage == "extract" and newly:
                done.append((done[-1][0] + newly, time.monotonic()))

        with tempfile.TemporaryDirectory() as folder:
            options = precision_options(precision)
            result = featx.extract_features(
                images, Path(folder) / "cache", image_size=(side, side), batch_size=batch, progress=note, **options
            )
        # From the end of the first batch, which pays for building, compiling and calibrating, to that of the last one for
        # whose sake another was decoded meanwhile: as many batches are decoded between the two as go through the network.
        (first, start), (last, end) = done[1], done[-1 - AHEAD]
        rate = (last - first) / (end - start)
        to_first = start - done[0][1]
        return {"rate": rate, "own_rate": result.images_per_second, "seconds": result.seconds, "to_first_batch": to_first}

    return turn


def measure(quick: bool, work: Path, side: int = 224, rounds: int = ROUNDS) -> Section:
    """Run all in turn."""
    n_ready, n_files = 2 * BATCH, 6 * BATCH
    if quick:
        side, n_ready, n_files, rounds = 32, 2 * BATCH, 5 * BATCH, 2
    work = work / "speed"
    images, network = work / "photos", work / "vgg16.onnx"
    photos(images, n_files, (640, 480), classes=2)
    with Contender("benchmarks.speed:write_onnx", side=side, path=str(network)) as writer:
        difference = writer.go()["difference"]
    assert difference < 1e-3, difference
    ready = {"side": side, "n_images": n_ready}
    contenders = {
        "Keras `model.predict`": Contender("benchmarks.speed:predict", **ready),
        "Keras `predict_on_batch`": Contender("benchmarks.speed:predict_on_batch", **ready),
        "ONNX Runtime": Contender("benchmarks.speed:onnx_runtime", path=str(network), **ready),
        "OpenVINO float32": Contender("benchmarks.speed:openvino_float32", path=str(network), **ready),
    }
    for precision in precisions():
        task = {"images": str(images), "side": side, "precision": precision}
        contenders[f"featx extract {precision}"] = Contender("benchmarks.speed:extraction", **task)
    try:
        found = race({name: one.go for name, one in contenders.items()}, rounds)
    finally:
        for one in contenders.values():
            one.close()
    rates = {name: [turn["rate"] for turn in turns] for name, turns in found.items()}
    bare = rates["Keras `model.predict`"]
    ratios = {name: ratio(values, bare) for name, values in rates.items()}
    quickest = rates["Keras `predict_on_batch`"]
    rows = []
    for name, values in rates.items():
        extract = "own_rate" in found[name][0]
        seconds = (
            [statistics.median(turn[key] for turn in found[name]) for key in ("to_first_batch", "seconds")] if extract else []
        )
        whole = [f"{value:.1f} s" for value in seconds] or ["–", "–"]
        rows.append([name, spread(values), f"{ratios[name]:.2f}", f"{ratio(values, quickest):.2f}", *whole])
    notes = [
        f"Images/s at {side} px, batches of {BATCH}, median of {rounds} rounds (smallest to largest). The bare ones run over "
        f"{n_ready} arrays in memory. featx decodes {n_files} JPEGs of 640 × 480, runs the network and writes the cache; its "
        "rate is taken between the end of the first batch and the last one beside which another was decoded. The seconds "
        "before it, which int8 spends on calibration too, and those of the whole extract stand beside it.",
        "On this machine `model.predict` runs at either 6 or 10 images/s, from call to call; `predict_on_batch`, which sets up "
        "no input pipeline, always runs at the higher rate. It is the stricter measure, so both are given.",
    ]
    if why_no_int8():
        notes.append(f"int8: not measured, {why_no_int8()}.")
    targets = [
        Target("featx float32 against model.predict", 0.97, ratios["featx extract float32"]),
        Target("featx int8 against model.predict", 3.8, ratios.get("featx extract int8")),
        Target("featx float32 against predict_on_batch", 0.97, ratio(rates["featx extract float32"], quickest)),
    ]
    if "featx extract int8" in rates:
        targets.append(Target("featx int8 against predict_on_batch", 3.8, ratio(rates["featx extract int8"], quickest)))
    columns = (
        "",
        "images/s",
        "against `model.predict`",
        "against `predict_on_batch`",
        "until the first batch is done",
        f"all {n_files} images",
    )
    figures = {"side": side, "rounds": rounds, "turns": found, "ratios": ratios, "onnx_difference": difference}
    return Section(
        "extraction", "Extraction and bare forward passes", "python -m benchmarks.speed", columns, rows, targets, notes, figures
    )


if __name__ == "__main__":
    run(measure, __doc__, side=224, rounds=ROUNDS)
