"""Folders that are no classes: splits under any name, what systems put there, levels, and names that differ in nothing seen."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from featx.errors import ImageListError
from featx.images import ImageIndex, list_images, list_unlabelled, listing_faults, listing_notes
from featx.images.listing.names import splits_called

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


def rows_of(index: ImageIndex) -> set[tuple[str, str]]:
    """Return (class, split) of every image."""
    names = [index.class_names[label] if label >= 0 else "" for label in index.labels]
    return set(zip(names, index.splits, strict=True))


SPLITS = {
    "train": ["train", "Train", "TRAINING", "train_set", "training_set", "Training Set", "train-data", "train2017", "trainset"],
    "val": ["val", "valid", "Validation", "validate", "dev", "val_set", "VALIDATION-SET", "val2017", "valid_images"],
    "test": ["test", "TEST", "testing", "test_set", "Test Images", "test1", "testset", "holdout", "eval", "Evaluation"],
}


@pytest.mark.parametrize(("split", "name"), [(split, name) for split, names in SPLITS.items() for name in names])
def test_split_folders_have_many_names(tree: Tree, split: str, name: str) -> None:
    """Each usual name, in any case, beside a folder of another split: the class folders inside are the classes."""
    other, other_split = ("val", "val") if split == "train" else ("train", "train")
    index = list_images(tree(*(f"{folder}/{animal}/1.png" for folder in (name, other) for animal in ("cat", "dog"))))
    assert index.class_names == ("cat", "dog")
    assert rows_of(index) == {(animal, which) for animal in ("cat", "dog") for which in (split, other_split)}


@pytest.mark.parametrize(
    ("folders", "split"),
    [(("train", "eval"), "test"), (("train", "eval", "val"), "test"), (("train", "eval", "test"), "val")],
)
def test_evaluation_is_the_test_set_unless_there_is_one(tree: Tree, folders: tuple[str, ...], split: str) -> None:
    """As in Food-11 (training, validation, evaluation); with a test set of its own it is for validation."""
    index = list_images(tree(*(f"{folder}/{animal}/1.png" for folder in folders for animal in ("cat", "dog"))))
    assert {found for path, found in zip(index.paths, index.splits, strict=True) if path.startswith("eval/")} == {split}


@pytest.mark.parametrize(
    "name", ["trainer", "trains", "tester", "valley", "device", "contest", "train2", "evaluator", "test12"]
)
def test_names_that_only_begin_like_a_split_are_none(name: str) -> None:
    """A valley is no validation set."""
    assert splits_called([name]) == {}


def test_unusual_names_of_splits_are_said(tree: Tree) -> None:
    """What a folder was taken for can be read before the run."""
    index = list_images(tree("training/cat/1.png", "training/dog/1.png", "testing/cat/1.png"))
    assert index.notes == ("split folders: testing/ is test, training/ is train",)


@pytest.mark.parametrize("other", ["holdout_b", "extra", "new data"])
def test_unknown_folder_with_the_classes_of_a_split_is_an_error(tree: Tree, other: str) -> None:
    """Else telling the one folder from the other would be what is learned."""
    root = tree(*(f"{folder}/{animal}/1.png" for folder in ("train", other) for animal in ("cat", "dog")))
    with pytest.raises(ImageListError, match=rf"root: {other}/ holds the same class folders \(cat, dog\) as train/ beside it"):
        list_images(root)


def test_split_beside_a_folder_of_images_without_class_is_an_error(tree: Tree) -> None:
    """Images that nobody has labelled yet would become a class of their own."""
    root = tree("train/cat/1.png", "train/dog/1.png", "unlabelled/1.png", "unlabelled/2.png")
    said = r"train/ is named like a split and holds class folders \(cat, dog\), but unlabelled/ beside it holds 2 images"
    with pytest.raises(ImageListError, match=said):
        list_images(root)


def test_nested_classes_of_which_one_is_called_train(tree: Tree) -> None:
    """Kinds of vehicles, each with kinds of its own, are classes."""
    index = list_images(tree("train/steam/1.png", "train/diesel/1.png", "boat/sail/1.png", "boat/motor/1.png"))
    assert (index.class_names, set(index.splits)) == (("boat", "train"), {""})


def test_unknown_folder_beside_two_splits_is_left_out_and_said(tree: Tree) -> None:
    """Train and test leave no doubt; what lies beside them is listed with a reason, and named."""
    index = list_images(tree("train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "more/cat/1.png"))
    reasons = dict(zip(index.paths, index.reasons, strict=True))
    assert reasons["more/cat/1.png"] == "beside the split folders, in none of them"
    assert index.notes == ("more/ beside the split folders: those images are in no split and are left out",)


def test_folder_named_like_a_split_that_is_taken_for_a_class_is_said(tree: Tree) -> None:
    """Locomotives in ``train`` beside ``boat`` are a class, and whoever meant a split reads it."""
    index = list_images(tree("boat/1.png", "train/steam/1.png"))
    assert index.class_names == ("boat", "train")
    assert [note for note in index.notes if note.startswith("train/: named like a split, but taken for a class")]


def test_flat_split_folders_are_an_error_with_the_manifest_that_would_do(tree: Tree) -> None:
    """A contest's download: what was found is counted, the classes are guessed from the names, the lines stand there."""
    names = [f"train/{animal}.{number}.jpg" for animal in ("cat", "dog") for number in range(3)]
    with pytest.raises(ImageListError) as caught:
        list_images(tree(*names, *(f"test/{number}.jpg" for number in range(1, 5))))
    said = str(caught.value)
    assert "images right inside them: test 4, train 6" in said
    assert "suggest the classes cat, dog; 4 names give none" in said
    assert "path,label,split\n  train/cat.0.jpg,cat,train\n  train/dog.0.jpg,dog,train\n" in said


