"""Names that somebody else chose, of classes, files and models: nothing that a terminal or a spreadsheet obeys."""

import csv
import io
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featx
from featx.images import list_images, write_manifest
from tests.conftest import COLOURS, Run, write_image

ESCAPES = {
    "clipboard": "a\x1b]52;c;ZXZpbA==\x07",
    "title": "b\x1b]0;root\x07",
    "cursor": "c\x1b[2J\x1b[H",
    "c1": "d\x9b2J\x7f\u202e",
    "line": "e\nFAKE: all is well",
}
FORMULAS = ("=cmd|' /C calc'!A0", "+1+2", "-1+2", "@SUM(1)", "\t=1", "\r=1")
CODE = Path(featx.__file__).parent


def obeyed(text: str) -> list[str]:
    """Return the characters of a text that a terminal would obey, the ends of lines left out."""
    return [c for c in text if (unicodedata.category(c) == "Cc" and c not in "\n\t") or c in "\u202e\u2066"]


@pytest.fixture
def named(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of images with these classes, a broken image in each."""

    def make(names: Any) -> Path:
        root = tmp_path / "photos"
        for label, name in enumerate(names):
            for number in range(6):
                write_image(root / name / f"{number}.png", list(COLOURS.values())[label % 3], seed=10 * label + number)
            (root / name / "x\x1b[31m\nFAKE.png").write_text("no image")
        return root

    return make


def test_no_command_prints_what_a_terminal_obeys(named: Callable[..., Path], run: Run) -> None:
    """Class names, file names, names of models: on stdout and stderr, in results, notes and errors."""
    photos = named(ESCAPES.values())
    for command in (
        ["look", photos, "--image-size", "64", "--out", "l\x1b[5m.html"],
        ["extract", photos, "--cache", "c\x1b[5m", "--backbone", "stub", "--image-size", "64", "--dry-run"],
        ["extract", photos, "--cache", "c\x1b[5m", "--backbone", "stub", "--image-size", "64"],
        ["audit", "c\x1b[5m"],
        ["fit", "c\x1b[5m", "--head", "ridge", "--out", "m\x1b]0;x\x07.featx"],
        ["evaluate", "m\x1b]0;x\x07.featx"],
        ["inspect", "c\x1b[5m"],
        ["inspect", "m\x1b]0;x\x07.featx"],
        ["verify", "c\x1b[5m"],
        ["compare", "c\x1b[5m", "--heads", "ridge", "--folds", "2"],
        ["predict", "m\x1b]0;x\x07.featx", photos, "--out", "p\x1b[1m.csv"],
        ["predict", "m\x1b]0;x\x07.featx", photos, "--out", "p\x1b[1m.csv", "--report", "p\x1b[1m.html", "--sets", "0.9"],
        ["evaluate", "m\x1b]0;x\x07.featx", "--sets", "0.9", "--progress", "lines"],
        ["explain", "m\x1b]0;x\x07.featx", photos, "--out", "why\x1b[1m.html", "--progress", "lines"],
        ["explain", "m\x1b]0;x\x07.featx", photos, "--label", "no\x1b[1m\nFAKE"],
        ["explain", "m\x1b]0;x\x07.featx", photos, "--out", "why\x1b[1m.txt"],
        ["export", "m\x1b]0;x\x07.featx", "out\x1b[1m.joblib"],
        ["merge", "no\x1b[1m"],
        ["fit", "no\x1b[1m\nFAKE"],
        ["inspect", "no\x1b[1m"],
        ["extract", photos, "--backbone", "no\x1b[1m"],
        ["extract", photos, "--resize", "no\x1b[1m"],
        ["no\x1b[1m"],
    ):
        done = run(*command)
        assert obeyed(done.stdout + done.stderr) == [], command
        assert not re.search("^FAKE", done.stdout + done.stderr, re.MULTILINE), command
        assert done.stdout + done.stderr


@pytest.mark.parametrize(
    "text", ['["no\\u001b[1m\\nFAKE"]', '"no\\u001b[1m\\nFAKE" = 1', '[extract]\n"no\\u001b[1m\\nFAKE" = 1', "\x1b[1m"]
)
def test_a_featx_toml_of_somebody_elses_says_nothing_to_the_terminal(text: str, run: Run) -> None:
    """What stands in it is named in an error of one line."""
    Path("featx.toml").write_text(text)
    done = run("doctor")
    assert done.exit_code == 2
    assert obeyed(done.output) == []
    assert "FAKE" in done.stderr or "\x1b" in text
    assert not re.search("^FAKE", done.stderr, re.MULTILINE)


def test_doctor_escapes_variables(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever started the process chose them."""
    monkeypatch.setenv("FEATX_FIT_HEAD", "no\x1b[1m\nFAKE")
    done = run("doctor")
    assert obeyed(done.output) == []
    assert "no\\x1b[1m" in done.stdout
    assert not re.search("^FAKE", done.stdout, re.MULTILINE)


def test_predictions_are_escaped_on_a_terminal_alone(
    named: Callable[..., Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program behind a pipe gets each path as it is on disk."""
    photos = named(ESCAPES.values())
    run("extract", photos, "--cache", "c", "--backbone", "stub", "--image-size", "64")
    run("fit", "c", "--head", "ridge", "--out", "m.featx")
    paths = {row["path"] for row in csv.DictReader(io.StringIO(run("predict", "m.featx", photos).stdout, newline=""))}
    assert str(photos / ESCAPES["cursor"] / "0.png") in paths
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("featx.cli.predict.sys", type("sys", (), {"stdout": terminal, "stderr": sys.stderr}))
    run("predict", "m.featx", photos)
    assert "c\\x1b[2J\\x1b[H" in terminal.getvalue()
    assert obeyed(terminal.getvalue()) == []
    assert "\nFAKE" not in terminal.getvalue()


def test_commands_print_in_one_place() -> None:
    """What is printed elsewhere would not be escaped."""
    found = [path.name for path in (CODE / "cli").glob("*.py") if re.search(r"click\.s?echo|\bprint\(", path.read_text())]
    assert found == ["terminal.py"]
    joined = [path.name for path in (CODE / "report" / "text").glob("*.py") if r'"\n".join' in path.read_text()]
    assert joined == ["words.py"]


def tables(folder: Path) -> dict[str, list[list[str]]]:
    """Read every CSV file below a folder."""
    return {
        path.name: list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
        for path in sorted(folder.rglob("*.csv"))
    }


def formulas(rows: list[list[str]]) -> list[str]:
    """Return the cells that a spreadsheet takes for a formula; numbers are none."""
    return [
        cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r") and cell and not re.fullmatch(r"-?[\d.e-]+", cell)
    ]


@pytest.mark.parametrize("raw", [False, True])
def test_no_cell_of_a_table_is_a_formula_unless_asked_for(
    named: Callable[..., Path], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bool
) -> None:
    """In rejects.csv and every table of audit, evaluate and predict; with --raw-csv names stand as they are."""
    named([name.replace("/", "") for name in FORMULAS])
    options = ["--raw-csv"] if raw else []
    monkeypatch.chdir(tmp_path / "photos")  # so that the paths that predict is given begin with the class
    folders = sorted(path.name for path in Path().iterdir())
    for command in (
        ["extract", ".", "--cache", "../c", "--backbone", "stub", "--image-size", "64", *options],
        ["fit", "../c", "--head", "ridge", "--out", "../m.featx"],
        ["evaluate", "../m.featx", "--out", "../report", "--split", "all", *options],
        ["audit", "../c", "--out", "../found", *options],
        ["predict", "../m.featx", "--out", "../p.csv", *options, "--", *folders],
    ):
        assert run_in(command).exit_code == 0, command
    found = tables(tmp_path)
    wanted = {"rejects.csv", "audit.csv", "classification_report.csv", "confusion_matrix.csv", "predictions.csv", "p.csv"}
    assert wanted <= set(found)
    for name in wanted:
        assert bool(formulas(found[name])) == raw, (name, formulas(found[name]))
    rejected = {row[0] for row in found["rejects.csv"]}
    assert ("@SUM(1)/x\x1b[31m\nFAKE.png" if raw else "'@SUM(1)/x\x1b[31m\nFAKE.png") in rejected


def run_in(command: list[str]) -> Any:
    """Run a command in the current folder."""
    from click.testing import CliRunner

    from featx.cli import main

    return CliRunner().invoke(main, command)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("place", ["clean.csv", "elsewhere/clean.csv"])
def test_a_manifest_that_audit_writes_gives_every_path_and_class_back(
    named: Callable[..., Path], run: Run, tmp_path: Path, raw: bool, place: str
) -> None:
    """Exactly, with --raw-csv too; and no cell of it is a formula."""
    root = named(["=cmd", "+1", "-1+2", "@x", "\r=z", "'=x", "''=y", "'quoted'", "-5"])
    run("extract", root, "--cache", "c", "--backbone", "stub", "--image-size", "64")
    manifest = root / place
    assert run("audit", "c", "--write-manifest", manifest, *(["--raw-csv"] if raw else [])).exit_code == 0
    assert formulas(tables(manifest.parent)["clean.csv"]) == []
    index, listed = list_images(manifest), featx.open_cache(tmp_path / "c").catalog
    rows = listed.rows()
    assert [str(index.root / path) for path in index.paths] == [str(root / listed.paths[row]) for row in rows]
    assert [index.class_names[label] for label in index.labels] == [listed.class_names[listed.labels[row]] for row in rows]


def test_a_users_own_manifest_is_read_as_it_is(tmp_path: Path) -> None:
    """An apostrophe in front is a part of a name there."""
    (tmp_path / "mine.csv").write_text("path,label\n'=a.png,'=cat\n")
    index = list_images(tmp_path / "mine.csv")
    assert (index.paths, index.class_names) == (("'=a.png",), ("'=cat",))


def test_a_manifest_names_a_path_that_begins_like_a_formula_so_that_any_program_finds_it(tmp_path: Path) -> None:
    """Behind ./ it is the same path; the class is behind an apostrophe."""
    write_manifest(tmp_path / "clean.csv", tmp_path, [("=a/1.png", "=a", "train", ""), ("b/1.png", "b", "test", "")])
    assert (tmp_path / "clean.csv").read_text() == ("path,label,split,audit_flags\n./=a/1.png,'=a,train,\nb/1.png,b,test,\n")
