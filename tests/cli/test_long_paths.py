"""Paths past the 4,096 bytes that Linux takes: one line, and whatever else there is goes on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run, as_json

LONG = "/".join(["x" * 200] * 25)


@pytest.fixture
def deep(photos: Path) -> Iterator[Path]:
    """The folder of photos, with an image in it whose path is too long for the system."""
    image, before = (photos / "red" / "0.png").read_bytes(), Path.cwd()
    os.chdir(photos / "red")
    try:
        for _ in range(22):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("deep.png").write_bytes(image)
    finally:
        os.chdir(before)
    yield photos
    shutil.rmtree(photos)


def test_a_folder_whose_path_is_too_long_is_named_and_the_rest_extracted(deep: Path, run: Run) -> None:
    """It is left out, not the run."""
    done = run("extract", deep, "--cache", "c", "--backbone", "stub", "--image-size", "64", "--json")
    assert as_json(done)["extracted"] == 36
    assert "note: folders that cannot be listed, and whose images are left out: red/ddd" in done.stderr
    assert "(File name too long)" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("extract", "photos", "--backbone", "stub", "--image-size", "64", "--cache", LONG),
        ("extract", LONG),
        ("fit", "cache", "--head", "ridge", "--out", f"{LONG}.featx"),
        ("fit", "cache", "--head", "dense", "--log", f"{LONG}.csv"),
        ("inspect", LONG),
        ("verify", LONG),
        ("merge", LONG),
        ("audit", "cache", "--out", LONG),
        ("audit", "cache", "--write-manifest", f"{LONG}.csv"),
        ("compare", "cache", "--out", f"{LONG}.csv"),
        ("pack", "cache", f"{LONG}.h5"),
        ("evaluate", f"{LONG}.featx"),
        ("evaluate", "m.featx", "--out", LONG),
        ("predict", "m.featx", LONG),
        ("predict", "m.featx", "photos", "--out", f"{LONG}.csv"),
        ("predict", "m.featx", "photos", "--report", f"{LONG}.html"),
        ("explain", "m.featx", LONG),
        ("explain", "m.featx", "photos", "--out", f"{LONG}.html"),
        ("export", "m.featx", f"{LONG}.joblib"),
        ("sample", LONG),
    ],
    ids=lambda command: " ".join(command).replace(LONG, "LONG"),
)
def test_a_path_that_is_too_long_is_one_line(command: tuple[str, ...], stub_cache: Path, run: Run) -> None:
    """Given as the place of whatever a command reads or writes."""
    if "m.featx" in command:
        assert run("fit", stub_cache, "--head", "ridge", "--out", "m.featx").exit_code == 0
    done = run(*command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("featx: xxx")
    assert "File name too long" in done.stderr
