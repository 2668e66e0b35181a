"""What computes the network, side by side: ``python -m benchmarks.engines``; about six minutes on two quiet cores.

VGG16 and EfficientNet-Lite0 without their tops at 224 px, on pixels in memory, in turn, each a process of its own: Keras, ONNX
Runtime and OpenVINO in float32, OpenVINO in int8, and the Winograd engine; and featx' whole extraction from JPEGs, decoding and
cache included. Then what no rate shows: how far features are from Keras', what heads make of them on three sets, memory, and
how long one image takes from the shell. ``--forward 1`` measures the first alone.

On a machine that has other work, images per CPU second tell more than images per second.
"""

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import featx
from benchmarks.accuracy import HEADS, STAMPS, features, link_stamps
from benchmarks.contenders import Contender, race
from benchmarks.made import fashion, photos, why_no_int8
from benchmarks.memory import descendants, peak_of
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread
from benchmarks.speed import AHEAD
from featx.verbs.sample.make import ORIGINALS

BATCH = 16
SET_SIDE = 96
FASHION = {"train": 600, "val": 200, "test": 200}
FROM_THE_SHELL = 3
"""Rounds of the command that predicts one image."""

Turn = Callable[[], dict[str, Any]]
Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def photographs(side: int, n_images: int) -> NDArray[np.uint8]:
    """Return pixels of scikit-learn's photographs, cut somewhere."""
    from sklearn.datasets import load_sample_images

    rng, bases = np.random.default_rng(0), load_sample_images().images
    images = np.empty((n_images, side, side, 3), np.uint8)
    for number in range(n_images):
        base = bases[number % 2]
        top, left = rng.integers(0, np.array(base.shape[:2]) - side)
        images[number] = base[top : top + side, left : left + side]
    return images


def recipe_of(backbone: str, side: int) -> Any:
    """Return the recipe of a backbone's last layer."""
    from featx.backbones import backbone_spec, resolve_weights
    from featx.recipe import Recipe

    spec = backbone_spec(backbone)
    return Recipe(backbone, resolve_weights(spec, "imagenet")[0], spec.layers, (side, side), spec.preprocess)


def forward_of(engine: str, backbone: str, side: int, graph: str) -> Forward:
    """Get an engine ready; the pixels are scaled by whoever computes, so that all begin with the same bytes."""
    from featx.backbones import load_backbone, quantize_backbone
    from featx.backbones.pixels import preprocess

    recipe = recipe_of(backbone, side)
    if engine in ("keras", "winograd"):
        ready = load_backbone(recipe, batch_size=BATCH, engine=engine, device="cpu")
        return lambda images: ready(images)[recipe.layers[0]]
    if engine == "int8":
        draft = dataclasses.replace(recipe, precision="int8")
        network = quantize_backbone(draft, None, photographs(side, 32))
        exact = dataclasses.replace(draft, quantized=network.identity)
        ready = load_backbone(exact, batch_size=BATCH, quantized=network)
        return lambda images: ready(images)[recipe.layers[0]]
    if engine == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda images: session.run(None, {name: preprocess(images.astype(np.float32), recipe.preprocess)})[0]
    import openvino

    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape([BATCH, side, side, 3])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: np.array(compiled([preprocess(images.astype(np.float32), recipe.preprocess)])[0])


def write_graph(backbone: str, side: int, path: str) -> Turn:
    """Write a network as ONNX."""
    import keras

    from featx.backbones.network import build_network
    from featx.backbones.weights import find_weights

    recipe = recipe_of(backbone, side)
    network = build_network(recipe, find_weights(recipe, None))
    signature = [keras.InputSpec("float32", (None, side, side, 3), name="images")]
    network.export(path, format="onnx", verbose=False, input_signature=signature)
    return dict


