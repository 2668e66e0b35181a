"""Predictions of labels and of numbers: as a table, as JSON, by ``Model.predict``, and what is refused."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.cli.predict import _in_one_line
from featx.errors import TaskError
from tests.conftest import Run, as_json

Extract = Callable[..., featx.ExtractResult]


@pytest.fixture
def model_of(photos: Path, extract: Extract) -> Callable[..., Path]:
    """Fit a model on a table of the photos: ``cold`` of blue and green, ``red``, and ``warmth`` from 1 to 3."""
    warmth = {"blue": 1, "green": 2, "red": 3}
    rows = [f"photos/{name}/{n}.png,{name != 'red':d},{name == 'red':d},{warmth[name]}" for n in range(12) for name in warmth]
    table = photos.parent / "table.csv"
    table.write_text("path,cold,red,warmth\n" + "\n".join(rows) + "\n")

    def make(**options: Any) -> Path:
        threshold = options.pop("threshold", None)
        cache = extract(table, cache=photos.parent / "of-table", **options).cache
        return featx.fit_head(cache, "ridge", out=photos.parent / "m.featx", threshold=threshold).model

    return make


def test_labels_have_a_column_each(model_of: Callable[..., Path], photos: Path, run: Run) -> None:
    """Those said stand in one cell, as a table for --label-separator has them; JSON and Model.predict say the same."""
    model = model_of(label_columns=["cold", "red"])
    (photos / "red" / "broken.png").write_text("no image")
    found = featx.predict_images(model, photos)
    assert isinstance(found, featx.ColumnPredictions)
    loaded = featx.load_model(model)
    with loaded:
        readable = [one.path for one in found if not one.error]
        answers, p = loaded.predict(readable), loaded.predict_proba(readable)
    assert answers.shape == p.shape == (36, 2)
    for one, row, shares in zip((one for one in found if not one.error), answers, p, strict=True):
        assert isinstance(one, featx.LabelsPrediction)
        assert list(one.labels) == [name for name, has in zip(("cold", "red"), row, strict=True) if has]
        assert list(one.probabilities.values()) == pytest.approx(shares.tolist(), abs=1e-5)
        assert one.labels == (("red",) if "/red/" in one.path else ("cold",))
    result = run("predict", model, photos, "--out", "new.csv")
    assert result.exit_code == 0
    with Path("new.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "labels", "error", "unfamiliar", "p(cold)", "p(red)"]
    (broken,) = [row for row in rows if row["error"]]
    assert (broken["labels"], broken["p(red)"]) == ("", "")
    assert run("predict", model, photos, "--out", "new.csv").exit_code == 0, "its own file is replaced"
    as_list = as_json(run("predict", model, photos / "blue", "--json"))["predictions"]
    assert as_list[0]["labels"] == ["cold"]
    assert set(as_list[0]["probabilities"]) == {"cold", "red"}


def test_thresholds_of_labels_decide(model_of: Callable[..., Path], photos: Path) -> None:
    """One above all: no image is said to have a label, and the note says from where on it would be."""
    model = model_of(label_columns=["cold", "red"], threshold=0.999)
    found = featx.predict_images(model, photos / "red")
    assert {one.labels for one in found} == {()}
    assert any("'red' 0.999" in note for note in found.notes)
    measured = featx.evaluate_model(model)
    assert any("macro F1 1.000 at 0.5, 0.000 there" in note for note in measured.notes), measured.notes
    with featx.load_model(model) as loaded:
        assert not loaded.predict([one.path for one in found]).any()


def test_numbers_have_bounds(model_of: Callable[..., Path], photos: Path, run: Run) -> None:
    """As far on both sides, and further for a higher level; the table has value, low and high."""
    model = model_of(target=["warmth"])
    wide, narrow = (featx.predict_images(model, photos / "red", sets=level) for level in (0.75, 0.5))
    for one, other in zip(wide, narrow, strict=True):
        value = one.values["warmth"]
        assert value == other.values["warmth"] == pytest.approx(3, abs=0.5)
        assert value - one.low["warmth"] == pytest.approx(one.high["warmth"] - value)
        assert one.low["warmth"] <= other.low["warmth"]
    with featx.load_model(model) as loaded:
        values = loaded.predict([one.path for one in wide])
        np.testing.assert_allclose(values[:, 0], [one.values["warmth"] for one in wide], rtol=1e-5)
        with pytest.raises(TaskError, match=r"predict_proba works with .* numbers|predict_proba works with"):
            loaded.predict_proba([one.path for one in wide])
    rows = list(csv.DictReader(io.StringIO(run("predict", model, photos / "red", "--sets", 0.75).stdout)))
    assert list(rows[0]) == ["path", "value(warmth)", "low(warmth)", "high(warmth)", "error", "unfamiliar"]
    assert float(rows[0]["low(warmth)"]) == pytest.approx(wide[0].low["warmth"], rel=1e-6)
    assert run("predict", model, photos / "red", "--out", "new.jsonl").exit_code == 0
    first = json.loads(Path("new.jsonl").read_text().splitlines()[0])
    assert set(first["values"]["warmth"]) == {"value", "low", "high"}


def test_predictions_of_a_target_with_a_quote_in_its_name_are_replaced(photos: Path, extract: Extract, run: Run) -> None:
    """Their header begins with a quote: they are predictions all the same."""
    table = photos.parent / "quoted.csv"
    rows = [f"photos/{name}/{n}.png,{n + place}" for n in range(12) for place, name in enumerate(("blue", "red"))]
    table.write_text('path,"width, ""cm"""\n' + "\n".join(rows) + "\n")
    cache = extract(table, target=['width, "cm"']).cache
    model = featx.fit_head(cache, "ridge", out=photos.parent / "m.featx").model
    for _ in range(2):
        done = run("predict", model, photos / "red", "--out", "new.csv")
        assert done.exit_code == 0, done.output


