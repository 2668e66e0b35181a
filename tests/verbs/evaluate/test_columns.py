"""Models of labels, numbers and grades, measured from a cache and from a table, against scikit-learn; their files and texts."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

import featx
from featx.errors import ClassMismatch, ImageListError, ModelError, TaskError
from tests.conftest import Run, as_json
from tests.report.page.pages import Page

Extract = Callable[..., featx.ExtractResult]
N = 90


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 90 images: red or not (not known of some), blue or not, how bright, and a grade of the brightness."""
    rng = np.random.default_rng(0)
    rows = ["path,red,blue,bright,grade"]
    for number in range(N):
        red, blue = rng.random(2) < (0.5, 0.3)
        base = np.array([200 if red else 60, 90, 200 if blue else 60]) + rng.normal(0, 25)
        pixels = np.clip(base + rng.normal(0, 60, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(tmp_path / f"{number}.png")
        bright = float(pixels.mean()) + rng.normal(0, 8)
        known = rng.random() > 0.15
        rows.append(f"{number}.png,{int(red) if known else ''},{blue:d},{bright:.2f},{min(3, max(0, int(bright - 70) // 30))}")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "table.csv"


def fitted(table: Path, extract: Extract, head: str = "ridge", **options: Any) -> Path:
    """Extract a third of the images for test, and fit."""
    cache = extract(table, test_fraction=0.34, **options).cache
    return featx.fit_head(cache, head, pooling="avg", out=table.parent / "m.featx").model


def truth_of(table: Path, paths: list[str], column: str) -> np.ndarray:
    """Return a column of the table for some images, NaN where it is empty."""
    with table.open(newline="") as file:
        cells = {row["path"]: row[column] for row in csv.DictReader(file)}
    return np.array([float(cells[path] or "nan") for path in paths])


def test_labels_are_measured_from_the_cache_and_from_a_table(table: Path, extract: Extract, run: Run) -> None:
    """Average precision where a label is known; text, JSON and files say the same; a table is read for the model's labels."""
    model = fitted(table, extract, label_columns=["red", "blue"])
    found = featx.evaluate_model(model)
    assert isinstance(found, featx.LabelsEvaluation)
    for column, name in enumerate(("red", "blue")):
        true = truth_of(table, found.paths, name)
        known = ~np.isnan(true)
        np.testing.assert_array_equal(found.targets[:, column], true)
        p = found.probabilities[:, column]
        one = found.figures.per_label[column]
        assert one.average_precision == pytest.approx(sklearn.metrics.average_precision_score(true[known], p[known]))
        assert one.f1 == pytest.approx(sklearn.metrics.f1_score(true[known], p[known] >= 0.5))
        assert (one.known, one.images) == (known.sum(), true[known].sum())
    again = featx.evaluate_model(model, images=table, split="all")
    places = [again.paths.index(path) for path in found.paths]
    np.testing.assert_allclose(again.probabilities[places], found.probabilities, atol=1e-4)
    assert len(again.paths) == N
    figures = as_json(run("evaluate", model, "--json", "--out", "report"))
    written = json.loads(Path("report/metrics.json").read_text())
    assert figures["mean_average_precision"] == written["mean_average_precision"] == found.mean_average_precision
    assert figures["task"] == {"kind": "labels", "names": ["red", "blue"]}
    assert {"labels.csv", "predictions.csv", "report.html"} <= {path.name for path in Path("report").iterdir()}
    with Path("report/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["p(red)"]) for row in rows] == pytest.approx(found.probabilities[:, 0].tolist(), abs=1e-6)
    assert [row["true(red)"] == "" for row in rows] == np.isnan(found.targets[:, 0]).tolist()
    said = run("evaluate", model, "--out", "report", "--no-page").stdout
    assert f"test mean average precision {found.mean_average_precision:.3f}" in said
    assert "labels.csv" in said


def test_numbers_are_measured_with_their_bounds(table: Path, extract: Extract, run: Run) -> None:
    """Errors in the table's units; the share of true values between low and high; another level is wider."""
    model = fitted(table, extract, target=["bright"])
    found = featx.evaluate_model(model, sets=0.8)
    assert isinstance(found, featx.NumbersEvaluation)
    true = truth_of(table, found.paths, "bright")
    (one,), (bounds,) = found.per_target, found.bounds
    assert one.mae == pytest.approx(np.abs(found.predicted[:, 0] - true).mean())
    assert one.r2 == pytest.approx(sklearn.metrics.r2_score(true, found.predicted[:, 0]))
    assert one.mae < one.baseline_mae
    assert found.low is not None
    assert found.high is not None
    inside = (found.low[:, 0] <= true) & (true <= found.high[:, 0])
    assert (bounds.level, bounds.coverage) == (0.8, pytest.approx(inside.mean()))
    assert featx.evaluate_model(model, sets=0.9).bounds[0].mean_width >= bounds.mean_width
    figures = as_json(run("evaluate", model, "--sets", 0.8, "--json", "--out", "report"))
    assert figures["per_target"][0]["mae"] == one.mae
    assert figures["bounds"][0]["coverage"] == bounds.coverage
    with Path("report/targets.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["mae"]) == one.mae
    assert "bright: mean absolute error" in run("evaluate", model, "--out", "report", "--no-page").stdout
    assert featx.evaluate_model(model, images=table, split="all").per_target[0].images == N


def test_grades_have_kappa_beside_what_classes_have(table: Path, extract: Extract, run: Run) -> None:
    """scikit-learn's, of the answers, which are medians; a folder of class folders called by the grades can be measured too."""
    model = fitted(table, extract, "logreg", label_column="grade", ordinal=["0", "1", "2", "3"])
    found = featx.evaluate_model(model)
    assert isinstance(found, featx.Evaluation)
    assert found.grades is not None
    middle = (found.probabilities.cumsum(axis=1) >= 0.5).argmax(axis=1)
    np.testing.assert_array_equal(found.predicted, middle)
    assert found.grades.kappa == pytest.approx(sklearn.metrics.cohen_kappa_score(found.y, middle, weights="quadratic"))
    assert as_json(run("evaluate", model, "--json", "--out", "report"))["grades"]["kappa"] == found.grades.kappa
    page = Page(Path("report/report.html"))
    assert page.texts[page.texts.index("Quadratic kappa") + 1] == f"{found.grades.kappa:.3f}"
    assert f"quadratic kappa {found.grades.kappa:.3f}" in run("evaluate", model, "--out", "report", "--no-page").stdout


def test_images_of_another_task_are_refused(table: Path, extract: Extract, photos: Path, run: Run) -> None:
    """By both tasks, and how to give what is wanted; options that do not go with labels by their name."""
    model = fitted(table, extract, label_columns=["red", "blue"])
    with pytest.raises(ClassMismatch, match=r"answers 2 labels: red, blue, and the images are of classes.*--label-columns"):
        featx.evaluate_model(model, images=photos)
    other = table.with_name("other.csv")
    other.write_text("path,bright\n0.png,1\n1.png,0\n")
    with pytest.raises(ClassMismatch, match="has the 1 label: bright, the model answers 2 labels"):
        featx.evaluate_model(model, images=other, label_columns=["bright"])
    for options in ({"sets": 0.9}, {"set_method": "aps"}, {"unknown_images": photos}):
        with pytest.raises(TaskError, match=f"--{next(iter(options)).replace('_', '-')} works with classes"):
            featx.evaluate_model(model, **options)
    result = run("evaluate", model, "--sets", 0.9)
    assert (result.exit_code, "Traceback" in result.output) == (2, False)


def test_a_label_that_a_table_has_not_is_not_known_there(table: Path, extract: Extract) -> None:
    """Its figures are left out, with a note; one that the model does not know is named too."""
    model = fitted(table, extract, label_columns=["red", "blue"])
    some = table.with_name("some.csv")
    some.write_text("path,blue,new\n" + "".join(f"{n}.png,{n % 2},{n % 3 == 0:d}\n" for n in range(30)))
    found = featx.evaluate_model(model, images=some, label_columns=["blue", "new"])
    red, blue = found.figures.per_label
    assert (red.known, red.average_precision, blue.known) == (0, None, 30)
    assert any("the images have no column of 'red'" in note for note in found.notes)
    assert any("the model does not know 'new'" in note for note in found.notes)
    separated = table.with_name("separated.csv")
    separated.write_text("path,label\n" + "".join(f"{n}.png,{'blue' if n % 2 else 'blue|new'}\n" for n in range(30)))
    by_cell = featx.evaluate_model(model, images=separated, label_separator="|")
    assert by_cell.figures.per_label[0].known == 30
    assert any("no image has 'red'" in note for note in by_cell.notes)
    # Of a picture whose cell is empty nothing is known, of the label that no cell names neither.
    separated.write_text("path,label\n" + "".join(f"{n}.png,{'' if n < 10 else 'blue|new'}\n" for n in range(30)))
    by_cell = featx.evaluate_model(model, images=separated, label_separator="|")
    assert len(by_cell.paths) == 20
    assert [one.known for one in by_cell.figures.per_label] == [20, 20]


def test_nothing_known_is_nothing_to_measure(table: Path, extract: Extract) -> None:
    """Of a number that no image of the split has."""
    model = fitted(table, extract, target=["bright"])
    empty = table.with_name("empty.csv")
    empty.write_text(
        "path,bright,split\n" + "".join(f"{n}.png,{n if n < 20 else ''},{'train' if n < 20 else 'test'}\n" for n in range(30))
    )
    with pytest.raises(ImageListError, match="nothing is known of its 10 images"):
        featx.evaluate_model(model, images=empty, target=["bright"])
    with pytest.raises(ModelError, match=r"bounds at 0.999 take 999 validation images"):
        featx.evaluate_model(model, sets=0.999)


def test_a_report_of_another_task_leaves_no_file_behind(table: Path, extract: Extract, tmp_path: Path) -> None:
    """labels.csv of an earlier report would be taken for that of the figures beside it."""
    labels = featx.evaluate_model(fitted(table, extract, label_columns=["red", "blue"]))
    featx.write_report(labels, tmp_path / "report")
    numbers = featx.evaluate_model(fitted(table, extract, target=["bright"], cache=tmp_path / "other"))
    featx.write_report(numbers, tmp_path / "report")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {".featx-report", "metrics.json", "targets.csv", "predictions.csv", "report.html"}


@pytest.mark.parametrize(
    ("options", "head", "measure"),
    [
        ({"label_columns": ["red", "blue"]}, "ridge", "mean average precision"),
        ({"target": ["bright"]}, "ridge", "r2"),
        ({"label_column": "grade", "ordinal": ["0", "1", "2", "3"]}, "logreg", "kappa"),
    ],
)
def test_groups_are_drawn_whole_and_said(
    table: Path, extract: Extract, options: dict[str, Any], head: str, measure: str
) -> None:
    """Of every task: wider intervals than of single images, and what the fit found of both ways to split."""
    lines = table.read_text().splitlines()
    table.write_text("\n".join(f"{line},{'group' if not n else n // 3}" for n, line in enumerate(lines)) + "\n")
    found = featx.evaluate_model(fitted(table, extract, head, **options))
    assert found.counts["groups"] == len({(int(path.removesuffix(".png")) + 1) // 3 for path in found.paths})
    assert any("the intervals are drawn by group" in note for note in found.notes)
    (both,) = [note for note in found.notes if note.startswith("by cross-validation on the training images")]
    assert "on new groups" in both
    assert measure.split()[-1] in both.lower(), both
