"""Manifests as people have them: headers, separators, encodings, Excel, Parquet; what was taken for what is said."""

import csv
import json
import sys
import time
import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from featx.errors import ExtraMissing, ImageListError
from featx.images import ImageIndex, ManifestOptions, list_images, listing_notes

Write = Callable[..., Path]
ROWS = [("pics/cat/1.png", "cat"), ("pics/cat/2.png", "cat"), ("pics/dog/1.png", "dog")]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a manifest of a name into ``tmp_path``."""

    def make(content: str | bytes, name: str = "photos.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def rows_of(index: ImageIndex) -> list[tuple[str, str]]:
    """Return (path, class) of each row."""
    return [
        (path, index.class_names[label] if label >= 0 else "") for path, label in zip(index.paths, index.labels, strict=True)
    ]


def table(header: str, separator: str = ",") -> str:
    """Return the rows below a header."""
    return header + "\n" + "".join(f"{path}{separator}{label}\n" for path, label in ROWS)


@pytest.mark.parametrize(
    ("header", "note"),
    [
        ("path,label", ()),
        ("Path,LABEL", ()),
        ("filename,class", ("columns: path is 'filename', label is 'class'",)),
        ("image_id,label", ("columns: path is 'image_id'",)),
        ("file_name,label", ("columns: path is 'file_name'",)),
        ("image,label", ("columns: path is 'image'",)),
        ("id,label", ("columns: path is 'id'",)),
        ("File Name,Class Name", ("columns: path is 'File Name', label is 'Class Name'",)),
        ("img_path,category", ("columns: path is 'img_path', label is 'category'",)),
        ("file,target", ("columns: path is 'file', label is 'target'",)),
        ("filepath,species", ("columns: path is 'filepath', label is 'species'",)),
        ("image_name,diagnosis", ("columns: path is 'image_name', label is 'diagnosis'",)),
        ("image-id,dx", ("columns: path is 'image-id', label is 'dx'",)),
    ],
)
def test_usual_headers_are_recognised_and_said(write: Write, header: str, note: tuple[str, ...]) -> None:
    """As other programs and contests name their columns."""
    index = list_images(write(table(header)))
    assert rows_of(index) == ROWS
    assert index.notes == note


def test_of_several_usual_names_the_plainest_is_taken(write: Write) -> None:
    """``path`` before ``filename`` before ``id``, ``label`` before ``class``, wherever they stand."""
    index = list_images(write("id,class,filename,label,path\n7,x,y,cat,a.png\n8,x,z,dog,b.png\n"))
    assert rows_of(index) == [("a.png", "cat"), ("b.png", "dog")]
    assert index.notes == ()


def test_columns_can_be_named(write: Write) -> None:
    """Under any name, in any case, though others have the usual names."""
    content = "path,Where,label,Kind,split,Part\nx,a.png,y,cat,z,train\nx,b.png,y,dog,z,testing\n"
    options = ManifestOptions(path_column="Where", label_column="kind", split_column=" PART ")
    index = list_images(write(content), options)
    assert rows_of(index) == [("a.png", "cat"), ("b.png", "dog")]
    assert index.splits == ("train", "test")


@pytest.mark.parametrize("kind", ["path", "label", "split"])
def test_named_column_that_is_not_there_is_an_error(write: Write, kind: str) -> None:
    """With the columns that are."""
    options = ManifestOptions(**{f"{kind}_column": "nope"})  # type: ignore[arg-type]
    said = rf"line 1: no column 'nope', which --{kind}-column asks for\. The columns are: 'path', 'label'\."
    with pytest.raises(ImageListError, match=said):
        list_images(write(table("path,label")), options)


def test_first_line_that_is_no_header_is_said(write: Write) -> None:
    """A table without a header must not lose its first image."""
    with pytest.raises(ImageListError, match=r"no column 'path' .*Write the header\. The first line is an image's\."):
        list_images(write("a.png,cat\nb.png,dog\n"))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "TXT"])
def test_separators_are_recognised(write: Write, separator: str, suffix: str) -> None:
    """Whatever the suffix says."""
    index = list_images(write(table(f"path{separator}label", separator), f"photos.{suffix}"))
    assert rows_of(index) == ROWS
    assert index.name == "photos"


def test_the_other_separators_may_stand_in_fields(write: Write) -> None:
    """Commas in a label, where semicolons separate; tabs separate, where commas stand in the header."""
    index = list_images(write("path;label\na, b.png;cat, tabby\nc.png;dog\n"))
    assert rows_of(index) == [("a, b.png", "cat, tabby"), ("c.png", "dog")]
    index = list_images(write("path\tlabel\tnote, if any\na;b.png\tcat\tx, y\n", "photos.tsv"))
    assert rows_of(index) == [("a;b.png", "cat")]


@pytest.mark.parametrize("mark", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_excels_own_line_says_the_separator(write: Write, mark: str, end: str) -> None:
    """``sep=;`` is no header, and lines are still counted from the top."""
    content = f"sep={mark}\n" + table(f"path{mark}label", mark)
    assert rows_of(list_images(write(content.replace("\n", end)))) == ROWS
    with pytest.raises(ImageListError, match="line 3: number of fields is 1, but 2 in the header"):
        list_images(write(f"sep={mark}{end}path{mark}label{end}a.png{end}"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_utf_encodings_are_read(write: Write, encoding: str) -> None:
    """UTF-16 where a byte order mark says so, as Excel's "Unicode text" has it."""
    content = "path\tlabel\nb\u00e4r.png\tB\u00e4r\n\u732b.png\t\u732b\n"
    bom = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    index = list_images(write(bom + content.encode(encoding), "photos.txt"))
    assert rows_of(index) == [("b\u00e4r.png", "B\u00e4r"), ("\u732b.png", "\u732b")]


