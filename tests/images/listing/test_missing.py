"""Files that a manifest names and that are not there: the message says below which folder, and what is there instead."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from featx.errors import ImageListError
from featx.images import ImageIndex, ManifestOptions, describe_missing, find_missing, identify_files, list_images, missing_rows

PATHS = ("pics/cat/1.png", "pics/cat/2.png", "pics/dog/1.png")
List = Callable[..., ImageIndex]


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> List:
    """List a manifest of some paths, in a folder with three images; the current folder is the one above."""
    for path in PATHS:
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "set" / path)
    monkeypatch.chdir(tmp_path)

    def make(paths: Sequence[str], manifest: str = "set/list.csv", options: ManifestOptions | None = None) -> ImageIndex:
        Path(manifest).parent.mkdir(exist_ok=True)
        Path(manifest).write_text("path,label\n" + "".join(f'"{path}",cat\n' for path in paths))
        return list_images(Path(manifest), options)

    return make


NEAR = {
    "backslashes": (lambda path: path.replace("/", "\\"), r"exists with / for \, as pics/cat/1.png: write the paths so."),
    "windows": (
        lambda path: "C:\\Users\\me\\" + path.replace("/", "\\"),
        r"exists with / for \ and without C:/Users/me/, as pics/cat/1.png: write the paths so.",
    ),
    "no suffix": (lambda path: path[:-4], "exists with .png, as pics/cat/1.png: give --ext .png."),
    "other suffix": (lambda path: path[:-4] + ".jpg", "exists with .png for .jpg, as pics/cat/1.png: write the paths so."),
    "spaces": (lambda path: f"{path} ", "exists without the spaces around it, as pics/cat/1.png: write the paths so."),
    "spaces before": (lambda path: f" {path}", "exists without the spaces around it, as pics/cat/1.png: write the paths so."),
    "quotes": (lambda path: f"'{path}'", "exists without the quotes around it, as pics/cat/1.png: write the paths so."),
    "case": (str.upper, "exists in another case, as pics/cat/1.png: write the paths so."),
    "twice": (lambda path: f"pics/{path}", "exists without pics/, as pics/cat/1.png: write the paths so."),
    "home": (lambda path: f"~/{path}", "exists without ~/, as pics/cat/1.png: write the paths so."),
    "below": (lambda path: path.removeprefix("pics/"), "exists below set/pics/, as cat/1.png: give --root set/pics."),
    "below, no suffix": (
        lambda path: path.removeprefix("pics/")[:-4],
        "exists below set/pics/ and with .png, as cat/1.png: give --root set/pics --ext .png.",
    ),
    "above": (lambda path: f"set/{path}", "exists below ./, as set/pics/cat/1.png: give --root ./."),
}


@pytest.mark.parametrize(("change", "said"), NEAR.values(), ids=NEAR)
def test_near_miss_is_named_with_what_to_do(listed: List, tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    """The manifest, the folder that was looked in, the first path, what is there, and how to reach it."""
    index = listed([change(path) for path in PATHS])
    missing = find_missing(index)
    assert missing == [0, 1, 2]
    with pytest.raises(ImageListError) as caught:
        describe_missing(index, missing)
    message = str(caught.value)
    assert message.startswith(f"set/list.csv: none of its 3 files was found below {index.root}, such as ")
    assert index.root == (tmp_path / "set").resolve()
    assert f"It {said}" in message


def test_absolute_paths_of_another_machine_are_looked_for_beside_the_manifest(listed: List) -> None:
    """The end of the path that exists below the manifest's folder is named."""
    index = listed([f"/data/me/{path}" for path in PATHS])
    with pytest.raises(ImageListError, match=r"below /data/me/pics, .*It exists without /data/me/, as pics/cat/1\.png: write"):
        describe_missing(index, find_missing(index))


def test_what_the_message_says_finds_the_files(listed: List) -> None:
    """``--root`` and ``--ext`` as they were advised: nothing is missing."""
    paths = [path.removeprefix("pics/")[:-4] for path in PATHS]
    index = listed(paths, options=ManifestOptions(root="set/pics", ext=".png"))
    assert find_missing(index) == []
    assert index.paths == ("cat/1.png", "cat/2.png", "dog/1.png")


def test_manifest_in_a_folder_of_its_own(listed: List, tmp_path: Path) -> None:
    """The images lie beside that folder: the one above is the root."""
    index = listed(PATHS, "set/labels/list.csv")
    with pytest.raises(ImageListError, match=r"below .*/set/labels, .*It exists below set/, as .*: give --root set\."):
        describe_missing(index, find_missing(index))


def test_addresses_are_said_to_be_addresses(listed: List) -> None:
    """Nothing is downloaded."""
    index = listed(["https://example.org/a.png", "https://example.org/b.png"])
    with pytest.raises(ImageListError, match=r"such as https://example\.org/a\.png\. That is an address: download"):
        describe_missing(index, find_missing(index))


def test_files_that_are_nowhere_near(listed: List) -> None:
    """Nothing is made up."""
    index = listed(["x/7.png", "y/8.png"])
    with pytest.raises(ImageListError, match=r"such as x/7\.png\. Give --root if the paths are relative to another folder\.$"):
        describe_missing(index, find_missing(index))


def test_some_missing_files_are_a_note(listed: List) -> None:
    """Counted among those that could be used; the others are."""
    index = listed([*PATHS, "pics\\dog\\1.png", "pics/cat/1.png"])
    assert find_missing(index) == [3]
    assert describe_missing(index, [3]) == (
        rf"set/list.csv: 1 of its 4 files were not found below {index.root}, such as pics\dog\1.png. "
        r"It exists with / for \, as pics/dog/1.png: write the paths so."
    )


def test_most_missing_files_decide_what_is_advised(listed: List) -> None:
    """One odd path among many is not what is wrong."""
    index = listed(["pics\\cat\\1.png", *(path[:-4] for path in PATHS), "nowhere/9.png"])
    with pytest.raises(ImageListError, match=r"pics/cat/1 exists with \.png, .* \(3 of 5 looked for\): give --ext \.png\."):
        describe_missing(index, find_missing(index))


@pytest.mark.parametrize("links", [False, True])
def test_missing_rows_are_those_that_reading_did_not_find(listed: List, tmp_path: Path, links: bool) -> None:
    """A file that is there and cannot be read, or was rejected before, is not missing; a link to nowhere is."""
    (tmp_path / "set" / "folder.png").mkdir()
    if links:
        (tmp_path / "set" / "gone.png").symlink_to("nowhere")
    index = listed([*PATHS, "gone.png", "folder.png", "pics/cat/1.png", "pics/cat/1.png/x.png"])
    assert missing_rows(index, identify_files(index).reasons) == [3, 6]


def test_images_of_folders_are_not_looked_for(tmp_path: Path, listed: List) -> None:
    """They were there a moment ago."""
    index = list_images(tmp_path / "set" / "pics")
    shutil.rmtree(tmp_path / "set" / "pics")
    assert find_missing(index) == []
    assert missing_rows(index, identify_files(index).reasons) == []
