"""The state of the process changes no number and ends no run: settings of Keras, streams, variables, forks."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import featx
from featx.backbones import load_backbone
from featx.heads import make_head
from featx.recipe import Recipe

COMMAND = "from featx.cli import run; run()"
SMALL_VGG16 = Recipe(backbone="vgg16", weights="random:3", layers=("block2_pool",), image_size=(32, 32), preprocess="caffe")


def command(*arguments: object, redirect: str = "", env: dict[str, str] | None = None, cwd: Path) -> Any:
    """Run a featx command in a process of its own, through a shell that redirects its streams."""
    words = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {redirect}', "bash", *words],
        cwd=cwd,
        env={name: value for name, value in (os.environ | (env or {})).items() if value != "unset"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def python(program: str, cwd: Path, **options: Any) -> Any:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=False, timeout=300, **options
    )


@pytest.fixture
def odd_keras() -> Iterator[None]:
    """A process whose user works in half precision, channels first."""
    import keras

    before = keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_float16")
    yield
    assert keras.config.floatx() == "float16", "the user's setting was changed"
    assert keras.config.image_data_format() == "channels_first", "the user's setting was changed"
    assert keras.config.dtype_policy().name == "mixed_float16", "the user's setting was changed"
    keras.config.set_floatx(before[0])
    keras.config.set_image_data_format(before[1])
    keras.config.set_dtype_policy(before[2])


def learned() -> list[NDArray[Any]]:
    """Return the arrays of a dense head with a hidden layer and of a conv head, trained for two epochs."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 4 * 4 * 3)).astype(np.float32), np.arange(24) % 3
    heads = [
        make_head("dense", hidden=[5], epochs=2, seed=1, dropout=0.3),
        make_head("conv", filters=[2], map_shape=[4, 4, 3], epochs=2, seed=1),
    ]
    return [array for head in heads for array in head.fit(X, y).arrays().values()]


IMAGES = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def plain() -> tuple[NDArray[np.float32], list[NDArray[Any]]]:
    """Maps and heads of a process whose user has set nothing; of module scope, so made before Keras' settings change."""
    return load_backbone(SMALL_VGG16, None)(IMAGES)["block2_pool"], learned()


