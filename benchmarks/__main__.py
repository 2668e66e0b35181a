"""All benchmarks of speed: ``python -m benchmarks [--only NAME…] [--list]``; writes benchmarks/RESULTS.md and RESULTS.json.

All that run without being asked for take some 55 minutes on two cores.
"""

import argparse
import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.sections import Section, dated, merge

SPEED: dict[str, list[str]] = {
    "extraction": ["speed"],
    "engines": ["engines"],
    "tutorial": ["tutorial"],
    "tutorial-224": ["tutorial", "--side", "224"],
    "heads": ["heads"],
    "warm": ["warm"],
    "memory": ["memory"],
    "storage": ["storage"],
    "accuracy": ["accuracy"],
    "confidence": ["confidence"],
    "demo": ["demo"],
    "pipeline": ["pipeline"],
    "unknown": ["unknown"],
    "groups": ["groups"],
    "labels": ["labels"],
    "tuning": ["tuning"],
    "rows": ["rows"],
    "gpu": ["gpu"],
}
"""Sections of RESULTS.md, in its order: module and arguments."""

LONG = ("tutorial-224", "labels")
"""Run only where they are asked for."""

OTHERS = (
    *(
        "audit",
        "backbones",
        "bombs",
        "classes",
        "columns",
        "compare",
        "damage",
        "dense",
        "explain",
        "exports",
        "faults",
        "finetune",
    ),
    *("fuzz", "images", "million", "parts", "pays", "pixels", "plan", "ray", "report", "scale", "wide"),
)
"""Benchmarks of other things, each with a command of its own."""

FOLDER = Path(__file__).parent


def first_line(module: str) -> str:
    """Return the first line of a module's docstring, which gives its command, without importing it."""
    tree = ast.parse((FOLDER / f"{module}.py").read_text("utf-8"))
    return (ast.get_docstring(tree) or "").splitlines()[0]


def listing() -> str:
    """Return a line for each benchmark."""
    lines = ["python -m benchmarks runs these, each in a process of its own:"]
    lines += [
        f"  {name:13s} {first_line(parts[0])}{' (only where asked for)' * (name in LONG)}" for name, parts in SPEED.items()
    ]
    return "\n".join([*lines, "others, each by its own command:", *(f"  {name:13s} {first_line(name)}" for name in OTHERS)])


def without_gpu() -> str:
    """Return why the GPU's section cannot be measured here; empty where it can."""
    if shutil.which("nvidia-smi") is None or subprocess.run(["nvidia-smi"], capture_output=True).returncode:
        return "no GPU on this machine"
    backend = gpu_backend()
    if backend is None:
        return "neither jax nor torch is installed"
    ask = "from benchmarks.gpu import find_device; raise SystemExit(not find_device()[1])"
    environment = os.environ | {"KERAS_BACKEND": backend}
    if subprocess.run([sys.executable, "-c", ask], cwd=FOLDER.parent, env=environment, capture_output=True).returncode:
        return f"the {backend} that is installed finds no GPU"
    return ""


def gpu_backend() -> str | None:
    """Return the Keras backend for the GPU: the one that is set, or one that is installed."""
    backends = ("jax", "torch")
    named = os.environ.get("KERAS_BACKEND")
    return named if named in backends else next((one for one in backends if importlib.util.find_spec(one)), None)


def not_measured(why: str) -> dict[str, Any]:
    """Return a section that says so instead of figures."""
    section = Section("gpu", "On a GPU", "KERAS_BACKEND=jax python -m benchmarks.gpu", (), (), notes=[f"Not measured: {why}."])
    return dated(section.to_dict(), 0)


def run_section(name: str, quick: bool, work: Path) -> dict[str, Any]:
    """Run one benchmark in a process of its own.

    Raises
    ------
    SystemExit
        If it fails.
    """
    module, *arguments = SPEED[name]
    environment = dict(os.environ)
    if name == "gpu":
        environment["KERAS_BACKEND"] = str(gpu_backend())
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "section.json"
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments, "--work", str(work), "--json", str(answer)]
        done = subprocess.run(command + ["--quick"] * quick, cwd=FOLDER.parent, env=environment, stdout=subprocess.DEVNULL)
        if done.returncode or not answer.is_file():
            raise SystemExit(f"{name}: ended with {done.returncode}; the sections before it are written.")
        section: dict[str, Any] = json.loads(answer.read_text("utf-8"))
        return section


def main() -> None:
    """Run what was asked for, and write the results after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=SPEED, metavar="NAME", help="these alone; the other sections stay as they are"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works, not to measure")
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder of RESULTS.md and RESULTS.json  [default: %(default)s]"
    )
    parser.add_argument(
        "--take", nargs="+", type=Path, metavar="FILE", help="run nothing; take in what a benchmark's --json wrote"
    )
    parser.add_argument("--list", action="store_true", help="name every benchmark and end")
    chosen = parser.parse_args()
    if chosen.list:
        print(listing())
        return
    if chosen.quick and chosen.out.resolve() == FOLDER:
        raise SystemExit("--quick measures nothing that may stand in the results: give --out DIR.")
    if chosen.take:
        merge(chosen.out, [json.loads(path.read_text("utf-8")) for path in chosen.take], list(SPEED))
        return
    with tempfile.TemporaryDirectory(prefix="featx-benchmarks-") as work:
        for name in chosen.only or [name for name in SPEED if name not in LONG]:
            started = time.monotonic()
            print(f"{name} …", file=sys.stderr, flush=True)
            why = without_gpu() if name == "gpu" else ""
            if not why:
                merge(chosen.out, [run_section(name, chosen.quick, Path(work))], list(SPEED))
            elif not held(chosen.out, name):  # what another machine has measured stays
                merge(chosen.out, [not_measured(why)], list(SPEED))
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print(chosen.out / "RESULTS.md")


def held(folder: Path, name: str) -> bool:
    """Tell whether a section is in the results with figures."""
    document = folder / "RESULTS.json"
    if not document.is_file():
        return False
    return any(section["name"] == name and section["rows"] for section in json.loads(document.read_text("utf-8"))["sections"])


if __name__ == "__main__":
    main()
