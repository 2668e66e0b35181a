"""One scheme of names for the options of all commands, and the spellings that are taken besides."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from click.testing import CliRunner

import featx
import featx.models.compute
from featx.cli import main
from featx.cli.defaults import BY_HAND, IN_NO_FILE, read_defaults
from featx.cli.spelling import Several, find_option, options_of, spellings_of
from tests.conftest import Run, as_json
from tests.test_readme import with_stub

EVERY = [(name, option) for name, command in sorted(main.commands.items()) for option in options_of(command)]

# The last word of a name is in the singular, but for counts of things, shares of them, lists of numbers, and words that have
# no other form.
PLURAL = {
    *("epochs", "folds", "minutes", "views", "workers", "neighbors", "examples", "max-pixels"),
    *("max-rejects", "sets", "filters", "images", "unknown-images"),
    *("weights", "loss", "progress", "preprocess", "yes", "group-duplicates", "probabilities", "label-columns", "rates"),
}

# What a command is called inside differs where Python has the word itself, or the option is a twin of an argument.
INSIDE = {"--from": {"start"}, "--map": {"map_"}, "--json": {"as_json"}, "--open": {"open_"}, "--out": {"out", "out_option"}}

WRITE_NOTHING = {"backbones", "doctor", "inspect", "verify"}


def shown(option: click.Option) -> str:
    """Return an option as --help shows it."""
    return next(spelling for spelling in option.opts if spelling.startswith("--"))


def kind(option: click.Option) -> str:
    """Return what an option takes: a list where several can be given, a number, a path or a word."""
    if isinstance(option, Several):
        return "list"
    name = option.type.name
    return "flag" if option.is_flag else {"integer range": "integer", "float range": "float", "choice": "text"}.get(name, name)


def test_an_option_has_one_name_and_a_name_has_one_meaning() -> None:
    """Inside and outside, in every command that has it; and takes the same kind of value there."""
    inside, outside, kinds = defaultdict(set), defaultdict(set), defaultdict(set)
    for _, option in EVERY:
        inside[shown(option)].add(option.name)
        outside[option.name].add(shown(option))
        kinds[shown(option)].add(kind(option))
    assert {name: found for name, found in inside.items() if found != {name[2:].replace("-", "_")}} == INSIDE
    assert {name: found for name, found in outside.items() if len(found) > 1} == {}
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_things_are_in_the_singular_and_counts_in_the_plural() -> None:
    """``--layer`` takes several, ``--epochs`` is how many; long names are words with - between them."""
    names = {shown(option)[2:] for _, option in EVERY}
    assert {name for name in names if name.endswith("s")} == PLURAL
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*|C", name) for name in names)
    several = {shown(option) for _, option in EVERY if isinstance(option, Several)}
    assert several == {
        "--layer",
        "--head",
        "--pooling",
        "--drop",
        "--hidden",
        "--filters",
        "--label-columns",
        "--target",
        "--ordinal",
    }


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_takes_out_where_it_writes_and_json(name: str) -> None:
    """As an option of its own, or as another name of the cache or the argument that it writes to."""
    assert (find_option(main.commands[name], "out") is not None) == (name not in WRITE_NOTHING)
    assert find_option(main.commands[name], "json") is not None


def test_every_help_text_is_a_sentence() -> None:
    """Of two words or more, with a full stop before the default."""
    for name, option in EVERY:
        text = (option.help or "").partition("  [")[0]
        assert len(text.split()) > 1, (name, option.name, text)
        assert text.endswith((".", ")", "?", "…")), (name, option.name, text)


def test_the_weights_are_the_backbones_in_every_command() -> None:
    """In the same words; where a model has them already, by default those."""
    texts = {(option.help or "").partition("  [")[0] for _, option in EVERY if shown(option) == "--weights"}
    assert texts == {"The backbone's weights: imagenet, random, random:SEED, or a weights file."}


ALSO = [(name, shown(option), spelling) for name, option in EVERY for spelling in getattr(option, "also", ())]


def test_these_are_the_other_spellings() -> None:
    """A spelling that was taken once is taken for ever: this list only grows."""
    assert set(ALSO) == {
        ("compare", "--head", "--heads"),
        ("compare", "--pooling", "--poolings"),
        ("extract", "--cache", "--out"),
        ("extract", "--int8-from", "--calibration"),
        ("extract", "--layer", "--layers"),
        ("extract", "--part", "--shard"),
        ("merge", "--cache", "--out"),
    }


@pytest.mark.parametrize(("command", "name", "other"), ALSO)
def test_other_spellings_are_taken_and_not_shown(
    command: str, name: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line, in the file and in a variable they give what the shown one gives."""
    value = {"--part": "2/3", "--layer": "a,b", "--head": "svm,knn", "--pooling": "avg"}.get(name, "x")
    option = find_option(main.commands[command], name)
    assert option is not None
    assert option.name is not None
    arguments = [parameter for parameter in main.commands[command].params if isinstance(parameter, click.Argument)]
    words = ["some"] * sum(argument.required for argument in arguments)
    wanted = main.commands[command].make_context(command, [*words, name, value]).params[option.name]
    assert main.commands[command].make_context(command, [*words, other, value]).params[option.name] == wanted
    assert wanted not in (None, ())
    help_text = CliRunner().invoke(main, [command, "--help"]).stdout
    assert re.search(rf"^  {name} ", help_text, re.MULTILINE)
    assert not re.search(rf"(?<![\w-]){other}(?![\w-])", help_text)
    for spelling in (name, other):
        (tmp_path / "featx.toml").write_text(f'[{command}]\n{spelling[2:]} = "{value}"\n')
        assert read_defaults(main.commands, tmp_path / "featx.toml")[command] == {option.name: value}
        variable = f"FEATX_{command}_{spelling[2:].replace('-', '_')}".upper()
        with monkeypatch.context() as patch, click.Context(main, info_name="featx", auto_envvar_prefix="FEATX") as parent:
            patch.setenv(variable, value)
            context = main.commands[command].make_context(command, list(words), parent)
            assert context.params[option.name] == wanted, variable


