"""predict --top, --probabilities and -: more of an image's probabilities, and paths from a pipe."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import featx
from featx.cli import main
from featx.errors import RecipeError
from featx.verbs.predict import save_predictions
from tests.conftest import Run, as_json, write_image

NAMES = ("label", "p(plain)", "plain")


@pytest.fixture
def model(tmp_path: Path, extract: Any) -> Path:
    """A head that is sure of nothing: three greys that overlap, of which two are called like columns."""
    for label, name in enumerate(NAMES):
        for number in range(12):
            level = 100 + 4 * label + int(np.random.default_rng(label * 100 + number).integers(-5, 6))
            write_image(tmp_path / "greys" / name / f"{number}.png", (level,) * 3, seed=label * 100 + number)
    cache = extract(tmp_path / "greys").cache
    return featx.fit_head(cache, "logreg", out=tmp_path / "m.featx", C=0.01).model


def rows_of(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV, of which no two columns have one name."""
    header = next(csv.reader(io.StringIO(text)))
    assert len(set(header)) == len(header), header
    return list(csv.DictReader(io.StringIO(text)))


def piped(content: bytes, *arguments: object) -> Result:
    """Run a command with something on its stdin; a traceback fails the test."""
    result = CliRunner().invoke(main, [str(one) for one in arguments], input=content)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_top_classes_and_all_probabilities_are_those_of_the_model(model: Path, tmp_path: Path, run: Run) -> None:
    """Held against the model's own probabilities of the same files: in CSV, in JSON lines and in one object."""
    files = sorted((tmp_path / "greys").rglob("[12].png"))
    wanted = featx.load_model(model).predict_proba(files)
    asked = ("predict", model, *files, "--top", "2", "--probabilities")
    rows = rows_of(run(*asked).stdout)
    assert list(rows[0]) == [
        *("path", "label", "confidence", "error", "unfamiliar", "label_1", "confidence_1", "label_2", "confidence_2"),
        *("p(label)", "p(p(plain))", "p(plain)"),
    ]
    run(*asked, "--out", "p.jsonl")
    lines = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    for row, line, probabilities in zip(rows, lines, wanted, strict=True):
        order = np.argsort(-probabilities)
        assert [row["label_1"], row["label_2"]] == [NAMES[label] for label in order[:2]]
        assert (row["label_1"], row["confidence_1"]) == (row["label"], row["confidence"])
        assert [f"{probabilities[label]:.6f}" for label in order[:2]] == [row["confidence_1"], row["confidence_2"]]
        assert [row[f"p({name})"] for name in NAMES] == [f"{value:.6f}" for value in probabilities]
        assert list(line["probabilities"].values()) == pytest.approx(probabilities.tolist())
        assert line["top"] == [
            {"label": NAMES[label], "confidence": line["probabilities"][NAMES[label]]} for label in order[:2]
        ]
        assert sum(line["probabilities"].values()) == pytest.approx(1.0)
    assert len({row["label_1"] for row in rows}) > 1
    assert as_json(run(*asked, "--json"))["predictions"] == lines


def test_more_than_there_are_is_all_and_a_rejected_image_has_none(model: Path, tmp_path: Path, run: Run) -> None:
    """Its columns stay empty; where every image is rejected the columns are there all the same."""
    (tmp_path / "bad.png").write_text("no image")
    (image,) = (tmp_path / "greys" / "plain").glob("3.png")
    rows = rows_of(run("predict", model, "bad.png", image, "--top", "9", "--probabilities", "--sets", "0.8").stdout)
    assert rows[1]["label_3"] in NAMES
    assert "label_4" not in rows[0]
    assert {rows[0][name] for name in rows[0] if name not in ("path", "error")} == {""}
    alone = run("predict", model, "bad.png", "--top", "9", "--probabilities", "--sets", "0.8").stdout
    assert list(rows_of(alone)[0]) == list(rows[0])
    found = featx.predict_images(model, ["bad.png", image], top=9, probabilities=True)
    assert (found[0].top, found[0].probabilities) == ((), {})
    assert [label for label, _ in found[1].top or ()] == sorted(
        found[1].probabilities or {}, key=lambda name: -(found[1].probabilities or {})[name]
    )
    assert found.class_names == NAMES


def test_without_the_options_nothing_is_new(model: Path, tmp_path: Path) -> None:
    """A prediction has neither, and its JSON no further key."""
    (one,) = featx.predict_images(model, tmp_path / "greys" / "plain" / "0.png")
    assert (one.top, one.probabilities) == (None, None)
    assert set(one.as_json()) == {"path", "label", "confidence", "error", "unfamiliar"}
    assert hash(one) == hash(featx.predict_images(model, [tmp_path / "greys" / "plain" / "0.png"])[0])


def test_the_number_of_top_classes_is_whole(model: Path) -> None:
    """And at least one."""
    for top in (0, -1, 1.5, "2", True):
        with pytest.raises(RecipeError, match="top must be a whole number from 1, or None"):
            featx.predict_images(model, "greys", top=top)  # type: ignore[arg-type]


