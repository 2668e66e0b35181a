"""A CSV manifest as an image list: rows in its order, a reason for each row that cannot be used, errors that name the line."""

import csv
import io
import os
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featx
from featx.errors import ImageListError
from featx.images import ImageIndex, identify_files, list_images

Extract = Callable[..., featx.ExtractResult]
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a manifest to ``tmp_path/photos.csv``, text as UTF-8 with the line ends it has."""

    def make(content: str | bytes) -> Path:
        path = tmp_path / "photos.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def classes_of(index: ImageIndex) -> list[str]:
    """Return each row's class name, empty where it has none."""
    return [index.class_names[label] if label >= 0 else "" for label in index.labels]


def test_rows_keep_the_manifests_order(write: Write, tmp_path: Path) -> None:
    """Paths, labels and splits stay together as they are written; classes are in natural order, as of folders."""
    index = list_images(write("path,label,split\nb/10.png,class10,test\nb/9.png,class2,train\na.png,class10,\n"))
    assert index.paths == ("b/10.png", "b/9.png", "a.png")
    assert index.class_names == ("class2", "class10")
    assert index.labels.tolist() == [1, 0, 1]
    assert index.splits == ("test", "train", "")
    assert index.reasons == ("", "", "")
    assert index.skipped == {}
    assert (index.root, index.name) == (tmp_path.resolve(), "photos")


def test_split_column_may_be_left_out(write: Write) -> None:
    """Two columns are enough; no split is given then."""
    assert list_images(write("path,label\na.png,cat\n")).splits == ("",)


@pytest.mark.parametrize("name", ["photos.csv", "photos.CSV", "photos.Csv"])
def test_suffix_may_be_in_any_case(tmp_path: Path, name: str) -> None:
    """Some systems write suffixes in capitals."""
    (tmp_path / name).write_text("path,label\na.png,cat\n")
    assert list_images(tmp_path / name).paths == ("a.png",)


@pytest.mark.parametrize(("file", "name"), [("photos.v2.csv", "photos.v2"), ("été 1.CSV", "été 1")])
def test_manifest_is_called_by_its_stem(tmp_path: Path, file: str, name: str) -> None:
    """Only the last suffix goes."""
    (tmp_path / file).write_text("path,label\na.png,cat\n")
    assert list_images(tmp_path / file).name == name


def test_folder_named_like_a_manifest_is_a_folder(photos: Path) -> None:
    """What is there counts before its name."""
    folder = photos.rename(photos.with_name("photos.csv"))
    assert list_images(folder).class_names == ("blue", "green", "red")


@pytest.mark.parametrize(
    "content",
    [
        "path,label,split\na.png,cat,test\n",
        "split,label,path\ntest,cat,a.png\n",
        "PATH,Label,sPLIT\na.png,cat,test\n",
        " path , label ,\tsplit\na.png, cat ,\ttest \n",
        "id,path,note,label,split,id\n7,a.png,,cat,test,8\n",
        "path,label,split,,\na.png,cat,test,,\n",
        '"path","label","split"\n"a.png","cat","test"\n',
        "path,label,split\r\na.png,cat,test\r\n",
        "path,label,split\ra.png,cat,test\r",
        "path,label,split\na.png,cat,test",
        "\n\r\npath,label,split\n\n  \n\na.png,cat,test\n\n\n",
        "\ufeffpath,label,split\na.png,cat,test\n",
        '\ufeff"path","label","split"\r\n"a.png","cat","test"\r\n',
    ],
)
def test_one_table_may_be_written_in_many_ways(write: Write, content: str) -> None:
    """Columns by name, in any order and case, other columns; line ends, blank lines, byte order mark, quotes."""
    index = list_images(write(content))
    assert (index.paths, index.class_names, index.splits, index.reasons) == (("a.png",), ("cat",), ("test",), ("",))


