"""Defaults of options from ``featx.toml`` and from variables."""

import contextlib
from pathlib import Path

import click
import pytest

import featx
from featx.cli import main
from featx.cli.defaults import BY_HAND, IN_NO_FILE, read_defaults
from tests.conftest import Run, as_json


def test_options_have_the_defaults_of_the_file(photos: Path, run: Run) -> None:
    """What is typed counts more; a list is written as one."""
    Path("featx.toml").write_text(
        'seed = 7\n[extract]\nbackbone = "stub"\nimage-size = "64x96"\nlayers = ["cells"]\nval_fraction = 0.25\n'
        '[fit]\nhead = "ridge"\n'
    )
    done = run("extract", "photos", "--json")
    assert "using defaults of featx.toml" in done.stderr
    assert as_json(done)["splits"]["val"] == 9
    recipe = featx.open_cache("cache/photos").recipe
    assert (recipe.backbone, recipe.image_size) == ("stub", (64, 96))
    run("extract", "photos", "--image-size", "64", "--cache", "typed")
    assert featx.open_cache("typed").recipe.image_size == (64, 64)
    assert as_json(run("fit", "cache/photos", "--json"))["head"] == "ridge"
    assert featx.load_model("models/photos-ridge.featx").head.settings()["seed"] == 7


def test_options_have_the_defaults_of_variables(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By command and option; a variable counts more than the file, and less than what is typed."""
    Path("featx.toml").write_text('[extract]\nbackbone = "stub"\nimage-size = 96\n')
    monkeypatch.setenv("FEATX_EXTRACT_IMAGE_SIZE", "64")
    run("extract", "photos")
    assert featx.open_cache("cache/photos").recipe.image_size == (64, 64)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[extract", "featx.toml: cannot be read: "),
        ("\xff", "featx.toml: cannot be read: "),
        ("[extrct]\nseed = 1", "there is no command 'extrct'. Did you mean extract?"),
        ("[extract]\nimage-sise = 64", "there is no option 'image-sise' of featx extract. Did you mean image-size?"),
        ("sed = 64", "there is no option 'sed'. Did you mean seed?"),
        ("[extract]\noverwrite = true", "'overwrite' is to be given on the command line, each time."),
        ("yes = true", "'yes' is to be given on the command line, each time."),
        ("[verify]\nprune = true", "'prune' is to be given on the command line, each time."),
        ("[extract]\nray = 'somewhere:6379'", "'ray' is to be given on the command line, or as a variable."),
        ("raw-csv = true", "'raw-csv' is to be given on the command line, or as a variable."),
        ("[extract]\nseed = 'many'", "'many' is not a valid integer"),
        ("seed = " + "[" * 40_000, "featx.toml: cannot be read: "),
        ("#" * 100_000 + "\nsed = 1", "featx.toml: cannot be read: has more than 100,000 bytes"),
        ('[extract]\ncache = "a\\u0000b"', "featx.toml: 'cache' is 'a\\x00b'. Give a text, a number,"),
        ("[extract]\ncache = {a = 1}", "featx.toml: 'cache' is {'a': 1}. Give a text, a number,"),
        ("[extract]\ncache = [[1]]", "featx.toml: 'cache' is [[1]]. Give a text, a number,"),
        ("[extract]\ncache = 1979-05-27", "Give a text, a number, true or false, or a list of these."),
    ],
)
def test_a_file_that_says_nothing_possible_is_wrong_usage(text: str, said: str, photos: Path, run: Run) -> None:
    """Exit code 2, with the file's name, before anything is done."""
    Path("featx.toml").write_bytes(text.encode("latin-1"))
    done = run("extract", "photos")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert not Path("cache").exists()


@pytest.mark.parametrize(
    "value", ["true", "-1", "1e308", "nan", '""', '"a\\nb"', "[]", "[1, 'x']", "9" * 400, '"' + "x" * 5000 + '"']
)
def test_each_option_takes_any_value_of_the_file_or_refuses_it(value: str, run: Run) -> None:
    """Whoever wrote the file: no option of any command meets a value with a traceback."""
    tried = 0
    for name, command in main.commands.items():
        for option in command.params:
            if not isinstance(option, click.Option) or option.name in (*BY_HAND, *IN_NO_FILE, "help", "map_", "start"):
                continue
            Path("featx.toml").write_text(f"[{name}]\n{option.name} = {value}\n")
            defaults = read_defaults(main.commands, Path("featx.toml"))
            with contextlib.suppress(click.UsageError), click.Context(command) as context:
                option.process_value(context, defaults[name][option.name or ""])
            tried += 1
    assert tried > 100


def test_what_is_to_be_typed_comes_from_no_variable(stub_cache: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of somebody else's must not replace features."""
    monkeypatch.setenv("FEATX_EXTRACT_OVERWRITE", "1")
    done = run("extract", "photos", "--cache", stub_cache, "--backbone", "stub", "--image-size", "96")
    assert done.exit_code == 1
    assert "image_size=[64, 64]" in done.stderr


def test_without_the_file_nothing_is_said(stub_cache: Path, run: Run) -> None:
    """And a folder of that name is no such file."""
    Path("featx.toml").mkdir()
    assert "featx.toml" not in run("inspect", stub_cache).output


def test_a_wrong_value_that_nobody_typed_is_said_to_stand_in_a_variable_or_the_file(
    photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever name the variable has; of what was typed nothing is said."""
    Path("featx.toml").write_text("[fit]\nfolds = 'many'\n")
    assert "'many' is not a valid integer. It stands in featx.toml." in run("fit").stderr
    for name, command in (
        ("FEATX_EXTRACT_WORKERS", "extract"),
        ("FEATX_EXTRACT_SHARD", "extract"),
        ("FEATX_LOOK_SEED", "look"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, "many")
            assert f" It stands in the variable {name}." in run(command, "photos").stderr
    assert "It stands in" not in run("extract", "photos", "--workers", "many").stderr


def test_a_variable_of_a_version_asks_for_nothing(stub_cache: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of containers have one; --version is to be typed."""
    for version in ("1.4.2", "1", "true"):
        monkeypatch.setenv("FEATX_VERSION", version)
        assert "fingerprint" in as_json(run("inspect", stub_cache, "--json"))


def test_quiet_leaves_out_where_defaults_come_from(stub_cache: Path, run: Run) -> None:
    """It is a note; whether typed or one of these defaults."""
    Path("featx.toml").write_text("[inspect]\nquiet = false\n[verify]\nquiet = true\n")
    assert run("inspect", stub_cache).stderr == "using defaults of featx.toml\n"
    assert run("inspect", stub_cache, "-q").stderr == ""
    assert run("verify", stub_cache).stderr == ""
