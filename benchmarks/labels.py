"""Solar cells as classes, labels, numbers and grades: ``python -m benchmarks.labels``; an hour on two idle cores.

EfficientNet-Lite0 at 224 and 300 px and VGG16 at 224 px; ``--vgg16 0`` leaves out the slower one.

2,624 photographs of solar cells in electroluminescence, each mono- or polycrystalline, each graded 0, 1/3, 2/3 or 1 by experts
(how likely the cell is defective). The data set is installed from PyPI into the work folder, under its own licence
(CC BY-NC-SA 4.0), and no picture of it is part of this project.

References
----------
Deitsch et al. (2019), Automatic classification of defective photovoltaic module cells in electroluminescence images, Solar
Energy 185: two classes, 75 / 25: a support vector machine 82.4 %, a fine-tuned VGG19 88.4 %.
Deitsch et al. (2021), Segmentation of photovoltaic module cells in uncalibrated electroluminescence images.
Buerhop-Lutz et al. (2018), A benchmark for visual identification of defective solar cells in electroluminescence imagery.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import featx
from benchmarks.sections import Section, Target, run

PACKAGE = "elpv-dataset==1.0.0.post1"
GRADES = ("0", "1/3", "2/3", "1")

SHOWN = 8
"""Heads of each size whose scores are kept."""

SVM, CNN = 0.824, 0.884
"""Accuracy of two classes, as published."""

TASKS: dict[str, dict[str, Any]] = {
    "classes": {"label_column": "state"},
    "labels": {"label_columns": ["defective", "mono"]},
    "numbers": {"target": ["probability"]},
    "grades": {"label_column": "grade", "ordinal": list(GRADES)},
}
HEADS: dict[str, tuple[dict[str, Any], ...]] = {
    "classes": ({"heads": ("svm", "logreg")}, {"heads": ("svm",), "kernel": "rbf"}),
    "labels": ({"heads": ("svm", "logreg")},),
    "numbers": ({"heads": ("ridge",)}, {"heads": ("svm",), "kernel": "rbf"}),
    "grades": ({"heads": ("svm", "logreg")}, {"heads": ("svm",), "kernel": "rbf"}),
}

LAYERS = {
    "efficientnet-lite0": ("block3b_add", "block4c_add", "block5c_add", "block6d_add", "top_activation"),
    "vgg16": ("block3_pool", "block4_pool", "block5_pool"),
    "stub": ("cells",),
}


class Cell(NamedTuple):
    """A photograph: its file, how likely the cell is defective, and whether it is monocrystalline."""

    path: Path
    probability: float
    mono: bool

    @property
    def grade(self) -> int:
        """Position in ``GRADES``."""
        return round(3 * self.probability)


def solar_cells(work: Path) -> list[Cell]:
    """Install the data set into the work folder and list it."""
    target = work / "elpv"
    data = target / "elpv_dataset" / "data"
    if not data.exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), PACKAGE]
        subprocess.run(install, check=True)
    rows = [line.split() for line in (data / "labels.csv").read_text("utf-8").splitlines() if line.strip()]
    return [Cell(data / path, float(probability), kind == "mono") for path, probability, kind in rows]


def made_cells(work: Path) -> list[Cell]:
    """Write a few pictures that are brighter the higher their grade: to see that it works."""
    from PIL import Image

    rng, cells = np.random.default_rng(0), []
    (work / "made").mkdir(parents=True, exist_ok=True)
    for number in range(120):
        grade, mono = number % 4, bool(number % 3)
        pixels = rng.integers(0, 40, (24, 24, 3)) + np.array([50 * grade, 150 * mono, 60])
        path = work / "made" / f"{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        cells.append(Cell(path, grade / 3, mono))
    return cells


def write_sheet(work: Path, cells: list[Cell], seed: int) -> Path:
    """Write a table of all tasks; a quarter is the test, 15 % of the rest validates, stratified by grade and kind of cell."""
    from sklearn.model_selection import train_test_split

    strata = np.array([2 * cell.grade + cell.mono for cell in cells])
    train, test = train_test_split(np.arange(len(cells)), test_size=0.25, stratify=strata, random_state=seed)
    train, val = train_test_split(train, test_size=0.15, stratify=strata[train], random_state=seed)
    split_of = dict.fromkeys(train, "train") | dict.fromkeys(val, "val") | dict.fromkeys(test, "test")
    sheet = work / f"cells-{seed}.csv"
    with sheet.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "state", "defective", "mono", "probability", "grade"])
        for row, cell in enumerate(cells):
            defective = cell.probability > 0.5
            state = "defective" if defective else "functional"
            columns = [state, int(defective), int(cell.mono), f"{cell.probability:.4f}", GRADES[cell.grade]]
            writer.writerow([cell.path, split_of[row], *columns])
    return sheet


def extracted(work: Path, sheet: Path, kind: str, backbone: str, side: int) -> Path:
    """Extract for a task; from the second call on that takes a second."""
    cache = work / f"{backbone}-{side}"
    options = {"backbone": backbone, "layers": LAYERS[backbone], "image_size": (side, side)} | TASKS[kind]
    featx.extract_features(sheet, cache, progress=False, **options)
    return cache


class Chosen(NamedTuple):
    """What cross-validation prefers."""

    score: float
    backbone: str
    side: int
    head: str
    layer: str
    pooling: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        kernel = " with an RBF kernel" if self.settings.get("kernel") == "rbf" else ""
        return f"{self.head}{kernel} on {self.layer} of {self.backbone}, {self.pooling}, {self.side} px"


def choose(work: Path, sheet: Path, kind: str, places: Sequence[tuple[str, int]], chosen: Chosen | None) -> list[Chosen]:
    """Cross-validate heads on backbones, sizes, layers and poolings inside the training images; the best comes first.

    With ``chosen`` on its layer and pooling alone.
    """
    found: list[Chosen] = []
    for backbone, side in places:
        kept = work / f"ranked-{backbone}-{side}-{kind}.json"  # it takes minutes, and is the same the next time
        if not kept.exists():
            cache = extracted(work, sheet, kind, backbone, side)
            layers, poolings = ([chosen.layer], [chosen.pooling]) if chosen else (list(LAYERS[backbone]), ["avg", "avgmax"])
            compared = [
                (score_of(one), one.head, one.layer, one.pooling, one.settings)
                for options in HEADS[kind]
                for one in featx.compare_heads(cache, poolings=poolings, layer=layers, progress=False, **options).heads
            ]
            ranked = sorted(compared, key=lambda one: one[0], reverse=True)
            kept.write_text(json.dumps([[one[0], backbone, side, *one[1:]] for one in ranked[:SHOWN]]), "utf-8")
        found += [Chosen(*one) for one in json.loads(kept.read_text("utf-8"))]
    return sorted(found, key=lambda one: one.score, reverse=True)


def score_of(one: Any) -> float:
    """Return what a compared head is judged by."""
    return float(one.accuracy if one.score is None else one.score)


def figures_of(model: Path, kind: str) -> dict[str, float]:
    """Return the test figures of a model by task."""
    measured: Any = featx.evaluate_model(model, progress=False)
    if kind == "labels":
        figures = measured.figures
        per_label = {f"F1 {one.name}": one.f1 for one in figures.per_label}
        accuracy = {
            f"accuracy {one.name}": float(np.mean((measured.probabilities[:, at] >= one.threshold) == measured.targets[:, at]))
            for at, one in enumerate(figures.per_label)
        }
        return {"mAP": figures.mean_average_precision, "every label right": figures.subset_accuracy, **accuracy, **per_label}
    if kind == "numbers":
        (one,) = measured.per_target
        return {"MAE": one.mae, "RMSE": one.rmse, "R²": one.r2, "Spearman": one.spearman}
    found = {"accuracy": measured.accuracy, "balanced accuracy": measured.balanced_accuracy, "macro F1": measured.macro_f1}
    if kind == "grades":
        found |= {
            "kappa": measured.grades.kappa,
            "MAE in grades": measured.grades.mae,
            "within one": measured.grades.within_one,
        }
    return found


def fitted(work: Path, cells: list[Cell], kind: str, chosen: Chosen, seeds: range, **options: Any) -> dict[str, float]:
    """Fit what was chosen on each draw of the splits; return mean test figures."""
    found: list[dict[str, float]] = []
    for seed in seeds:
        cache = extracted(work, write_sheet(work, cells, seed), kind, chosen.backbone, chosen.side)
        model = work / f"{kind}-{seed}.featx"
        how = chosen.settings | options
        featx.fit_head(cache, chosen.head, out=model, layer=chosen.layer, pooling=chosen.pooling, progress=False, **how)
        found.append(figures_of(model, kind))
    return {name: float(np.mean([figures[name] for figures in found])) for name in found[0]}


def measure(quick: bool, work: Path, **sizes: int) -> Section:
    """Measure all tasks on the same features."""
    cells = made_cells(work) if quick else solar_cells(work)
    places: list[tuple[str, int]] = [("stub", 64)]
    if not quick:
        places = [("efficientnet-lite0", 224), ("efficientnet-lite0", 300), *[("vgg16", 224)] * bool(sizes["vgg16"])]
    seeds = range(1 if quick else 3)
    sheet = write_sheet(work, cells, 0)
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    chosen: Chosen | None = None

    def show(kind: str, one: Chosen, name: str, **options: Any) -> None:
        found = fitted(work, cells, kind, one, seeds, **options)
        rows.append([kind, f"{one}{name}", f"{one.score:.3f}", ", ".join(f"{key} {value:.3f}" for key, value in found.items())])
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
        figures[f"{kind}, {one}{name}"] = found

    for kind in TASKS:
        ranked = choose(work, sheet, kind, places, chosen)
        figures[f"{kind} ranked"] = [[*one] for one in ranked]
        for name, options in variants(kind).items():
            show(kind, ranked[0], name, **options)
        if chosen is None:
            chosen = ranked[0]
            of_places = {(one.backbone, one.side): one for one in reversed(ranked)}  # the best of each comes last
            for other in of_places.values():
                if other is not chosen:
                    show(kind, other, "")
            places = [(chosen.backbone, chosen.side)]
    best = figures[f"classes, {chosen}"]["accuracy"]
    targets = [
        Target("accuracy of two classes, against the published support vector machine", SVM, best, unit=""),
        Target("the same, against the published fine-tuned network", CNN, best, unit=""),
    ]
    notes = [
        f"{len(cells):,} photographs; mean of {len(seeds)} draws of 75 / 25, stratified by grade and kind of cell; "
        "15 % of the 75 validate. Two classes: graded above one half. Head, backbone, layer, pooling and size are those that "
        "cross-validation inside the training images of the first draw prefers (third column: its score there: accuracy, mean "
        "average precision, R² or quadratic kappa); for classes the best of each other backbone and size too; all but the head "
        "for classes alone. No network is trained.",
        "The published figures are of another draw of the same shares.",
    ]
    columns = ("task", "head", "by cross-validation", "on test images")
    return Section(
        "labels", "Classes, labels, numbers and grades", "python -m benchmarks.labels", columns, rows, targets, notes, figures
    )


def variants(kind: str) -> dict[str, dict[str, Any]]:
    """Return the ways to fit that are compared: as it is, and for classes and labels with an operating point, or tuned."""
    found: dict[str, dict[str, Any]] = {"": {}}
    if kind in ("classes", "labels"):
        found[", --threshold f1"] = {"threshold": "f1"}
    if kind == "classes":
        found[", --tune --minutes 0.5"] = {"tune": True, "minutes": 0.5}
    return found


if __name__ == "__main__":
    run(measure, __doc__, vgg16=1)