def test_quoted_fields_hold_commas_quotes_and_newlines(write: Write) -> None:
    """As RFC 4180 has it; newlines stay as they are written."""
    index = list_images(write('path,label\n"a, ""b"".png","cat, tabby"\n"two\r\nlines.png","dog\nhound"\nc.png,cat"s\n'))
    assert index.paths == ('a, "b".png', "two\r\nlines.png", "c.png")
    assert classes_of(index) == ["cat, tabby", "dog\nhound", 'cat"s']


def test_labels_are_stripped_and_normalised_and_paths_are_not(write: Write) -> None:
    """One class however its accents are written and whatever surrounds it; a path is what the disk calls the file."""
    composed, apart = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    index = list_images(write(f"path,label\n{apart}.png,{apart}\n{composed}.png,\u00a0{composed} \n a.png ,\t{apart}\n"))
    assert index.class_names == (composed,)
    assert index.paths == (f"{apart}.png", f"{composed}.png", " a.png ")
    assert index.reasons == ("", "", "")


@pytest.mark.parametrize(
    ("written", "split"),
    [
        *[("train", "train"), ("val", "val"), ("valid", "val"), ("validation", "val"), ("dev", "val"), ("test", "test")],
        *[("TRAIN", "train"), ("Validation", "val"), (" tEsT ", "test"), ("", ""), ("  ", "")],
    ],
)
def test_splits_have_the_names_of_split_folders(write: Write, written: str, split: str) -> None:
    """In any case; empty is none given."""
    index = list_images(write(f"path,label,split\na.png,cat,{written}\n"))
    assert (index.splits, index.reasons) == ((split,), ("",))


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("./a.png", "a.png"),
        ("x/../a.png", "a.png"),
        ("x/./y//a.png", "x/y/a.png"),
        ("../photos/a.png", "a.png"),
        ("back\\slash.png", "back\\slash.png"),
        ("~/a.png", "~/a.png"),
        ("..a/...png", "..a/...png"),
    ],
)
def test_paths_are_normalised_as_text(tmp_path: Path, written: str, path: str) -> None:
    """Without "." and ".."; whether the folders exist is not asked, and nothing but "/" separates."""
    (tmp_path / "photos").mkdir()
    manifest = tmp_path / "photos" / "list.csv"
    manifest.write_text(f"path,label\n{written},cat\n")
    index = list_images(manifest)
    assert (index.root, index.paths) == ((tmp_path / "photos").resolve(), (path,))


@pytest.mark.parametrize(
    ("written", "root", "paths"),
    [
        (("../other/a.png", "b.png"), "", ("other/a.png", "set/b.png")),
        (("../set2/a.png", "../set1/b.png"), "", ("set2/a.png", "set1/b.png")),
        (("../other/x/a.png", "../other/y/b.png"), "other", ("x/a.png", "y/b.png")),
        (("{}/other/x/a.png", "{}/other/x/b.png"), "other/x", ("a.png", "b.png")),
        (("{}/other/a.png",), "other", ("a.png",)),
        (("{}/set/a.png", "b.png"), "set", ("a.png", "b.png")),
        (("{}/set/x/a.png", "x/b.png"), "set/x", ("a.png", "b.png")),
        (("/{}/other/../other/a.png", "../other/./b.png"), "other", ("a.png", "b.png")),
        (("{}/cat/1.png", "{}/cat-2/1.png", "{}/cat"), "", ("cat/1.png", "cat-2/1.png", "cat")),
    ],
)
def test_root_is_the_deepest_folder_of_all_where_paths_lead_out(
    tmp_path: Path, written: tuple[str, ...], root: str, paths: tuple[str, ...]
) -> None:
    """Absolute paths and ".." are taken up by the root: the paths below it have neither."""
    above = tmp_path.resolve()
    (above / "set").mkdir()
    manifest = above / "set" / "list.csv"
    manifest.write_text("path,label\n" + "".join(f"{path.format(above)},cat\n" for path in written))
    index = list_images(manifest)
    assert (index.root, index.paths) == (above / root, paths)