def forward(engine: str, backbone: str, side: int, n_images: int, graph: str, maps: str) -> Turn:
    """Get ready to run an engine over pixels in memory; what it gives for one batch is left in ``maps``."""
    ready, images = forward_of(engine, backbone, side, graph), photographs(side, n_images)
    np.save(maps, np.asarray(ready(images[:BATCH]), np.float32))

    def turn() -> dict[str, Any]:
        started, cpu = time.monotonic(), time.process_time()
        for start in range(0, n_images, BATCH):
            ready(images[start : start + BATCH])
        seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
        return {"rate": n_images / seconds, "per_cpu_second": n_images / cpu_seconds}

    return turn


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and all that it has started [s]."""
    ticks = 0
    for process in descendants(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile, and counts among its parent's children
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def extraction(images: str, side: int, backbone: str, engine: str) -> Turn:
    """Get ready to extract a folder into a new cache at each turn, between the first batch and the last but ``AHEAD``."""

    def turn() -> dict[str, Any]:
        done = [(0, time.monotonic(), cpu_seconds(os.getpid()))]

        def note(stage: str, newly: int, total: int) -> None:
            if stage == "extract" and newly:
                done.append((done[-1][0] + newly, time.monotonic(), cpu_seconds(os.getpid())))

        with tempfile.TemporaryDirectory() as folder:
            options = {"backbone": backbone, "engine": engine, "batch_size": BATCH}
            result = featx.extract_features(images, Path(folder) / "cache", image_size=(side, side), progress=note, **options)
        (first, start, cpu), (last, end, cpu_end) = done[1], done[-1 - AHEAD]
        rates = {"rate": (last - first) / (end - start), "per_cpu_second": (last - first) / (cpu_end - cpu)}
        return rates | {"seconds": result.seconds, "engine": result.engine}

    return turn


def contenders(quick: bool, work: Path, side: int) -> dict[str, Contender]:
    """Start all that are measured in turn."""
    photos(work / "photos", (6 if quick else 8) * BATCH, (640, 480), classes=2)
    found = {}
    for backbone, n_images in (("vgg16", BATCH), ("efficientnet-lite0", (2 if quick else 8) * BATCH)):
        graph = work / f"{backbone}.onnx"
        with Contender("benchmarks.engines:write_graph", backbone=backbone, side=side, path=str(graph)):
            pass
        for engine in ("keras", "onnxruntime", "openvino", "winograd", *(() if why_no_int8() else ("int8",))):
            task = {"engine": engine, "backbone": backbone, "side": side, "n_images": n_images, "graph": str(graph)}
            maps = str(work / f"{backbone}-{engine}.npy")
            found[f"{backbone}, {engine}"] = Contender("benchmarks.engines:forward", maps=maps, **task)
        task = {"images": str(work / "photos"), "side": side, "backbone": backbone, "engine": "auto"}
        found[f"{backbone}, featx extract"] = Contender("benchmarks.engines:extraction", **task)
    return found


def errors(work: Path) -> dict[str, float]:
    """Return how far each engine's maps are from Keras', as a part of their length."""
    from featx.backbones.engines import distance

    found = {}
    for path in sorted(work.glob("*.npy")):
        backbone, _, engine = path.stem.rpartition("-")
        found[f"{backbone}, {engine}"] = distance(np.load(work / f"{backbone}-keras.npy"), np.load(path))
    return found


def accuracies(quick: bool, work: Path) -> dict[str, dict[str, float]]:
    """Return, for each set and head, balanced accuracy with each engine's features, and how many images got another class."""
    side = 64 if quick else SET_SIDE
    featx.unpack_sample(work / "sample")
    sources = {"the sample": work / "sample"}
    if not quick and STAMPS.is_dir():
        sources["Tux Paint's stamps"] = link_stamps(work / "stamps")
    if not quick and ORIGINALS.is_dir():
        sources["1,000 of Fashion-MNIST"] = fashion(work / "fashion", FASHION)
    found = {}
    for name, images in sources.items():
        X = {}
        for engine in ("keras", "winograd"):
            cache = work / f"{images.name}-{engine}"
            if not cache.exists():
                featx.extract_features(images, cache, image_size=(side, side), engine=engine)
            X[engine], y, _ = features(cache)
        for head in HEADS:
            folds = StratifiedKFold(5, shuffle=True, random_state=0)
            classes = {engine: cross_val_predict(featx.HeadClassifier(head), rows, y, cv=folds) for engine, rows in X.items()}
            found[f"{name}, {head}"] = {
                "images": len(y),
                **{engine: float(balanced_accuracy_score(y, given)) for engine, given in classes.items()},
                "moved": int(np.sum(classes["keras"] != classes["winograd"])),
            }
    return found


