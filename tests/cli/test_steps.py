"""The last line of a command's text: what to open or to type next; and what opens a page."""

import contextlib
import csv
import io
import os
import shlex
import shutil
import subprocess
import webbrowser
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.cli.steps import say_next
from tests.conftest import COLOURS, Run, as_json, write_image

MODEL = "models/photos-ridge.featx"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos/``, ``cache/photos`` and a model."""
    root = tmp_path_factory.mktemp("made")
    with contextlib.chdir(root):
        for label, (name, colour) in enumerate(COLOURS.items()):
            for number in range(6):
                write_image(Path("photos") / name / f"{number}.png", colour, seed=100 * label + number)
        featx.extract_features("photos", backbone="stub", image_size=(64, 64))
        featx.fit_head("cache/photos", "ridge")
    return root


@pytest.fixture
def session(made: Path, run: Run) -> Path:
    """The same, in the current folder, for one test."""
    shutil.copytree(made, ".", dirs_exist_ok=True)
    return Path.cwd()


EXTRACT = "extract photos --backbone stub --image-size 64 --cache c"
# Each command, where its text goes, and the last line of it.
STEPS = {
    "sample s": ("stdout", "next: featx extract s"),
    EXTRACT: ("stdout", "next: featx fit c --head dense"),
    f"{EXTRACT} --dry-run": ("stdout", f"next: featx {EXTRACT}"),
    f"{EXTRACT} --shard 1/2": ("stdout", f"next: featx {EXTRACT} --shard 2/2"),
    f"{EXTRACT} --shard=1/2": ("stdout", f"next: featx {EXTRACT} --shard=2/2"),
    f"{EXTRACT} --part 1/2": ("stdout", f"next: featx {EXTRACT} --part 2/2"),
    f"{EXTRACT} --part=1/2": ("stdout", f"next: featx {EXTRACT} --part=2/2"),
    f"{EXTRACT} --shard 2/2": ("stdout", "next: featx merge c"),
    "audit cache/photos": ("stdout", "open reports/photos-audit/audit.html"),
    "audit cache/photos --no-page": ("stdout", "open reports/photos-audit/audit.csv"),
    "audit cache/photos --no-page --write-manifest w.csv": ("stdout", "next: featx extract w.csv"),
    "fit cache/photos --head ridge": ("stdout", f"next: featx evaluate {MODEL}"),
    "compare cache/photos --heads knn --pooling max --neighbors 3 --layer cells --folds 2": (
        *("stdout", "next: featx fit cache/photos --head knn --pooling max --layer cells --neighbors 3"),
    ),
    f"evaluate {MODEL} --map none": ("stdout", "open reports/photos-ridge-test/report.html"),
    f"evaluate {MODEL} --no-page --out r": ("stdout", "open r/confusion_matrix.png"),
    f"predict {MODEL} photos/red": ("stderr", f"next: featx predict {MODEL} photos/red --report predictions.html"),
    f"predict {MODEL} photos/red --out p.csv": ("stdout", "open p.csv"),
    f"predict {MODEL} photos/red --report p.html": ("stderr", "open p.html"),
    f"predict {MODEL} photos/red --out p.csv --report p.html": ("stdout", "open p.html"),
    f"predict {MODEL} -- photos/red": ("stderr", f"next: featx predict {MODEL} --report predictions.html -- photos/red"),
    f"explain {MODEL} photos/red/0.png": ("stdout", f"next: featx explain {MODEL} photos/red/0.png --out explanation.html"),
    f"explain {MODEL} photos/red/0.png --out e.html": ("stdout", "open e.html"),
    f"export {MODEL} x.joblib": ("stdout", "open x.joblib.json"),
    "inspect cache/photos": ("stdout", "next: featx fit cache/photos --head dense"),
    f"inspect {MODEL}": ("stdout", f"next: featx evaluate {MODEL}"),
    "verify cache/photos": ("stdout", "next: featx fit cache/photos --head dense"),
    "merge cache/photos --cache joined": ("stdout", "next: featx fit joined --head dense"),
    "pack cache/photos p.h5": ("stdout", "open p.h5"),
    "backbones": ("stdout", "next: featx extract IMAGES --backbone NAME"),
    "look photos": ("stdout", "open reports/photos-look.html"),
    "look photos --no-page": ("stdout", "next: featx extract photos"),
}
# What takes seconds, or a real network, is in a test of its own, here or where it is run anyway.
OTHERS = {"doctor", "finetune", "demo"}
# Those that take no time, so that they can be run again.
QUICK = (
    *("sample s", EXTRACT, f"{EXTRACT} --dry-run", "fit cache/photos --head ridge", f"predict {MODEL} photos/red"),
    *("inspect cache/photos", f"inspect {MODEL}", "verify cache/photos", "merge cache/photos --cache joined", "backbones"),
)


def test_every_command_has_its_next_step_in_the_table() -> None:
    """Or in a test of its own."""
    assert {command.split()[0] for command in STEPS} | OTHERS >= set(main.commands)


@pytest.mark.parametrize("command", STEPS)
def test_the_last_line_is_what_to_open_or_to_type(command: str, session: Path, run: Run) -> None:
    """Where the rest of the text goes; not with -q, and not with --json, which gives one object."""
    stream, wanted = STEPS[command]
    done = run(*shlex.split(command))
    assert done.exit_code == 0, done.stderr
    assert getattr(done, stream).splitlines()[-1] == wanted
    first, _, path = wanted.partition(" ")
    assert first == "next:" or Path(path).is_file()


def test_every_command_can_be_made_quiet() -> None:
    """By the same option."""
    for name, command in main.commands.items():
        assert {"-q", "--quiet"} <= {option for parameter in command.params for option in parameter.opts}, name


def test_a_sound_machine_is_led_to_the_demo(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a problem to what it says of that; looking takes seconds, and is not what this test is of."""
    from featx.verbs import doctor

    diagnosis = doctor.Diagnosis(
        versions={}, system="", processor="", processor_features=[], int8_products=True, cores=1, memory_bytes=None,
        backend="", devices=[], extras={}, variables={}, problems=[], engines=[], rates={},
    )  # fmt: skip
    monkeypatch.setattr(doctor, "diagnose", lambda **_: diagnosis)
    assert run("doctor").stdout.splitlines()[-1] == "next: featx demo"
    assert "next:" not in run("doctor", "-q").stdout
    diagnosis.problems.append("no backend")
    assert run("doctor").stdout.splitlines()[-1] == "problem: no backend"