def test_the_shown_name_is_that_of_the_file_and_of_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of every option of every command, also where the argument of the function is called otherwise."""
    for name, option in EVERY:
        spelling = shown(option)[2:]
        if option.name in (*BY_HAND, *IN_NO_FILE):
            continue
        (tmp_path / "featx.toml").write_text(f'[{name}]\n{spelling} = "1"\n')
        assert read_defaults(main.commands, tmp_path / "featx.toml")[name] == {option.name: "1"}, (name, spelling)
        with monkeypatch.context() as patch, click.Context(main, info_name="featx", auto_envvar_prefix="FEATX") as parent:
            patch.setenv(f"FEATX_{name}_{spelling.replace('-', '_')}".upper(), "1")
            with click.Context(main.commands[name], info_name=name, parent=parent) as context:
                assert option.resolve_envvar_value(context) == "1", (name, spelling)


def test_one_option_under_two_names_in_the_file_is_refused(tmp_path: Path) -> None:
    """Nobody could say which counts; and a name above the tables is for commands that show it."""
    file = tmp_path / "featx.toml"
    file.write_text('[extract]\nlayer = "a"\nlayers = "b"\n')
    with pytest.raises(click.UsageError, match="'layer' and 'layers' are one option of featx extract"):
        read_defaults(main.commands, file)
    file.write_text('calibration = "isotonic"\nlayer = "a"\n[extract]\nlayer = "b"\n')
    defaults = read_defaults(main.commands, file)
    assert (defaults["fit"], defaults["extract"]) == ({"calibration": "isotonic", "layer": "a"}, {"layer": "b"})


def test_several_come_with_commas_or_one_by_one(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of layers, heads and poolings; a fit takes one, and says where several go."""
    once = main.commands["extract"].make_context("extract", ["photos", "--layer", "a", "--layer", "b,c"])
    assert once.params["layer"] == ("a", "b", "c")
    sizes = main.commands["fit"].make_context("fit", ["--hidden", "256", "--hidden", "128"])
    assert sizes.params["hidden"] == (256, 128)
    monkeypatch.setattr(featx, "extract_features", with_stub(featx.extract_features))
    assert run("extract", "photos", "--out", "c").exit_code == 0
    found = as_json(run("compare", "c", "--head", "ridge", "--head", "knn", "--pooling", "avg", "--folds", "2", "--json"))
    assert sorted(one["head"] for one in found["heads"]) == ["knn", "ridge"]
    for words in (("--head", "ridge,knn"), ("--layer", "cells,cells2"), ("--pooling", "avg,max")):
        refused = run("fit", "c", *words)
        assert refused.exit_code == 2
        assert "featx compare takes several" in " ".join(refused.stderr.split())


