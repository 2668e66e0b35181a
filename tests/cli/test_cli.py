"""Each command through the command line: what it prints, its JSON, its exit code."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

import featx
from featx.cli import main
from featx.store.shards.shard import Shard
from tests.conftest import COLOURS, Run, as_json, write_image

STUB = ("--backbone", "stub", "--image-size", "64", "--batch-size", "8")


def test_a_session_needs_no_further_options(photos: Path, run: Run) -> None:
    """``extract photos``, ``fit``, ``evaluate``: each finds what the one before made, and says which."""
    extracted = as_json(run("extract", "photos", *STUB, "--json"))
    assert extracted["cache"] == "cache/photos"
    fitted = run("fit", "--head", "logreg", "--json")
    assert "using cache cache/photos" in fitted.stderr
    assert as_json(fitted)["model"] == "models/photos-logreg.featx"
    evaluated = run("evaluate", "--json")
    assert "using model models/photos-logreg.featx" in evaluated.stderr
    figures = as_json(evaluated)
    assert (figures["images"], figures["accuracy"]) == (6, 1.0)
    assert figures["report"] == "reports/photos-logreg-test"


def test_extract_json_has_the_promised_keys(photos: Path, run: Run) -> None:
    """Scripts rely on these names, and on the counts adding up."""
    document = as_json(run("extract", "photos", *STUB, "--json"))
    promised = ["cache", "listed", "extracted", "reused", "rejected", "duplicates", "seconds", "images_per_second", "bytes"]
    assert set(promised) <= set(document)
    assert document["listed"] == document["extracted"] + document["reused"] + document["rejected"] == 36


@pytest.mark.parametrize("head", ["dense", "logreg", "svm"])
def test_fit_evaluate_and_inspect_json_have_the_promised_keys(stub_cache: Path, run: Run, head: str) -> None:
    """For each head: fit, evaluate and inspect say what scripts rely on, and the head has learned the colours."""
    fitted = as_json(run("fit", stub_cache, "--head", head, "--out", "m.featx", "--json"))
    assert {"model", "head", "train_images", "val_accuracy", "seconds", "parameters"} <= set(fitted)
    assert (fitted["head"], fitted["train_images"], fitted["val_accuracy"]) == (head, 24, 1.0)
    assert set(fitted["parameters"]) == {"total", "trainable", "frozen"}
    evaluated = as_json(run("evaluate", "m.featx", "--json"))
    assert {"images", "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "report"} <= set(evaluated)
    assert evaluated["accuracy"] == 1.0
    inspected = as_json(run("inspect", "m.featx", "--json"))
    assert inspected["parameters"] == fitted["parameters"]
    assert inspected["class_names"] == sorted(COLOURS)


def test_evaluate_writes_every_part_of_the_report(stub_cache: Path, run: Run) -> None:
    """Metrics, predictions, confusion matrix, curves and history, and the table on the terminal, agree with each other."""
    run("fit", stub_cache, "--head", "dense", "--out", "m.featx")
    result = run("evaluate", "m.featx", "--out", "out")
    assert result.exit_code == 0
    metrics = json.loads(Path("out/metrics.json").read_text())
    with Path("out/predictions.csv").open(newline="") as file:
        predictions = list(csv.DictReader(file))
    assert metrics["images"] == len(predictions) == 6
    right = sum(row["label"] == row["predicted"] for row in predictions)
    assert metrics["accuracy"] == right / 6 == sum(int(row["correct"]) for row in predictions) / 6
    assert sum(map(sum, metrics["confusion"]["rows_true"])) == 6
    assert f"test accuracy {metrics['accuracy']:.3f} on 6 images" in result.stdout
    for name in sorted(COLOURS):
        assert name in result.stdout
    for plot in ("confusion_matrix.png", "curves.png"):
        assert Path("out", plot).read_bytes().startswith(b"\x89PNG")
    with Path("out/history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in history] == list(range(1, len(history) + 1))
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history[0])


def test_evaluate_on_other_images(stub_cache: Path, photos: Path, run: Run) -> None:
    """``--images`` measures a folder the model has not seen; training images among them are said."""
    run("fit", stub_cache, "--head", "logreg", "--out", "m.featx")
    for label, name in enumerate(COLOURS):
        write_image(Path("new", name, "x.png"), COLOURS[name], seed=5000 + label)
    fresh = as_json(run("evaluate", "m.featx", "--images", "new", "--json"))
    assert (fresh["images"], fresh["accuracy"], fresh["notes"]) == (3, 1.0, [])
    seen = as_json(run("evaluate", "m.featx", "--images", photos, "--json"))
    assert seen["images"] == 36
    assert any(note.startswith("24 of 36 images were in the training set") for note in seen["notes"])


def test_predict_gives_class_confidence_and_reason_for_every_image(stub_cache: Path, run: Run) -> None:
    """A CSV line for each file in order; an unreadable one keeps its line, with the reason."""
    run("fit", stub_cache, "--head", "logreg", "--out", "m.featx")
    write_image(Path("new/b.png"), COLOURS["red"], seed=6000)
    Path("new/a.jpg").write_text("no image")
    write_image(Path("single.png"), COLOURS["green"], seed=6001)
    result = run("predict", "m.featx", "new", "single.png")
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["path"], row["label"], row["error"]) for row in rows] == [
        ("new/a.jpg", "", "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"),
        ("new/b.png", "red", ""),
        ("single.png", "green", ""),
    ]
    assert rows[0]["confidence"] == ""
    assert all(1 / 3 < float(row["confidence"]) <= 1 for row in rows[1:])


def test_predict_writes_csv_json_lines_and_json(stub_cache: Path, run: Run) -> None:
    """The same predictions in each form."""
    run("fit", stub_cache, "--head", "logreg", "--out", "m.featx")
    write_image(Path("new/b.png"), COLOURS["red"], seed=6000)
    Path("new/a.jpg").write_text("no image")
    counts = as_json(run("predict", "m.featx", "new", "--out", "p.csv", "--json"))
    assert (counts["predicted"], counts["rejected"]) == (1, 1)
    run("predict", "m.featx", "new", "--out", "p.jsonl")
    lines = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    inline = as_json(run("predict", "m.featx", "new", "--json"))["predictions"]
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert lines == inline
    assert [row["label"] for row in rows] == [line["label"] for line in lines] == ["", "red"]
    assert [line["confidence"] is None for line in lines] == [True, False]


def test_predictions_from_files_equal_those_from_the_cache(stub_cache: Path, photos: Path) -> None:
    """One decode, one rounding: what predict says of a cached image is what evaluate says, to the last bit."""
    model = featx.fit_head(stub_cache, "logreg", out=stub_cache.parent / "m.featx").model
    from_cache = featx.evaluate_model(model, split="all")
    from_files = featx.evaluate_model(model, images=photos, split="all")
    assert from_cache.paths == from_files.paths
    assert from_cache.probabilities.tolist() == from_files.probabilities.tolist()


def test_inspect_shows_a_cache(stub_cache: Path, run: Run) -> None:
    """Recipe, counts per class and split, rows and bytes."""
    document = as_json(run("inspect", stub_cache, "--json"))
    assert document["counts"]["red"] == {"train": 8, "val": 2, "test": 2}
    assert (document["rows"], document["shards"], document["rejected"]) == (36, 1, 0)
    text = run("inspect", stub_cache).stdout
    assert "64 x 64, stretch" in text
    assert "blue       8    2     2" in text


def test_inspect_shows_a_models_layers_and_parameters(stub_cache: Path, run: Run) -> None:
    """The table's parameter column adds up to the total."""
    run("fit", stub_cache, "--head", "dense", "--out", "m.featx")
    document = as_json(run("inspect", "m.featx", "--json"))
    assert document["parameters"]["trainable"] == 2 * 2 * 3 * 3 + 3
    assert sum(layer["parameters"] for layer in document["layers"]) == document["parameters"]["total"]
    assert "dense head on cells, flatten" in run("inspect", "m.featx").stdout


