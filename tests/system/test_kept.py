"""What was measured on a machine: kept, and never needed."""

import json
import os
from pathlib import Path

import pytest

from featx.system.kept import keep_measured, kept_file, measured_before


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a user whose cache folder is ``tmp_path/cache``."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "featx" / "measured.json"


def test_what_was_kept_is_found_again(file: Path) -> None:
    """Under its key alone; the last measurement counts."""
    assert measured_before("a") is None
    keep_measured("a", {"keras": 1.5})
    keep_measured("b", {"keras": 2.0})
    keep_measured("a", {"keras": 3.0})
    assert (measured_before("a"), measured_before("b"), measured_before("c")) == ({"keras": 3.0}, {"keras": 2.0}, None)
    assert kept_file() == file
    assert list(json.loads(file.read_text())["measured"]) == ["b", "a"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"measured": []}',
        '{"measured": {"a": 1}}',
        '{"measured": {"a": {"keras": "1"}}}',
        '{"measured": {"a": {"keras": true}}}',
        '{"measured": {"a": {"keras": NaN}}}',
        '{"measured": {"a": {"keras": Infinity}}}',
        '{"measured": {"a": {"keras": -1}}}',
        '{"measured": {"a": {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1, "7": 1, "8": 1, "9": 1}}}',
        "[" * 100_000,
        '{"measured": {"a": {"keras": 1}}}' + " " * 200_000,
        "\udcff",
    ],
)
def test_a_damaged_file_counts_for_nothing_and_is_replaced(file: Path, text: str) -> None:
    """Nothing is read from it, no error comes of it, and the next measurement is kept."""
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert measured_before("a") is None
    keep_measured("a", {"keras": 2.0})
    assert measured_before("a") == {"keras": 2.0}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_or_a_folder_in_its_place_is_left_alone(file: Path) -> None:
    """Neither waited for nor replaced."""
    file.parent.mkdir(parents=True)
    for make in (os.mkfifo, Path.mkdir):
        make(file)
        assert measured_before("a") is None
        keep_measured("a", {"keras": 2.0})
        assert measured_before("a") is None
        assert not file.is_file()
        file.unlink() if file.is_fifo() else file.rmdir()


def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the folder would be made; or the user has no home."""
    (tmp_path / "cache").write_text("mine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep_measured("a", {"keras": 2.0})
    assert measured_before("a") is None
    assert (tmp_path / "cache").read_text() == "mine"

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    keep_measured("a", {"keras": 2.0})
    assert kept_file() is measured_before("a") is None


def test_the_oldest_of_very_many_are_dropped(file: Path) -> None:
    """So that it stays small whatever is measured."""
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"measured": {str(number): {"keras": 1.0} for number in range(300)}}))
    keep_measured("new", {"keras": 2.0})
    kept = list(json.loads(file.read_text())["measured"])
    assert (len(kept), kept[0], kept[-1]) == (200, "101", "new")


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {}, ".cache/featx"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/featx"),
        ("darwin", {}, "Library/Caches/featx"),
        ("win32", {}, "AppData/Local/featx"),
    ],
)
def test_each_system_has_its_folder(
    platform: str, variables: dict[str, str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As each says where caches of programs go."""
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert kept_file() == tmp_path / wanted / "measured.json"
