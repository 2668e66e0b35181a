"""The reference pages are made from the code: nothing public is missing, and what they say of ``--json`` is what is printed."""

import dataclasses
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import featx
from docs import generate
from featx.cli import main
from featx.cli.spelling import options_of
from tests.backbones.imported import graphs
from tests.conftest import as_json
from tests.pages import PAGES, ROOT
from tests.test_readme import with_stub


def test_every_option_of_every_command_is_on_the_page() -> None:
    """Under its command, with its help text."""
    sections = dict(re.findall(r"^## featx (\S+)\n(.*?)(?=^## |\Z)", generate.commands(), re.DOTALL | re.MULTILINE))
    assert list(sections) == main.list_commands(click.Context(main))
    for name, command in main.commands.items():
        text = re.sub(r"\\(.)", r"\1", sections[name])
        prose = text.replace("`", "")
        for option in (param for param in command.params if isinstance(param, click.Option)):
            for spelling in (*option.opts, *option.secondary_opts):
                assert re.search(rf"^\| `[^`]*(?<![\w-]){re.escape(spelling)}[ ,`]", text, re.MULTILINE), f"{name} {spelling}"
            assert " ".join(str(option.help).partition("[default")[0].split()) in prose, f"{name} {option.name}"
            if option.show_default and not isinstance(option.default, tuple):
                assert f"Default: {option.default}" in text, f"{name} {option.name}"


def test_every_option_is_in_the_index_with_its_commands() -> None:
    """Each spelling that is shown once, linked to each command that has it, in the words of that command."""
    rows = re.findall(r"^\| `(--[^`]+)` \| ([^|]+) \| (.+) \|$", generate.options(), re.MULTILINE)
    assert len(dict.fromkeys(spelling for spelling, *_ in rows)) == len(rows)
    index = {
        spelling: (re.findall(r"\[(\w+)\]", links), text.replace("\\", "").replace("`", "")) for spelling, links, text in rows
    }
    for name, command in main.commands.items():
        for option in options_of(command):
            takers, text = index[next(spelling for spelling in option.opts if spelling.startswith("--"))]
            assert name in takers
            assert " ".join(str(option.help).partition("  [")[0].replace("|", "").split()) in text, (name, option.name)
    assert sum(len(takers) for takers, _ in index.values()) == sum(len(list(options_of(one))) for one in main.commands.values())
    assert len(index) > 90


def test_every_public_name_is_on_a_page() -> None:
    """And every exception; the build of the pages checks the same of what it has made."""
    text = generate.python() + generate.errors() + generate.estimators()
    shown = re.findall(r"auto(?:function|class|exception):: (\S+)", text)
    assert len(shown) == len(set(shown))
    assert set(generate.public_names()) <= set(shown)


def test_every_keyword_of_a_function_is_on_the_page() -> None:
    """Those, too, that a function takes as ``**``: each in the table of its type, with its meaning, below a link's target."""
    text = generate.python()
    for name in featx.__all__:
        function = getattr(featx, name)
        if inspect.isfunction(function) and (spec := inspect.getfullargspec(inspect.unwrap(function))).varkw:
            (keywords,) = typing.get_args(typing.get_type_hints(function)[spec.varkw])
            _, found, rest = text.partition(f"autoclass:: featx.{keywords.__name__}\n")
            assert found, f"featx.{name}: {keywords.__name__}"
            rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", rest.partition("autoclass::")[0], re.MULTILINE))
            assert set(rows) == set(keywords.__annotations__), f"featx.{name}"
            assert all(meaning.strip() for meaning in rows.values()), f"featx.{name}"