def test_an_answer_of_unknown_keeps_the_top_classes(model: Path, tmp_path: Path) -> None:
    """The label is unknown; what it looks most like is told all the same."""
    write_image(tmp_path / "red.png", (255, 0, 0), seed=1)
    (one,) = featx.predict_images(model, tmp_path / "red.png", unknown=0.1, top=1)
    assert one.label == "unknown"
    assert one.top is not None
    assert one.top[0][0] in NAMES


def test_a_table_with_further_columns_is_replaced_by_another(model: Path, tmp_path: Path, run: Run) -> None:
    """It is one of predictions still."""
    for options in (("--top", "2"), ("--probabilities",), ()):
        assert run("predict", model, "greys", *options, "--out", "p.csv").exit_code == 0
    save_predictions(featx.predict_images(model, "greys/plain", top=1), tmp_path / "p.csv")
    assert "label_1" in (tmp_path / "p.csv").read_text()


KEY = {"predict": "predictions", "explain": "explanations"}


@pytest.mark.parametrize("command", KEY)
def test_paths_come_from_stdin(model: Path, tmp_path: Path, run: Run, command: str) -> None:
    """One a line, of files and folders, from the current folder on; or each up to a NUL, whatever is in the name."""
    wanted = [one["path"] for one in as_json(run(command, model, "greys/plain", "greys/label/0.png", "--json"))[KEY[command]]]
    for content in (b"greys/plain\ngreys/label/0.png\n", b"\ngreys/plain\r\n\r\ngreys/label/0.png"):
        found = as_json(piped(content, command, model, "-", "--json"))
        assert [one["path"] for one in found[KEY[command]]] == wanted
    odd = os.fsdecode(b"two\nlines \xe9.png")
    write_image(tmp_path / odd, (100, 100, 100), seed=1)
    found = as_json(
        piped(os.fsencode(odd) + b"\0greys/label/0.png\0", command, model, "-0", "greys/label/1.png", "-", "--json")
    )
    assert [one["path"] for one in found[KEY[command]]] == ["greys/label/1.png", odd, "greys/label/0.png"]


REFUSED = (
    (b"", ["-"], 1, "-: stdin names no files"),
    (b"\n\r\n", ["-"], 1, "-: stdin names no files"),
    (b"gone.png\n", ["-"], 1, "gone.png: no such file or folder"),
    (b"a\0b\0", ["-"], 1, "Give --null for the output of find -print0"),
    (b"a\n", ["-", "-"], 2, "give it once"),
    (b"a\n", ["-0", "greys"], 2, "give - among the paths too"),
)


def test_what_stdin_cannot_be_is_said(model: Path, run: Run) -> None:
    """And nothing is predicted."""
    for content, arguments, code, said in REFUSED:
        done = piped(content, "predict", model, *arguments)
        assert (done.exit_code, done.stdout) == (code, ""), said
        assert said in " ".join(done.stderr.split())


def test_a_file_called_like_stdin_is_given_by_its_folder(model: Path, tmp_path: Path, run: Run) -> None:
    """``./-`` is a file; and stdin is not read where nothing asks for it."""
    (tmp_path / "greys" / "plain" / "0.png").rename(tmp_path / "-")
    assert [row["path"] for row in rows_of(piped(b"gone.png\n", "predict", model, "./-", "--raw-csv").stdout)] == ["-"]


def test_what_folders_hold_besides_is_counted_and_named(model: Path, tmp_path: Path, run: Run) -> None:
    """By kind on stderr, by suffix in JSON; of predict, explain, extract, and both folders of evaluate."""
    for name in ("a.heic", "b.HEIC", "c.mp4", "notes.txt", ".DS_Store", "._0.png", "@eaDir/0.png", "deep/d.mov"):
        (tmp_path / "greys" / "plain" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "greys" / "plain" / name).write_text("words")
    (tmp_path / "greys" / ".DS_Store").write_text("words")
    said = (
        "passed over: 2 HEIC images (.heic), 2 videos (1 .mov, 1 .mp4), 1 text file (.txt), 3 hidden files, "
        "1 hidden or system folder (1 @eaDir). Convert the HEIC images to JPEG or PNG"
    )
    counted = {"skipped": {".heic": 2, ".mp4": 1, ".txt": 1, ".mov": 1}, "passed_over": {"@eaDir": 1}, "hidden": 3}
    for command in ("predict", "explain"):
        done = run(command, model, "greys")
        assert f"note: {said}\n" in done.stderr, command
        found = as_json(run(command, model, "greys", "--json"))
        assert {key: found[key] for key in counted} == counted
    assert said in featx.predict_images(model, "greys").notes[0]
    extracted = ("extract", "greys", "--cache", "c", "--backbone", "stub", "--image-size", "64")
    assert f"  {said}\n" in run(*extracted).stdout
    for options in ((), ("--dry-run",)):
        found = as_json(run(*extracted, *options, "--json"))
        assert {key: found[key] for key in counted} == counted
    evaluated = featx.evaluate_model(model, images="greys", unknown_images="greys/plain")
    assert [note for note in evaluated.notes if note == said] == [said]
    assert [note for note in evaluated.notes if note.startswith("passed over among the unknown images: 2 HEIC")] != []
    assert "passed over" not in run("predict", model, "greys/label").stderr