@pytest.mark.parametrize(
    "paths",
    [
        ("train/1.png", "test/1.png"),
        ("train/1.png", "train/2.png"),
        ("test/1.png", "val/old/1.png"),
        ("Training/IMG_1.png", "Training/IMG_2.png", "validate/IMG_3.png"),
    ],
)
def test_flat_split_folders_whose_names_suggest_nothing_are_an_error(tree: Tree, paths: tuple[str, ...]) -> None:
    """No class is made up: the label is left for the user to write."""
    with pytest.raises(ImageListError, match=r"split folders without class folders inside.*suggest no classes"):
        list_images(tree(*paths))


SYSTEM = [
    *("@eaDir", "#recycle", "$RECYCLE.BIN", "@Recycle", "@Recently-Snapshot", "#snapshot", ".snapshot", "lost+found"),
    *("System Volume Information", "__MACOSX", ".thumbnails", ".Trash-1000", ".AppleDouble", ".Trashes", "@tmp"),
    *("RECYCLER", "Network Trash Folder", "found.000", ".@__thumb", ".ipynb_checkpoints"),
]


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("place", ["", "cat/", "train/", "train/cat/"])
def test_folders_of_the_system_are_passed_over_and_counted(tree: Tree, name: str, place: str) -> None:
    """Thumbnails of a NAS, what was deleted, snapshots: wherever they lie they are neither images nor classes."""
    animals = [f"train/{animal}/1.png" for animal in ("cat", "dog")] + ["test/cat/1.png"]
    paths = animals if place.startswith("train/") else ["cat/1.png", "dog/1.png"]
    root = tree(*paths, f"{place}{name}/1.png/x.jpg", f"{place}{name}/2.png")
    index = list_images(root)
    assert sorted(index.paths) == sorted(paths)
    assert index.class_names == ("cat", "dog")
    assert (index.passed_over, index.skipped) == ({name: 1}, {})
    assert len(list_unlabelled([root])) == len(paths)


