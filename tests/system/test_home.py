"""The home folder stands in nothing that is handed on, and what needs the paths still finds them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from markupsafe import escape

import featx
from featx.system.home import with_home, without_home
from tests.conftest import Run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that all of a test's files are in is the user's home, and has a name that HTML escapes."""
    folder = tmp_path / "o'hara & có"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_the_home_folder_is_written_as_a_tilde_and_read_back(home: Path) -> None:
    """Wherever it stands in a text; not where it is the beginning of another name, or the end of another path."""
    for path in (str(home), f"{home}/photos", f"{home}/a b/c"):
        assert without_home(path) == path.replace(str(home), "~")
        assert with_home(without_home(path)) == path
    assert without_home(f"lists {home}/a; was {home}.") == "lists ~/a; was ~."
    for other in (f"{home}2", f"{home}-old/a", f"/mnt{home}/a", "photos", "~other/a", ""):
        assert without_home(other) == with_home(other) == other


@pytest.mark.parametrize("folder", [r"C:\Users\ada", "/home/a & b", "/home/o'hara", "/home/jos\u00e9"])
def test_the_home_folder_is_found_in_html_and_json(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pages hold paths; on Windows JSON doubles each backslash."""
    from featx.report.page.render import _json

    monkeypatch.setattr(Path, "home", lambda: folder)
    separator = "\\" if "\\" in folder else "/"
    assert without_home(f"{folder}{separator}photos") == f"~{separator}photos"
    assert without_home(str(escape(f"{folder}{separator}photos"))) == f"~{separator}photos"
    assert without_home(_json([f"{folder}{separator}photos"])) == json.dumps([f"~{separator}photos"])


def test_a_root_folder_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers: nothing is replaced."""
    monkeypatch.setenv("HOME", "/")
    assert without_home("/data/photos") == "/data/photos"


def test_nothing_that_is_handed_on_names_the_home_folder(
    home: Path, photos: Path, run: Run, extract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models, packed files, pages, tables and JSON; evaluate, and pages with images, work as before."""
    images = photos.rename(home / "photos")
    monkeypatch.chdir(home)
    cache = extract(images, home / "cache" / "photos").cache
    featx.fit_head(cache, "ridge", out=home / "m.featx")
    monkeypatch.chdir("/")
    (home / "none.png").write_text("no image")
    from click.testing import CliRunner

    from featx.cli import main

    for command in (
        ["evaluate", home / "m.featx", "--out", home / "out" / "report"],
        ["audit", cache, "--out", home / "out" / "audit"],
        ["pack", cache, home / "out" / "packed.h5"],
        ["predict", home / "m.featx", images, "--out", home / "p.csv", "--report", home / "out" / "predictions.html"],
        ["export", home / "m.featx", home / "out" / "m.joblib"],
        ["explain", home / "m.featx", images, home / "none.png", "--out", home / "out" / "why.html"],
        ["evaluate", home / "m.featx", "--images", images, "--out", home / "out" / "others"],
        ["compare", cache, "--heads", "ridge", "--folds", "2", "--out", home / "out" / "compared.csv"],
        [
            "fit",
            cache,
            "--head",
            "dense",
            "--epochs",
            "1",
            "--log",
            home / "out" / "log.csv",
            "--out",
            home / "out" / "d.featx",
        ],
    ):
        done = CliRunner().invoke(main, list(map(str, command)))
        assert done.exit_code == 0, (command, done.output)
    for path in (home / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for spelled in (str(home), "o&#39;hara", "o'hara"):
                assert spelled.encode() not in content, (path, spelled)
    with zipfile.ZipFile(home / "m.featx") as archive:
        document = json.loads(archive.read("model.json"))
    assert document["source"]["cache"] == "~/cache/photos"
    assert "o'hara" not in json.dumps(document)
    with h5py.File(home / "out" / "packed.h5") as file:
        assert file.attrs["source"] == "~/photos"
    assert featx.load_model(home / "m.featx").source["images"] == str(images)
    assert "data:image" in (home / "out" / "report" / "report.html").read_text()