@pytest.mark.parametrize("empty", [",\n,\n", '"",""\n', "\n\n", ",\r\n"])
def test_empty_rows_are_passed_over(write: Write, empty: str) -> None:
    """As spreadsheets leave them: in the middle or at the end."""
    content = f"path,label\na.png,cat\n{empty}b.png,dog\n{empty}"
    index = list_images(write(content))
    assert rows_of(index) == [("a.png", "cat"), ("b.png", "dog")]


def test_one_hot_columns_are_recognised_and_said(write: Write) -> None:
    """The column that is 1 names the class; a column that holds other numbers, or an unused one, is no class."""
    rows = ("a,1.0,0.0,45,0,train,0", "b,0,1,50,0,test,1", "c,0.0,0.0,1,0.0,,1", "d,False,true,0,0,train,0")
    content = "image,MEL,NV,age,BCC,split,fold\n" + "\n".join(rows)
    index = list_images(write(content))
    assert rows_of(index) == [("a", "MEL"), ("b", "NV"), ("c", ""), ("d", "NV")]
    assert index.splits == ("train", "test", "", "train")
    assert index.reasons == ("", "", "no label in the manifest", "")
    assert index.notes[:2] == ("columns: path is 'image'", "the classes are one-hot columns: 'MEL', 'NV', 'BCC'")


def test_several_labels_of_one_image_are_an_error(write: Write) -> None:
    """Taking the first would be silently wrong."""
    with pytest.raises(ImageListError, match=r"line 3: columns 'cat', 'dog' are all 1, but an image has one class"):
        list_images(write("path,cat,dog\na.png,1,0\nb.png,1,1\n"))


@pytest.mark.parametrize("content", ["path,cat,dog\na.png,1,2\nb.png,0,1\n", "path,cat\na.png,1\n", "path,a,b\nx.png,0,0\n"])
def test_columns_of_other_numbers_are_no_classes(write: Write, content: str) -> None:
    """Nor is a single one, nor are those that are never 1."""
    with pytest.raises(ImageListError, match="no column 'label'"):
        list_images(write(content))