def test_path_that_is_a_folder_above_is_listed(write: Write, tmp_path: Path) -> None:
    """It is rejected when it is read; the root lies above it, so that its path is no ".."."""
    index = list_images(write("path,label\na.png,cat\n..,cat\n"))
    above = tmp_path.resolve().parent
    assert (index.root, index.paths) == (above.parent, (f"{above.name}/{tmp_path.name}/a.png", above.name))


def test_root_of_absolute_paths_has_its_links_resolved(write: Write, tmp_path: Path) -> None:
    """One folder has one name, as where a folder of images is given."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    index = list_images(write(f"path,label\n{tmp_path}/link/a.png,cat\n"))
    assert (index.root, index.paths) == ((tmp_path / "real").resolve(), ("a.png",))


def test_root_may_be_the_top_of_the_file_system(write: Write) -> None:
    """Nothing but "/" is common to the two."""
    index = list_images(write("path,label\n/one/a.png,cat\n/two/b.png,dog\n/c.png,dog\n/,dog\n"))
    assert (index.root, index.paths) == (Path("/"), ("one/a.png", "two/b.png", "c.png", "."))


def test_paths_are_relative_to_the_folder_that_the_manifest_is_named_in(tmp_path: Path) -> None:
    """A linked folder is resolved as for folders of images; a linked manifest lists what lies beside the link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "all.csv").write_text("path,label\na.png,cat\n")
    (tmp_path / "real" / "photos.csv").symlink_to(tmp_path / "elsewhere" / "all.csv")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    index = list_images(tmp_path / "link" / "photos.csv")
    assert (index.root, index.name) == ((tmp_path / "real").resolve(), "photos")


