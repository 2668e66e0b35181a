"""Every output goes through one rule: an earlier one of its kind is replaced, and that is said; nothing else ever is."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import featx
from featx.cli import main
from tests.conftest import COLOURS, Run, write_image


def there(key: tuple[str, str]) -> bool:
    """Tell whether this featx has the command."""
    return key[0] in main.commands


# Every path that a command takes, by command and parameter. A new one belongs into one of the four.
INPUTS = {
    *(("extract", "images"), ("extract", "root"), ("extract", "int8_from")),
    *(("audit", "cache"), ("fit", "cache"), ("compare", "cache"), ("finetune", "cache"), ("finetune", "model")),
    *(("evaluate", name) for name in ("model", "images", "root", "unknown_images", "cache")),
    *(("predict", name) for name in ("model", "paths")),
    *(("explain", name) for name in ("model", "images")),
    *(("export", "model"), ("inspect", "path"), ("verify", "cache"), ("merge", "caches")),
    *(("pack", "cache"), ("backbones", "file"), ("look", "images"), ("look", "root")),
}
FIT, PREDICT = "fit cache/photos --head ridge", "predict models/photos-ridge.featx photos/red/0.png"
# The command, the name that its output is given, and whether an earlier one takes --overwrite to be replaced.
FILES = {
    ("fit", "out"): (f"{FIT} --out {{}}", "m.featx", False),
    ("fit", "log"): ("fit cache/photos --head dense --epochs 1 --out d.featx --log {}", "log.csv", False),
    ("compare", "out"): ("compare cache/photos --heads ridge,knn --folds 2 --out {}", "table.csv", False),
    ("finetune", "out"): ("finetune cache/photos --out {}", "f.featx", False),
    ("predict", "out"): (f"{PREDICT} --out {{}}", "new.csv", False),
    ("predict", "report"): (f"{PREDICT} --report {{}}", "new.html", False),
    ("explain", "out"): ("explain models/photos-ridge.featx photos/red/0.png --out {}", "why.html", False),
    ("audit", "write_manifest"): ("audit cache/photos --no-page --out found --write-manifest {}", "clean.csv", False),
    ("pack", "out"): ("pack cache/photos {}", "packed.h5", True),
    ("export", "out"): ("export models/photos-ridge.featx {}", "x.joblib", True),
    ("look", "out"): ("look photos --out {}", "look.html", False),
    ("pack", "out_option"): ("pack cache/photos --out {}", "packed.h5", True),
    ("export", "out_option"): ("export models/photos-ridge.featx --out {}", "x.joblib", True),
}
FILES_HERE = [key for key in FILES if there(key)]
# The command, and a file in the folder that is not featx' own and is in the way.
FOLDERS = {
    ("evaluate", "out"): ("evaluate models/photos-ridge.featx --map none --out {}", "metrics.json"),
    ("audit", "out"): ("audit cache/photos --out {}", "audit.html"),
    ("extract", "cache"): ("extract photos --backbone stub --image-size 64 --cache {}", "thesis.txt"),
    ("merge", "cache"): ("merge cache/photos --cache {}", "thesis.txt"),
    ("sample", "out"): ("sample {}", "thesis.txt"),
    ("demo", "out"): ("demo {}", "dense.featx"),
    ("sample", "out_option"): ("sample --out {}", "thesis.txt"),
    ("demo", "out_option"): ("demo --out {}", "dense.featx"),
}
NOT_RUN_TWICE = {
    ("finetune", "out"): "takes a real network, whose checkpoint and model tests/verbs/finetune replaces",
    ("extract", "cache"): "brings a cache up to date",
    ("merge", "cache"): "brings a cache up to date",
    ("sample", "out"): "leaves its images alone",
    ("sample", "out_option"): "leaves its images alone",
    ("demo", "out_option"): "takes a real network; it is extract, fit and evaluate",
    ("demo", "out"): "takes a real network; it is extract, fit and evaluate",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos/``, ``cache/photos`` and ``models/photos-ridge.featx``."""
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


def contents() -> dict[str, bytes | None]:
    """Return every path below the current folder with its bytes, links and pipes without; locks of caches left out."""
    paths = [path for path in Path().rglob("*") if path.name != ".lock"]
    return {str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in paths}


def of_paths() -> Iterator[tuple[str, str]]:
    """Yield each parameter of each command that takes a path."""
    for name, command in main.commands.items():
        for parameter in command.params:
            if isinstance(parameter.type, click.Path | click.File):
                yield name, str(parameter.name)


def test_every_path_of_every_command_is_an_input_or_an_output() -> None:
    """A new output cannot be forgotten: it goes into FILES or FOLDERS here, and so through every test below."""
    outputs = {key for key in (*FILES, *FOLDERS) if there(key)}
    assert set(of_paths()) == {key for key in INPUTS if there(key)} | outputs
    assert not INPUTS & {*FILES, *FOLDERS}


