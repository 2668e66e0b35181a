"""What a result shows of itself: one line, its command's text, HTML for a notebook and a data frame."""

import base64
import dataclasses
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, is_typeddict
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import featx
from featx.cli import main
from featx.errors import ExtraMissing, FeatxError
from featx.report.notebook.blocks import MOST_ROWS
from featx.system.brief import brief_repr
from featx.system.results import Result
from tests.conftest import COLOURS, write_image


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the results are of."""
    root = tmp_path_factory.mktemp("repr")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(12):
            write_image(root / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    return root


@pytest.fixture(scope="module")
def results(root: Path) -> dict[str, Any]:
    """One result of each kind, by the name of its class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        extracted = featx.extract_features("photos", backbone="stub", image_size=64)
        fitted = featx.fit_head(extracted, "logreg", tune=True, folds=3)
        found = [
            extracted,
            fitted,
            featx.plan_extract("photos", "cache/none", backbone="stub", image_size=64),
            featx.load_model(fitted),
            featx.evaluate_model(fitted),
            featx.compare_heads(extracted, ["ridge", "logreg"], folds=3),
            featx.audit_cache(extracted),
            featx.explain_images(fitted, "photos/red/0.png")[0],
            featx.export_model(fitted, "photos.joblib"),
            featx.merge_caches(extracted, "cache/merged"),
            featx.predict_images(fitted, "photos/red/0.png")[0],
            featx.predict_images(fitted, "photos/red"),
            featx.explain_images(fitted, "photos/red"),
            featx.open_cache("cache/photos"),
            featx.inspect_path("cache/photos"),
            featx.inspect_path(fitted),
            featx.verify_cache(extracted),
            featx.pack_cache(extracted, "photos.h5"),
            look := featx.look_at_images("photos", image_size=64),
            look.examples[0],
        ]
    return {type(result).__name__: result for result in found}


@pytest.fixture(scope="module")
def of_columns(root: Path) -> dict[str, Any]:
    """Results of models of labels and of a number, by the name of their class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        rows = [f"photos/{name}/{n}.png,{name == 'red':d},{name != 'red':d},{n}" for name in COLOURS for n in range(12)]
        Path("table.csv").write_text("path,red,cold,number\n" + "\n".join(rows) + "\n")
        found: list[Any] = []
        for given in ({"label_columns": ["red", "cold"]}, {"target": ["number"]}):
            cache = featx.extract_features("table.csv", "cache/table", backbone="stub", image_size=64, **given)
            model = featx.fit_head(cache, "ridge", out="models/table.featx")
            predictions = featx.predict_images(model, "photos/red")
            found += [featx.evaluate_model(model), predictions, predictions[0]]
    return {type(result).__name__: result for result in found}


def test_results_of_labels_and_numbers_show_themselves(of_columns: dict[str, Any]) -> None:
    """In one line, as their command's text, and in a notebook, which has their names and figures."""
    assert set(of_columns) == OF_COLUMNS
    for name, result in of_columns.items():
        assert isinstance(result, Result), name
        assert repr(result).startswith(f"{name}("), name
        assert "\n" not in repr(result)
        assert str(result) != repr(result)
        assert "featx-result" in result._repr_html_(), name
    assert "test mean average precision 1.000" in str(of_columns["LabelsEvaluation"])
    assert ["red", "1.000"] in [row[:2] for row in cells_of(of_columns["LabelsEvaluation"]._repr_html_())]
    assert "number: mean absolute error" in str(of_columns["NumbersEvaluation"])
    pandas = pytest.importorskip("pandas")
    for name in ("LabelsEvaluation", "NumbersEvaluation", "ColumnPredictions"):
        assert isinstance(of_columns[name].to_frame(), pandas.DataFrame)
    assert list(of_columns["LabelsEvaluation"].to_frame("labels")["name"]) == ["red", "cold"]
    with pytest.raises(FeatxError, match="table must be images, labels or pairs"):
        of_columns["LabelsEvaluation"].to_frame("classes")