def test_manifest_may_be_named_from_its_own_folder(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root is absolute all the same."""
    write("path,label\na.png,cat\n")
    monkeypatch.chdir(tmp_path)
    assert list_images(Path("photos.csv")).root == tmp_path.resolve()


def test_row_without_a_label_is_listed_with_a_reason(write: Write) -> None:
    """It has no class and is no class; its split is kept."""
    index = list_images(write("path,label,split\na.png,,test\nb.png,cat,\nc.png,  ,\n"))
    assert index.labels.tolist() == [-1, 0, -1]
    assert index.class_names == ("cat",)
    assert index.splits == ("test", "", "")
    assert index.reasons == ("no label in the manifest", "", "no label in the manifest")


def test_unknown_split_is_a_reason(write: Write) -> None:
    """The row keeps its label and has no split; nobody is drawn into training by a slip of the pen."""
    index = list_images(write("path,label,split\na.png,cat,tset\nb.png,dog,0\nc.png,cat,test\n"))
    assert index.reasons == ("unknown split in the manifest", "unknown split in the manifest", "")
    assert index.splits == ("", "", "test")
    assert classes_of(index) == ["cat", "dog", "cat"]


def test_path_listed_again_is_a_reason_and_the_first_mention_stands(write: Write, tmp_path: Path) -> None:
    """However it is written, and with or without the same label."""
    rows = ["a.png,cat", "./a.png,cat ", "b.png,dog", "x/../a.png,dog", f"{tmp_path.resolve()}/b.png,dog", "a.png,cat"]
    index = list_images(write("path,label\n" + "\n".join(rows)))
    again, otherwise = "listed before in the manifest", "listed before in the manifest with another label"
    assert index.paths == ("a.png", "a.png", "b.png", "a.png", "b.png", "a.png")
    assert index.reasons == ("", again, "", otherwise, again, again)
    assert classes_of(index) == ["cat", "cat", "dog", "dog", "dog", "cat"]


@pytest.mark.parametrize(
    ("first", "second", "reasons"),
    [
        ("a.png,,", "a.png,cat,", ("no label in the manifest", "listed before in the manifest with another label")),
        ("a.png,cat,", "a.png,,", ("", "no label in the manifest")),
        ("a.png,,", "a.png,,", ("no label in the manifest", "no label in the manifest")),
        ("a.png,cat,oops", "a.png,cat,test", ("unknown split in the manifest", "listed before in the manifest")),
        ("a.png,cat,test", "a.png,cat,oops", ("", "listed before in the manifest")),
        ("a.png,cat,train", "a.png,cat,test", ("", "listed before in the manifest")),
        ("a.png,,oops", "b.png,cat,", ("no label in the manifest", "")),
    ],
)
def test_row_with_several_faults_has_one_reason(write: Write, first: str, second: str, reasons: tuple[str, str]) -> None:
    """First the label, then the repeated path, then the split; a rejected mention is a mention."""
    assert list_images(write(f"path,label,split\n{first}\n{second}\nz.png,cat,\n")).reasons[:2] == reasons


def test_file_that_does_not_exist_is_listed(write: Write) -> None:
    """It gets its reason when it is read, like any file that cannot be."""
    index = list_images(write("path,label\nnowhere.png,cat\n"))
    assert (index.paths, index.reasons) == (("nowhere.png",), ("",))
    assert identify_files(index).reasons == ["cannot be read: No such file or directory"]


HEADERS = {
    "": r"line 1: the file is empty\. Write the header, path,label or path,label,split, and one row for each image\.",
    "\n \r\n": r"line 1: the file is empty\.",
    "a.png,cat\nb.png,dog\n": r"line 1: no column 'path' in the header 'a\.png,cat', wanted path,label or .*Write the header\.",
    "path,kind\na.png,cat\n": r"line 1: no column 'label' in the header 'path,kind', wanted path,label or path,label,split\.",
    "\n\nwhere,label\na.png,cat\n": r"line 3: no column 'path' in the header 'where,label'.*Or name the column: --path-column",
    "where;label\na.png;cat\n": r"line 1: no column 'path' .*It looks separated by semicolons: save it separated by commas\.",
    "where\tlabel\na.png\tcat\n": r"line 1: no column 'path' .*It looks separated by tabs: save it separated by commas\.",
    "path;label,split\na.png;cat,\n": r"line 1: no column 'path' .*separated by semicolons",
    "path,label, Path\na,b,c\n": r"line 1: column 'path' is named 2 times in the header 'path,label, Path', wanted once\.",
    "path,LABEL,label,label\na,b,c,d\n": r"line 1: column 'label' is named 3 times .*Rename the others\.",
    "path,label,split,split\na,b,c,d\n": r"line 1: column 'split' is named 2 times",
    "path," + "x" * 200 + "\n": r"line 1: no column 'label' in the header 'path,x{95}…', wanted",
}


@pytest.mark.parametrize(("content", "said"), HEADERS.items(), ids=range(len(HEADERS)))
def test_header_that_does_not_name_the_columns_is_said(write: Write, content: str, said: str) -> None:
    """With the line, what was found, what is wanted and what to do."""
    with pytest.raises(ImageListError, match=rf"photos\.csv, {said}"):
        list_images(write(content))


ROWS = {
    "a.png,cat,tabby\n": r"line 2: number of fields is 3, but 2 in the header\. .*between quotes: \"a, b\.png\",cat",
    "a.png,cat\n\nb.png\n": r"line 4: number of fields is 1, but 2 in the header\.",
    '"a\n.png",cat\nb.png,dog,\n': r"line 4: number of fields is 3, but 2",
    "a.png,cat\r\n,dog\r\n": r"line 3: the path is empty\. Write the image's path, or delete the row\.",
    '"",dog\n': r"line 2: the path is empty\.",
    "\n": r"line 1: no rows after the header\. Write one row for each image\.",
    'a.png,cat\n"b.png,dog\nc.png,cat\n': r"line 3: the row that begins there is no CSV: unexpected end of data\. Close",
    'a.png,cat\n"b".png,dog\n': r"line 3: the row that begins there is no CSV: ',' expected after '\"'\.",
    f'a.png,cat\nb.png,"{"dog," * 50000}\n': r"line 3: the row that begins there is no CSV: field larger than field limit",
    f'a.png,cat\nb.png,"{"9" * 5000}"\n': r"line 3: the label has 5,000 characters, wanted at most 1,000\. Look for a quote",
}


@pytest.mark.parametrize(("rows", "said"), ROWS.items(), ids=range(len(ROWS)))
def test_row_that_cannot_be_read_is_said(write: Write, rows: str, said: str) -> None:
    """The line is the one that the row begins on, blank lines and lines inside quotes counted."""
    with pytest.raises(ImageListError, match=rf"photos\.csv, {said}"):
        list_images(write("path,label\n" + rows))


@pytest.mark.parametrize("rows", ["a.png,\nb.png, \n", '"a.png",""\n"b.png","\n"\n'])
def test_manifest_without_any_label_is_said(write: Write, rows: str) -> None:
    """There is nothing to learn from it."""
    with pytest.raises(ImageListError, match=r"photos\.csv: none of its 2 rows has a label\. Write the class into"):
        list_images(write("path,label\n" + rows))


TEXT = "path,label\na.png,cat\ncafé.png,dog\n"
BYTES = {
    TEXT.encode("latin-1"): r'line 3: byte 0xe9 is not UTF-8\. Save it as "CSV UTF-8"\.',
    TEXT.replace("\n", "\r\n").encode("latin-1"): r"line 3: byte 0xe9 is not UTF-8\.",
    TEXT.encode("mac-roman").replace(b"\n", b"\r"): r"line 3: byte 0x8e is not UTF-8\.",
    TEXT.encode("utf-16") + b"\n": r'is no UTF-16, though it begins like it: .* Save it as "CSV UTF-8"\.',
    b"\xfe\xff" + TEXT.encode("utf-16-be")[:-1]: r"is no UTF-16",
    b"path,label\na.png,c\0t\n": r'line 2: a NUL byte, which no text contains\. Save it as "CSV UTF-8"\.',
    b"path,label\na.png,cat\nb\0.png,dog\n": r"line 3: a NUL byte",
    "path,label\na.png,cat\n".encode("utf-16-le"): r"line 1: a NUL byte",
    TEXT.encode().partition(b"\xa9")[0]: r"line 3: byte 0xc3 is not UTF-8\.",
}


@pytest.mark.parametrize(("content", "said"), BYTES.items(), ids=range(len(BYTES)))
def test_file_that_is_no_utf8_text_is_said(write: Write, content: bytes, said: str) -> None:
    """With the line of the first wrong byte; no name is guessed."""
    with pytest.raises(ImageListError, match=rf"photos\.csv(, |: ){said}"):
        list_images(write(content))


def test_unreadable_manifest_is_said(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own reason, in an error of ours."""
    manifest = write("path,label\na.png,cat\n")

    def refuse(path: Path) -> bytes:  # the tests may run as root, whom no mode keeps out
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ImageListError, match=r"photos\.csv: cannot be read: Permission denied\. Make it readable"):
        list_images(manifest)


