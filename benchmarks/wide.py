"""Few rows of many columns: ``python -m benchmarks.wide``; the logreg head against scikit-learn's LogisticRegression.

Both start from float32 features and standardise them; both walk until their gradient is next to nothing. Times are of
interleaved runs, each in a process of its own, so that neither warms the other; memory is what a process' peak rose to
beyond what it held with the features loaded.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

RUNS = 3
CLASSES = 10
TOLERANCE = 1e-8
"""Of scikit-learn's gradient; the head's own is tighter. Its default, 1e-4, stops 0.1 to 1 % away from the minimum, and even
here its L-BFGS stops about 1e-6 away, where the loss no longer changes: the minimum itself is from its ``newton-cg``."""

_FIT = """
import json, resource, sys, time
import numpy as np
folder, who, C = sys.argv[1], sys.argv[2], float(sys.argv[3])
X, y = np.load(folder + "/X.npy"), np.load(folder + "/y.npy")
if who == "featx":
    from featx.heads import make_head
    import featx.heads.classical.linear, sklearn.linear_model, sklearn.calibration
else:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, started, began = peak(), time.monotonic(), time.process_time()
if who == "featx":
    head = make_head("logreg", C=C).fit(X, y)
    coef, ended, scaling = head.coef_, head.notes_ or "converged", 0.0
else:
    scaled = StandardScaler().fit_transform(X.astype(np.float64))
    scaling, began = time.monotonic() - started, time.process_time()
    solver = "newton-cg" if who == "reference" else "lbfgs"
    model = LogisticRegression(C=C, tol=float(sys.argv[4]), max_iter=100_000, solver=solver).fit(scaled, y)
    coef, ended = model.coef_, f"{int(model.n_iter_[0])} iterations"
seconds, cpu = time.monotonic() - started, time.process_time() - began
np.save(f"{folder}/{who}.npy", coef)
print(json.dumps({"seconds": seconds, "fit_seconds": seconds - scaling, "cpu": cpu, "peak": peak() - before, "ended": ended}))
"""


def write_features(folder: Path, n_rows: int, n_columns: int) -> float:
    """Write features as a ReLU leaves them, nine in ten of them zero, and return that share.

    Ten classes in three groups that are alike, common factors of falling strength, a threshold of its own for each column:
    made so that the problem is as hard as a real one. On the 800 images of the sample (VGG16 at 96 px, flattened: 4,608
    columns, 89 % zeros) scikit-learn takes 275 iterations at this tolerance, on as many rows and columns of these 246. On
    classes that are plain to see it takes some 30: there it does less work than the inner products alone.
    """
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % CLASSES
    strength = np.arange(1, 201) ** -0.7
    factors = (rng.normal(size=(200, n_columns)) * (strength / np.linalg.norm(strength))[:, None]).astype(np.float32)
    centres = rng.normal(0, 0.6, (3, 200))[np.arange(CLASSES) % 3] + rng.normal(0, 0.3, (CLASSES, 200))
    thresholds = rng.normal(1.7, 0.6, n_columns).astype(np.float32)
    X = np.empty((n_rows, n_columns), np.float32)
    for row, label in enumerate(y):
        of_row = (centres[label] + rng.normal(size=200)).astype(np.float32) @ factors
        X[row] = np.maximum(of_row + 0.3 * rng.standard_normal(n_columns, dtype=np.float32) - thresholds, 0)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    return float((X == 0).mean())


def fit(folder: Path, who: str, C: float) -> dict[str, Any]:
    """Fit once in a process of its own."""
    command = [sys.executable, "-c", _FIT, str(folder), who, str(C), str(TOLERANCE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def measure(n_rows: int, n_columns: int, C: float, runs: int, reference: bool = True) -> dict[str, Any]:
    """Return medians of both, their ratio, the memory of both and how far their coefficients are apart."""
    found: dict[str, list[dict[str, Any]]] = {"scikit-learn": [], "featx": []}
    with tempfile.TemporaryDirectory(prefix="featx-wide-") as name:
        folder = Path(name)
        # Elsewhere, for Linux starts a child's peak memory at that of its parent: this process must stay small.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
            zeros = elsewhere.submit(write_features, folder, n_rows, n_columns).result()
        for _ in range(runs):
            for who, results in found.items():
                results.append(fit(folder, who, C))
        theirs, ours = (np.load(folder / f"{who}.npy") for who in found)
        minimum = ours
        if reference:
            fit(folder, "reference", C)
            minimum = np.load(folder / "reference.npy")
    # Of scikit-learn, LogisticRegression alone; of the head, everything, scaling included.
    seconds = {
        "scikit-learn": statistics.median(run["fit_seconds"] for run in found["scikit-learn"]),
        "featx": statistics.median(run["seconds"] for run in found["featx"]),
    }
    ratios = [a["fit_seconds"] / b["seconds"] for a, b in zip(*found.values(), strict=True)]
    matrix = n_rows * n_columns * 8
    return {
        "rows": n_rows,
        "columns": n_columns,
        "classes": CLASSES,
        "zeros": round(zeros, 3),
        "C": C,
        "tolerance": TOLERANCE,
        "runs": runs,
        "seconds": {who: round(value, 2) for who, value in seconds.items()},
        "all_seconds": {who: [round(run["seconds"], 2) for run in results] for who, results in found.items()},
        "ratio": round(statistics.median(ratios), 1),
        "ratios": [round(ratio, 1) for ratio in ratios],
        # On a busy machine threads wait for each other: with OPENBLAS_NUM_THREADS=1 this tells what the work alone takes.
        "cpu_seconds": {who: [round(run["cpu"], 2) for run in results] for who, results in found.items()},
        "cpu_ratio": round(statistics.median(a["cpu"] / b["cpu"] for a, b in zip(*found.values(), strict=True)), 1),
        "peak_over_matrix": {who: round(max(run["peak"] for run in runs_) / matrix, 2) for who, runs_ in found.items()},
        "matrix_bytes": matrix,
        "coef_difference": {
            who: float(np.linalg.norm(coef - minimum) / np.linalg.norm(minimum))
            for who, coef in (("scikit-learn", theirs), ("featx", ours))
        },
        "ended": {who: results[-1]["ended"] for who, results in found.items()},
    }


def main() -> None:
    """Measure and print a line, or with ``--json`` an object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=25_088)
    parser.add_argument("--C", type=float, default=0.01)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--no-reference", action="store_true", help="Compare the two with each other alone: newton-cg is slow.")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    started = time.monotonic()
    found = measure(chosen.rows, chosen.columns, chosen.C, chosen.runs, not chosen.no_reference)
    if chosen.json:
        print(json.dumps(found))
        return
    seconds, peaks, apart = found["seconds"], found["peak_over_matrix"], found["coef_difference"]
    print(
        f"logreg on {chosen.rows:,} x {chosen.columns:,}, {found['zeros']:.0%} zeros, C {chosen.C}, "
        f"median of {chosen.runs} runs: featx {seconds['featx']} s, "
        f"scikit-learn {seconds['scikit-learn']} s without scaling, ratio {found['ratio']}; "
        f"coefficients off the minimum by {apart['featx']:.1e} and {apart['scikit-learn']:.1e}; peak memory over the float64 "
        f"matrix of {found['matrix_bytes'] / 1e6:.0f} MB: featx {peaks['featx']}, scikit-learn {peaks['scikit-learn']}"
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"largest process {used:.2f} GB, {time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
