"""The examples in the docstrings of the public names: each has one, and each runs as it stands there."""

import doctest
import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import featx
from tests.conftest import COLOURS, write_image

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TUNED = ("FineTuneResult", "fine_tune")


def own_docstring(name: str) -> str:
    """Return what stands under the name itself, not under a class that it is derived from."""
    return inspect.cleandoc(getattr(featx, name).__doc__ or "")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the examples run in, as the page on Python says: photos/, cache/photos, and models of it.

    Of ``table.csv``, which lists the same images, there is a model of the labels ``cold`` and ``red``, and one of the number
    ``warmth``.
    """
    root = tmp_path_factory.mktemp("examples")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(12):
            write_image(root / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    warmth = {"blue": 1, "green": 2, "red": 3}
    rows = [f"photos/{name}/{n}.png,{name != 'red':d},{name == 'red':d},{warmth[name]}" for n in range(12) for name in COLOURS]
    (root / "table.csv").write_text("path,cold,red,warmth\n" + "\n".join(rows) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        featx.extract_features("photos", backbone="stub", image_size=(64, 64))
        featx.fit_head("cache/photos", "logreg")
        for name, options in (("labels", {"label_columns": ["cold", "red"]}), ("warmth", {"target": ["warmth"]})):
            featx.extract_features("table.csv", f"cache/{name}", backbone="stub", image_size=(64, 64), **options)
            featx.fit_head(f"cache/{name}", "ridge", out=f"models/{name}.featx")
        os.utime("models/photos-logreg.featx")
    return root


@pytest.fixture(scope="module")
def deep(home: Path) -> Path:
    """The same folder with ``cache/deep``: features before the last block, of random weights at 32 px, and a dense head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        featx.extract_features("photos", "cache/deep", weights="random", image_size=(32, 32))
        featx.fit_head("cache/deep", "dense", epochs=1)
    return home


@pytest.fixture
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder to run an example in; what it writes is deleted, so that no example depends on another."""
    name = request.node.callspec.params["name"]
    folder: Path = request.getfixturevalue("deep" if name in TUNED else "home")
    monkeypatch.chdir(folder)
    before = set(folder.rglob("*"))
    yield folder
    for path in sorted(set(folder.rglob("*")) - before, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("name", featx.__all__)
def test_a_public_name_has_an_example(name: str) -> None:
    """A section ``Examples`` at the end of its docstring, with at least one line that runs."""
    _, heading, section = own_docstring(name).partition("\n\nExamples\n--------\n")
    assert heading, f"featx.{name}: its docstring has no section Examples"
    assert doctest.DocTestParser().get_examples(section), f"featx.{name}: its section Examples has no line with >>>"


@pytest.mark.parametrize("name", featx.__all__)
@pytest.mark.usefixtures("folder")
def test_an_example_runs(name: str) -> None:
    """It gives what stands there, from ``import featx`` on and in a folder of its own."""
    test = doctest.DocTestParser().get_doctest(own_docstring(name), {"featx": featx}, f"featx.{name}", None, None)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not report, "".join(report)