@pytest.mark.parametrize(
    ("written", "split"),
    [
        *[("training", "train"), ("testing", "test"), ("eval", "test"), ("validate", "val"), ("VALIDATE", "val")],
        *[("Test Set", "test"), ("train_set", "train"), ("Evaluation", "test")],
    ],
)
def test_splits_have_the_other_usual_names(write: Write, written: str, split: str) -> None:
    """The same as folders have."""
    index = list_images(write(f"path,label,split\na.png,cat,{written}\n"))
    assert (index.splits, index.reasons, index.notes) == ((split,), ("",), ())


def test_unknown_splits_are_named_with_those_allowed(write: Write) -> None:
    """Each value with its rows; the rows are rejected."""
    index = list_images(write("path,label,split\na.png,cat,UNASSIGNED\nb.png,dog,train\nc.png,cat,oops\nd.png,cat,oops\n"))
    assert index.reasons == ("unknown split in the manifest", "", *["unknown split in the manifest"] * 2)
    (note,) = index.notes
    assert note.startswith("unknown split 'unassigned' (1 rows), 'oops' (2 rows). Known are train (training, train_set), val (")


def test_nothing_but_unknown_splits_is_an_error(write: Write) -> None:
    """Numbers, say: which is which nobody can know."""
    with pytest.raises(ImageListError, match=r"photos\.csv: unknown split '0' \(2 rows\), '1' \(1 rows\)\. Known are train"):
        list_images(write("path,label,split\na.png,cat,0\nb.png,dog,0\nc.png,cat,1\n"))


def test_split_column_under_another_name(write: Write) -> None:
    """Taken where its values are splits, passed over where they are anything else."""
    index = list_images(write("path,label,dataset\na.png,cat,Training\nb.png,dog,Test\n"))
    assert index.splits == ("train", "test")
    assert index.notes == ("columns: split is 'dataset'",)
    index = list_images(write("path,label,dataset\na.png,cat,train\nb.png,dog,rosendahl\n"))
    assert (index.splits, index.reasons, index.notes) == (("", ""), ("", ""), ())


@pytest.mark.parametrize("name", ["is_valid", "fold", "Is Valid", "KFold"])
def test_columns_that_are_not_used_are_named(write: Write, name: str) -> None:
    """Whoever gave folds may think that they were kept."""
    index = list_images(write(f"path,label,{name}\na.png,cat,1\nb.png,dog,0\n"))
    (note,) = index.notes
    assert note.startswith(f"columns that are not used: {name!r}. ")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["0", "0.0", "1"], "classes that are the same number: '0' and '0.0'. Write each one way"),
        (["1", "01", "1.0", "x"], "classes that are the same number: '01' and '1' and '1.0'. Write each one way"),
        (
            ["cat", "nan"],
            "'nan' (1 images): a class of that name, or a missing label? Leave the label empty where there is none",
        ),
        (["NA", "None"], "'NA' (1 images), 'None' (1 images): a class of that name, or a missing label? "),
        (
            ["Cat", "cat", "cat"],
            "classes whose names differ only in case or spaces: 'Cat' (1 images), 'cat' (2 images). 'cat' looks right",
        ),
    ],
)
def test_labels_that_look_like_a_slip_are_said(write: Write, labels: list[str], said: str) -> None:
    """Numbers written two ways, missing values as text, two cases: they are classes, and that is read before the run."""
    rows = "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
    (note,) = listing_notes(list_images(write("path,label\n" + rows)))
    assert note.startswith(said)


def test_suffix_is_added_where_it_is_wanted(write: Write) -> None:
    """Not to paths that end in it, in any case; with its full stop or without."""
    manifest = write("id,label\na,cat\nb.png,cat\nc.PNG,dog\nd.1,dog\n")
    for ext in (".png", "png", " .png"):
        assert list_images(manifest, ManifestOptions(ext=ext)).paths == ("a.png", "b.png", "c.PNG", "d.1.png")