def test_a_function_must_say_which_keywords_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """``**anything`` of no type cannot be put on the page."""

    def bare(**anything: int) -> None: ...

    monkeypatch.setattr(featx, "__all__", ["bare"])
    monkeypatch.setattr(featx, "bare", bare, raising=False)
    with pytest.raises(TypeError, match=r"^featx\.bare: \*\*anything must be an Unpack of a TypedDict"):
        generate.keyword_types()


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    """Every link and every name in a signature leads somewhere."""
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([ROOT / "scripts" / "docs", tmp_path], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert "featx.extract_features" in (tmp_path / "reference" / "python.html").read_text("utf-8")


def test_everything_public_has_a_docstring() -> None:
    """Functions, classes, their methods and exceptions; the build of the pages fails for the same."""
    assert generate.undocumented() == []


def test_a_public_name_without_a_docstring_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a function, of a method, and of a dataclass, to which Python gives one."""

    @dataclasses.dataclass
    class Bare:
        value: int

        def method(self) -> None: ...

    monkeypatch.setattr(featx, "__all__", ["Bare", "bare"])
    monkeypatch.setattr(featx, "Bare", Bare, raising=False)
    monkeypatch.setattr(featx, "bare", lambda: None, raising=False)
    assert generate.undocumented() == ["featx.Bare", "featx.Bare.method", "featx.bare"]


def test_every_marker_of_a_page_is_filled() -> None:
    """And everything that can be made stands on one page."""
    used = [name for page in PAGES for name in generate.MARKER.findall(page.read_text("utf-8"))]
    assert sorted(used) == sorted(generate.PARTS)


def test_the_page_of_modules_names_every_module() -> None:
    """But for folders whose ``__init__`` says nothing."""
    text = generate.modules()
    for path in (*(ROOT / "featx").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")):
        if path.name != "__init__.py":
            assert f"`{path.relative_to(ROOT).with_suffix('').as_posix()}`" in text, path


def test_exit_codes_are_those_of_the_code() -> None:
    """One line for each, and 2 is click's."""
    assert re.findall(r"^\| (\d+) ", generate.exit_codes(), re.MULTILINE) == ["0", "1", "2", "3", "130"]


@pytest.mark.parametrize("command", list(main.commands))
def test_the_help_of_a_command_ends_in_an_example_that_can_be_typed(command: str) -> None:
    """On one line of a terminal of 80 columns, and with options that exist and values that they take."""
    text = CliRunner().invoke(main, [command, "--help"], terminal_width=80).stdout
    (example,) = re.findall(r"^  Example: (featx .*)$", text, re.MULTILINE)
    assert text.rstrip().endswith(example)
    words = shlex.split(example)
    assert words[1] == command
    main.commands[command].make_context(command, words[2:])
    assert example in generate.commands()


@pytest.fixture
def session(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``photos/``, ``cache/photos`` and ``models/photos-logreg.featx``; commands use the stub backbone."""
    for name in ("extract_features", "plan_extract"):
        monkeypatch.setattr(featx, name, with_stub(getattr(featx, name)))
    monkeypatch.chdir(tmp_path)
    featx.extract_features("photos")
    featx.fit_head("cache/photos", "logreg")
    graphs.saved(graphs.convolutions(), tmp_path / "network.onnx")
    return tmp_path


CALLS = {
    ("look", 0): "look photos --image-size 64",
    ("extract", 0): "extract photos",
    ("extract", 1): "extract photos --dry-run",
    ("audit", 0): "audit --write-manifest clean.csv",
    ("fit", 0): "fit --head ridge",
    ("compare", 0): "compare --heads ridge,knn --folds 2 --out table.csv",
    ("evaluate", 0): "evaluate",
    ("evaluate", 1): "evaluate models/labels.featx",
    ("evaluate", 2): "evaluate models/numbers.featx",
    ("predict", 0): "predict models/photos-logreg.featx photos",
    ("explain", 0): "explain models/photos-logreg.featx photos",
    ("inspect", 0): "inspect",
    ("inspect", 1): "inspect models/photos-logreg.featx",
    ("verify", 0): "verify",
    ("merge", 0): "merge cache/photos --cache joined",
    ("pack", 0): "pack cache/photos photos.h5",
    ("backbones", 0): "backbones",
    ("backbones", 1): "backbones network.onnx",
    ("doctor", 0): "doctor",
    ("sample", 0): "sample images",
    ("demo", 0): "demo",
}
# These print a dataclass as it is; running them needs a real network.
PRINTED_WHOLE = {"export": ("export_model", "export m.featx m.onnx"), "finetune": ("fine_tune", "finetune cache/photos")}


def fit_columns(options: list[str], model: str) -> None:
    """Fit a model of labels or of a number on a table of the photos."""
    paths = sorted(Path("photos").glob("*/*.png"))
    rows = [f"{path},{place % 2},{place % 3 == 0:d},{place}" for place, path in enumerate(paths)]
    Path("table.csv").write_text("path,a,b,c\n" + "\n".join(rows) + "\n")
    for words in (
        ["extract", "table.csv", "--cache", "of-table", *options],
        ["fit", "of-table", "--head", "ridge", "--out", model],
    ):
        assert CliRunner().invoke(main, words).exit_code == 0


def test_every_document_is_called_for() -> None:
    """Each JSON object that the page describes is printed in one of the tests below."""
    described = {(name, n) for name, documents in generate.DOCUMENTS.items() for n in range(len(documents))}
    assert described == set(CALLS) | {(name, 0) for name in PRINTED_WHOLE}
    assert set(generate.DOCUMENTS) == set(main.commands)


@pytest.mark.parametrize(("call", "line"), CALLS.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_keys_on_the_page_are_those_that_are_printed(
    call: tuple[str, int], line: str, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is missing and none is there that no command prints."""
    name, number = call
    if name == "demo":  # the sample is 800 images; three colours do
        from featx.verbs import demo, sample

        unpacked = sample.SampleResult(session / "photos", 36, 3)
        monkeypatch.setattr(demo, "unpack_sample", lambda folder: (shutil.copytree("photos", folder), unpacked)[1])
        monkeypatch.setattr(demo, "extract_features", with_stub(demo.extract_features))
    if name == "evaluate" and number:
        fit_columns(["--label-columns", "a,b"] if number == 1 else ["--target", "c"], line.split()[1])
    result = as_json(CliRunner().invoke(main, [*shlex.split(line), "--json"]))
    assert set(result) == set(generate.keys(generate.DOCUMENTS[name][number]))


@pytest.mark.parametrize("name", PRINTED_WHOLE)
def test_a_result_that_is_printed_whole_has_the_keys_on_the_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command prints what the function returns, field by field."""
    function, line = PRINTED_WHOLE[name]
    (document,) = generate.DOCUMENTS[name]
    result = inspect.get_annotations(getattr(featx, function), eval_str=True)["return"]
    made = result(**{field.name: field.name for field in dataclasses.fields(result)})
    monkeypatch.setattr(featx, function, lambda *_, **__: made)
    done = CliRunner().invoke(main, [*shlex.split(line), "--json"])
    assert set(json.loads(done.stdout)) == set(generate.keys(document))


@pytest.mark.parametrize("name", list(generate.DOCUMENTS))
def test_every_key_has_a_meaning(name: str) -> None:
    """From the docstring of the result, or written down beside the key."""
    for document in generate.DOCUMENTS[name]:
        for key, (_, meaning) in generate.keys(document).items():
            assert meaning, f"{name}: {key}"


def test_a_docstring_without_sections_still_gives_the_types() -> None:
    """So that a new result is never left out."""

    @dataclasses.dataclass
    class Bare:
        """Two values."""

        first: int
        second: list[str]

    assert generate.described(Bare) == {"first": ("int", ""), "second": ("list[str]", "")}


def test_the_version_is_in_one_place() -> None:
    """The build reads it from featx/system/version.py, and no other file of the project repeats it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "featx/system/version.py"
    assert "version" not in project["project"]
    kept = [ROOT / "pyproject.toml", ROOT / "CITATION.cff", ROOT / "scripts", ROOT / "docs", ROOT / "featx", ROOT / ".github"]
    files = [file for path in kept for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    texts = {
        file: file.read_text("utf-8")
        for file in files
        if file.suffix in (".py", ".md", ".toml", ".cff", ".yml", "") and file.is_file()
    }
    assert len(texts) > 250
    repeats = [file for file, text in texts.items() if re.search(rf"(?<![\d.]){re.escape(featx.__version__)}(?![\d.])", text)]
    assert repeats == [ROOT / "featx/system/version.py"]
    citation = texts[ROOT / "CITATION.cff"]
    assert not re.search(r"^version:", citation, re.MULTILINE)
