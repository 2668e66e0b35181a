"""The dense head against Keras' own fit: ``python -m benchmarks.dense [--rows 10000] [--epochs 20] [--runs 3] [--json]``.

VGG16-shaped maps (7 x 7 x 512, about 91 % zeros, float16 as the cache keeps them) of ten classes. Both fit the same network:
one softmax layer, Adam, batches of 32; Keras on the float32 copy that it needs. Each fit runs in a process of its own, the
two in turn; given are medians over the runs, and the median of the ratios within a run. Importing and reading are not
timed.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_FEATURES = 7 * 7 * 512
N_CLASSES = 10
BATCH = 32
BLOCK = 250
KEYS = ("seconds", "cpu_seconds", "peak_gb", "accuracy")


def write_rows(path: Path, n_rows: int) -> None:
    """Write n_rows rows of float16 to a file; row i is of class i modulo 10, which decides what channels are strong."""
    rng = np.random.default_rng(0)
    strength = rng.normal(0, 1, (N_CLASSES, 1, 512)).astype(np.float32)
    with path.open("wb") as file:
        for start in range(0, n_rows, BLOCK):
            y = np.arange(start, min(start + BLOCK, n_rows)) % N_CLASSES
            maps = 10 * rng.standard_normal((len(y), 49, 512), np.float32) - 14 + strength[y]
            file.write(np.maximum(maps, 0).astype(np.float16).tobytes())


def read_rows(path: Path, dtype: type[np.floating]) -> NDArray[Any]:
    """Read them, never holding more than a block twice."""
    X = np.empty((path.stat().st_size // (2 * N_FEATURES), N_FEATURES), dtype)
    with path.open("rb") as file:
        for start in range(0, len(X), BLOCK):
            block = X[start : start + BLOCK]
            block[:] = np.fromfile(file, np.float16, block.size).reshape(block.shape)
    return X


def fit_featx(path: Path, epochs: int) -> dict[str, float]:
    """Fit the dense head."""
    import keras  # noqa: F401 - imported by the fit otherwise

    from featx.heads import make_head

    X = read_rows(path, np.float16)
    y = np.arange(len(X)) % N_CLASSES
    started, cpu_started = time.monotonic(), time.process_time()
    head = make_head("dense", epochs=epochs, batch_size=BATCH).fit(X, y)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "accuracy": head.history_["accuracy"][-1]}


def fit_keras(path: Path, epochs: int) -> dict[str, float]:
    """Fit the same network as a Keras user would."""
    import keras

    X = read_rows(path, np.float32)
    X *= np.float32(20 / np.linalg.norm(X[:BLOCK], axis=1).mean())  # as long as the head makes them, so that both learn alike
    y = np.arange(len(X)) % N_CLASSES
    started, cpu_started = time.monotonic(), time.process_time()
    model = keras.Sequential([keras.Input((N_FEATURES,)), keras.layers.Dense(N_CLASSES, activation="softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, y, batch_size=BATCH, epochs=epochs, verbose=0).history
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "accuracy": history["accuracy"][-1]}


FITS = {"featx": fit_featx, "keras": fit_keras}


def run_alone(name: str, path: Path, epochs: int) -> dict[str, float]:
    """Run one fit in a process of its own and return what it measured, with its peak memory [GB]."""
    command = [sys.executable, "-m", "benchmarks.dense", "--alone", name, "--file", str(path), "--epochs", str(epochs)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(n_rows: int, epochs: int, n_runs: int) -> dict[str, Any]:
    """Return medians of both, and the ratio."""
    with tempfile.TemporaryDirectory(prefix="featx-dense-") as work:
        path = Path(work) / "rows"
        write_rows(path, n_rows)
        runs = [{name: run_alone(name, path, epochs) for name in FITS} for _ in range(n_runs)]
    figures: dict[str, Any] = {"rows": n_rows, "epochs": epochs, "runs": n_runs}
    for name in FITS:
        for key in KEYS:
            figures[f"{name}_{key}"] = round(statistics.median(run[name][key] for run in runs), 3)
    figures["ratio"] = round(statistics.median(run["keras"]["seconds"] / run["featx"]["seconds"] for run in runs), 2)
    return figures


def main() -> None:
    """Run the comparison, or one fit of it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--alone", choices=FITS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        figures = FITS[given.alone](given.file, given.epochs)
        print(json.dumps(figures | {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))
        return
    figures = compare(given.rows, given.epochs, given.runs)
    if given.json:
        print(json.dumps(figures))
        return
    print(f"{given.epochs} epochs on {given.rows:,} x {N_FEATURES:,} features, median of {given.runs} runs")
    for name in FITS:
        seconds, cpu, peak, accuracy = (figures[f"{name}_{key}"] for key in KEYS)
        print(f"| {name} | {seconds:.1f} s ({cpu:.1f} s of CPU) | {peak:.2f} GB at most | training accuracy {accuracy:.3f} |")
    print(f"ratio: {figures['ratio']:.2f}")


if __name__ == "__main__":
    main()
