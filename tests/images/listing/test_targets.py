"""Tables whose rows have several labels, numbers or grades: read exactly, or refused with the line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from featx.errors import FeatxError, ImageListError
from featx.images import ImageIndex, ManifestOptions, aligned, list_images, listing_faults, listing_notes
from featx.task import Task

NAN = float("nan")

Read = Callable[..., ImageIndex]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return what lists a table of these lines."""

    def read(text: str, **options: object) -> ImageIndex:
        path = tmp_path / "list.csv"
        path.write_text(text, "utf-8")
        return list_images(path, ManifestOptions(**options))  # type: ignore[arg-type]

    return read


CELLS = "path,label\na.png,cat|indoor\nb.png, indoor \nc.png,|\nd.png,\ne.png,cat|dog|cat\n"


def test_a_cell_names_several_labels(read: Read) -> None:
    """What it does not name is absent; the separator alone is none of them; an empty cell is not known."""
    index = read(CELLS, label_separator="|")
    assert index.task == Task("labels", ("cat", "dog", "indoor"))
    wanted = [[1, 0, 1], [0, 0, 1], [0, 0, 0], [NAN] * 3, [1, 1, 0]]
    np.testing.assert_array_equal(index.targets, np.array(wanted))
    assert (index.class_names, index.labels.tolist(), index.reasons) == ((), [-1] * 5, ("",) * 5)
    assert index.notes == ("1 of 5 rows say nothing that is to be learned: neither learned from nor measured",)
    assert listing_faults(index) == []


def test_without_a_separator_the_same_table_has_classes(read: Read) -> None:
    """As it always had."""
    index = read(CELLS)
    assert index.task == Task()
    assert index.class_names == ("cat|dog|cat", "cat|indoor", "indoor", "|")


def test_labels_may_be_columns(read: Read) -> None:
    """1, 0, or empty for not known; other columns are left alone, and the order is that asked for."""
    text = "path,note,wet,cat\na.png,x,1,\nb.png,y,0,TRUE\nc.png,,,no\nd.png,,,n/a\n"
    index = read(text, label_columns=["cat", "wet"])
    assert index.task == Task("labels", ("cat", "wet"))
    np.testing.assert_array_equal(index.targets, np.array([[NAN, 1], [1, 0], [0, NAN], [NAN, NAN]]))


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_numbers_are_columns(read: Read, mark: str) -> None:
    """With any separator of the table, and no label column beside them."""
    text = "path,score,width\na.png,2.5,1e3\nb.png,,-4\nc.png,7,NaN\n".replace(",", mark)
    index = read(text, target=["width", "score"])
    assert index.task == Task("numbers", ("width", "score"))
    np.testing.assert_array_equal(index.targets, np.array([[1000, 2.5], [-4, NAN], [NAN, 7]]))
    assert any("width from -4 to 1000" in note for note in listing_notes(index))


def test_grades_are_classes_in_their_order(read: Read) -> None:
    """They keep their text; a cell with the same number is the same grade, as spreadsheets write 1 and 1.0."""
    index = read("path,label\na.png,10\nb.png,2\nc.png,2.0\nd.png,\n", ordinal=("10", "2"))
    assert (index.task, index.class_names) == (Task("grades", ("10", "2")), ("10", "2"))
    assert (index.labels.tolist(), index.targets, index.reasons[3]) == ([0, 1, 1, -1], None, "no label in the manifest")


