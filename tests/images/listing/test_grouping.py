"""Groups told from a column, from paths and from what the camera wrote."""

from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from featx.errors import ImageListError
from featx.images import GroupFrom, ImageIndex, group_faults, group_images, list_images
from featx.images.exif import read_shot


def picture(path: Path, *, camera: str = "", taken: str = "", fraction: str = "", form: str = "JPEG", **notes: Any) -> Path:
    """Write an image with what a camera writes beside it."""
    exif = Image.Exif()
    if camera:
        exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = camera.split(" ", 1)
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in ((ExifTags.Base.DateTimeOriginal, taken), (ExifTags.Base.SubsecTimeOriginal, fraction)):
        if value:
            inner[tag] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (len(str(path)) % 250, 0, 0)).save(path, form, exif=exif, **notes)
    return path


def grouped(source: Path, spec: str | None) -> ImageIndex:
    """List and group."""
    return group_images(list_images(source), GroupFrom.parse(spec) if spec is not None else None)


@pytest.mark.parametrize("name", ["group", "patient_id", "Subject", "individual"])
def test_a_column_of_groups_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    """Spaces around it are nobody's group, an empty cell is none; both are said."""
    table = tmp_path / "list.csv"
    table.write_text(f"path,label,{name}\na.png,cat, p1 \nb.png,dog,p1\nc.png,dog,\n")
    index = grouped(table, None)
    assert index.groups == ("p1", "p1", "")
    assert "groups: 1 of 2 images; each stays in one split" in index.notes
    assert grouped(table, "none").groups == ()


def test_a_column_without_a_group_is_none(tmp_path: Path) -> None:
    """Nothing is said of groups then."""
    table = tmp_path / "list.csv"
    table.write_text("path,label,group\na.png,cat,\nb.png,dog,\n")
    assert (grouped(table, None).groups, grouped(table, None).notes) == ((), ())


def test_groups_from_paths(tmp_path: Path) -> None:
    """What the parentheses hold, all that is matched where there are none; or the folder below the class's."""
    for name in ("cat/rex/1.png", "cat/rex/2.png", "cat/tom/1.png", "cat/3.png", "dog/rex/9.png"):
        picture(tmp_path / name, form="PNG")
    paths = list_images(tmp_path).paths
    by_regex = dict(zip(paths, grouped(tmp_path, r"(rex|tom)/").groups, strict=True))
    assert by_regex == {
        "cat/rex/1.png": "rex", "cat/rex/2.png": "rex", "cat/tom/1.png": "tom", "cat/3.png": "", "dog/rex/9.png": "rex",
    }  # fmt: skip
    index = grouped(tmp_path, r"(rex|tom)/")
    assert index.notes[-1] == "1 of 5 images have no group and stand alone: cat/3.png"
    assert set(grouped(tmp_path, r"\d").groups) == {"1", "2", "3", "9"}
    assert dict(zip(paths, grouped(tmp_path, "parent").groups, strict=True)) == {
        "cat/rex/1.png": "cat/rex", "cat/rex/2.png": "cat/rex", "cat/tom/1.png": "cat/tom", "cat/3.png": "",
        "dog/rex/9.png": "dog/rex",
    }  # fmt: skip