def test_settings_of_keras_change_no_bit(plain: tuple[NDArray[np.float32], list[NDArray[Any]]], odd_keras: None) -> None:
    """``keras.json`` or a policy of mixed precision: the same maps and the same heads, to the bit."""
    maps, arrays = plain
    np.testing.assert_array_equal(load_backbone(SMALL_VGG16, None)(IMAGES)["block2_pool"], maps)
    for found, wanted in zip(learned(), arrays, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("named_by", ["keras.json", "KERAS_BACKEND"])
def test_a_backend_that_there_is_not_is_named_with_its_place(named_by: str, stub_cache: Path, tmp_path: Path) -> None:
    """One line: the backend, and the file or variable that asks for it."""
    home = tmp_path / "keras"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps({"backend": "theano"}))
    env = {"KERAS_HOME": str(home)} | (
        {"KERAS_BACKEND": "theano"} if named_by == "KERAS_BACKEND" else {"KERAS_BACKEND": "unset"}
    )
    done = command("fit", stub_cache, "--head", "dense", "--hidden", 4, env=env, cwd=tmp_path)
    assert done.returncode == 1
    assert "Keras cannot load its backend 'theano', which" in done.stderr
    assert (str(home / "keras.json") if named_by == "keras.json" else "the variable KERAS_BACKEND") in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    "env",
    [
        {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        {"MPLBACKEND": "nonsense"},
        {"HOME": "unset"},
        {"HOME": "file/home", "MPLCONFIGDIR": "unset"},
    ],
    ids=["notebook", "unknown backend", "no HOME", "HOME that cannot be"],
)
def test_variables_of_a_notebook_or_a_bare_job_do_no_harm(env: dict[str, str], stub_cache: Path, tmp_path: Path) -> None:
    """Commands that a notebook or a service starts: plots are written all the same."""
    (tmp_path / "file").touch()
    model = tmp_path / "m.featx"
    featx.fit_head(stub_cache, "ridge", out=model)
    done = command("evaluate", model, "--out", tmp_path / "report", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "report" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"], ids=["stdin", "stdout", "stderr", "all"])
def test_closed_streams_change_no_feature(redirect: str, photos: Path, stub_cache: Path, tmp_path: Path) -> None:
    """A service may start featx without them: no file of its own takes their place, and the rows are the same."""
    cache = tmp_path / "closed"
    options = ("--cache", cache, "--backbone", "stub", "--image-size", 64)
    done = command("extract", photos, *options, redirect=redirect, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found, wanted = featx.open_cache(str(cache)), featx.open_cache(str(stub_cache))
    np.testing.assert_array_equal(found.features(found.catalog.rows()), wanted.features(wanted.catalog.rows()))


def test_the_library_works_without_streams_too(photos: Path, tmp_path: Path) -> None:
    """Not the command alone: decoding processes are started by whoever calls."""
    program = f"import featx; featx.extract_features({str(photos)!r}, 'lib', backbone='stub', image_size=(64, 64), workers=3)"
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", program], cwd=tmp_path, check=False, timeout=300
    )
    assert done.returncode == 0
    assert len(featx.open_cache(str(tmp_path / "lib")).catalog.rows()) == 36


def test_threads_that_load_at_once_leave_stderr_where_it_was(tmp_path: Path) -> None:
    """Notices are held back in a file that is deleted at the end: descriptor 2 must not stay on it."""
    program = """
import os, threading, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from featx.system.quiet import quiet_loading
before = os.fstat(2)
def load():
    with quiet_loading():
        time.sleep(0.05)
threads = [threading.Thread(target=load) for _ in range(8)]
for thread in threads:
    thread.start()
    time.sleep(0.02)
for thread in threads:
    thread.join()
after = os.fstat(2)
print((before.st_dev, before.st_ino) == (after.st_dev, after.st_ino))
"""
    assert python(program, tmp_path).stdout == "True\n"


@pytest.mark.parametrize("what", ["head", "backbone"])
def test_a_forked_process_says_so_instead_of_hanging(what: str, tmp_path: Path) -> None:
    """The threads of TensorFlow stay in the process that was forked."""
    program = f"""
import multiprocessing, numpy as np
from featx.errors import BackboneError
from featx.heads import make_head
from featx.backbones import load_backbone
from featx.recipe import Recipe
X, y = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32), np.arange(12) % 2
recipe = Recipe(backbone="vgg16", weights="random:3", layers=("block1_pool",), image_size=(32, 32), preprocess="caffe")
ready = []
def compute():
    if {what == "head"}:
        make_head("dense", hidden=[2], epochs=1).fit(X, y)
    else:
        ready.append(ready[0] if ready else load_backbone(recipe, None, 1))
        ready[0](np.zeros((1, 32, 32, 3), np.uint8))
def child(queue):
    try:
        compute()
        queue.put("computed")
    except BackboneError as error:
        queue.put(str(error))
compute()
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,))
process.start()
print(queue.get(timeout=120))
process.join()
"""
    quiet_by_itself = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = python(program, tmp_path, env=quiet_by_itself)
    assert "InitializeLog" not in done.stderr, "TensorFlow's notices are shown"
    assert "cpu_feature_guard" not in done.stderr, "TensorFlow's notices are shown"
    assert "was forked from process" in done.stdout, done.stdout + done.stderr
    assert "get_context('spawn')" in done.stdout


def test_a_path_object_in_sys_path_is_passed_over(extract: Callable[..., Any], photos: Path, monkeypatch: Any) -> None:
    """Python passes it over; the processes that decode must not fail on it."""
    monkeypatch.setattr(sys, "path", [*sys.path, Path("/somewhere")])
    assert extract(photos).extracted == 36