def commands(quick: bool, work: Path, side: int) -> dict[str, dict[str, list[float]]]:
    """Return the peak memory of an extract [MB], and the seconds and CPU seconds of predicting one image from the shell."""
    found: dict[str, dict[str, list[float]]] = {}
    program = "from featx.cli import main; main()"
    images = work / "photos"
    for engine in ("keras", "winograd"):
        cache, model = work / f"memory-{engine}", work / f"{engine}.featx"
        options = ["--image-size", str(side), "--engine", engine, "--cache", str(cache)]
        peak, _ = peak_of([sys.executable, "-c", program, "extract", str(images), *options])
        featx.fit_head(cache, "logreg", pooling="avg", out=model)
        found[engine] = {"peak_mb": [peak], "predict_seconds": []}
    for _ in range(1 if quick else FROM_THE_SHELL):
        for engine, figures in found.items():
            started = time.monotonic()
            subprocess.run(
                [sys.executable, "-c", program, "predict", str(work / f"{engine}.featx"), str(next(images.rglob("*.jpg")))],
                env=environment(engine),
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            figures["predict_seconds"].append(time.monotonic() - started)
    return found


def environment(engine: str) -> dict[str, str]:
    """Return this process' variables with an engine chosen."""
    return os.environ | {"FEATX_ENGINE": engine}


def rows_of(found: dict[str, list[dict[str, Any]]], apart: dict[str, float]) -> tuple[list[list[str]], dict[str, Any]]:
    """Return the table of rates, and the ratios in it: against the fastest of Keras, ONNX Runtime and OpenVINO of a round."""
    rows, ratios = [], {}
    for name, turns in found.items():
        backbone, engine = name.split(", ")
        others = [found[f"{backbone}, {one}"] for one in ("keras", "onnxruntime", "openvino")]
        cells = [name]
        for key in ("rate", "per_cpu_second"):
            fastest = [max(turn[key] for turn in together) for together in zip(*others, strict=True)]
            ratios[f"{name}, {key}"] = ratio([turn[key] for turn in turns], fastest)
            cells += [spread([turn[key] for turn in turns]), f"{ratios[f'{name}, {key}']:.2f}"]
        rows.append([*cells, "–" if engine == "keras" or name not in apart else f"{apart[name]:.1e}"])
    return rows, ratios


def measure(quick: bool, work: Path, side: int = 224, rounds: int = ROUNDS, forward: int = 0) -> Section:
    """Measure all."""
    if quick:
        side, rounds = 64, 2
    work = work / "engines"
    work.mkdir(parents=True, exist_ok=True)
    racing = contenders(quick, work, side)
    try:
        found = race({name: one.go for name, one in racing.items()}, rounds)
    finally:
        for one in racing.values():
            one.close()
    apart = errors(work)
    rows, ratios = rows_of(found, apart)
    notes = [
        f"{side} px, batches of {BATCH}, median of {rounds} rounds (smallest to largest). Ratios are to the fastest of Keras, "
        "ONNX Runtime and OpenVINO in the same round. featx extract decodes JPEGs of 640 × 480 and writes the cache; it is "
        "measured between the end of the first batch and the last one beside which another was decoded, with the processor "
        "time of its decoding processes. The error is that of the last layer's maps against Keras', as a part of their length; "
        "float16, in which maps are stored, rounds by 2e-4 of it.",
    ]
    if why_no_int8():
        notes.append(f"int8: not measured, {why_no_int8()}.")
    lite0 = {
        key: ratio(
            [turn[key] for turn in found["efficientnet-lite0, winograd"]],
            [max(turn[key] for turn in both) for both in zip(found["vgg16, keras"], found["vgg16, winograd"], strict=True)],
        )
        for key in ("rate", "per_cpu_second")
    }
    targets = [
        Target("extraction of VGG16 against the fastest on arrays in memory", 1.9, ratios["vgg16, featx extract, rate"]),
        Target("the same in processor time", 1.9, ratios["vgg16, featx extract, per_cpu_second"]),
        Target("EfficientNet-Lite0 against VGG16's best, both float32", 5, lite0["rate"]),
        Target("the same in processor time", 5, lite0["per_cpu_second"]),
    ]
    figures: dict[str, Any] = {"side": side, "rounds": rounds, "turns": found, "ratios": ratios, "errors": apart}
    if not forward:
        figures |= {"accuracy": accuracies(quick, work), "commands": commands(quick, work, side)}
        more, aims = beside(figures, side)
        notes, targets = [*notes, *more], [*targets, *aims]
    columns = ("", "images/s", "×", "images per CPU second", "×", "error")
    title = "Engines side by side"
    return Section("engines", title, "python -m benchmarks.engines", columns, rows, targets, notes, figures)


def beside(figures: dict[str, Any], side: int) -> tuple[list[str], list[Target]]:
    """Return what is said of accuracies, memory and start-up, and what was aimed at."""
    notes, targets = [], []
    for name, one in figures["accuracy"].items():
        apart = 100 * abs(one["keras"] - one["winograd"])
        notes.append(
            f"{name}: {one['images']:,} images, balanced accuracy {one['keras']:.4f} by Keras' features and "
            f"{one['winograd']:.4f} by Winograd's, in the same five folds; {one['moved']} images got another class."
        )
        targets.append(Target(f"{name}: points between the engines", 0.1, apart, at_least=False, unit=""))
    keras, winograd = (figures["commands"][engine] for engine in ("keras", "winograd"))
    peaks = [one["peak_mb"][0] for one in (keras, winograd)]
    seconds = [statistics.median(one["predict_seconds"]) for one in (keras, winograd)]
    notes.append(
        f"Peak memory of featx extract at {side} px, decoders included: {peaks[0]:,.0f} MB by Keras, {peaks[1]:,.0f} MB by "
        f"Winograd. featx predict of one image from the shell: {seconds[0]:.1f} s by Keras, {seconds[1]:.1f} s by Winograd."
    )
    targets.append(Target("peak memory of an extract against Keras'", 1, peaks[1] / peaks[0], at_least=False))
    return notes, targets


if __name__ == "__main__":
    run(measure, __doc__, side=224, rounds=ROUNDS, forward=0)