def test_paths_are_relative_to_the_root_that_is_given(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the current folder, links resolved, ``..`` as elsewhere."""
    (tmp_path / "img").mkdir()
    manifest = write("path,label\na.png,cat\nx/../b.png,dog\n", "img.csv")
    monkeypatch.chdir(tmp_path)
    index = list_images(manifest, ManifestOptions(root="img"))
    assert (index.root, index.paths) == ((tmp_path / "img").resolve(), ("a.png", "b.png"))


def test_options_of_a_manifest_are_refused_for_a_folder(tmp_path: Path) -> None:
    """They would do nothing."""
    with pytest.raises(ImageListError, match="is a folder; --root, --ext and the"):
        list_images(tmp_path, ManifestOptions(ext=".png"))


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_accents_are_found_as_the_disk_writes_them(write: Write, tmp_path: Path, on_disk: str, in_table: str) -> None:
    """A table from a Mac names files that a Linux disk writes otherwise: folders and files, whole or taken apart."""
    folder = unicodedata.normalize(on_disk, "caf\u00e9")  # type: ignore[arg-type]
    names = [unicodedata.normalize(on_disk, f"th\u00e9_{number}.png") for number in range(3)]  # type: ignore[arg-type]
    (tmp_path / folder).mkdir()
    for name in names:
        (tmp_path / folder / name).write_bytes(b"")
    rows = "".join(f"caf\u00e9/th\u00e9_{number}.png,caf\u00e9\n" for number in range(3))
    text = "path,label\n" + unicodedata.normalize(in_table, rows + "caf\u00e9/gone.png,caf\u00e9\n")  # type: ignore[arg-type]
    index = list_images(write(text))
    assert index.paths[:3] == tuple(f"{folder}/{name}" for name in names)
    assert index.paths[3] == unicodedata.normalize(in_table, "caf\u00e9/gone.png")  # type: ignore[arg-type]
    assert index.class_names == ("caf\u00e9",)


def test_files_that_differ_in_nothing_but_accents_are_both_listed(write: Write, tmp_path: Path) -> None:
    """Where both are there, each is the one that the table names."""
    names = [unicodedata.normalize(form, "\u00e9.png") for form in ("NFC", "NFD")]  # type: ignore[arg-type]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    index = list_images(write("path,label\n" + "".join(f"{name},cat\n" for name in names)))
    assert list(index.paths) == names
    assert index.reasons == ("", "")


def test_excel_workbooks_are_read(tmp_path: Path) -> None:
    """Numbers as they are shown, empty rows and columns passed over, other sheets named."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "images"
    for row in [("path", "label", "split", None), ("a.png", 1, "Train", None), (None,) * 4, ("b.png", 0.0, "", None)]:
        sheet.append(row)
    sheet.append(("c.png", None, "testing"))
    book.create_sheet("notes")
    book.save(tmp_path / "photos.xlsx")
    index = list_images(tmp_path / "photos.xlsx")
    assert rows_of(index) == [("a.png", "1"), ("b.png", "0"), ("c.png", "")]
    assert index.splits == ("train", "", "test")
    assert (index.name, index.notes) == ("photos", ("sheet 'images' is read; 1 other sheets are not: notes",))


def test_damaged_workbook_is_an_error(write: Write) -> None:
    """Renaming a CSV makes no workbook."""
    pytest.importorskip("openpyxl")
    with pytest.raises(ImageListError, match=r"photos\.xlsx: is no Excel workbook that can be read"):
        list_images(write("path,label\na.png,cat\n", "photos.xlsx"))


def test_parquet_is_read(tmp_path: Path) -> None:
    """Text, numbers and nothing, categories too; columns that nobody asked for are not looked at."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    labels = pa.array(["cat", None, "dog"]).dictionary_encode()
    boxes = pa.array([[1, 2], [], [3]])
    columns = {"box": boxes, "file_name": ["a.png", "b.png", "c.png"], "label": labels, "split": ["train", "dev", None]}
    parquet.write_table(pa.table(columns), tmp_path / "photos.parquet")
    index = list_images(tmp_path / "photos.parquet")
    assert rows_of(index) == [("a.png", "cat"), ("b.png", ""), ("c.png", "dog")]
    assert index.splits == ("train", "val", "")
    assert index.notes == ("columns: path is 'file_name'",)


def test_images_inside_a_parquet_file_are_refused(tmp_path: Path) -> None:
    """As data sets are published with bytes in them: there is no path to read."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    images = pa.array([{"bytes": b"x", "path": "a.png"}])
    parquet.write_table(pa.table({"image": images, "label": [0]}), tmp_path / "photos.parquet")
    with pytest.raises(ImageListError, match=r"photos\.parquet: column 'image' holds struct<.*>, wanted text"):
        list_images(tmp_path / "photos.parquet")


def test_damaged_parquet_is_an_error(write: Write) -> None:
    """With what the reader says."""
    pytest.importorskip("pyarrow")
    with pytest.raises(ImageListError, match=r"photos\.parquet: is no Parquet file that can be read"):
        list_images(write("path,label\na.png,cat\n", "photos.parquet"))


@pytest.mark.parametrize(("suffix", "module", "package"), [("xlsx", "openpyxl", "openpyxl"), ("parquet", "pyarrow", "pyarrow")])
def test_missing_extra_is_named(write: Write, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str, package: str) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing, match=rf"needs {package}, .* pip install 'featx\[tables\]'"):
        list_images(write("x", f"photos.{suffix}"))


