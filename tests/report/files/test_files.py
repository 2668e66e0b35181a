"""A report's folder: marked as its own, and nobody else's file in it touched."""

import csv
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.errors import OutputError
from featx.heads import make_head
from featx.models.model import Model
from featx.recipe import Recipe
from featx.report import check_report_folder, write_report
from featx.verbs.evaluate.evaluation import Evaluation

ALWAYS = sorted(
    [
        ".featx-report",
        "classification_report.csv",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "metrics.json",
        "predictions.csv",
        "report.html",
    ]
)
NAMES = (*ALWAYS[1:], "curves.png", "history.csv")

Evaluate = Callable[..., Evaluation]


@pytest.fixture
def evaluate(stub_recipe: Recipe) -> Evaluate:
    """Make an evaluation of six images in two classes, with or without epochs."""

    def make(epochs: int = 0, class_names: tuple[str, str] = ("cat", "dog"), stem: str = "m") -> Evaluation:
        y = np.array([0, 1] * 3)
        probabilities = np.where(np.arange(2) == y[:, None], 0.9, 0.1)
        model = Model(
            recipe=stub_recipe, layer="cells", pooling="avg", head_name="logreg",
            head=make_head("logreg").fit(y[:, None].astype(np.float32), y), class_names=class_names,
            history={name: [0.5] * epochs for name in ("loss", "accuracy") if epochs},
            metrics={}, network={}, source={}, versions={}, trained_on=np.zeros((0, 8), np.uint8),
        )  # fmt: skip
        return Evaluation(
            model=model, model_path=Path(f"{stem}.featx"), split="test", source="photos", paths=list("abcdef"), y=y,
            probabilities=probabilities, accuracy=1, balanced_accuracy=1, macro_f1=1, log_loss=0.1, per_class=[],
            confusion=np.diag([3, 3]), rejected={}, notes=[],
        )  # fmt: skip

    return make


def names_in(folder: Path) -> list[str]:
    """Return the names of everything in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["file", "folder", "link to nowhere"])
def test_a_users_file_of_a_reports_name_is_neither_replaced_nor_deleted(
    tmp_path: Path, evaluate: Evaluate, name: str, what: str
) -> None:
    """``--out .`` among one's own results is refused before anything is written, and names the file."""
    mine = tmp_path / name
    if what == "file":
        mine.write_text("mine")
    elif what == "folder":
        mine.mkdir()
    else:
        mine.symlink_to("nowhere")
    for attempt in (lambda: check_report_folder(tmp_path), lambda: write_report(evaluate(), tmp_path)):
        with pytest.raises(OutputError, match=rf"{name}: .*Give another --out"):
            attempt()
    assert names_in(tmp_path) == [name]
    assert what != "file" or mine.read_text() == "mine"


def test_a_marked_folder_is_written_again_and_stale_curves_go(tmp_path: Path, evaluate: Evaluate) -> None:
    """Of a report's files only those of the last report stay; a user's other files always do."""
    folder = tmp_path / "new" / "report"
    check_report_folder(folder)
    assert names_in(tmp_path) == []
    write_report(evaluate(epochs=2), folder)
    (folder / "notes.txt").write_text("mine")
    assert names_in(folder) == sorted([*ALWAYS, "curves.png", "history.csv", "notes.txt"])
    check_report_folder(folder)
    files = write_report(evaluate(), folder)
    assert (files.curves, files.history) == (None, None)
    assert names_in(folder) == sorted([*ALWAYS, "notes.txt"])


def test_a_folder_of_other_files_becomes_a_report_too(tmp_path: Path, evaluate: Evaluate) -> None:
    """Files of other names are no obstacle, and the report can be written there again."""
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        write_report(evaluate(), tmp_path)
    assert names_in(tmp_path) == sorted([*ALWAYS, "notes.txt"])


