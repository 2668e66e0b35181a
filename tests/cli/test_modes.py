"""What a command writes in place of an earlier file keeps that file's mode, owner and group."""

import os
from pathlib import Path

import pytest

from tests.conftest import Run

OTHERS = (1234, 2345)


def results(folder: Path) -> list[Path]:
    """Return every file below a folder that can be replaced: shards are only added, and locks written to."""
    return [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "shards" and path.name != ".lock"
    ]


def test_every_command_keeps_mode_and_owner_of_what_it_replaces(photos: Path, tmp_path: Path, run: Run) -> None:
    """Of 0600 nothing becomes readable by others; where root runs it, the files stay the user's."""
    out = tmp_path / "out"
    commands: list[list[object]] = [
        ["extract", photos, "--cache", "out/cache", "--backbone", "stub", "--image-size", "64"],
        ["fit", "out/cache", "--head", "ridge", "--out", "out/m.featx"],
        ["fit", "out/cache", "--head", "dense", "--epochs", "1", "--out", "out/d.featx", "--log", "out/log.csv"],
        ["evaluate", "out/d.featx", "--out", "out/report"],
        ["audit", "out/cache", "--out", "out/audit", "--write-manifest", "out/clean.csv"],
        ["compare", "out/cache", "--heads", "ridge", "--folds", "2", "--out", "out/compared.csv"],
        ["predict", "out/m.featx", photos, "--out", "out/p.csv", "--report", "out/p.html"],
        ["explain", "out/m.featx", photos / "red", "--out", "out/why.html"],
        ["pack", "out/cache", "out/packed.h5", "--overwrite"],
        ["export", "out/m.featx", "out/m.joblib", "--overwrite"],
    ]
    for command in commands:
        assert run(*command).exit_code == 0, command
    before = {path: path.stat() for path in results(out)}
    assert len(before) >= 20
    for path in before:
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, *OTHERS)
    (photos / "red" / "0.png").unlink()
    for command in commands:
        assert run(*command).exit_code == 0, command
    replaced = 0
    for path in results(out):
        found = path.stat()
        replaced += path in before and found.st_ino != before[path].st_ino
        assert path not in before or found.st_mode & 0o777 == 0o600, path
        if os.geteuid() == 0:
            assert (found.st_uid, found.st_gid) == OTHERS, path
    assert replaced >= 18
    assert {path.name for path in before} >= {"catalog.h5", "report.html", "audit.csv", "m.joblib", "m.joblib.json"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_that_an_export_replaces_keeps_mode_and_owner(tmp_path: Path) -> None:
    """As a SavedModel is, whose folder is put in place as a whole."""
    from featx.verbs.export.outputs import check_place, put_in_place, workshop

    place = tmp_path / "it"
    for text in ("old", "new"):
        check_place(place, ("it",), True)
        with workshop(place) as folder:
            (folder / "it").mkdir()
            (folder / "it" / "a").write_text(text)
            put_in_place(folder, place, ("it",), {})
        assert (place / "a").read_text() == text
        if text == "old":
            place.chmod(0o700)
            os.chown(place, *OTHERS)
    found = place.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o700, *OTHERS)