def test_every_option_that_says_it_writes_takes_a_path() -> None:
    """None of them is a plain text, which the test above would not see; flags and choices write nowhere."""
    for name, command in main.commands.items():
        for parameter in command.params:
            is_flag = getattr(parameter, "is_flag", False) or isinstance(parameter.type, click.Choice)
            if parameter.name in ("out", "report", "log", "write_manifest", "to", "save", "output") and not is_flag:
                assert isinstance(parameter.type, click.Path), f"{name} {parameter.name}"


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which stages of work were begun."""
    begun: list[str] = []
    from featx.cli import progress

    real = progress._show
    monkeypatch.setattr(progress, "_show", lambda stage, *others: (begun.append(stage), real(stage, *others))[1])
    monkeypatch.setattr("featx.verbs.fit.fit.choose_images", lambda *_: pytest.fail("a fit was begun"))
    return begun


FOREIGN = (b"thesis\n", b"path,label\na.png,cat\n", b"\x89PNG\r\n\x1a\n", b"PK\3\4 not featx'", b"{}")


@pytest.mark.parametrize("key", FILES_HERE, ids="-".join)
def test_a_file_of_somebody_elses_is_refused_before_the_work(
    key: tuple[str, str], session: Path, run: Run, stages: list[str]
) -> None:
    """Whatever is in it: exit code 1, its name in the message, and everything as it was; --overwrite does not help."""
    command, name, overwrites = FILES[key]
    for content in FOREIGN:
        Path(name).write_bytes(content)
        before = contents()
        for more in ((), ("--overwrite",)) if overwrites else ((),):
            done = run(*command.format(name).split(), *more)
            assert (done.exit_code, done.stdout) == (1, ""), (content, done.stderr)
            assert done.stderr.startswith(f"featx: {name}: exists and "), done.stderr
        assert contents() == before
    assert stages == []


@pytest.mark.parametrize("key", FOLDERS, ids="-".join)
def test_a_folder_of_somebody_elses_is_refused_before_the_work_and_never_emptied(
    key: tuple[str, str], session: Path, run: Run, stages: list[str]
) -> None:
    """A file in the way is named; those beside it stay too."""
    command, name = FOLDERS[key]
    folder = Path("mine")
    folder.mkdir()
    for mine in (name, "beside.txt"):
        (folder / mine).write_bytes(b"thesis")
    before = contents()
    done = run(*command.format(folder).split())
    assert (done.exit_code, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("featx: mine"), done.stderr
    assert contents() == before
    assert stages == []


@pytest.mark.parametrize("key", [key for key in FILES_HERE if key not in NOT_RUN_TWICE], ids="-".join)
def test_an_earlier_file_of_the_kind_is_replaced_and_that_is_said(key: tuple[str, str], session: Path, run: Run) -> None:
    """On stderr, before the run; not with -q, and not the first time."""
    command, name, overwrites = FILES[key]
    words = command.format(name).split()
    first = run(*words)
    assert first.exit_code == 0, first.stderr
    assert "will replace" not in first.stderr
    old = Path(name).stat().st_mtime_ns
    if overwrites:
        refused = run(*words)
        assert (refused.exit_code, "Give --overwrite" in refused.stderr or "give --overwrite" in refused.stderr) == (1, True)
        words.append("--overwrite")
    again = run(*words)
    assert again.exit_code == 0, again.stderr
    assert [line for line in again.stderr.splitlines() if name in line and line.startswith(f"will replace {name}, ")]
    assert Path(name).stat().st_mtime_ns > old
    quiet = run(*words, "-q")
    assert (quiet.exit_code, "will replace" in quiet.stderr) == (0, False)


@pytest.mark.parametrize("key", [key for key in FOLDERS if key not in NOT_RUN_TWICE], ids="-".join)
def test_an_earlier_folder_of_the_kind_is_replaced_and_that_is_said(key: tuple[str, str], session: Path, run: Run) -> None:
    """A user's own file in it stays."""
    command, _ = FOLDERS[key]
    words = command.format("out").split()
    assert "will replace" not in run(*words).stderr
    (Path("out") / "thesis.txt").write_text("mine")
    again = run(*words)
    assert again.exit_code == 0, again.stderr
    assert "will replace the files of an earlier run in out" in again.stderr
    assert (Path("out") / "thesis.txt").read_text() == "mine"
    assert "will replace" not in run(*words, "-q").stderr


def test_everything_that_is_not_run_twice_here_has_its_reason() -> None:
    """And is an output."""
    assert set(NOT_RUN_TWICE) <= {*FILES, *FOLDERS}


@pytest.mark.parametrize("key", FILES_HERE, ids="-".join)
@pytest.mark.parametrize("what", ["link", "pipe", "folder in the way"])
def test_what_is_no_file_is_refused_too(key: tuple[str, str], what: str, session: Path, run: Run) -> None:
    """A link to a user's file, a pipe, and a file where its folder would have to be."""
    command, name, _ = FILES[key]
    Path("thesis").write_text("mine")
    given = name
    if what == "link":
        Path(name).symlink_to("thesis")
    elif what == "pipe":
        os.mkfifo(name)
    else:
        given = f"thesis/{name}"
    before = contents()
    done = run(*command.format(given).split())
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith(f"featx: {given}: "), done.stderr
    assert contents() == before