@pytest.mark.parametrize(
    ("given", "measure"), [("label_columns", "mean average precision"), ("target", "R²"), ("ordinal", "quadratic kappa")]
)
def test_comparisons_and_searches_show_the_figures_of_their_task(
    given: str, measure: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook, too: what they are ranked by, and not the accuracy, which labels and numbers do not have."""
    monkeypatch.chdir(root)
    rows = [f"photos/{name}/{n}.png,{name == 'red':d},{name != 'red':d},{n},{n % 3}" for name in COLOURS for n in range(12)]
    Path("tasks.csv").write_text("path,red,cold,number,label\n" + "\n".join(rows) + "\n")
    names = {"label_columns": ["red", "cold"], "target": ["number"], "ordinal": ["0", "1", "2"]}[given]
    cache = featx.extract_features("tasks.csv", f"cache/{given}", backbone="stub", image_size=64, **{given: names})
    compared = featx.compare_heads(cache, ["ridge", "knn"], folds=3)
    fitted = featx.fit_head(cache, "ridge", tune=True, folds=3, out=f"models/{given}.featx")
    for result, score, place in ((compared, compared.best.score, 1), (fitted, fitted.tuning[0]["score"], 2)):
        header, best = next(rows for rows in zip(*(iter_rows(result._repr_html_())), strict=True) if measure in rows[0])
        assert header[place] == measure
        assert best[place] == f"{score:.3f}"
        assert "None" not in result._repr_html_()
    shown = fitted._repr_html_(), featx.load_model(fitted)._repr_html_(), compared._repr_html_()
    assert all(names[-1] in html for html in shown)


def iter_rows(html: str) -> tuple[list[list[str]], list[list[str]]]:
    """Return each row of all tables, and beside it the row below it."""
    rows = cells_of(html)
    return rows[:-1], rows[1:]


OF_COLUMNS = {"LabelsEvaluation", "NumbersEvaluation", "ColumnPredictions", "LabelsPrediction", "NumbersPrediction"}


def test_a_result_is_one_line(results: dict[str, Any]) -> None:
    """That begins with its class and is no longer than a notebook shows without scrolling."""
    assert len(results) == 20
    for name, result in results.items():
        text = repr(result)
        assert text.startswith(f"{name}("), text
        assert "\n" not in text, text
        assert len(text) < 2000, f"{name}: {len(text)}"


def test_what_matters_is_in_it(results: dict[str, Any]) -> None:
    """Numbers as they are; arrays and long lists by their size."""
    evaluation, model = repr(results["Evaluation"]), repr(results["Model"])
    assert "accuracy=1.0" in evaluation
    assert "confusion=an array of int64 and shape (3, 3)" in evaluation
    assert "model=<Model>" in evaluation
    assert "head_name='logreg'" in model
    assert "class_names=('blue', 'green', 'red')" in model
    assert "_live" not in model
    assert repr(results["FitResult"]).count("tuning=") == 1


def test_the_length_does_not_grow_with_the_images(results: dict[str, Any]) -> None:
    """A thousand times as many paths add a few digits."""
    evaluation = results["Evaluation"]
    larger = dataclasses.replace(
        evaluation, paths=evaluation.paths * 1000, y=np.tile(evaluation.y, 1000), rejected={f"{n}.png": "x" for n in range(999)}
    )
    assert len(repr(larger)) < len(repr(evaluation)) + 100
    many = featx.Predictions(list(results["Predictions"]) * 1000)
    assert repr(many) == "Predictions(images=12000, predicted=12000, rejected=0)"


def test_a_field_that_is_empty_or_none_is_left_out() -> None:
    """Zero and False are values."""

    @dataclasses.dataclass(frozen=True, repr=False)
    class Some:
        zero: int = 0
        no: bool = False
        none: int | None = None
        notes: tuple[str, ...] = ()
        path: Path = Path("a")
        hidden: int = dataclasses.field(default=1, repr=False)
        __repr__ = brief_repr

    assert repr(Some()) == f"Some(zero=0, no=False, path={Path('a')!r})"


def test_errors_are_there_after_the_import() -> None:
    """So that an editor completes them and ``except featx.errors.FeatxError`` needs no second import."""
    code = "import featx; assert issubclass(featx.errors.ImageRejected, featx.errors.FeatxError); assert 'errors' in dir(featx)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_result_shows_itself(results: dict[str, Any]) -> None:
    """All classes that ``featx`` offers, but what is no result, are tried here; each has the three forms."""
    no_results = {
        "FeatureExtractor",
        "HeadClassifier",
        "Recipe",
        "Task",
        "FineTuneResult",
    }  # the last is tried where it is made
    public = {name: getattr(featx, name) for name in featx.__all__}
    classes = {name for name, value in public.items() if isinstance(value, type) and not is_typeddict(value)}
    assert classes - no_results <= set(results) | OF_COLUMNS
    assert issubclass(featx.FineTuneResult, Result)
    for name, result in results.items():
        assert isinstance(result, Result), name
        assert type(result).__str__ is Result.__str__, name
        assert "featx-result" in result._repr_html_(), name


COMMANDS = {
    "ExtractResult": ("extract", "photos", "--backbone", "stub", "--image-size", 64),
    "ExtractPlan": ("extract", "photos", "--cache", "cache/none", "--backbone", "stub", "--image-size", 64, "--dry-run"),
    "FitResult": ("fit", "cache/photos", "--head", "logreg", "--tune", "--folds", 3),
    "Evaluation": ("evaluate", "models/photos-logreg.featx", "--no-page"),
    "Comparison": ("compare", "cache/photos", "--heads", "ridge,logreg", "--folds", 3),
    "Audit": ("audit", "cache/photos", "--no-page"),
    "Explanation": ("explain", "models/photos-logreg.featx", "photos/red/0.png"),
    "Predictions": ("predict", "models/photos-logreg.featx", "photos/red"),
    "FeatureCache": ("inspect", "cache/photos"),
    "CacheSummary": ("inspect", "cache/photos"),
    "Model": ("inspect", "models/photos-logreg.featx"),
    "ModelSummary": ("inspect", "models/photos-logreg.featx"),
    "VerifyResult": ("verify", "cache/photos"),
    "MergeResult": ("merge", "cache/photos", "--cache", "cache/merged"),
    "ExportResult": ("export", "models/photos-logreg.featx", "photos.joblib", "--overwrite"),
    "PackResult": ("pack", "cache/photos", "photos.h5", "--overwrite"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_str_is_what_the_command_prints(
    name: str, results: dict[str, Any], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, but for figures that another run has of its own: seconds, rates, and what was there before."""
    monkeypatch.chdir(root)
    done = CliRunner().invoke(main, [str(word) for word in COMMANDS[name]])
    assert done.exit_code == 0, done.stderr
    printed = {re.sub(r"[\d.,]+", "#", line).strip() for line in done.stdout.splitlines()}
    text = str(results[name])
    missing = [line for line in text.splitlines() if re.sub(r"[\d.,]+", "#", line).strip() not in printed]
    assert missing == [] or (name == "ExtractResult" and len(missing) == 1), (missing, done.stdout)
    assert text != repr(results[name])


def cells_of(html: str) -> list[list[str]]:
    """Return the rows of all tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def drawn(html: str) -> dict[tuple[int, int], tuple[str, float, str]]:
    """Return colour, opacity and text of each cell of a picture, by row and column."""
    svg = ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.DOTALL)[0])  # type: ignore[index] # there is one
    frame = svg.find("rect")
    assert frame is not None
    found = {}
    for group in svg.iter("g"):
        rect, text = group.find("rect"), group.find("text")
        assert rect is not None
        left, top, side = (float(rect.attrib[name]) for name in ("x", "y", "width"))
        place = round((top - float(frame.attrib["y"])) / side), round((left - float(frame.attrib["x"])) / side)
        found[place] = rect.attrib["fill"], float(rect.attrib["fill-opacity"]), "" if text is None else str(text.text)
    return found


def of_classes(evaluation: featx.Evaluation, names: list[str], confusion: NDArray[np.int64]) -> featx.Evaluation:
    """Return an evaluation of other classes."""
    measure = evaluation.per_class[0]
    return dataclasses.replace(
        evaluation,
        model=dataclasses.replace(evaluation.model, class_names=tuple(names)),
        confusion=confusion,
        per_class=[dataclasses.replace(measure, class_name=name, f1=n / len(names)) for n, name in enumerate(names)],
    )


def test_the_picture_is_the_confusion_matrix(results: dict[str, Any]) -> None:
    """Each cell that is not empty: its number, its place, blue where it is right and orange elsewhere, its share as opacity."""
    confusion = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    found = drawn(of_classes(results["Evaluation"], ["a", "b", "c"], confusion)._repr_html_())
    assert found == {
        (0, 0): ("#3366bb", pytest.approx(0.15 + 0.45 * 0.75, abs=0.006), "3"),
        (0, 1): ("#dd7722", pytest.approx(0.15 + 0.45 * 0.25, abs=0.006), "1"),
        (1, 1): ("#3366bb", 0.6, "2"),
    }


def test_of_many_classes_the_picture_is_a_small_png_and_the_table_shows_the_worst(results: dict[str, Any]) -> None:
    """1,000 classes stay below 60 kB; an error of a single image can still be seen."""
    confusion = np.diag(np.full(1000, 100))
    confusion[10, 700] = 1
    html = of_classes(results["Evaluation"], [f"class {n}" for n in range(1000)], confusion)._repr_html_()
    assert len(html) < 60_000
    data = re.search(r"data:image/png;base64,([\w+/=]+)", html)
    assert data
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGBA"))
    assert pixels.shape == (250, 250, 4)  # 4 classes a pixel
    assert pixels[0, 0].tolist() == [0x33, 0x66, 0xBB, 255]
    assert pixels[2, 175].tolist()[:3] == [0xDD, 0x77, 0x22]
    assert pixels[2, 175, 3] >= 100
    assert (pixels[..., 3] > 0).sum() == 251
    rows = cells_of(html)
    assert [row[0] for row in rows if row[0].startswith("class ")] == [f"class {n}" for n in range(MOST_ROWS)]
    assert "… and 980 more classes" in html


def test_names_are_escaped_and_cut(results: dict[str, Any]) -> None:
    """A class, a file or a note can have any text; none becomes an element, and none makes the output long."""
    evil = "<script>alert('x')</script>&\"" + "x" * 5000
    evaluation = dataclasses.replace(results["Evaluation"], notes=[evil], source=evil)
    shown = [
        of_classes(evaluation, [evil, "b", "c"], np.eye(3, dtype=np.int64)),
        featx.Predictions([featx.Prediction(evil, evil, 0.5, ""), featx.Prediction(evil, "", None, evil)]),
        dataclasses.replace(results["Explanation"], path=evil, label=evil, other=evil),
        dataclasses.replace(results["ExtractResult"], images_of_class={evil: 3}, reasons={evil: 1}, notes=[evil] * 99),
        dataclasses.replace(results["ExportResult"], path=Path(evil), notes=(evil,)),
        dataclasses.replace(results["Model"], class_names=(evil, evil)),
        dataclasses.replace(results["FitResult"], notes=[evil], model=Path(evil)),
    ]
    for result in shown:
        html = result._repr_html_()
        assert "<script" not in html, type(result).__name__
        assert "&lt;script&gt;" in html, type(result).__name__
        assert len(html) < 20_000, type(result).__name__


def test_the_html_takes_the_colours_of_the_page_around_it(results: dict[str, Any]) -> None:
    """No colour of text or paper is fixed: it suits light and dark notebooks; on a cell, text has a contrast of 4.5 in both."""
    for name, result in results.items():
        html = re.sub(r"<rect[^>]*>", "", result._repr_html_())
        assert not re.search(r"(?:color|background|fill): ?#|(?:fill|stroke)=\"#", html), name

    def luminance(colour: NDArray[np.float64]) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for paper, ink in ((np.ones(3), np.full(3, 0.1)), (np.full(3, 0.07), np.full(3, 0.87))):
        for fill in (np.array([0x33, 0x66, 0xBB]) / 255, np.array([0xDD, 0x77, 0x22]) / 255):
            for opacity in (0.15, 0.6):
                ends = sorted((luminance(opacity * fill + (1 - opacity) * paper), luminance(ink)))
                assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 4.5


def test_long_tables_are_cut_and_say_where_the_rest_is(results: dict[str, Any]) -> None:
    """A million predictions are no larger than twenty; text is whole, as the command's is."""
    many = featx.Predictions(list(results["Predictions"]) * 100)
    html = many._repr_html_()
    assert len(html) < len(results["Predictions"]._repr_html_()) + 4000
    assert "… and 1,180 more images: to_frame() has all" in html
    assert ["red", "1,200"] in cells_of(html)
    assert len(str(many).splitlines()) == 1201


def test_tables_become_data_frames(results: dict[str, Any]) -> None:
    """The same rows as files and fields have, in the same order, with the types of their values."""
    pytest.importorskip("pandas", reason="featx does without pandas, which the extra tables brings")
    evaluation, model = results["Evaluation"], results["Model"]
    images = evaluation.to_frame()
    assert images["path"].tolist() == evaluation.paths
    assert images["label"].tolist() == [path.split("/")[0] for path in evaluation.paths]
    assert images["right"].mean() == evaluation.accuracy
    np.testing.assert_array_equal(images["confidence"], evaluation.probabilities.max(axis=1))
    classes = evaluation.to_frame("classes")
    assert classes["class_name"].tolist() == list(model.class_names)
    assert classes["recall"].tolist() == [1.0, 1.0, 1.0]
    confusion = evaluation.to_frame("confusion")
    assert (confusion.index.tolist(), confusion.columns.tolist()) == (list(model.class_names), list(model.class_names))
    np.testing.assert_array_equal(confusion.to_numpy(), evaluation.confusion)
    with pytest.raises(FeatxError, match=r"table must be images, classes or confusion\. Received: 'rows'"):
        evaluation.to_frame("rows")
    predictions = results["Predictions"].to_frame()
    assert predictions["label"].tolist() == ["red"] * 12
    assert predictions["confidence"].dtype == np.float64
    comparison = results["Comparison"].to_frame()
    assert set(comparison["head"]) == {"ridge", "logreg"}
    assert comparison["accuracy"].tolist() == [head.accuracy for head in results["Comparison"].heads]
    cache = results["FeatureCache"].to_frame()
    assert len(cache) == 36
    assert cache.groupby("label").size().to_dict() == {"blue": 12, "green": 12, "red": 12}
    assert (cache["split"] == "train").sum() == 24
    assert not cache["rejected"].any()
    audit = results["Audit"]
    flagged = sum(len(group.images) for group in audit.duplicates)
    assert len(audit.to_frame()) == flagged + len(audit.label_errors) + len(audit.outliers) + len(audit.quality)


def test_without_pandas_the_message_names_the_extra(results: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is to become a frame."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    for name in ("Evaluation", "Predictions", "Comparison", "Audit", "FeatureCache"):
        with pytest.raises(ExtraMissing, match=rf"^{name}.to_frame: needs pandas.*pip install 'featx\[tables\]'"):
            results[name].to_frame()