def test_manifest_that_does_not_exist_is_said(tmp_path: Path) -> None:
    """It is a file that is missing, no folder."""
    with pytest.raises(ImageListError, match=r"nowhere\.csv: no such file\. Give the folder .*, or a CSV manifest"):
        list_images(tmp_path / "nowhere.csv")


def test_pipe_named_like_a_manifest_is_never_opened(tmp_path: Path) -> None:
    """Opening one blocks for ever."""
    os.mkfifo(tmp_path / "photos.csv")
    with pytest.raises(ImageListError, match=r"photos\.csv: is neither a folder nor an ordinary file\. Give the folder"):
        list_images(tmp_path / "photos.csv")


def test_many_rows_are_read_in_linear_time(tmp_path: Path) -> None:
    """100,000 rows, each in a folder of its own and listed twice: half a second; anything quadratic takes minutes."""
    manifest = tmp_path / "photos.csv"
    manifest.write_text("path,label\n" + "".join(f"/data/{row % 50_000}/a.png,class {row % 1000}\n" for row in range(100_000)))
    started = time.monotonic()
    index = list_images(manifest)
    assert time.monotonic() - started < 20
    assert index.root == Path("/data")
    assert index.paths[49_999:50_001] == ("49999/a.png", "0/a.png")
    assert index.reasons[49_999:50_001] == ("", "listed before in the manifest")
    assert index.class_names[:3] == ("class 0", "class 1", "class 2")


