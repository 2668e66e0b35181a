"""The image list: which files are in it, in which order, under which class and split."""

import os
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featx.errors import ImageListError
from featx.images import ImageIndex, list_images, list_unlabelled
from featx.images.listing.walk import REPORT_MARKER, natural_key

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make images at the given relative paths below ``tmp_path/root``, which is returned."""

    def make(*paths: str) -> Path:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (2, 2)).save(root / path, "PNG")
        return root

    return make


def classes_of(index: ImageIndex) -> list[str]:
    """Return each image's class name, empty where it has none."""
    return [index.class_names[label] if label >= 0 else "" for label in index.labels]


def test_class_folders_give_labels(tree: Tree) -> None:
    """Each image has the class of its folder; without split folders no split is given."""
    root = tree("dog/1.png", "cat/1.png", "cat/2.png")
    index = list_images(root)
    assert index.paths == ("cat/1.png", "cat/2.png", "dog/1.png")
    assert index.labels.tolist() == [0, 0, 1]
    assert index.class_names == ("cat", "dog")
    assert index.splits == ("", "", "")
    assert index.reasons == ("", "", "")
    assert index.root == root.resolve()


def by_parts(name: str) -> list[tuple[int, int, str]]:
    """Return what natural order means, part by part: numbers before letters and by their value, then by their zeros."""
    parts = [part for part in re.split("([0-9]+)", name) if part]
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


@given(names=st.lists(st.text("0019ab.é_\U0001f600", max_size=8) | st.from_regex(r"[a-c]?[0-9]{1,40}", fullmatch=True)))
@settings(max_examples=300, deadline=None)
def test_natural_order_is_that_of_the_parts(names: list[str]) -> None:
    """For any names, as comparing their numbers and letters one by one says."""
    assert sorted(names, key=natural_key) == sorted(names, key=by_parts)


