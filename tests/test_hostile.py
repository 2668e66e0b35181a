"""A session over a folder of healthy, odd and hostile files: it ends, and every verb says the same of each file."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.verbs.look import examples
from tests.conftest import COLOURS, write_image
from tests.images.test_odd_images import ODD


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """All the odd images, each under a wrong name, between healthy ones; and what systems leave lying about."""
    root = tmp_path / "hostile"
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(5):
            write_image(root / name / f"healthy{number}.png", colour, seed=100 * label + number)
    for number, odd in enumerate(ODD):
        (root / sorted(COLOURS)[number % 3] / f"odd{number}.jpg").write_bytes(odd.data)
    for litter in ("red/._healthy0.png", "red/.DS_Store", "blue/Thumbs.db", "green/.ipynb_checkpoints/healthy0.png"):
        (root / litter).parent.mkdir(exist_ok=True)
        (root / litter).write_bytes(b"\x00\x05\x16\x07 no image")
    (root / "red" / "notes.txt").write_text("not an image")
    return root


def run(*arguments: object) -> str:
    """Run a command that must succeed; return its stdout."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_extract_and_predict_reject_the_same_files_for_the_same_reasons(hostile: Path, tmp_path: Path) -> None:
    """Exit 0, every odd file with features or with exactly its reason in rejects.csv; predict marks the same ones."""
    wanted = {
        f"{sorted(COLOURS)[number % 3]}/odd{number}.jpg": odd.wanted
        for number, odd in enumerate(ODD)
        if isinstance(odd.wanted, str)
    }
    shown = run("extract", hostile, "--cache", tmp_path / "c", "--backbone", "stub", "--image-size", "64")
    with (tmp_path / "c" / "rejects.csv").open(newline="") as file:
        rejects = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert rejects == wanted
    assert f"{15 + len(ODD)} images in 3 classes" in shown
    assert f"{len(wanted)} rejected" in shown
    assert "passed over: 1 text file (.txt)" in shown
    run("fit", tmp_path / "c", "--head", "logreg", "--out", tmp_path / "m.featx")
    run("predict", tmp_path / "m.featx", hostile, "--out", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="") as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == 15 + len(ODD)
    marked = {Path(row["path"]).relative_to(hostile).as_posix(): row["error"] for row in predictions if row["error"]}
    assert marked == wanted
    assert all(row["label"] in COLOURS and 0 < float(row["confidence"]) <= 1 for row in predictions if not row["error"])


def test_evaluating_the_folder_rejects_the_same_files(hostile: Path, tmp_path: Path) -> None:
    """Nothing of a rejected file is in a figure."""
    run("extract", hostile, "--cache", tmp_path / "c", "--backbone", "stub", "--image-size", "64")
    run("fit", tmp_path / "c", "--head", "logreg", "--out", tmp_path / "m.featx")
    shown = run("evaluate", tmp_path / "m.featx", "--images", hostile, "--out", tmp_path / "report")
    n_rejected = sum(isinstance(odd.wanted, str) for odd in ODD)
    assert f"accuracy on {15 + len(ODD) - n_rejected} images".replace("accuracy on", "on") in shown
    assert f"{n_rejected} images were rejected and are in no figure" in shown


def test_a_look_at_them_says_what_an_extract_would(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the files that it decodes; of the others nothing is said but what their headers show."""
    wanted = {
        f"{sorted(COLOURS)[number % 3]}/odd{number}.jpg": odd.wanted
        for number, odd in enumerate(ODD)
        if isinstance(odd.wanted, str)
    }
    monkeypatch.setattr(examples, "_MOST_PICTURES", 10_000)
    found = featx.look_at_images(hostile, image_size=64, examples=1000)
    assert found.rejects == wanted
    assert found.listed == 15 + len(ODD) == len(found.examples) + len(wanted)
    assert set(featx.look_at_images(hostile, image_size=64, examples=1).rejects.items()) <= set(wanted.items())