def test_a_csv_needs_no_extra(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries are loaded for their own files alone."""
    for module in ("openpyxl", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    assert rows_of(list_images(write(table("path,label")))) == ROWS


def test_all_kinds_of_tables_give_one_listing(tmp_path: Path) -> None:
    """The same rows as CSV, TSV, UTF-16, Excel and Parquet."""
    openpyxl, pa = pytest.importorskip("openpyxl"), pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows: list[tuple[Any, ...]] = [
        (f"\u00fc {number}.png", f"class {number % 3}", ["train", "val", "test"][number % 3]) for number in range(9)
    ]
    header = ("path", "label", "split")
    for name, delimiter, encoding in (("a.csv", ",", "utf-8"), ("b.tsv", "\t", "utf-8-sig"), ("c.txt", ";", "utf-16")):
        with (tmp_path / name).open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    book = openpyxl.Workbook()
    for row in (header, *rows):
        book.active.append(row)
    book.save(tmp_path / "d.xlsx")
    parquet.write_table(pa.table(dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))), tmp_path / "e.parquet")
    for name in ("a.csv", "b.tsv", "c.txt", "d.xlsx", "e.parquet"):
        index = list_images(tmp_path / name)
        splits = dict(zip(index.paths, index.splits, strict=True))
        assert [(path, label, splits[path]) for path, label in rows_of(index)] == rows, name


def test_many_rows_take_little_time_and_memory(tmp_path: Path) -> None:
    """200,000 rows: seconds, and a few hundred bytes a row at the peak; what is quadratic or keeps fields would not do."""
    manifest = tmp_path / "photos.csv"
    manifest.write_text(
        "file_name;class;note\n" + "".join(f"{row % 700}/{row}.png;class {row % 1000};{row * 7}\n" for row in range(200_000))
    )
    started = time.monotonic()
    tracemalloc.start()
    index = list_images(manifest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - started < 30
    assert len(index.paths) == 200_000
    assert peak < 600 * 200_000, json.dumps({"bytes a row": peak / 200_000})


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_a_giant_file_is_refused_before_it_is_read(tmp_path: Path, suffix: str) -> None:
    """One of 20 GB was read whole, and took as much memory, whatever was in it."""
    path = tmp_path / f"photos.{suffix}"
    with path.open("wb") as file:
        file.write(b"path,label\n")
        file.truncate(20_000_000_000)
    with pytest.raises(ImageListError, match=r"has 20\.0 GB, and a manifest at most 1 GB"):
        list_images(path)
