"""The README's commands, run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main

README = (Path(featx.__file__).parents[1] / "README.md").read_text("utf-8")


def tutorial_lines() -> list[str]:
    """Return the commands of the section on tutorials, their comments left out."""
    (block,) = re.findall(r"<!-- tutorials -->\s*```sh\n(.*?)```", README, re.DOTALL)
    return [line.split("#")[0].strip() for line in block.splitlines()]


def test_there_is_a_line_for_each_of_the_five_tutorials() -> None:
    """Each is a fit, and no two are the same."""
    lines = tutorial_lines()
    assert len(set(lines)) == 5
    assert all(line.startswith("featx fit ") for line in lines)


@pytest.mark.parametrize("line", tutorial_lines())
def test_a_tutorials_line_fits_a_model_that_can_be_evaluated(
    line: str, stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user would type it, where an extract has been: no further option is needed."""
    monkeypatch.chdir(tmp_path)
    stub_cache.rename(tmp_path / "moved")
    (tmp_path / "cache").mkdir()
    (tmp_path / "moved").rename(tmp_path / "cache" / "photos")
    done = CliRunner().invoke(main, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    (model,) = (tmp_path / "models").glob("*.featx")
    evaluation = featx.evaluate_model(model, cache=tmp_path / "cache" / "photos")
    assert evaluation.accuracy > 0.5  # three colours
    assert ("--log" in line) == (tmp_path / "log.csv").exists()


def test_the_snippet_for_scikit_learn_runs(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the stub backbone in place of VGG16, as it stands there otherwise."""
    (snippet,) = re.findall(r"<!-- snippet: sklearn -->\s*```python\n(.*?)```", README, re.DOTALL)
    snippet = snippet.replace('pooling="avg"', 'pooling="avg", backbone="stub", image_size=(64, 64)')
    paths = [str(path) for path in sorted(photos.rglob("*.png"))]
    scope = {"paths": paths, "labels": [Path(path).parent.name for path in paths]}
    exec(snippet, scope)  # the README's own text, not somebody's input
    assert list(scope["pipeline"].predict(paths)) == scope["labels"]
