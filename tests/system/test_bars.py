"""Bars of the library: where somebody looks, one at a time, closed at the end, and none where nobody asked for any."""

import io
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featx
from featx.errors import FeatxError, ImageListError
from featx.system import bars
from tests.conftest import Run


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def put_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of stderr; inside the test, as pytest puts its own there before."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def bars_in(text: str) -> list[str]:
    """Return the stages whose bars reached their end."""
    return [line.split(":")[0].strip() for line in text.replace("\r", "\n").splitlines() if "100%|" in line]


def test_functions_show_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch, photos: Path, extract: Callable[..., Any]) -> None:
    """Of images while they are extracted and classified, of fits, and of epochs; each is closed with the end of its line."""
    terminal = put_terminal(monkeypatch)
    extracted = extract(photos)
    assert "extract" in bars_in(terminal.getvalue())
    assert terminal.getvalue().endswith("\n")
    seen = len(terminal.getvalue())
    fitted = featx.fit_head(extracted, "dense", epochs=3, out=photos.parent / "m.featx")
    text = terminal.getvalue()[seen:]
    assert "epoch" in bars_in(text)
    assert "val_accuracy" in text
    seen = len(terminal.getvalue())
    featx.compare_heads(extracted, ["ridge", "knn"], folds=2)
    assert "cross-validate" in bars_in(terminal.getvalue()[seen:])
    seen = len(terminal.getvalue())
    featx.predict_images(fitted, photos / "red")
    assert bars_in(terminal.getvalue()[seen:]) != []


@pytest.mark.parametrize("how", ["no terminal", "False", "a callback"])
def test_nothing_is_shown_where_nobody_looks(
    how: str, monkeypatch: pytest.MonkeyPatch, photos: Path, extract: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal, with ``progress=False``, and where a callback takes it."""
    told: list[str] = []
    stream = io.StringIO() if how == "no terminal" else Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    options: dict[str, Any] = {"no terminal": {}, "False": {"progress": False}}.get(
        how, {"progress": lambda stage, done, total: told.append(stage)}
    )
    extract(photos, **options)
    assert stream.getvalue() == ""
    assert ("extract" in told) == (how == "a callback")
    assert capsys.readouterr().out == ""


def test_a_bar_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, photos: Path, extract: Callable[..., Any]) -> None:
    """``progress=True``, in a file that somebody follows."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    extract(photos, progress=True)
    assert "extract" in bars_in(stream.getvalue())


def test_a_bar_is_closed_where_a_function_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: Path) -> None:
    """The message then begins on a line of its own."""
    terminal = put_terminal(monkeypatch)
    for path in photos.rglob("*.png"):
        path.write_text("no image")
    with pytest.raises(ImageListError):
        featx.extract_features(photos, tmp_path / "cache", backbone="stub", image_size=64)
    assert terminal.getvalue().endswith("\n")
    assert bars._open.get() is None


def test_a_command_shows_its_own_bars_alone(run: Run, stub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that a command calls without a callback shows none; the library does so again afterwards."""
    made: list[str] = []
    monkeypatch.setattr(bars, "_can_be_seen", lambda: True)
    monkeypatch.setattr(bars.Bar, "__init__", lambda self, *given: made.append("bar"))
    for words in (
        ("fit", stub_cache, "--head", "dense", "--epochs", 2, "--out", "m.featx"),
        ("audit", stub_cache, "--no-page"),
    ):
        assert run(*words, "--progress", "none").exit_code == 0
    assert made == []
    told = bars.as_progress(None)
    assert told is not None
    monkeypatch.setattr(bars.Bar, "update", lambda self, done, values="": None)
    told("extract", 0, 1)
    assert made == ["bar"]


def test_in_a_notebook_there_are_bars_whatever_stderr_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel says of its stderr that it is no terminal; plain IPython is one like any other."""
    for config, wanted in (({"IPKernelApp": {}}, True), ({}, False)):
        shell = types.SimpleNamespace(config=config)
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda shell=shell: shell))
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        assert bars.in_notebook() is wanted
        assert (bars.as_progress(None) is not None) is wanted
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not bars.in_notebook()


@pytest.mark.parametrize("stream", [None, object()], ids=["none", "no file"])
def test_a_process_without_stderr_shows_nothing(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service, or a window that put something else in its place."""
    monkeypatch.setattr(sys, "stderr", stream)
    assert bars.as_progress(None) is None


def test_what_is_no_progress_is_refused_by_name(stub_cache: Path) -> None:
    """Before anything is done."""
    with pytest.raises(FeatxError, match=r"^progress must be a callable, True, False or None. Received: 'bar'") as caught:
        featx.compare_heads(stub_cache, progress="bar")  # type: ignore[arg-type]
    assert caught.value.wrong_value


def test_a_stage_that_comes_again_has_a_bar_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two stages, and of one that begins anew, each has its own; a time left is given only once there is a rate."""
    terminal = put_terminal(monkeypatch)
    shown = bars.Bars()
    for stage, total in (("extract", 4), ("predict", 2), ("extract", 4)):
        shown(stage, 0, total)
        for _ in range(2):
            shown(stage, total // 2, total)
    shown.epoch(1, 2, {"val_loss": 0.5, "loss": 1.0})
    shown.epoch(2, 2, {"val_loss": 0.25, "loss": 1.0})
    shown.close()
    assert shown.stages == ["extract", "predict", "epoch"]
    assert bars_in(terminal.getvalue()) == ["extract", "predict", "extract", "epoch"]
    assert "val_loss 0.250" in terminal.getvalue()
    assert "extract: starting" in terminal.getvalue()