def test_a_demo_ends_in_its_page(session: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a session of one step: the real one takes a network."""
    from featx.verbs import demo

    step = demo.Step("featx evaluate m", lambda progress, on_epoch: featx.evaluate_model(MODEL), demo.HEADS[0])
    monkeypatch.setattr(demo, "demo_steps", lambda folder: [step])
    assert run("demo", "d").stdout.splitlines()[-1] == "open d/report/report.html"


@pytest.mark.parametrize("command", QUICK)
def test_neither_quiet_nor_json_has_a_next_step(command: str, session: Path, run: Run) -> None:
    """The text is shorter by it; JSON is one object."""
    words = shlex.split(command)
    quiet = run(words[0], "-q", *words[1:])
    assert quiet.exit_code == 0, quiet.stderr
    lines = (quiet.stdout + quiet.stderr).splitlines()
    assert not [line for line in lines if line.startswith(("next:", "open "))]
    as_json(run(words[0], "--json", *words[1:]))


def test_stdout_of_predictions_stays_pure(session: Path, run: Run) -> None:
    """Header and rows alone, whatever is said beside it."""
    done = run("predict", MODEL, "photos/red", "photos/blue")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert len(rows) == 13
    assert {len(row) for row in rows} == {5}


def test_a_command_for_very_many_paths_is_not_repeated(session: Path, run: Run) -> None:
    """Nobody copies a line of a thousand words."""
    done = run("predict", MODEL, *(["photos/red/0.png"] * 50))
    assert "next:" not in done.stderr
    assert "50 predicted" in done.stderr
    piped = CliRunner().invoke(main, ["predict", MODEL, "-"], input="photos/red/0.png\n")
    assert (piped.exit_code, "next:" in piped.stderr) == (0, False)


def test_an_error_has_no_next_step(session: Path, run: Run) -> None:
    """Its message is the last line."""
    Path("bad.png").write_bytes(b"no image")
    done = run("predict", MODEL, "bad.png")
    assert (done.exit_code, "next:" in done.stderr + done.stdout) == (3, False)
    shutil.copy("bad.png", "photos/red/bad.png")
    done = run(*shlex.split(EXTRACT), "--max-rejects", "0")
    assert (done.exit_code, "next:" in done.stderr + done.stdout) == (3, False)


NAMES = ["my photos", "it's", '"quoted"', "$HOME", "a;b&c", "-rf", "naïve ☃", "tab\there", "line\nend", "back\\slash", "*", "~"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"caf\xe9")])
def test_a_step_can_be_copied_into_a_shell_whatever_the_name(name: str, tmp_path: Path, run: Run) -> None:
    """The shell gives the command the very path; what a terminal would obey is written as an escape."""

    @click.command()
    def command() -> None:
        say_next("fit", Path(name))

    with contextlib.redirect_stdout(io.StringIO()) as said:
        command(standalone_mode=False, args=[])
    line = said.getvalue().rstrip("\n")
    assert "\n" not in line
    assert not [character for character in line if ord(character) < 32 or 0x7F <= ord(character) < 0xA0]
    words = line.removeprefix("next: featx ")
    printed = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True).stdout
    given = [os.fsdecode(word) for word in printed.split(b"\0")[:-1]]
    assert given == ["fit", f"./{name}" if name.startswith("-") else name]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A browser that notes what it is given."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: (opened.append(address), True)[1])
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


def test_open_shows_the_page_in_a_browser(session: Path, run: Run, browser: list[str]) -> None:
    """Of a report and of an audit, with --json too; a name is an address."""
    assert run("evaluate", MODEL, "--map", "none", "--out", "a b", "--open").exit_code == 0
    assert browser == [(session / "a b" / "report.html").as_uri()]
    assert as_json(run("audit", "cache/photos", "--open", "--json"))["page"] == "reports/photos-audit/audit.html"
    assert browser[1:] == [(session / "reports/photos-audit/audit.html").as_uri()]
    run("predict", MODEL, "photos/red/0.png", "--report", "p.html", "--open")
    run("explain", MODEL, "photos/red/0.png", "--out", "e.html", "--open")
    run("look", "photos", "--open")
    assert [Path(address).name for address in browser[2:]] == ["p.html", "e.html", "photos-look.html"]


def test_open_without_a_display_says_so_and_starts_nothing(
    session: Path, run: Run, browser: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser for terminals would take the terminal away; the page is there all the same."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    done = run("audit", "cache/photos", "--out", "r", "--open")
    assert (done.exit_code, browser) == (0, [])
    assert "note: there is no display to open r/audit.html on\n" in done.stderr
    assert done.stdout.splitlines()[-1] == "open r/audit.html"


def test_open_says_where_no_browser_can_be_started(
    session: Path, run: Run, browser: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it says so itself or by an error."""

    def refuse(address: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    for opener in (lambda address: False, refuse):
        monkeypatch.setattr(webbrowser, "open", opener)
        done = run("audit", "cache/photos", "--out", "r", "--open")
        assert (done.exit_code, "note: no browser could be started to open r/audit.html" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (f"evaluate {MODEL} --no-page", "leave --no-page out."),
        ("audit cache/photos --no-page", "leave --no-page out."),
        ("look photos --no-page", "leave --no-page out."),
        (f"predict {MODEL} photos", "give --report too."),
        (f"explain {MODEL} photos", "give --out too."),
    ],
)
def test_open_without_a_page_is_wrong_usage(command: str, advice: str, session: Path, run: Run, browser: list[str]) -> None:
    """There is nothing to open."""
    done = run(*command.split(), "--open")
    assert (done.exit_code, f"--open opens the page: {advice}" in done.stderr, browser) == (2, True, [])


def test_accuracy_stands_with_its_interval_and_the_baseline(session: Path, run: Run) -> None:
    """After a fit, a comparison and an evaluation; in JSON too. The interval is Wilson's, of SciPy."""
    from scipy.stats import binomtest

    fitted = as_json(run("fit", "cache/photos", "--head", "ridge", "--json"))
    n, right = fitted["val_images"], round(fitted["val_accuracy"] * fitted["val_images"])
    low, high = binomtest(right, n).proportion_ci(0.95, "wilson")
    assert fitted["val_interval"] == pytest.approx([low, high])
    assert fitted["val_baseline"] == pytest.approx(1 / 3)
    said = run("fit", "cache/photos", "--head", "ridge").stdout
    assert (
        f"validation accuracy {fitted['val_accuracy']:.3f} on {n} images "
        f"({low:.3f} to {high:.3f}; always the largest class: 0.33)\n"
    ) in said
    measured = featx.evaluate_model(MODEL)
    assert measured.baseline == ("blue", pytest.approx(1 / 3))
    low, high = measured.intervals["accuracy"]
    said = run("evaluate", MODEL, "--no-page").stdout
    assert f" on {len(measured.y)} images ({low:.3f} to {high:.3f}; always the largest class: 0.33)\n" in said
    compared = run("compare", "cache/photos", "--heads", "ridge", "--folds", "2").stdout
    assert compared.splitlines()[0].endswith("; always the largest class: 0.33")
