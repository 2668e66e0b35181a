"""What extract says and refuses before the backbone runs, and how a manifest's options reach it."""

import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import featx
from featx.errors import ImageListError
from tests.conftest import COLOURS, as_json, write_image

Extract = Callable[..., featx.ExtractResult]
STUB = ("--backbone", "stub", "--image-size", "64", "--workers", "1")
PLAN: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "batch_size": 8, "workers": 1}


def test_splits_called_training_and_testing_are_splits(photos: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """The classes are those inside; the note comes on stderr and in JSON."""
    (tmp_path / "set").mkdir()
    shutil.copytree(photos, tmp_path / "set" / "training")
    for number, (name, colour) in enumerate(COLOURS.items()):
        write_image(tmp_path / "set" / "testing" / name / "0.png", colour, seed=5000 + number)
    result = run("extract", "set", *STUB, "--json")
    document = as_json(result)
    assert document["images_of_class"] == dict.fromkeys(COLOURS, 13)
    assert document["splits"]["test"] == 3
    assert document["notes"] == ["split folders: testing/ is test, training/ is train"]
    assert "note: split folders: testing/ is test, training/ is train" in result.stderr


def test_thumbnails_of_a_nas_are_no_images(photos: Path, run: Callable[..., Any]) -> None:
    """Passed over, counted in JSON and in the text."""
    for path in list(photos.glob("*/*.png")):
        folder = path.parent / "@eaDir" / path.name
        folder.mkdir(parents=True)
        with Image.open(path) as image:
            image.resize((8, 8)).save(folder / "SYNOPHOTO_THUMB_M.jpg")
    document = as_json(run("extract", "photos", *STUB, "--json"))
    assert (document["listed"], document["duplicates"]) == (36, 0)
    assert document["passed_over"] == {"@eaDir": 3}
    assert "passed over: 3 hidden or system folders (3 @eaDir)" in run("extract", "photos", *STUB).stdout


def one_class(root: Path) -> None:
    """Write twelve images of one class."""
    for number in range(12):
        write_image(root / "only" / f"{number}.png", (90, 90, 90), seed=number)


def nothing_to_measure(root: Path) -> None:
    """Write two different images a class, one of them three times over."""
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(2):
            write_image(root / name / f"{number}.png", colour, seed=10 * label + number)
        for copy in range(2):
            shutil.copy(root / name / "0.png", root / name / f"copy {copy}.png")


def unread_format(root: Path) -> None:
    """Write two classes, and a third as HEIC files."""
    for label, name in enumerate(("blue", "red")):
        for number in range(6):
            write_image(root / name / f"{number}.png", COLOURS[name], seed=10 * label + number)
    (root / "green").mkdir()
    for number in range(3):
        (root / "green" / f"{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")


def unread_format_with_another_name(root: Path) -> None:
    """Write the same HEIC files called ``.jpg``, as phones' transfers do."""
    unread_format(root)
    for path in (root / "green").iterdir():
        path.rename(path.with_suffix(".jpg"))


FAULTS = {
    one_class: r"all images are of one class, 'only'; a head needs two\.",
    nothing_to_measure: r"val and test would both be empty: no class has 3 different images\.",
    unread_format: r"no image of a format that is read \(JPEG, .*\) in green \(3 \.heic\)\. Convert them\.",
    unread_format_with_another_name: r"class 'green' has no image of a format that is read .*: 3 \.jpg\. Convert them\.",
}


@pytest.mark.parametrize(("make", "said"), FAULTS.items(), ids=[make.__name__ for make in FAULTS])
def test_what_no_head_can_use_is_refused(
    tmp_path: Path, extract: Extract, make: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the backbone is loaded, by extract and its dry run; with ``yes`` it is a note, and the images are extracted."""
    root = tmp_path / "set"
    make(root)
    with monkeypatch.context() as patched:
        patched.setattr("featx.models.compute.load_backbone", None)
        for attempt in (extract, lambda images: featx.plan_extract(images, tmp_path / "cache", **PLAN)):
            with pytest.raises(ImageListError, match=rf"set: {said}.* Or give --yes to extract them all the same\.$"):
                attempt(root)
    assert not (tmp_path / "cache").exists()
    result = extract(root, yes=True)
    assert result.extracted > 0
    assert len(result.notes) == 1
    plan = featx.plan_extract(root, tmp_path / "cache", yes=True, **PLAN)
    assert (plan.notes, plan.to_extract) == (result.notes, 0)


def test_no_val_and_test_is_no_fault_where_it_was_asked_for(tmp_path: Path, extract: Extract) -> None:
    """Fractions of 0 say that they are not wanted."""
    nothing_to_measure(tmp_path / "set")
    result = extract(tmp_path / "set", val_fraction=0, test_fraction=0)
    assert (result.splits, result.notes) == ({"train": 12, "val": 0, "test": 0}, [])


def test_a_given_test_set_is_enough_to_measure_on(tmp_path: Path, extract: Extract) -> None:
    """However small the classes are."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        write_image(tmp_path / "set" / "train" / name / "0.png", colour, seed=number)
        write_image(tmp_path / "set" / "test" / name / "0.png", colour, seed=100 + number)
    assert extract(tmp_path / "set").splits == {"train": 3, "val": 0, "test": 3}


def test_a_part_may_hold_one_image_of_a_class(photos: Path, extract: Extract) -> None:
    """Of a part nobody can say what the others hold."""
    assert extract(photos, shard="1/30").listed < 5


def manifest_of(photos: Path, content: Callable[[str, str], str], header: str = "path,label") -> Path:
    """Write a manifest of all images beside their folder, each row as ``content(path, class)`` has it."""
    paths = sorted(photos.glob("*/*.png"))
    rows = [content(path.relative_to(photos.parent).as_posix(), path.parent.name) for path in paths]
    manifest = photos.parent / "list.csv"
    manifest.write_text("\n".join([header, *rows, ""]))
    return manifest


def test_manifest_whose_files_are_not_there_exits_with_1(photos: Path, run: Callable[..., Any]) -> None:
    """The folder, the near miss and the remedy; and the remedy works, for extract and for evaluate."""
    manifest_of(photos, lambda path, name: f"{path.removeprefix('photos/')[:-4]},{name}", "image_id,class")
    result = run("extract", "list.csv", *STUB, "--json")
    assert result.exit_code == 1
    said = f"list.csv: none of its 36 files was found below {photos.parent.resolve()}, such as blue/0. "
    assert said + "It exists below photos/ and with .png, as blue/0.png: give --root photos --ext .png." in result.stderr
    options = ("--root", "photos", "--ext", ".png")
    document = as_json(run("extract", "list.csv", *STUB, *options, "--json"))
    assert (document["listed"], document["rejected"]) == (36, 0)
    assert run("fit", "--head", "logreg", "--out", "m.featx").exit_code == 0
    refused = run("evaluate", "m.featx", "--images", "list.csv", "--json")
    assert refused.exit_code == 1
    assert "give --root photos --ext .png" in refused.stderr
    measured = as_json(run("evaluate", "m.featx", "--images", "list.csv", *options, "--no-page", "--json"))
    assert (measured["images"], measured["rejected"]) == (36, 0)
    assert "columns: path is 'image_id', label is 'class'" in measured["notes"]


def test_some_files_that_are_not_there_are_rejected_and_noted(photos: Path, extract: Extract) -> None:
    """The run goes on with the others, and the note says where those are."""
    manifest = manifest_of(photos, lambda path, name: f"{path.replace('/', chr(92)) if '/1' in path else path},{name}")
    result = extract(manifest)
    assert (result.listed, result.rejected) == (36, 9)  # 1, 10 and 11 of each class
    (note,) = result.notes
    assert r"9 of its 36 files were not found below" in note
    assert r"It exists with / for \, as photos/blue/1.png: write the paths so." in note


def test_class_of_which_no_file_is_there_is_refused(photos: Path, extract: Extract) -> None:
    """Named, with the reasons of its rows."""
    manifest = manifest_of(photos, lambda path, name: f"{path + 'x' if name == 'red' else path},{name}")
    with pytest.raises(
        ImageListError, match=r"list\.csv: class 'red' has no image that can be read: 12 cannot be read: No such"
    ):
        extract(manifest)


def test_named_columns_and_suffix_give_what_the_folder_gives(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """The same features, labels and given splits; the same recipe, as no option of a listing is part of it."""
    manifest = manifest_of(
        photos, lambda path, name: f"x,{path[:-4]},{name},{'testing' if '/3' in path else 'training'}", "path,p,l,s"
    )
    options = {"path_column": "p", "label_column": "l", "split_column": "s", "ext": "png"}
    by_manifest = featx.FeatureCache.open(extract(manifest, tmp_path / "a", **options).cache)
    by_folder = featx.FeatureCache.open(extract(photos, tmp_path / "b").cache)
    assert by_manifest.recipe.fingerprint == by_folder.recipe.fingerprint
    assert [path.removeprefix("photos/") for path in by_manifest.catalog.paths] != []
    mine = {path.removeprefix("photos/"): row for row, path in enumerate(by_manifest.catalog.paths)}
    rows = [mine[path] for path in by_folder.catalog.paths]
    assert (by_manifest.features(rows) == by_folder.features(range(36))).all()
    assert by_manifest.catalog.labels[rows].tolist() == by_folder.catalog.labels.tolist()
    assert len(by_manifest.catalog.rows("test")) == 3
    again = extract(manifest, tmp_path / "a", **options)
    assert (again.extracted, again.reused, again.splits) == (0, 36, {"train": 27, "val": 6, "test": 3})


def test_accents_of_a_mac_are_found(photos: Path, extract: Extract) -> None:
    """A table in the Mac's spelling and files in the other: nothing rejected, then or the next time."""
    composed, apart = unicodedata.normalize("NFC", "th\u00e9"), unicodedata.normalize("NFD", "th\u00e9")
    for path in list((photos / "red").iterdir()):
        path.rename(path.with_name(f"{composed}_{path.name}"))
    manifest = manifest_of(photos, lambda path, name: f"{path},{name}")
    manifest.write_text(manifest.read_text().replace(composed, apart))
    assert apart in manifest.read_text()
    assert (extract(manifest).extracted, extract(manifest).reused) == (36, 36)


def test_notes_come_before_the_backbone_runs(photos: Path, tmp_path: Path) -> None:
    """Who misread a name can stop the run while nothing is lost."""
    (photos / "red").rename(photos / "Blue")
    events: list[str] = []
    featx.extract_features(
        photos, tmp_path / "cache", **PLAN, notify=events.append, progress=lambda stage, done, total: events.append(stage)
    )
    (note,) = [event for event in events if event.startswith("classes whose names differ only in case")]
    assert events.index(note) < events.index("extract")


def test_a_fault_is_an_error_with_json_too(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Exit code 1, and ``--yes`` on the command line."""
    one_class(tmp_path / "set")
    refused = run("extract", "set", *STUB, "--json")
    assert refused.exit_code == 1
    assert "Or give --yes" in refused.stderr
    taken = run("extract", "set", *STUB, "--json", "--yes")
    assert json.loads(taken.stdout)["notes"] == ["all images are of one class, 'only'; a head needs two."]
    assert "note: all images are of one class" in taken.stderr


def test_options_of_a_manifest_are_refused_without_one(run: Callable[..., Any], stub_cache: Path) -> None:
    """An evaluation of cached images reads none; a misspelt keyword is an error whatever is measured."""
    assert run("fit", stub_cache, "--head", "logreg", "--out", "m.featx").exit_code == 0
    refused = run("evaluate", "m.featx", "--root", "photos")
    assert refused.exit_code == 2
    assert "Give --images." in refused.stderr
    with pytest.raises(ImageListError, match=r"^evaluate: has no option 'label_colum'\. Did you mean label_column\?"):
        featx.evaluate_model("m.featx", label_colum="x")  # type: ignore[call-arg]


def test_the_pages_commands_do_what_it_says(photos: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Each command of the page on manifests, on a table as it describes, with the stub backbone."""
    page = (Path(featx.__file__).parents[1] / "docs" / "howto" / "folders-and-manifests.md").read_text("utf-8")
    (block,) = re.findall(r"<!-- checked: manifest columns -->\n```sh\n(.*?)```", page, re.DOTALL)
    by_name, by_folder, measured = (line.split()[1:] for line in block.splitlines())
    images = tmp_path / "images"
    images.mkdir()
    rows = []
    for path in sorted(photos.glob("*/*.png")):
        stem, part = f"{path.parent.name}{path.stem}", "testing" if path.stem in "012" else "training"
        for copy in (tmp_path / stem, images / f"{stem}.jpg"):
            shutil.copy(path, copy)
        rows.append(f"{stem},{path.parent.name},{part}\n")
    for name in ("ham.csv", "labels.csv"):
        (tmp_path / name).write_text("image_id,dx,part\n" + "".join(rows))
    assert as_json(run(*by_name, *STUB, "--json"))["splits"]["test"] == 9
    assert as_json(run(*by_folder, *STUB, "--json"))["listed"] == 36
    assert run("fit", "--head", "logreg", "--out", "models/dense.featx").exit_code == 0
    assert as_json(run(*measured, "--no-page", "--json"))["images"] == 36


def test_files_of_classes_that_have_features_are_not_opened(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second extract opens one file of a new class, and none of the others."""
    extract(photos)
    write_image(photos / "grey" / "0.png", (90, 90, 90), seed=1)
    write_image(photos / "grey" / "1.png", (90, 90, 90), seed=2)
    opened: list[str] = []
    from featx.images.listing import usable

    real = usable._looks_like_image
    monkeypatch.setattr(usable, "_looks_like_image", lambda index, row: opened.append(index.paths[row]) or real(index, row))
    extract(photos)
    assert opened == ["grey/0.png"]