def test_index_is_called_by_its_folder(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the folder itself, also through a link or from inside."""
    root = tree("cat/1.png")
    (tmp_path / "link").symlink_to(root)
    monkeypatch.chdir(root)
    assert [list_images(source).name for source in (root, tmp_path / "link", Path())] == ["root", "root", "root"]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("train", "dev", "tEsT"),
    ],
)
def test_split_folders_give_splits_in_any_case(tree: Tree, train: str, val: str, test: str) -> None:
    """Known names of splits in any case; classes are those of all splits together, train comes first."""
    index = list_images(tree(f"{test}/dog/1.png", f"{val}/cat/1.png", f"{train}/dog/1.png", f"{train}/cat/1.png"))
    assert index.paths == (f"{train}/cat/1.png", f"{train}/dog/1.png", f"{val}/cat/1.png", f"{test}/dog/1.png")
    assert index.splits == ("train", "train", "val", "test")
    assert classes_of(index) == ["cat", "dog", "cat", "dog"]


def test_train_folder_alone_is_a_split(tree: Tree) -> None:
    """Nothing but ``train`` with folders inside: those are the classes."""
    index = list_images(tree("train/cat/1.png", "train/dog/1.png"))
    assert (index.class_names, index.splits) == (("cat", "dog"), ("train", "train"))


@pytest.mark.parametrize(
    "paths",
    [
        ("boat/1.png", "train/1.png"),  # images right inside: a class, like the boat beside it
        ("boat/1.png", "train/steam/1.png"),  # no other split beside it
        ("boat/1.png", "test/1.png"),  # no train
        ("boat/1.png", "test/old/1.png"),  # no train, and a folder that is no split
    ],
)
def test_folder_named_like_a_split_may_be_a_class(tree: Tree, paths: tuple[str, str]) -> None:
    """Photographs of locomotives in ``train`` beside ``boat`` are a class of trains."""
    index = list_images(tree(*paths))
    assert index.paths == paths
    assert index.class_names == tuple(path.split("/")[0] for path in paths)
    assert index.splits == ("", "")


def test_stray_image_in_train_leaves_the_split_folders_splits(tree: Tree) -> None:
    """One picture beside the class folders is rejected, and does not turn train and test into classes."""
    root = tree("train/cat/1.png", "train/dog/1.png", "train/overview.png", "val/cat/1.png", "test/dog/1.png")
    index = list_images(root)
    assert index.class_names == ("cat", "dog")
    assert index.splits == ("train", "train", "train", "val", "test")
    assert [(path, reason) for path, reason in zip(index.paths, index.reasons, strict=True) if reason] == [
        ("train/overview.png", "in no class folder")
    ]


def test_train_alone_with_a_stray_image_is_a_class(tree: Tree) -> None:
    """Without another split beside it, images right inside say that ``train`` is what they show."""
    index = list_images(tree("train/1.png", "train/steam/1.png"))
    assert (index.class_names, index.splits) == (("train",), ("", ""))


@pytest.mark.parametrize("splits", [("test",), ("val",), ("Validation", "Test")])
def test_other_splits_without_train_are_splits(tree: Tree, splits: tuple[str, ...]) -> None:
    """A held-out set is often all there is to evaluate: ``test/<class>/``."""
    index = list_images(tree(*(f"{split}/{name}/1.png" for split in splits for name in ("cat", "dog"))))
    assert index.class_names == ("cat", "dog")
    assert set(index.splits) == {"val" if split.lower().startswith("val") else "test" for split in splits}


@pytest.mark.parametrize("split", ["train", "test"])
def test_folders_without_images_do_not_make_a_split_a_class(tree: Tree, split: str) -> None:
    """Notes, and empty folders, are no classes that ``train`` could stand beside."""
    root = tree(f"{split}/cat/1.png", f"{split}/dog/1.png")
    (root / "docs" / "old").mkdir(parents=True)
    (root / "docs" / "notes.txt").write_text("words")
    (root / "empty").mkdir()
    index = list_images(root)
    assert (index.class_names, index.splits) == (("cat", "dog"), (split, split))


def make_cache(folder: Path) -> None:
    """Make what tells a cache, and something in it that looks like an image."""
    (folder / "shards").mkdir(parents=True)
    (folder / "recipe.json").write_text("{}")
    Image.new("RGB", (2, 2)).save(folder / "shards" / "1.png")


def make_report(folder: Path) -> None:
    """Make a report folder with a plot."""
    folder.mkdir(parents=True)
    (folder / REPORT_MARKER).write_text("")
    Image.new("RGB", (2, 2)).save(folder / "confusion_matrix.png")


def test_own_output_is_neither_listed_nor_counted(tree: Tree) -> None:
    """``featx extract .`` where featx was at work before finds the user's images alone."""
    root = tree("train/cat/1.png", "train/dog/1.png")
    make_cache(root / "cache" / "photos")
    (root / "cache" / ".gitignore").write_text("*")
    make_cache(root / "features")
    make_cache(root / "train" / "cat" / "features")
    make_report(root / "reports" / "photos")
    make_report(root / "train" / "plots")
    (root / "models").mkdir()
    (root / "models" / "photos.featx").write_text("")
    index = list_images(root)
    assert index.paths == ("train/cat/1.png", "train/dog/1.png")
    assert (index.class_names, index.skipped) == (("cat", "dog"), {})
    assert list_unlabelled([root]) == [root / path for path in index.paths]


def test_folder_named_like_our_output_with_images_is_the_users(tree: Tree) -> None:
    """Fashion models are a class; so is a report's own folder to whoever names it."""
    root = tree("cat/1.png", "models/1.png", "reports/of/1.png", "cache/x.featx/1.png")
    make_report(root / "reports" / "mine")
    assert list_images(root).paths == ("cache/x.featx/1.png", "cat/1.png", "models/1.png", "reports/of/1.png")
    assert list_unlabelled([root / "reports" / "mine"]) == [root / "reports" / "mine" / "confusion_matrix.png"]


def test_numbers_in_names_are_ordered_as_numbers(tree: Tree) -> None:
    """``2`` comes before ``10`` in classes and in files, whatever the file system's order is."""
    index = list_images(tree("class10/img10.png", "class10/img9.png", "class2/1.png", "class10/img1b.png", "class10/img1.png"))
    assert index.class_names == ("class2", "class10")
    assert index.paths == ("class2/1.png", "class10/img1.png", "class10/img1b.png", "class10/img9.png", "class10/img10.png")


def test_images_in_nested_folders_belong_to_the_class_above(tree: Tree) -> None:
    """Folders inside a class folder are part of it, however deep."""
    index = list_images(tree("cat/1.png", "cat/indoors/sofa/2.png", "dog/3.png"))
    assert index.paths == ("cat/1.png", "cat/indoors/sofa/2.png", "dog/3.png")
    assert classes_of(index) == ["cat", "cat", "dog"]


@pytest.mark.parametrize(
    "hidden",
    [
        "cat/.hidden.png",
        "cat/._1.png",
        "cat/.DS_Store",
        "cat/Thumbs.db",
        "cat/desktop.ini",
        "cat/.ipynb_checkpoints/1.png",
        ".git/1.png",
        "__MACOSX/cat/1.png",
        "cat/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg",
    ],
)
def test_what_the_system_hides_is_neither_listed_nor_counted(tree: Tree, hidden: str) -> None:
    """Even when it holds a whole image."""
    index = list_images(tree("cat/1.png", hidden))
    assert (index.paths, index.class_names, index.skipped) == (("cat/1.png",), ("cat",), {})


def test_other_files_are_counted_by_suffix(tree: Tree) -> None:
    """What is no image by name and content is left out and said to be."""
    root = tree("cat/1.png")
    for name in ("cat/notes.txt", "cat/more.TXT", "cat/deep.txt", "labels.csv", "cat/LICENSE"):
        (root / name).write_text("words")
    index = list_images(root)
    assert index.paths == ("cat/1.png",)
    assert index.skipped == {".txt": 3, ".csv": 1, "no suffix": 1}


@pytest.mark.parametrize("name", ["1.image", "1", "1.JPG_large", "1.txt"])
def test_image_of_an_unknown_suffix_is_found_by_content(tree: Tree, name: str) -> None:
    """A PNG is listed whatever it is called."""
    index = list_images(tree(f"cat/{name}"))
    assert (index.paths, index.skipped) == ((f"cat/{name}",), {})


@pytest.mark.parametrize("name", ["1.jpg", "1.JPEG", "1.Png", "1.webp", "1.bmp", "1.gif", "1.tif", "1.TIFF"])
def test_file_named_like_an_image_is_listed_unseen(tree: Tree, name: str) -> None:
    """A broken image is listed, so that it is rejected with a reason later and not lost now."""
    root = tree("dog/1.png", "cat/0.png")
    (root / "cat" / name).write_text("no pixels")
    assert f"cat/{name}" in list_images(root).paths


def test_loose_images_beside_class_folders_get_a_reason(tree: Tree) -> None:
    """They have no class, and are listed and rejected instead of passed over."""
    index = list_images(tree("cat/1.png", "loose.png"))
    assert index.paths == ("loose.png", "cat/1.png")
    assert index.labels.tolist() == [-1, 0]
    assert index.reasons == ("in no class folder", "")


def test_loose_images_in_a_split_folder_get_a_reason(tree: Tree) -> None:
    """The same inside ``test``, and the split is kept."""
    index = list_images(tree("train/cat/1.png", "test/cat/1.png", "test/loose.png"))
    assert dict(zip(index.paths, index.reasons, strict=True))["test/loose.png"] == "in no class folder"
    assert dict(zip(index.paths, index.splits, strict=True))["test/loose.png"] == "test"


def test_empty_class_folder_is_no_class(tree: Tree) -> None:
    """A class without any image cannot be learned."""
    root = tree("cat/1.png")
    (root / "dog").mkdir()
    assert list_images(root).class_names == ("cat",)


def test_no_such_folder_is_said(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(ImageListError, match=r"nowhere: no such folder\. Give the folder .*, or a CSV manifest \(path,label\)"):
        list_images(tmp_path / "nowhere")


def test_file_instead_of_a_folder_is_said(tree: Tree) -> None:
    """The error says what was given and what is wanted."""
    with pytest.raises(ImageListError, match=r"1\.png: is a file\. Give the folder .*, or a CSV manifest \(path,label\)"):
        list_images(tree("cat/1.png") / "cat" / "1.png")


def test_folder_without_images_is_said(tree: Tree) -> None:
    """Also when there are class folders with other files in them."""
    root = tree()
    (root / "cat").mkdir()
    (root / "cat" / "notes.txt").write_text("words")
    with pytest.raises(ImageListError, match="no images in it"):
        list_images(root)


def test_folder_of_loose_images_alone_is_said(tree: Tree) -> None:
    """Images without any class folder: the error counts them and says what to do."""
    with pytest.raises(ImageListError, match="holds 2 images but no class folders"):
        list_images(tree("1.png", "2.png"))


def test_nothing_but_unreadable_folders_is_said(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses to list every folder there are no images, and the refusal is why."""
    root = tree("cat/1.png")
    real = os.scandir

    def refuse(folder: Path) -> object:  # the tests may run as root, whom no mode keeps out
        if Path(folder).name == "cat":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ImageListError, match="cat: cannot be listed: Permission denied"):
        list_images(root)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("cat/again", "cat"),
        ("cat/deep/again", "cat"),
        ("cat/all", "."),
        ("cat/deep/all", "."),
    ],
)
def test_link_to_a_folder_above_is_not_followed(tree: Tree, link: str, target: str) -> None:
    """A loop ends, and images of one class are not listed under another by way of the folder above both."""
    root = tree("cat/1.png", "cat/deep/2.png", "dog/1.png")
    (root / link).symlink_to(root / target)
    index = list_images(root)
    assert index.paths == ("cat/1.png", "cat/deep/2.png", "dog/1.png")
    assert classes_of(index) == ["cat", "cat", "dog"]


@pytest.mark.parametrize("inside", [False, True])
def test_folders_that_link_to_each_other_are_listed_once_a_class(tree: Tree, inside: bool) -> None:
    """Twelve folders have 1.3 thousand million paths without a loop: the listing ends, with each image once."""
    names = [f"{letter}" for letter in "abcdefghijkl"]
    below = "cat/" if inside else ""
    root = tree(*(f"{below}{name}/1.png" for name in names))
    for name in names:
        for other in names:
            (root / below / name / f"to-{other}").symlink_to(root / below / other)
    index = list_images(root)
    if inside:
        assert index.paths == tuple(f"cat/{name}/1.png" for name in names)
        return
    real = [(label, (root / path).resolve()) for label, path in zip(classes_of(index), index.paths, strict=True)]
    assert len(real) == len(set(real)) == 12 * 12


def test_a_link_to_a_hidden_folder_is_followed(tree: Tree) -> None:
    """What is passed over under its own name is listed under that of the link, once."""
    root = tree("cat/1.png", "cat/.kept/2.png")
    for name in ("first", "second"):
        (root / "cat" / name).symlink_to(root / "cat" / ".kept")
    assert list_images(root).paths == ("cat/1.png", "cat/first/2.png")


def test_link_to_the_split_folder_is_not_followed(tree: Tree) -> None:
    """The same with split folders between the root and the classes."""
    root = tree("train/cat/1.png", "train/dog/1.png", "test/cat/1.png")
    (root / "train" / "cat" / "all").symlink_to(root / "train")
    assert list_images(root).paths == ("train/cat/1.png", "train/dog/1.png", "test/cat/1.png")


@pytest.mark.parametrize("link", ["self", "cat/self"])
def test_link_to_itself_does_no_harm(tree: Tree, link: str) -> None:
    """A link that leads nowhere but to itself is passed over."""
    root = tree("cat/1.png")
    (root / link).symlink_to(root / link)
    assert list_images(root).paths == ("cat/1.png",)


def test_links_that_lead_nowhere_are_named(tree: Tree) -> None:
    """A class on a disk that is not there would else be gone without a word; named like an image it is rejected by name."""
    root = tree("cat/1.png", "dog/1.png")
    for name in ("horse", "cat/more", "cat/2.png"):
        (root / name).symlink_to("/nowhere/at/all")
    index = list_images(root)
    assert (index.paths, index.skipped) == (("cat/1.png", "cat/2.png", "dog/1.png"), {})
    assert "links that lead nowhere, so that what stood behind them is left out: cat/more, horse" in index.notes


@pytest.mark.parametrize("linked", [False, True])
def test_pipe_is_never_opened(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool) -> None:
    """Opening one blocks for ever. Named like an image it is listed, to be rejected with a reason; else it is counted."""
    root = tree("cat/1.png", "dog/1.jpg")
    for name in ("2.png", "pipe", "pipe.dat"):
        os.mkfifo(tmp_path / name if linked else root / "cat" / name)
        if linked:
            (root / "cat" / name).symlink_to(tmp_path / name)
    opened: list[str] = []
    real = Path.open

    def watch(path: Path, *how: str) -> object:
        opened.append(path.name)
        assert path.is_file()  # or this test would block too
        return real(path, *how)

    monkeypatch.setattr(Path, "open", watch)
    index = list_images(root)
    assert index.paths == ("cat/1.png", "cat/2.png", "dog/1.jpg")
    assert index.skipped == {"no suffix": 1, ".dat": 1}
    assert opened == []


def test_unlabelled_pipe_given_by_name_is_listed(tmp_path: Path) -> None:
    """It gets its reason when it is read."""
    os.mkfifo(tmp_path / "1.png")
    assert list_unlabelled([tmp_path / "1.png"]) == [tmp_path / "1.png"]


def test_folders_nested_deeper_than_python_recurses_are_listed(tree: Tree) -> None:
    """1,100 folders deep; the order is still depth first, in natural order."""
    root = tree("cat/1.png", "cat/z.png", "dog/1.png")
    deepest = root / "cat"
    for _ in range(1100):  # mkdir(parents=True) calls itself once for each folder, and so does pytest's clean-up
        deepest /= "d"
        deepest.mkdir()
    shutil.copy(root / "dog" / "1.png", deepest / "2.png")
    try:
        index = list_images(root)
        assert index.paths == ("cat/1.png", (deepest / "2.png").relative_to(root).as_posix(), "cat/z.png", "dog/1.png")
    finally:
        (deepest / "2.png").unlink()
        for folder in (deepest, *deepest.parents[:1099]):
            folder.rmdir()


def test_class_is_the_same_however_its_accents_are_written(tree: Tree) -> None:
    """A Mac may take "é" apart where Linux does not: one class, and paths as they are on the disk."""
    composed, apart = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    index = list_images(tree(f"train/{composed}/1.png", f"test/{apart}/1.png"))
    assert index.class_names == (composed,)
    assert index.paths == (f"train/{composed}/1.png", f"test/{apart}/1.png")


LISTINGS = pytest.mark.parametrize("list_path", [list_images, lambda path: list_unlabelled([path])])


@LISTINGS
def test_too_long_a_name_is_said(tmp_path: Path, list_path: Callable[[Path], object]) -> None:
    """The system's own reason, in an error of ours."""
    with pytest.raises(ImageListError, match="xxx: cannot be listed: File name too long"):
        list_path(tmp_path / ("x" * 300))


@LISTINGS
def test_path_behind_a_closed_folder_is_said(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, list_path: Callable[[Path], object]
) -> None:
    """Where the folder above keeps us out, nobody knows whether there is anything: that is not "no such folder"."""
    root = tree("cat/1.png")
    real = os.stat

    def refuse(path: object, **how: bool) -> os.stat_result:  # the tests may run as root, whom no mode keeps out
        if path == root:
            raise PermissionError(13, "Permission denied")
        return real(path, **how)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(ImageListError, match="root: cannot be listed: Permission denied"):
        list_path(root)


@LISTINGS
def test_deleted_current_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_path: Callable[[Path], object]
) -> None:
    """A shell may stand in a folder that another one has removed."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ImageListError, match="cannot be listed: No such file or directory"):
        list_path(Path())


@LISTINGS
def test_name_that_no_file_can_have_is_said(tmp_path: Path, list_path: Callable[[Path], object]) -> None:
    """A null byte ends names in C."""
    with pytest.raises(ImageListError, match="no such"):
        list_path(tmp_path / "cat\0")


def test_linked_class_folders_work(tree: Tree, tmp_path: Path) -> None:
    """Data sets are often put together from links: the path is the one through the link, the class is the link's name."""
    root = tree("cat/1.png")
    outside = tmp_path / "elsewhere" / "dogs"
    outside.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(outside / "rex.png")
    (root / "dog").symlink_to(outside)
    index = list_images(root)
    assert index.paths == ("cat/1.png", "dog/rex.png")
    assert index.class_names == ("cat", "dog")


def test_linked_root_and_linked_images_work(tree: Tree, tmp_path: Path) -> None:
    """A link to the whole folder, and links to single images, are as good as the real thing."""
    root = tree("cat/1.png")
    (root / "cat" / "2.png").symlink_to(root / "cat" / "1.png")
    (tmp_path / "link").symlink_to(root)
    index = list_images(tmp_path / "link")
    assert (index.root, index.paths) == (root.resolve(), ("cat/1.png", "cat/2.png"))


def test_unlabelled_images_keep_the_order_they_were_given_in(tree: Tree) -> None:
    """Files stand where they were given, a folder's images in natural order in its place, nested ones too."""
    root = tree("z.png", "in/10.png", "in/9.png", "in/deep/1.png", "a.png")
    (root / "in" / "notes.txt").write_text("words")
    (root / "in" / ".DS_Store").write_text("")
    found = list_unlabelled([root / "z.png", root / "in", root / "a.png"])
    assert [path.relative_to(root).as_posix() for path in found] == [
        "z.png",
        "in/9.png",
        "in/10.png",
        "in/deep/1.png",
        "a.png",
    ]


def test_unlabelled_file_given_by_name_is_listed_whatever_it_is(tree: Tree) -> None:
    """Who names a file gets an answer about it: it is rejected later, with a reason."""
    root = tree()
    (root / "notes.txt").write_text("words")
    assert list_unlabelled([root / "notes.txt"]) == [root / "notes.txt"]


def test_unlabelled_path_that_does_not_exist_is_said(tree: Tree) -> None:
    """One wrong path among right ones is an error, not one image fewer."""
    root = tree("1.png")
    with pytest.raises(ImageListError, match=r"nowhere\.png: no such file or folder"):
        list_unlabelled([root / "1.png", root / "nowhere.png"])


def test_unlabelled_folder_without_images_is_said(tree: Tree) -> None:
    """The error names the folder."""
    with pytest.raises(ImageListError, match="root: no images there"):
        list_unlabelled([tree()])
