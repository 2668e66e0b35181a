"""The blocks of the page on classifying from a program, run as they stand there; a few lines stand in for FastAPI."""

import asyncio
import io
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import featx
from tests.pages import block


class HTTPError(Exception):
    """FastAPI's exception: a status and its detail."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


class App:
    """An application that keeps its handlers."""

    def __init__(self, *, lifespan: Any) -> None:
        self.lifespan, self.handlers = lifespan, {}

    def post(self, path: str) -> Any:
        """Register a handler."""
        return lambda handler: self.handlers.setdefault(path, handler)


@pytest.fixture
def session(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the page's examples: ``photos`` and ``models/photos-logreg.featx``; returns ``photos``."""
    monkeypatch.chdir(tmp_path)
    featx.extract_features("photos", backbone="stub", image_size=(64, 64))
    featx.fit_head("cache/photos", "logreg")
    return photos


@pytest.mark.usefixtures("session")
def test_what_a_function_returns_the_next_one_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From images to a report, with the stub in place of VGG16."""
    extract = featx.extract_features
    monkeypatch.setattr(featx, "extract_features", lambda *given, **options: extract(*given, backbone="stub", **options))
    exec(block("snippet: results"), {})
    assert Path("reports/photos/report.html").is_file()


@pytest.mark.usefixtures("session")
def test_the_first_block_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints a class, and a row for each of two images."""
    exec(block("snippet: live"), {})
    label, *rows = capsys.readouterr().out.splitlines()
    assert label == "['red']"
    assert len(rows) == 2


def test_the_handler_answers_uploads(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities by class for an image, 422 and the reason for anything else; the network goes with the application."""
    stand_in: Any = types.ModuleType("fastapi")
    stand_in.FastAPI, stand_in.HTTPException, stand_in.UploadFile = App, HTTPError, object
    monkeypatch.setitem(sys.modules, "fastapi", stand_in)
    names: dict[str, Any] = {}
    exec(block("snippet: service"), names)
    app, model = names["app"], names["model"]

    def upload(data: bytes) -> Any:
        return app.handlers["/classify"](types.SimpleNamespace(file=io.BytesIO(data)))

    async def serve() -> None:
        async with app.lifespan(app):
            assert model._live._loaded is not None
            answer = upload((session / "green" / "3.png").read_bytes())
            assert (max(answer, key=answer.get), sorted(answer)) == ("green", ["blue", "green", "red"])
            assert sum(answer.values()) == pytest.approx(1)
            with pytest.raises(HTTPError) as caught:
                upload(b"GIF89a")
            assert (caught.value.status_code, caught.value.detail) == (422, "corrupt GIF")

    asyncio.run(serve())
    assert model._live._loaded is None