def test_bursts_are_of_one_camera_and_close_in_time(tmp_path: Path) -> None:
    """A chain: each within a minute of the one before, the first and last further apart. Another camera's are its own."""
    shots = {
        "a/1.jpg": ("Canon R5", "2024:05:01 10:00:00"),
        "a/2.jpg": ("Canon R5", "2024:05:01 10:00:50"),
        "b/3.jpg": ("Canon R5", "2024:05:01 10:01:40"),
        "b/4.jpg": ("Canon R5", "2024:05:01 10:02:40"),
        "b/5.jpg": ("Nikon Z9", "2024:05:01 10:00:10"),
        "b/6.jpg": ("Nikon Z9", ""),
    }
    for name, (camera, taken) in shots.items():
        picture(tmp_path / name, camera=camera, taken=taken)
    index = grouped(tmp_path, "exif:time<60s")
    found = dict(zip(index.paths, index.groups, strict=True))
    assert found["a/1.jpg"] == found["a/2.jpg"] == found["b/3.jpg"] == "Canon R5 1714557600.00"
    assert len({found["a/1.jpg"], found["b/4.jpg"], found["b/5.jpg"]}) == 3  # 60 s later is no longer within 60 s
    assert found["b/6.jpg"] == ""
    wider = grouped(tmp_path, "exif:time < 2min")
    assert dict(zip(wider.paths, wider.groups, strict=True))["b/4.jpg"] == found["a/1.jpg"]
    cameras = grouped(tmp_path, "exif:camera")
    assert set(cameras.groups) == {"Canon R5", "Nikon Z9"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_shot_is_read_from_every_format_that_has_one(tmp_path: Path, form: str) -> None:
    """With the digits after the second."""
    path = picture(tmp_path / "a", camera="Sony A7", taken="2024:05:01 10:00:00", fraction="25", form=form)
    assert read_shot(path) == ("Sony A7", 1714557600.25)


def test_the_camera_of_a_tiff(tmp_path: Path) -> None:
    """Its own directory is where the maker stands."""
    assert read_shot(picture(tmp_path / "a", camera="Sony A7", form="TIFF")).camera == "Sony A7"


def test_what_says_nothing_says_nothing(tmp_path: Path) -> None:
    """No image, no file, a clock that was never set, damaged notes: a camera is not guessed."""
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    damaged = picture(tmp_path / "damaged.jpg", camera="Sony A7", taken="2024:05:01 10:00:00")
    damaged.write_bytes(damaged.read_bytes().replace(b"MM\0*", b"XX\0*").replace(b"II*\0", b"XX*\0"))
    unset = picture(tmp_path / "unset.jpg", taken="0000:00:00 00:00:00")
    for path in (text, tmp_path / "nowhere.jpg", damaged, unset):
        assert read_shot(path) == ("", None)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "--group-from must be 'parent', 'exif:camera', .* Received: ''"),
        ("exif:lens", "--group-from must be .* Received: 'exif:lens'"),
        ("exif:time<0s", "--group-from must be "),
        ("exif:time", "--group-from must be "),
        ("(", r"--group-from: '\(' is no regular expression: missing \)"),
        (5, "group_from must be a text"),
    ],
)
def test_a_source_that_is_none_is_refused(spec: object, said: str) -> None:
    """With all that there are."""
    with pytest.raises(ImageListError, match=said) as caught:
        GroupFrom.parse(spec)
    assert caught.value.wrong_value


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("parent", "every image lies right in its class folder"),
        ("horse", "--group-from 'horse' matches no path"),
        ("exif:camera", "no image says which camera took it"),
        ("exif:time<60s", "no image says when it was taken"),
    ],
)
def test_a_source_that_tells_nothing_is_an_error(photos: Path, spec: str, said: str) -> None:
    """Images that stand alone would be split as if there were no groups."""
    with pytest.raises(ImageListError, match=f"photos: {said}"):
        grouped(photos, spec)


def test_a_group_that_is_a_whole_class_is_named(photos: Path) -> None:
    """It cannot be split; where the splits are given nothing is drawn, and nothing is wrong."""
    (fault,) = group_faults(grouped(photos, "red|blue|gre"))
    assert "'blue' (group 'blue'), 'green' (group 'gre'), 'red' (group 'red')" in fault
    assert group_faults(grouped(photos, r"\d")) == []


def test_groups_across_given_splits_are_said(tmp_path: Path) -> None:
    """They stay as they were given."""
    for name in ("train/a/p1_1.png", "test/a/p1_2.png", "train/b/p2_1.png", "test/b/p3_1.png"):
        picture(tmp_path / name, form="PNG")
    notes = grouped(tmp_path, r"p\d").notes
    assert any("groups that stand in several of the given splits" in note and note.endswith(": p1") for note in notes)