def test_class_folders_may_be_grades(tmp_path: Path) -> None:
    """No other option of tables is for folders."""
    for name in ("low", "high"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    index = list_images(tmp_path, ManifestOptions(ordinal=["low", "high"]))
    assert (index.class_names, index.labels.tolist()) == (("low", "high"), [1, 0])
    with pytest.raises(ImageListError, match="is a folder"):
        list_images(tmp_path, ManifestOptions(target=["score"]))


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("path,label\na.png,cat\n", {"target": ["label"]}, "line 2: target 'label' is 'cat', wanted a number"),
        ("path,x\na.png,1\nb.png,two\n", {"target": ["x"]}, "line 3: target 'x' is 'two', wanted a number"),
        ("path;x\na.png;2,5\n", {"target": ["x"]}, "2.5 for 2,5"),
        ("path,x\na.png,-1e31\n", {"target": ["x"]}, "line 2: target 'x' is '-1e31', wanted a number from -1e+30 to 1e+30"),
        ("path,x\na.png,inf\n", {"target": ["x"]}, "wanted a number"),
        ("path,x\na.png,1\nb.png,maybe\n", {"label_columns": ["x"]}, "line 3: column 'x' is 'maybe', wanted 1"),
        ("path,x\na.png,1\n", {"target": ["y"]}, "no column 'y', which --target asks for"),
        ("path,x\na.png,1\n", {"label_columns": ["path"]}, "no column 'path'"),
        ("path,x\na.png,\nb.png,\n", {"target": ["x"]}, "none of its 2 rows has anything in 'x'"),
        ("path,label\na.png,1\nb.png,3\n", {"ordinal": ["1", "2"]}, "none of --ordinal 1,2: '3'"),
        ("path,score\na.png,1\n", {"label_separator": "|"}, "no column 'label'"),
        ("path,x,X\na.png,1,0\n", {"target": ["x"]}, "named 2 times"),
    ],
)
def test_what_cannot_be_read_is_named(read: Read, text: str, options: dict[str, object], said: str) -> None:
    """With the line, what was found and what is wanted."""
    with pytest.raises(ImageListError) as raised:
        read(text, **options)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("path,label\na.png,cat\nb.png,dog\n", {"label_separator": ";"}, "--label-separator ';' occurs in no cell"),
        ("path,x\na.png,1e-200\nb.png,2e-200\n", {"target": ["x"]}, "the same number for every image: 'x' (1e-200)"),
        ("path,x\na.png,1\nb.png,1\nc.png,\n", {"target": ["x"]}, "the same number for every image: 'x' (1)"),
        ("path,x,y\na.png,1,0\nb.png,1,1\n", {"label_columns": ["x", "y"]}, "is known has 'x'"),
        ("path,x,y\na.png,0,0\nb.png,,1\n", {"label_columns": ["x", "y"]}, "is known lacks 'x'"),
        ("path,x,y\na.png,,0\nb.png,,1\n", {"label_columns": ["x", "y"]}, "tells anything of label 'x'"),
        ("path,label\na.png,cat|in\nb.png,cat\n", {"label_separator": "|"}, "is known has 'cat'"),
        ("path,label\na.png,1\nb.png,3\n", {"ordinal": ["1", "2", "3"]}, "no image has the grade '2'"),
    ],
)
def test_what_no_head_can_learn_is_a_fault(read: Read, text: str, options: dict[str, object], said: str) -> None:
    """It ends an extract before anything is read, unless --yes is given; a list to measure may well be so."""
    assert said in " ".join(listing_faults(read(text, **options)))


def test_rows_of_one_path_are_compared_by_what_they_say(read: Read) -> None:
    """The first stands."""
    index = read("path,x\na.png,1\na.png,1\na.png,2\n", target=["x"])
    first = "listed before in the manifest"
    assert index.reasons == ("", first, f"{first} with another label")


@pytest.mark.parametrize(
    "options",
    [
        {"label_separator": " "},
        {"target": []},
        {"ordinal": ["1"]},
        {"target": ["x", "x"]},
        {"target": ["x"], "ordinal": ["1", "2"]},
        {"target": ["x"], "label_column": "y"},
        {"label_columns": 3},
    ],
)
def test_options_that_cannot_be_are_wrong_values(options: dict[str, object]) -> None:
    """Exit code 2, before any file is opened."""
    with pytest.raises(FeatxError) as raised:
        ManifestOptions(**options)  # type: ignore[arg-type]
    assert raised.value.wrong_value


def test_a_list_is_read_as_the_model_wants_it() -> None:
    """The columns are those that the model was fitted on; what a user gives stays."""
    assert ManifestOptions().with_task(Task("numbers", ("score",))).target == ("score",)
    assert ManifestOptions().with_task(Task("labels", ("a", "b"))).label_columns == ("a", "b")
    assert ManifestOptions().with_task(Task("grades", ("0", "1"))).ordinal == ("0", "1")
    assert ManifestOptions(label_separator="|").with_task(Task("labels", ("a",))) == ManifestOptions(label_separator="|")
    assert not ManifestOptions().with_task(Task())


def test_targets_are_brought_into_another_order() -> None:
    """A label that cells never name is absent from each; a column that is not there is not known; unknown rows stay so."""
    targets = np.array([[1.0, 0.0], [NAN, NAN]])
    np.testing.assert_array_equal(aligned(targets, "ab", "bca", 0.0), [[0, 0, 1], [NAN, NAN, NAN]])
    np.testing.assert_array_equal(aligned(targets, "ab", "bca", NAN), [[0, NAN, 1], [NAN, NAN, NAN]])


def test_class_columns_with_several_ones_say_which_option_reads_them(read: Read) -> None:
    """One-hot columns are found without an option; several labels are not guessed."""
    with pytest.raises(ImageListError, match="--label-columns"):
        read("path,cat,dog\na.png,1,0\nb.png,1,1\n")