# Any character but those that no UTF-8 file, or no path, can hold; "/" and "." have tests of their own.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/."), min_size=1, max_size=12)
TRICKY = st.text(st.sampled_from(list(',";\t\r\n é\u0301\u2028猫🐈')), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(NAMES | TRICKY, NAMES | TRICKY, min_size=1, max_size=8),
    st.sampled_from(["utf-8", "utf-8-sig"]),
    # With LF as its line end alone, the writer of Python 3.11 leaves a CR without the quotes that it needs.
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
)
def test_whatever_the_csv_module_writes_comes_back(label_of: dict[str, str], encoding: str, how: tuple[str, Any]) -> None:
    """Commas, quotes, newlines and any script, in paths and in labels."""
    text = io.StringIO(newline="")
    line_end, quoting = how
    writer = csv.writer(text, lineterminator=line_end, quoting=quoting)
    writer.writerows([("path", "label"), *label_of.items(), ("last.png", "the last")])
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "photos.csv")
        manifest.write_bytes(text.getvalue().encode(encoding))
        index = list_images(manifest)
    assert index.paths == (*label_of, "last.png")
    assert classes_of(index) == [*(unicodedata.normalize("NFC", label.strip()) for label in label_of.values()), "the last"]
    assert [reason == "no label in the manifest" for reason in index.reasons] == [label < 0 for label in index.labels.tolist()]


def test_manifest_gives_the_features_that_the_folder_gives(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Image by image the same rows, in the manifest's order, under the manifest's labels and splits."""
    paths = [f"{colour}/{number}.png" for number in range(12) for colour in ("red", "blue", "green")]
    split_of = {path: ("train", "val", "test")[row % 7 % 3] for row, path in enumerate(paths)}
    manifest = tmp_path / "list.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "split", "path"))
        writer.writerows((path.split("/")[0], split_of[path], f"photos/{path}") for path in paths)
    by_folder = featx.FeatureCache.open(extract(photos, tmp_path / "by_folder").cache)
    result = extract(manifest, tmp_path / "by_manifest")
    by_manifest = featx.FeatureCache.open(result.cache)
    catalog = by_manifest.catalog
    assert (result.listed, result.extracted, result.rejected) == (36, 36, 0)
    assert catalog.source == str(tmp_path.resolve())
    assert catalog.paths == [f"photos/{path}" for path in paths]
    assert [catalog.class_names[label] for label in catalog.labels] == ["red", "blue", "green"] * 12
    assert [("train", "val", "test")[split] for split in catalog.splits] == list(split_of.values())
    rows = np.array([by_folder.catalog.paths.index(path) for path in paths])
    np.testing.assert_array_equal(by_manifest.features(catalog.rows()), by_folder.features(rows))


def test_rows_that_cannot_be_used_end_in_the_rejects(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Every row has features or a reason, the missing file too, and so it is when it is extracted again."""
    good = [f"{colour}/{number}.png,{colour},train" for colour in ("red", "blue") for number in range(6)]
    rows = [*good, "red/0.png,red,", "red/1.png,blue,", "red/7.png,,", "red/8.png,red,tarin", "gone.png,red,"]
    (photos / "list.csv").write_text("path,label,split\n" + "\n".join(rows))
    for extracted, reused in ((12, 0), (0, 12)):
        result = extract(photos / "list.csv")
        assert (result.listed, result.extracted, result.reused, result.rejected) == (17, extracted, reused, 5)
        with (result.cache / "rejects.csv").open(newline="") as file:
            assert list(csv.reader(file)) == [
                ["path", "class", "reason"],
                ["red/0.png", "red", "listed before in the manifest"],
                ["red/1.png", "blue", "listed before in the manifest with another label"],
                ["red/7.png", "", "no label in the manifest"],
                ["red/8.png", "red", "unknown split in the manifest"],
                ["gone.png", "red", "cannot be read: No such file or directory"],
            ]