IN_A_FOLDER = {
    ("fit", "out"): "photos-ridge.featx",
    ("fit", "log"): "d.csv",
    ("compare", "out"): "comparison.csv",
    ("predict", "out"): "predictions.csv",
    ("predict", "report"): "predictions.html",
    ("explain", "out"): "explanation.html",
    ("audit", "write_manifest"): "photos-clean.csv",
}


@pytest.mark.parametrize("key", IN_A_FOLDER, ids="-".join)
@pytest.mark.parametrize("given", ["there", "new/"])
def test_a_folder_where_a_file_is_wanted_gets_a_file_inside(key: tuple[str, str], given: str, session: Path, run: Run) -> None:
    """One that is there, or whose slash says that it is meant as one."""
    Path("there").mkdir()
    command, _, _ = FILES[key]
    done = run(*command.format(given).split())
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in Path(given).iterdir()] == [IN_A_FOLDER[key]]


OTHER_FOLDERS = {
    "pack cache/photos photos": "photos: is a folder. Give another OUT, such as photos/photos.h5.",
    "pack cache/photos new/": "new: is a folder. Give another OUT, such as new/photos.h5.",
    "export models/photos-ridge.featx photos": "photos: exists and is not, or no longer, what featx export wrote. "
    "Give another OUT, such as photos/model.onnx.",
    "evaluate models/photos-ridge.featx --out r.html": "r.html: is the name of a file; a featx report is a folder of several. "
    "Give --out r, say.",
    "fit cache/photos --head dense --out one.csv --log one.csv": "one.csv: cannot be both the model and its log. "
    "Give another --log.",
}


@pytest.mark.parametrize("command", OTHER_FOLDERS)
def test_other_outputs_say_what_to_give(command: str, session: Path, run: Run) -> None:
    """In the message."""
    before = contents()
    done = run(*command.split())
    assert (done.exit_code in (1, 2), done.stderr) == (True, f"featx: {OTHER_FOLDERS[command]}\n")
    assert contents() == before


def test_the_default_folder_of_a_report_is_looked_at_before_the_images_are(
    session: Path, run: Run, stages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is known once the split is, or the folder of the images."""
    monkeypatch.setattr("featx.verbs.evaluate.sources._classified", lambda *_: pytest.fail("images were measured"))
    for place, more in (("photos-ridge-test", ()), ("photos-ridge-photos", ("--images", "photos"))):
        folder = Path("reports") / place
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text("mine")
        done = run("evaluate", "models/photos-ridge.featx", *more)
        assert (done.exit_code, done.stderr) == (
            1, f"featx: {folder}/metrics.json: exists and is not from a featx report. Give another --out.\n"
        )  # fmt: skip
        assert (folder / "metrics.json").read_text() == "mine"
    assert stages == []


@pytest.mark.parametrize(
    ("command", "page"),
    [("evaluate models/photos-ridge.featx --map none", "report"), ("audit cache/photos", "audit")],
)
def test_without_a_page_the_earlier_page_is_kept_under_another_name(command: str, page: str, session: Path, run: Run) -> None:
    """Beside other figures it must not pass for theirs; and it is said, but with -q."""
    words = [*command.split(), "--out", "r"]
    run(*words)
    shown = (Path("r") / f"{page}.html").read_bytes()
    done = run(*words, "--no-page")
    assert f"r/{page}.html shows an earlier run and no page was asked for: kept as {page}-earlier.html" in done.stderr
    assert not (Path("r") / f"{page}.html").exists()
    assert (Path("r") / f"{page}-earlier.html").read_bytes() == shown
    again = run(*words, "--no-page")
    assert "kept as" not in again.stderr
    assert (Path("r") / f"{page}-earlier.html").read_bytes() == shown
    run(*words)
    assert run(*words, "--no-page", "-q").stderr == ""
    # Under that name too a page of somebody else's stays.
    (Path("r") / f"{page}-earlier.html").write_text("mine")
    refused = run(*words)
    assert (refused.exit_code, f"r/{page}-earlier.html: exists and is not a page of featx's" in refused.stderr) == (1, True)


def test_overwritten_features_are_said(session: Path, run: Run) -> None:
    """Which they are and why; nothing of a dry run."""
    words = ("extract", "photos", "--backbone", "stub", "--image-size", "96", "--cache", "cache/photos", "--overwrite")
    assert "will replace" not in run(*words, "--dry-run").stderr
    done = run(*words)
    assert (
        "will replace the features in cache/photos, made with image_size=[64, 64]: image_size=[96, 96] was asked for"
    ) in done.stderr
    assert "will replace" not in run(*words).stderr


def test_a_file_that_came_while_the_work_went_on_is_not_replaced(
    session: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again before the result is put there."""
    real = featx.predict_images

    def slow(*arguments: object, **options: object) -> object:
        result = real(*arguments, **options)  # type: ignore[arg-type]
        Path("new.csv").write_text("somebody else's")
        return result

    monkeypatch.setattr(featx, "predict_images", slow)
    done = run(*f"{PREDICT} --out new.csv".split())
    assert (done.exit_code, Path("new.csv").read_text()) == (1, "somebody else's")