def test_sample_writes_ten_balanced_classes(run: Run, tmp_path: Path) -> None:
    """60 training and 20 test images of each class, every one a PNG of 28 x 28 px; a second time changes nothing."""
    assert as_json(run("sample", "s", "--json")) == {"folder": "s", "images": 800, "classes": 10}
    per_class = {p: len(list(p.iterdir())) for p in tmp_path.glob("s/*/*")}
    assert sorted(per_class.values()) == [20] * 10 + [60] * 10
    first = next(tmp_path.glob("s/train/bag/*.png"))
    assert first.read_bytes()[16:24] == b"\0\0\0\x1c\0\0\0\x1c"
    assert run("sample", "s").exit_code == 0
    first.write_bytes(b"mine")
    again = run("sample", "s")
    assert (again.exit_code, first.read_bytes()) == (1, b"mine")
    assert "is not the sample's image" in again.stderr


def test_sample_and_demo_write_nothing_among_other_files(run: Run, tmp_path: Path) -> None:
    """A folder with somebody's own files in it is refused and stays as it was."""
    (tmp_path / "mine" / "train").mkdir(parents=True)
    (tmp_path / "mine" / "train" / "holiday.jpg").write_bytes(b"a photo")
    result = run("sample", "mine")
    assert result.exit_code == 1
    assert "holds train/holiday.jpg, which is not of the sample" in result.stderr
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["train", "holiday.jpg"]


