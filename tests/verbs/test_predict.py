"""The verb predict: where its results go."""

import json
import os
from pathlib import Path

import pytest

from featx.errors import OutputError
from featx.verbs.predict import Prediction, check_output, save_predictions

PREDICTIONS = [Prediction("a.png", "cat", 0.75, "", unfamiliar=0.25), Prediction("b.png", "", None, "not an image")]


def test_predictions_go_into_a_folder_that_is_made(tmp_path: Path) -> None:
    """As fit makes the folder of a model; CSV or JSON lines as the name says."""
    check_output(tmp_path / "new" / "deeper" / "out.csv")
    assert list(tmp_path.iterdir()) == []
    save_predictions(PREDICTIONS, tmp_path / "new" / "deeper" / "out.csv")
    lines = (tmp_path / "new" / "deeper" / "out.csv").read_text().splitlines()
    assert lines == ["path,label,confidence,error,unfamiliar", "a.png,cat,0.750000,,0.250000", "b.png,,,not an image,"]
    save_predictions(PREDICTIONS, tmp_path / "out.jsonl")
    assert [json.loads(line)["path"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["a.png", "b.png"]


@pytest.mark.parametrize("name", ["/", "", "folder", "pipe", "file/out.csv", "file/new/out.csv", "/proc/featx/out.csv"])
def test_a_place_that_can_hold_no_predictions_is_refused_before_the_work(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before the work says the same as the saving, and both leave everything as it was."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("mine")
    os.mkfifo("pipe")
    for attempt in (lambda: check_output(Path(name)), lambda: save_predictions(PREDICTIONS, Path(name))):
        with pytest.raises(OutputError, match=r"cannot be written: .*--out"):
            attempt()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]
    assert Path("pipe").is_fifo()


def test_only_predictions_and_empty_files_are_replaced(tmp_path: Path) -> None:
    """A list of one's own with an ending that fits, the manifest of the images say, is refused before the work."""
    manifest = tmp_path / "labels.csv"
    for mine in ("path,label\na.png,cat\n", '[{"path": "a.png"}]', "path,label,confidence"):
        manifest.write_text(mine)
        with pytest.raises(
            OutputError, match=r"labels\.csv: exists and does not hold predictions\. Give another --out, or delete it"
        ):
            check_output(manifest)
        assert manifest.read_text() == mine
    manifest.write_text("path,label,confidence,error\nof,the version before,0.5,\n")
    check_output(manifest)
    manifest.write_text("")
    for name in ("labels.csv", "out.jsonl", "out.json"):
        for sets in (None, ("cat", "dog")):
            check_output(tmp_path / name)
            save_predictions([Prediction("a.png", "cat", 0.75, "", sets)], tmp_path / name)