def test_a_name_stays_in_its_line_in_a_terminal() -> None:
    """The end of a line in a path or a label stands as an escape, in the header too."""
    found = featx.ColumnPredictions([featx.LabelsPrediction("a\nb.png", ("x\ny",), {"x\ny": 0.9, "z": 0.1})])
    found.task = featx.Task("labels", ("x\ny", "z"))
    shown = _in_one_line(found)
    assert "\n" not in "".join(shown.header)
    assert shown.row(shown[0])[:2] == [r"a\nb.png", (r"x\ny",)]
    assert shown.row(shown[0])[4:] == [0.9, 0.1]


@pytest.mark.parametrize("options", [{"label_columns": ["cold", "red"]}, {"target": ["warmth"]}])
def test_the_page_shows_every_image(
    model_of: Callable[..., Path], photos: Path, run: Run, options: dict[str, list[str]]
) -> None:
    """Under its labels with their probability, or with its number."""
    from tests.report.page.pages import Page

    model = model_of(**options)
    assert run("predict", model, photos, "--report", "p.html").exit_code == 0
    page = Page(Path("p.html"))
    captions = [text for text in page.texts if text.endswith(".png")]
    assert len(captions) == 36
    assert "Nobody has checked these answers" in page.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label_columns": ["cold", "red"]}, ["--top", "2"]),
        ({"label_columns": ["cold", "red"]}, ["--unknown", "0.1"]),
        ({"label_columns": ["cold", "red"]}, ["--sets", "0.9"]),
        ({"target": ["warmth"]}, ["--probabilities"]),
        ({"target": ["warmth"]}, ["--set-method", "aps"]),
        ({"target": ["warmth"]}, ["--report", "p.html", "--min-confidence", "0.5"]),
    ],
)
def test_what_goes_with_classes_alone_is_refused(
    model_of: Callable[..., Path], photos: Path, run: Run, options: dict[str, list[str]], words: list[str]
) -> None:
    """By its name, with exit code 2, before an image is read."""
    result = run("predict", model_of(**options), photos, *words)
    option = words[-1] if words[-1].startswith("--") else words[-2]
    assert (result.exit_code, f"{option} works with classes" in result.stderr) == (2, True), result.stderr