def test_a_report_that_was_cut_short_can_be_written_again(
    tmp_path: Path, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark comes first: half a report is not taken for a user's files."""
    folder = tmp_path / "report"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("featx.report.files.plots.plot_confusion", full)
        with pytest.raises(OutputError, match=r"confusion_matrix\.png: cannot be written: No space left on device"):
            write_report(evaluate(), folder)
    write_report(evaluate(), folder)
    assert names_in(folder) == ALWAYS


def test_a_report_that_cannot_be_finished_leaves_the_earlier_one_whole(
    tmp_path: Path, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, and no tables of the one beside the page of the other; a new folder gets no file of it."""
    folder = tmp_path / "report"
    write_report(evaluate(epochs=2), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("featx.report.files.plots.plot_confusion", full)
    for place in (folder, tmp_path / "new"):
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            write_report(evaluate(class_names=("x", "y")), place)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names_in(tmp_path / "new") == []


@pytest.mark.parametrize("name", [*NAMES, ".featx-report"])
def test_a_folder_in_the_place_of_a_file_is_a_typed_error(tmp_path: Path, evaluate: Evaluate, name: str) -> None:
    """In a marked folder too, whether that file would be written or deleted."""
    if name != ".featx-report":
        (tmp_path / ".featx-report").touch()
    (tmp_path / name).mkdir()
    for epochs in (0, 2):
        with pytest.raises(OutputError, match=rf"{name}: cannot be written"):
            write_report(evaluate(epochs), tmp_path)
    assert (tmp_path / name).is_dir()


@pytest.mark.parametrize("name", [*NAMES, ".featx-report"])
def test_a_link_in_a_report_of_somebody_elses_is_not_followed(tmp_path: Path, evaluate: Evaluate, name: str) -> None:
    """The mark is there, and one of its files leads to the user's own: refused before anything is written."""
    (tmp_path / "mine").write_text("years of work")
    folder = tmp_path / "report"
    folder.mkdir()
    if name != ".featx-report":
        (folder / ".featx-report").touch()
    (folder / name).symlink_to(tmp_path / "mine")
    before = names_in(folder)
    for attempt in (lambda: check_report_folder(folder), lambda: write_report(evaluate(), folder)):
        with pytest.raises(OutputError, match=rf"{name}: is a link"):
            attempt()
    assert (names_in(folder), (tmp_path / "mine").read_text()) == (before, "years of work")


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path: Path, evaluate: Evaluate) -> None:
    """A file, a pipe or a link to nowhere in its place, a file above it, and a file system that takes none."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "file/below/report", "pipe", "link", "/proc/featx/report"):
        for attempt in (check_report_folder, lambda folder: write_report(evaluate(), folder)):
            with pytest.raises(OutputError, match=r"cannot be written: .*Give another --out"):
                attempt(tmp_path / name)
    assert names_in(tmp_path) == ["file", "link", "pipe"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("class_names", [("猫", "🐱 ไทย"), ("caf\udce9", "\udcff" * 60), ("$x$", "a$\\alpha$ \x01\n")])
def test_any_name_can_be_drawn_without_a_warning(tmp_path: Path, evaluate: Evaluate, class_names: tuple[str, str]) -> None:
    """Letters that the font lacks, names that are not UTF-8, and formulas: of classes, and of the model in the title."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = write_report(evaluate(2, class_names, stem=class_names[0]), tmp_path / "report")
    with Image.open(files.confusion) as image:
        assert image.size > (300, 300)


def test_matrix_of_very_many_classes_is_a_list_of_cells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, evaluate: Evaluate
) -> None:
    """``metrics.json`` then names the file instead, and the picture counts the classes instead of naming them."""
    evaluation = evaluate()
    monkeypatch.setattr("featx.report.files.evaluation.MOST_IN_FULL", 1)
    monkeypatch.setattr("featx.report.files.plots._MOST_NAMES", 1)
    monkeypatch.setattr("featx.report.files.plots._MOST_CELLS", 1)
    monkeypatch.setattr("featx.report.files.plots._MOST_NUMBERS", 1)
    files = write_report(evaluation, tmp_path / "r", page=False)
    confusion = json.loads(files.metrics.read_text())["confusion"]
    assert confusion == {
        "class_names": list(evaluation.model.class_names), "rows_true": None, "file": files.confusion_table.name
    }  # fmt: skip
    with files.confusion_table.open(newline="") as file:
        cells = list(csv.DictReader(file))
    names = evaluation.model.class_names
    found = np.zeros_like(evaluation.confusion)
    for cell in cells:
        found[names.index(cell["true"]), names.index(cell["predicted"])] = int(cell["images"])
    np.testing.assert_array_equal(found, evaluation.confusion)
    assert all(int(cell["images"]) for cell in cells)
    assert files.confusion.stat().st_size > 1000
