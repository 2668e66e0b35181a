"""The commands and snippets of the README and of the pages in ``docs/``, run as they stand there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import openpyxl
import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from tests.conftest import COLOURS, write_image
from tests.pages import PAGES, ROOT, Block, block, blocks

# Marked blocks that have a test of their own; "run" blocks are run here, "checked" and "not run" ones are only parsed.
TESTED_APART = {
    *("ci: demo", "ci: test", "tutorials", "recipe: xargs"),
    *("snippet: sklearn", "snippet: python", "snippet: pack", "snippet: live", "snippet: service", "snippet: results"),
}
CODE = [found for found in blocks() if found.language in ("sh", "python")]
RUN = sorted({found.page for found in CODE if found.marker.startswith("run: ")})


def featx_commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every ``featx`` command in a line of shell."""
    for part in re.split(r"&&|\||;", text):
        words = shlex.split(part)
        at = next((n for n, word in enumerate(words) if Path(word).name == "featx"), None)
        if at is not None and words[0] not in ("pip",):
            yield words[at + 1 :]


def test_every_block_of_code_says_how_it_is_tested() -> None:
    """A block without a marker would be read, copied and never run."""
    for found in CODE:
        kind, _, name = found.marker.partition(": ")
        assert found.marker in TESTED_APART or (kind in ("run", "checked", "not run", "same as") and name), found
        if kind == "same as":
            assert found.text == block(name), found
    assert {found.marker for found in CODE} >= TESTED_APART


@pytest.mark.parametrize("found", [found for found in CODE if found.language == "sh"], ids=lambda found: found.marker)
def test_every_command_on_a_page_can_be_typed(found: Block) -> None:
    """Its options exist and take these values; nothing is run."""
    for line in found.commands:
        for arguments in featx_commands(line):
            # What the shell would put in: the number of a part, and of how many.
            given = [re.sub(r"\{\}|\$\w+|\$\(\(.*\)\)", "1", argument) for argument in arguments]
            main.commands[given[0]].make_context(given[0], given[1:])


def test_code_within_sentences_names_what_exists() -> None:
    """Commands, options, modules, benchmarks and tests in backticks."""
    tests = {name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))}
    options = {option for command in main.commands.values() for option in options_of(command)}
    for path in PAGES:
        prose = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"`([^`\n]+)`", prose):
            where = f"{path.relative_to(ROOT)}: {code}"
            if named := re.match(r"featx ([a-z]+)\b", code):
                assert named[1] in main.commands, where
                known = options_of(main.commands[named[1]])
                assert set(re.findall(r"--[a-z][a-z0-9-]*|--C\b", code)) <= known, where
            elif code.startswith("test_"):
                assert code in tests, where
            elif code.startswith("--"):
                assert set(re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", code)) <= options, where
            elif re.fullmatch(r"[a-z_/.]+/[a-z_]+\.py", code):
                assert (ROOT / code).exists() or (ROOT / "featx" / code).exists(), where
            elif named := re.search(r"python -m benchmarks\.(\w+)", code):
                assert (ROOT / "benchmarks" / f"{named[1]}.py").exists(), where


def options_of(command: click.Command) -> set[str]:
    """Return the spellings of a command's options."""
    return {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Sphinx checks its own pages; on a forge the README and its neighbours are read as files."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """Return what a heading is called in a link."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short_and_its_shortened_output_is_the_tutorials() -> None:
    """No more than 200 lines of 120 characters; no line of the demo's output that the whole output does not have."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 120] == []
    whole = block("demo output").splitlines()
    assert [line for line in block("demo output, shortened").splitlines() if line not in whole] == []


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run_one_after_the_other(
    page: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user would type them beside ``photos/``, ``fruit.xlsx`` and ``new/``; the stub backbone stands in for VGG16."""
    for name in ("extract_features", "plan_extract"):
        monkeypatch.setattr(featx, name, with_stub(getattr(featx, name)))
    monkeypatch.chdir(tmp_path)
    write_image(Path("new/1.png"), (20, 30, 200), seed=7)
    write_sheet(Path("fruit.xlsx"))
    if page.startswith("docs/howto/"):  # a task at hand: features and a head are there already
        for words in ("extract photos", "fit --head dense"):
            assert CliRunner().invoke(main, words.split()).exit_code == 0
    for found in (found for found in CODE if found.page == page and found.marker.startswith("run: ")):
        if found.language == "python":
            scope: dict[str, Any] = {}
            exec(found.text, scope)  # the page's own text, not somebody's input
            assert scope["X"].shape == (len(scope["y"]), 3)
            continue
        for line in found.commands:
            assert line.startswith("featx "), line
            done = CliRunner().invoke(main, shlex.split(line)[1:])
            assert done.exit_code == 0, f"{line}\n{done.output}"


def write_sheet(path: Path) -> None:
    """Write an Excel sheet of the images in ``photos/``, with a group, two labels, a number and a grade of each."""
    book = openpyxl.Workbook()
    book.active.append(["path", "tree", "ripe", "bruised", "sugar", "grade"])
    for place, name in enumerate(COLOURS):
        for number in range(12):
            bruised = None if number == 5 else int(name == "blue" or number % 4 == 0)
            row = [f"photos/{name}/{number}.png", f"{name} {number // 3}", int(name == "red"), bruised]
            book.active.append([*row, 10 + 2.5 * place + number / 10, ("poor", "fair", "good")[place]])
    book.save(path)


def with_stub(function: Any) -> Any:
    """Return a function that is called as on the command line, and uses the stub backbone all the same."""

    def stubbed(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options | {"backbone": "stub", "image_size": (64, 64)})

    return stubbed


def tutorial_lines() -> list[str]:
    """Return the commands of the section on tutorials, their comments left out."""
    return [line.split("#")[0].strip() for line in block("tutorials").splitlines()]


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
    snippet = block("snippet: sklearn")
    snippet = snippet.replace('pooling="avg"', 'pooling="avg", backbone="stub", image_size=(64, 64)')
    paths = [str(path) for path in sorted(photos.rglob("*.png"))]
    scope = {"paths": paths, "labels": [Path(path).parent.name for path in paths]}
    exec(snippet, scope)  # the page's own text, not somebody's input
    assert list(scope["pipeline"].predict(paths)) == scope["labels"]