def test_thumbnails_of_a_nas_are_counted_by_folder(tree: Tree) -> None:
    """One in each class folder."""
    index = list_images(tree("cat/1.png", "dog/1.png", "cat/@eaDir/1.png/a.jpg", "dog/@eaDir/1.png/a.jpg", "#recycle/1.png"))
    assert index.paths == ("cat/1.png", "dog/1.png")
    assert index.passed_over == {"#recycle": 1, "@eaDir": 2}


def refuse_to_list(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the system refuse to list every folder of a name: the tests may run as root, whom no mode keeps out."""
    real = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == name:
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", refuse)


@pytest.mark.parametrize(
    ("closed", "left"),
    [("private", ("cat/1.png", "dog/1.png")), ("dog", ("cat/1.png", "cat/private/2.png"))],
)
def test_unreadable_folder_is_passed_over_with_a_note(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, closed: str, left: tuple[str, ...]
) -> None:
    """The others are listed; the note names it and says why."""
    root = tree("cat/1.png", "cat/private/2.png", "dog/1.png")
    refuse_to_list(monkeypatch, closed)
    index = list_images(root)
    assert index.paths == left
    where = "cat/private" if closed == "private" else "dog"
    assert index.notes == (f"folders that cannot be listed, and whose images are left out: {where} (Permission denied)",)
    assert index.empty_classes == {}


def test_unreadable_root_is_an_error(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing else to list."""
    root = tree("cat/1.png", "dog/1.png")
    refuse_to_list(monkeypatch, "root")
    with pytest.raises(ImageListError, match="root: cannot be listed: Permission denied"):
        list_images(root)


def test_unreadable_folder_to_predict_is_an_error(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for an answer about a folder gets one about all of it, or none."""
    root = tree("1.png", "private/2.png")
    refuse_to_list(monkeypatch, "private")
    with pytest.raises(ImageListError, match="private: cannot be listed: Permission denied"):
        list_unlabelled([root])


def test_one_class_whose_folders_look_like_the_classes(tree: Tree) -> None:
    """One level too high: the folder that looks right is named."""
    index = list_images(tree("photos/cat/1.png", "photos/dog/1.png"))
    (fault,) = listing_faults(index)
    said = "all images are of one class, 'photos'; a head needs two. The folders in it look like classes or splits: cat, dog. "
    assert fault.startswith(said)
    assert fault.endswith(f"Give {index.root / 'photos'} instead.")


def test_splits_one_level_too_high_are_said(tree: Tree) -> None:
    """A folder around train/ and test/ is one class, and the folder inside is named."""
    index = list_images(tree("data/train/cat/1.png", "data/train/dog/1.png", "data/test/cat/1.png"))
    assert listing_faults(index)[0].endswith(f"look like classes or splits: test, train. Give {index.root / 'data'} instead.")


def test_one_split_of_several_is_said(tree: Tree) -> None:
    """One level too low: ``train`` given where ``test`` lies beside it."""
    root = tree("train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "docs/1.png")
    assert list_images(root / "train").notes == (f"test/ beside train/: give {root} for all splits to be used",)


def test_class_folder_instead_of_the_folder_above_is_said(tree: Tree) -> None:
    """Images and no class folders: the folder above may be meant."""
    root = tree("cat/1.png", "dog/1.png")
    with pytest.raises(ImageListError, match=rf"holds 1 images but no class folders\..* Or is {root} the folder of class"):
        list_images(root / "cat")


def test_class_folders_that_hold_only_folders_are_said(tree: Tree) -> None:
    """Nested classes are of the class above; that is read before hours of work."""
    index = list_images(tree("animals/cat/1.png", "animals/dog/1.png", "cars/1.png"))
    assert index.class_names == ("animals", "cars")
    assert listing_notes(index) == [
        "class folders that hold only folders: animals (cat, dog). All images below are of the class above"
    ]


def test_the_same_folders_in_every_class_are_said(tree: Tree) -> None:
    """Two years of the same classes: the years would be the classes."""
    index = list_images(tree(*(f"{year}/{animal}/1.png" for year in (2019, 2020) for animal in ("cat", "dog"))))
    (note,) = listing_notes(index)
    assert note.startswith("every class folder holds the same folders (cat, dog), which may be the classes: then give ")
    assert str(index.root / "2019") in note


def test_splits_inside_class_folders_are_said(tree: Tree) -> None:
    """They are not used: the splits are drawn."""
    index = list_images(tree(*(f"{animal}/{split}/1.png" for animal in ("cat", "dog") for split in ("train", "test"))))
    assert index.class_names == ("cat", "dog")
    (note,) = listing_notes(index)
    assert note.startswith("class folders hold splits: cat/test, cat/train. They are not used")


def test_usual_folders_give_no_notes(tree: Tree) -> None:
    """Nobody reads notes that always come."""
    plain = list_images(tree("cat/1.png", "dog/1.png", "dog/old/2.png"))
    assert (listing_notes(plain), listing_faults(plain)) == ([], [])


@pytest.mark.parametrize(
    ("few", "many"),
    [
        ("Cat", "cat"),
        ("cat ", "cat"),
        ("red  fox", "red fox"),
        ("redfox", "red fox"),
        ("STRASSE", "straße"),
        ("\ufb01sh", "fish"),  # the ligature, as copied from a PDF
        ("cafe\u0301", "Café"),
    ],
)
def test_names_equal_but_for_case_or_spaces_are_said(tree: Tree, few: str, many: str) -> None:
    """Both are classes still; the one with more images looks right, and is named."""
    index = list_images(tree(f"{few}/1.png", f"{many}/2.png", f"{many}/3.png", "zebra/1.png"))
    (note,) = listing_notes(index)
    few = unicodedata.normalize("NFC", few)
    assert note.startswith("classes whose names differ only in case or spaces: ")
    assert f"{few!r} (1 images)" in note
    assert f"{many!r} (2 images)" in note
    assert note.endswith(f"{many!r} looks right: rename the others")


def test_class_of_a_format_that_is_not_read_is_a_fault(tree: Tree) -> None:
    """Named by class, with its files counted by suffix; a class that has others elsewhere is not lost."""
    root = tree("cat/1.png", "dog/1.png")
    for name in ("bird/1.HEIC", "bird/2.heic", "bird/notes.txt", "docs/notes.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("words")
    (root / "empty").mkdir()
    index = list_images(root)
    assert index.class_names == ("cat", "dog")
    assert index.empty_classes == {"bird": {".heic": 2, ".txt": 1}, "docs": {".txt": 1}, "empty": {}}
    assert listing_faults(index) == [
        "no image of a format that is read (JPEG, PNG, WebP, BMP, GIF, TIFF) in bird (2 .heic, 1 .txt). Convert them."
    ]
    assert listing_notes(index) == ["folders without an image, which are no class: docs (1 .txt), empty (empty)"]


def test_class_without_a_readable_format_in_one_split_is_a_note(tree: Tree) -> None:
    """It can be learned from the other split."""
    root = tree("train/cat/1.png", "train/dog/1.png", "test/cat/1.png")
    (root / "test" / "dog").mkdir()
    (root / "test" / "dog" / "1.heic").write_text("words")
    index = list_images(root)
    assert listing_faults(index) == []
    assert listing_notes(index) == ["folders without an image, which are no class: test/dog (1 .heic)"]


def test_nothing_but_other_formats_is_said(tree: Tree) -> None:
    """What was found instead is counted."""
    root = tree()
    for name in ("cat/1.heic", "dog/1.heic", "dog/2.avif"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("words")
    with pytest.raises(
        ImageListError, match=r"no images in it\..* Found instead: 2 HEIC images \(\.heic\), 1 AVIF image \(\.avif\)\. Convert"
    ):
        list_images(root)


def test_of_equally_many_images_the_name_without_stray_spaces_looks_right(tree: Tree) -> None:
    """A space at the end is a slip."""
    (note,) = listing_notes(list_images(tree("Cat /1.png", "cat/2.png", "zebra/1.png")))
    assert note.endswith("'cat' looks right: rename the others")