def run_in(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run featx as a process of its own."""
    code = "import sys; from featx.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=folder, capture_output=True, text=True)


def test_errors_are_one_message_on_stderr_with_exit_1(tmp_path: Path) -> None:
    """In a real process: no traceback, nothing on stdout but the one object of --json, nothing written."""
    done = run_in(tmp_path, "extract", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("featx: nowhere: no such folder.")
    with_json = run_in(tmp_path, "extract", "nowhere", "--json")
    assert (with_json.returncode, with_json.stderr) == (1, done.stderr)
    assert json.loads(with_json.stdout) == {"error": done.stderr.removeprefix("featx: ").strip(), "kind": "ImageListError"}
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


UNDER_FIRE = """
import atexit, os, signal, sys
fired = int(sys.argv.pop(1))
if sys.argv.pop(1) == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from featx.images import decoder  # what closes the decoders is registered before, and so runs after what presses here
from featx.cli import run
atexit.register(signal.raise_signal, fired)
import featx.verbs.extract.local, featx.store.shards.shard_writer as shard
real = shard.ShardWriter._extend
def extend_under_fire(*arguments, **options):
    real(*arguments, **options)
    os.kill(os.getpid(), fired)
shard.ShardWriter._extend = extend_under_fire
run()
"""


def extract_under_fire(
    photos: Path, folder: Path, ctrl_c: str, fired: signal.Signals = signal.SIGINT, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run an extract in which a signal comes with every batch, and once more as Python ends."""
    command = [*before, sys.executable, "-c", UNDER_FIRE, str(int(fired)), ctrl_c]
    command += ["extract", str(photos), "--cache", "c", "--backbone", "stub"]
    return subprocess.run([*map(str, command), "--batch-size", "8"], cwd=folder, capture_output=True, text=True, check=False)


def test_ctrl_c_pressed_again_and_again_is_one_message(photos: Path, tmp_path: Path) -> None:
    """Until the process has ended: no traceback from whatever it was doing on the way out."""
    done = extract_under_fire(photos, tmp_path, "handled")
    assert done.returncode == 130
    assert done.stderr.strip().splitlines()[-1].startswith("featx: c: stopped after 8 of 36 images; their features are kept.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("fired", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_program_keeps_the_rows_as_ctrl_c_does(photos: Path, tmp_path: Path, fired: signal.Signals) -> None:
    """A queue, a container, a terminal that is closed: what was done is kept, and the exit code is that of the signal."""
    done = extract_under_fire(photos, tmp_path, "handled", fired)
    assert done.returncode == 128 + fired
    assert done.stderr.strip().splitlines()[-1].startswith("featx: c: stopped after 8 of 36 images; their features are kept.")
    assert "Traceback" not in done.stderr
    assert sum(len(Shard(path)) for path in (tmp_path / "c" / "shards").iterdir()) == 8


def test_sigterm_ends_a_run_that_does_not_hear_ctrl_c(photos: Path, tmp_path: Path) -> None:
    """Begun with ``&`` in a script, it ignores Ctrl-C and nothing else."""
    done = extract_under_fire(photos, tmp_path, "ignored", signal.SIGTERM)
    assert done.returncode == 143
    assert "stopped after 8 of 36 images; their features are kept" in done.stderr


@pytest.mark.parametrize("fired", [signal.SIGTERM, signal.SIGINT])
def test_process_1_of_a_container_hears_them_too(photos: Path, tmp_path: Path, fired: signal.Signals) -> None:
    """The kernel keeps from process 1 whatever it does not handle itself."""
    own = ("unshare", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a process namespace")
    done = extract_under_fire(photos, tmp_path, "handled", fired, own)
    assert done.returncode == 128 + fired
    assert "stopped after 8 of 36 images; their features are kept" in done.stderr


@pytest.mark.parametrize("fired", [signal.SIGINT, signal.SIGHUP])
def test_where_it_is_ignored_the_run_goes_on_and_says_nothing_of_it(
    photos: Path, tmp_path: Path, fired: signal.Signals
) -> None:
    """As ``nohup`` and ``&`` in a script start it: every image is extracted, and no message speaks of an interruption."""
    done = extract_under_fire(photos, tmp_path, "ignored", fired)
    assert done.returncode == 0
    assert "36" in done.stdout
    for word in ("Traceback", "stopped", "nterrupt", "Ctrl"):
        assert word not in done.stdout + done.stderr


DISK_FULL = """
import errno, os, pathlib, sys
from featx.cli import run
def refuse(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
pathlib.Path.touch = refuse
run()
"""


def test_a_disk_that_is_full_before_the_first_shard_is_one_message(photos: Path, tmp_path: Path) -> None:
    """Exit code 1, and none of what HDF5 does to a process in which a file is still open when Python has ended."""
    command = [sys.executable, "-c", DISK_FULL, "extract", str(photos), "--cache", "c", "--backbone", "stub"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


NO_FLOCK = """
#include <errno.h>
int flock(int descriptor, int operation) { errno = ENOLCK; return -1; }
"""


def test_a_part_needs_no_locks_of_the_file_system(photos: Path, tmp_path: Path) -> None:
    """Neither featx's own nor HDF5's, which reads every shard: NFS without them, some FUSE."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "no_flock.c").write_text(NO_FLOCK)
    library = tmp_path / "no_flock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "no_flock.c"], check=True)
    command = [sys.executable, "-c", "from featx.cli import run; run()", "extract", str(photos), "--cache", "c"]
    command += ["--backbone", "stub", "--shard", "1/2"]
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_USE_FILE_LOCKING"}
    environment["LD_PRELOAD"] = str(library)
    for _ in range(2):  # the second reads what the first wrote
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_too_few_threads_are_one_message(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a machine is shared by many and each may have some."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    result = run("extract", photos, *STUB)
    assert result.exit_code == 1
    assert result.stderr.startswith("featx: can't start new thread: the system allows no more threads")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_mistake_is_answered_with_what_to_do(stub_cache: Path, photos: Path, run: Run, tmp_path: Path) -> None:
    """Every wrong input of the main job: a message that names the place and the remedy; exit 2 for a value that cannot be."""
    (tmp_path / "empty").mkdir()
    write_image(tmp_path / "one" / "only" / "1.png", (9, 9, 9), seed=1)
    write_image(tmp_path / "one" / "only" / "2.png", (9, 9, 9), seed=2)
    run("extract", "one", *STUB, "--yes")
    run("fit", stub_cache, "--head", "logreg", "--out", "m.featx")
    write_image(tmp_path / "animals" / "cat" / "1.png", (9, 9, 9), seed=1)
    write_image(tmp_path / "animals" / "dog" / "1.png", (9, 9, 9), seed=2)
    Path("noise.featx").write_bytes(b"not a model")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("extract", "nowhere"), "nowhere: no such folder"),
        (("extract", "m.featx"), "m.featx: is a model. To classify images with it: featx predict m.featx IMAGES"),
        (("extract", "empty"), "no images in it"),
        (("extract", photos / "red"), "Put each image into a folder named by its class"),
        (("extract", photos, "--image-size", "31"), "at least 32 px"),
        (("extract", photos, "--backbone", "vgg17"), "Did you mean vgg19 or vgg16"),
        (("extract", photos, "--weights", "nowhere.h5"), "cannot be read as weights"),
        (("extract", photos, "--cache", stub_cache, "--backbone", "stub", "--image-size", "32"), "image_size=[64, 64]"),
        (("fit", "cache/one", "--head", "logreg"), "are of one class, 'only'"),
        (("fit", "nowhere"), "no feature cache there"),
        (("fit", stub_cache, "--head", "logistic"), "There are: dense, conv, logreg, svm, ridge, knn"),
        (("fit", stub_cache, "--head", "logreg", "--epochs", "3"), "has no setting 'epochs'"),
        (("fit", stub_cache, "--head", "logreg", "--C", "-1"), "C must be a number above 0 and below 1e12. Received: -1.0"),
        (("fit", stub_cache, "--layer", "block9"), "keeps no layer 'block9'. It keeps: cells"),
        (("evaluate", "nowhere.featx"), "no such model file"),
        (("evaluate", "noise.featx"), "is not a featx model"),
        (("evaluate", "m.featx", "--images", "animals"), "images of 'cat', 'dog', but the model knows 'blue', 'green', 'red'"),
        (("evaluate", "m.featx", "--cache", "nowhere"), "Give --cache, or --images"),
        (("predict", "m.featx", "nowhere.png"), "no such file or folder"),
        (("predict", "m.featx", "empty"), "no images there"),
        (("predict", "m.featx", photos, "--out", "p.xlsx"), "Give a name that ends in .csv or .jsonl"),
        (("predict", "m.featx", photos, "--weights", "nowhere.h5"), "no such weights file"),
        (("sample", photos), "is not of the sample"),
        (("inspect", "nowhere"), "no such cache or model"),
        (("inspect", "empty"), "no feature cache there"),
    ]
    values = {"--image-size", "vgg17", "logistic", "--epochs", "--C", "block9", "p.xlsx"}
    for arguments, said in cases:
        result = run(*arguments)
        wanted = 2 if values & set(map(str, arguments)) and stub_cache not in arguments[2:] else 1
        assert result.exit_code == wanted, (arguments, result.output)
        assert said in result.stderr, (arguments, result.stderr)
        assert result.stdout == "", arguments
    own = {"one", "catalog.h5", "recipe.json", "network.json", "near_duplicates.json", "rejects.csv", "shards", ".lock"}
    assert {path.name for path in tmp_path.glob("cache/*")} == own
    assert list(tmp_path.glob("models/*")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("extract",),
        ("extract", "x", "--image-size", "big"),
        ("fit", "--pooling", "sum"),
        ("nonsense",),
        ("fit", "--hidden", "a"),
    ],
)
def test_wrong_usage_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    """As click and every other command do."""
    assert run(*arguments).exit_code == 2


def test_too_many_rejects_exits_with_3_and_keeps_the_features(photos: Path, run: Run) -> None:
    """Four of forty is a tenth: allowed at 0.1, too many at 0.09; the JSON comes out either way."""
    for number in range(4):
        (photos / "red" / f"bad{number}.png").write_text("no image")
    assert run("extract", photos, *STUB, "--max-rejects", "0.1").exit_code == 0
    result = run("extract", photos, *STUB, "--max-rejects", "0.09", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["reused"] == 36
    assert "4 of 40 images were rejected" in result.stderr


def test_interrupt_exits_with_130(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is one sentence, with what was kept."""

    class Pressed:
        network: dict[str, Any] = {}  # noqa: RUF012 - a stand-in for one test

        def __call__(self, images: object) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr("featx.models.compute.load_backbone", lambda *_, **__: Pressed())
    result = run("extract", photos, *STUB)
    assert result.exit_code == 130
    assert "stopped before any image" in result.stderr


def test_file_names_that_are_not_utf8_are_used_and_printed(photos: Path, run: Run, tmp_path: Path) -> None:
    """Linux allows any bytes in a name; extract, evaluate and predict take them all the way through."""
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    shutil.copy(photos / "red" / "0.png", photos / "red" / name)
    (photos / "red" / f"bad-{name}").write_text("no image")
    assert run("extract", photos, *STUB, "--cache", "c").exit_code == 0
    assert "bad-caf\\udce9.png" in Path("c/rejects.csv").read_text()
    run("fit", "c", "--head", "logreg", "--out", "m.featx")
    assert run("evaluate", "m.featx", "--split", "all", "--out", "r").exit_code == 0
    done = run_in(tmp_path, "predict", "m.featx", photos / "red" / name)
    assert done.returncode == 0
    assert "red" in done.stdout


def test_every_command_and_option_has_help() -> None:
    """Nothing in ``--help`` is left blank."""
    for name, command in main.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"


def test_every_command_is_in_the_readme() -> None:
    """The README shows each command at least once."""
    readme = (Path(featx.__file__).parents[1] / "README.md").read_text("utf-8")
    for name in main.commands:
        assert f"featx {name}" in readme, name


@pytest.mark.parametrize(
    ("typed", "colour"),
    [
        ("white", [255, 255, 255]),
        ("Black", [0, 0, 0]),
        ("#0a14FF", [10, 20, 255]),
        ("1,2,3", [1, 2, 3]),
        ("10, 20, 30", [10, 20, 30]),
    ],
)
def test_background_is_a_name_hex_or_three_numbers(photos: Path, run: Run, typed: str, colour: list[int]) -> None:
    """The colour stands in the recipe, and so in what the cache may be used for."""
    as_json(run("extract", "photos", *STUB, "--background", typed, "--json"))
    assert as_json(run("inspect", "cache/photos", "--json"))["recipe"]["background"] == colour


@pytest.mark.parametrize("typed", ["whitish", "#12345", "#1234567", "#xyzxyz", "1,2", "1,2,256", "-1,2,3", "1,2,3,4", ""])
def test_what_is_no_colour_is_wrong_usage(photos: Path, run: Run, typed: str) -> None:
    """Exit 2, with the ways in which a colour can be given."""
    result = run("extract", "photos", *STUB, f"--background={typed}")
    assert result.exit_code == 2
    assert "give white, grey, black, #rrggbb or RED,GREEN,BLUE" in " ".join(result.stderr.split())


def test_transparent_images_of_another_background_are_other_features(tmp_path: Path, run: Run) -> None:
    """The same RGBA files on white and on black: another recipe, refused without --overwrite, other rows with it."""
    for number, name in enumerate(COLOURS):
        for copy in range(2):
            path = tmp_path / "clear" / name / f"{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((40, 40, 4), 60 * number + copy, np.uint8)
            pixels[..., 3] = 100
            Image.fromarray(pixels).save(path)
    assert run("extract", "clear", *STUB, "--yes").exit_code == 0  # two images a class: nothing to measure a head on
    white = featx.open_cache("cache/clear").features(np.arange(6))
    refused = run("extract", "clear", *STUB, "--yes", "--background", "black")
    assert refused.exit_code == 1
    assert "background=[255, 255, 255], but background=[0, 0, 0] was asked for" in refused.stderr
    assert run("extract", "clear", *STUB, "--yes", "--background", "black", "--overwrite").exit_code == 0
    black = featx.open_cache("cache/clear").features(np.arange(6))
    # Of white, 155 of 255 parts shine through; of black nothing does.
    np.testing.assert_allclose(white - black, 155, atol=1)


def test_exact_decode_and_allow_truncated_are_settings_of_the_recipe(photos: Path, run: Run) -> None:
    """With --allow-truncated half a file gives features; both flags are kept with the cache."""
    whole = (photos / "red" / "1.png").read_bytes()
    (photos / "red" / "half.png").write_bytes(whole[: len(whole) // 2])
    assert as_json(run("extract", "photos", *STUB, "--json"))["reasons"] == {"truncated PNG": 1}
    found = as_json(run("extract", "photos", *STUB, "--cache", "c", "--allow-truncated", "--exact-decode", "--json"))
    assert (found["rejected"], found["extracted"]) == (0, 37)
    recipe = as_json(run("inspect", "c", "--json"))["recipe"]
    assert (recipe["allow_truncated"], recipe["exact_decode"]) == (True, True)
    assert run("fit", "c", "--head", "logreg", "--out", "m.featx").exit_code == 0
    predicted = as_json(run("predict", "m.featx", "photos/red/half.png", "--json"))
    assert predicted["rejected"] == 0


def test_max_pixels_rejects_larger_images_in_every_verb(photos: Path, run: Run) -> None:
    """Extract, predict and evaluate give the same reason; images that are cached already stay."""
    write_image(photos / "red" / "large.png", COLOURS["red"], seed=1, size=(100, 100))
    limit = ("--max-pixels", "5000")
    extracted = as_json(run("extract", "photos", *STUB, *limit, "--json"))
    assert extracted["reasons"] == {"too large (over 5000 pixels)": 1}
    assert run("fit", "--head", "logreg", "--out", "m.featx").exit_code == 0
    predicted = run("predict", "m.featx", "photos/red/large.png", *limit)
    assert "too large (over 5000 pixels)" in predicted.stdout
    evaluated = as_json(run("evaluate", "m.featx", "--images", "photos", *limit, "--out", "r", "--json"))
    assert (evaluated["images"], evaluated["rejected"]) == (36, 1)
    assert as_json(run("extract", "photos", *STUB, "--json"))["extracted"] == 1
    assert as_json(run("extract", "photos", *STUB, *limit, "--json"))["rejected"] == 0


def test_a_manifest_is_a_session_of_its_own(photos: Path, run: Run) -> None:
    """``extract photos.csv`` caches under the manifest's name; splits are kept; evaluate takes a manifest too."""
    rows = [(f"photos/{name}/{n}.png", name, "test" if n < 3 else "train") for name in COLOURS for n in range(12)]
    with Path("list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows, ("photos/red/none.png", "red", "train")])
    extracted = as_json(run("extract", "list.csv", *STUB, "--json"))
    assert (extracted["cache"], extracted["splits"]) == ("cache/list", {"train": 24, "val": 3, "test": 9})
    assert extracted["reasons"] == {"cannot be read: No such file or directory": 1}
    assert run("fit", "--head", "logreg", "--out", "m.featx").exit_code == 0
    assert as_json(run("evaluate", "m.featx", "--json"))["images"] == 9
    assert as_json(run("evaluate", "m.featx", "--images", "list.csv", "--out", "r", "--json"))["images"] == 9


def test_images_that_stand_in_two_splits_are_said(photos: Path, tmp_path: Path, run: Run) -> None:
    """A test image that is in train too flatters every head: extract names it."""
    shutil.copytree(photos, tmp_path / "two" / "train")
    (tmp_path / "two" / "test" / "red").mkdir(parents=True)
    shutil.copy(photos / "red" / "4.png", tmp_path / "two" / "test" / "red" / "seen.png")
    shown = run("extract", "two", *STUB).stdout
    assert "1 val or test image stands in an earlier split too" in " ".join(shown.split())
    assert "test/red/seen.png" in shown