class TwoLayers:
    """A network with two layers: the stub's, and one that tells nothing."""

    network: ClassVar[dict[str, Any]] = {"parameters": 0, "layers": []}
    device = "cpu:0"
    engine = "keras"

    def __call__(self, images: Any) -> dict[str, Any]:
        """Return maps of both."""
        cells = images.reshape(len(images), 2, 32, 2, 32, 3).mean(axis=(2, 4)).astype("float32")
        return {"cells": cells, "noise": cells[..., :1] % 1}


def test_layers_are_compared_with_each_other(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each head on each layer, over the same folds; each line says which layer it is of."""
    monkeypatch.setattr(featx.models.compute, "load_backbone", lambda *_, **__: TwoLayers())
    featx.extract_features("photos", "deep", backbone="stub", layers=("cells", "noise"), image_size=64)
    found = as_json(run("compare", "deep", "--layer", "noise,cells", "--head", "ridge", "--folds", "2", "--json"))
    of_layer = {one["layer"]: one["accuracy"] for one in found["heads"]}
    assert set(of_layer) == {"cells", "noise"}
    assert of_layer["cells"] == 1.0 > of_layer["noise"]
    for layer, accuracy in of_layer.items():
        (alone,) = featx.compare_heads("deep", "ridge", folds=2, layer=layer).heads
        assert (alone.layer, alone.accuracy) == (layer, accuracy)
    done = run("compare", "deep", "--layer", "noise", "--layer", "cells", "--head", "ridge", "--folds", "2", "--out", "t.csv")
    assert "ridge avgmax noise" in done.stdout
    assert Path("t.csv").read_text().splitlines()[0].endswith(",layer,settings")
    refused = run("compare", "deep", "--layer", "cells,block9_pool", "--head", "ridge")
    assert (refused.exit_code, "keeps no layer 'block9_pool'" in refused.stderr) == (2, True)
    withheld = run("compare", "deep", "--layer", "cells,noise", "--withhold", "0.5")
    assert (withheld.exit_code, "withhold goes with one layer" in withheld.stderr) == (2, True)


def test_what_is_written_is_an_argument_or_out(stub_cache: Path, run: Run, tmp_path: Path) -> None:
    """Given twice it must be the same; given nowhere it is missing, but where it has a default."""
    assert as_json(run("pack", stub_cache, "--out", "one.h5", "--json"))["path"] == "one.h5"
    assert as_json(run("pack", stub_cache, "two.h5", "--out", "two.h5", "--json"))["path"] == "two.h5"
    twice = run("pack", stub_cache, "three.h5", "--out", "four.h5")
    assert (twice.exit_code, "OUT is given twice: three.h5 and --out four.h5" in twice.stderr) == (2, True)
    missing = run("pack", stub_cache)
    assert (missing.exit_code, "Missing argument 'OUT'" in missing.stderr) == (2, True)
    assert not (tmp_path / "three.h5").exists()
    assert main.commands["demo"].make_context("demo", []).params["out"] == Path("featx-demo")


def test_spellings_begin_with_the_one_that_is_shown() -> None:
    """Then the others, then the argument's own."""
    assert spellings_of(find_option(main.commands["extract"], "part") or EVERY[0][1]) == ["part", "shard"]
    assert spellings_of(find_option(main.commands["finetune"], "from") or EVERY[0][1]) == ["from", "start"]
