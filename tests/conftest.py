"""Fixtures that several rooms of the tests share. Images are made here, small, so that what is in them is known."""

import gc
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from featx.system.cores import available_cores

if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # Before NumPy is loaded, and for the processes that tests start. Threads of OpenMP and BLAS wait for each other without
    # sleeping: more of them than there are cores make half a minute of a second's t-SNE.
    for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_library, str(max(1, available_cores() // _workers)))

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

import featx
from featx.cli import main
from featx.recipe import Recipe

Run = Callable[..., Result]
# Those that take longest come first, so that the processes of pytest-xdist end together.
LONG_FILES = (
    "verbs/export/test_export.py",
    "verbs/finetune/test_finetune.py",
    "verbs/fit/test_fit.py",
    "verbs/extract/ray/test_ray.py",
    "backbones/test_table.py",
    "verbs/extract/test_layers.py",
    "models/test_int8.py",
    "verbs/extract/test_parts.py",
    "verbs/merge/test_merge.py",
    "verbs/fit/test_calibrate.py",
)
COLOURS = {"blue": (20, 30, 200), "green": (30, 180, 40), "red": (210, 25, 30)}


SLOW = frozenset((Path(__file__).parent / "slow.txt").read_text("utf-8").splitlines())
"""Tests that are slow beside those with the mark: each took more than 1.5 s of processor time when they were last measured."""


@pytest.hookimpl(tryfirst=True)  # before pytest looks at marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests; put those of long files first: within a file, and among the others, the order stays."""
    here = Path(__file__).parent
    ranks = {here / name: rank for rank, name in enumerate(LONG_FILES)}
    assert all(path.is_file() for path in ranks), "a file in LONG_FILES was moved"
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    for item in items:
        if f"{item.path.relative_to(here).as_posix()}::{item.name}" in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at ten thousand tests and their modules again and again: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Ctrl-C interrupts tests and the processes they start, also where pytest was started with it ignored (``nohup``)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _own_measurements(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is measured of engines in tests is kept in a folder of theirs, and what this user has measured is not read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("measured")))
        patch.delenv("FEATX_ENGINE", raising=False)
        yield


def write_image(path: Path, colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (40, 48)) -> None:
    """Write one image of a colour with some noise, different for each seed."""
    noise = np.random.default_rng(seed).integers(-20, 21, (*size, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 3 classes x 12 images: ``photos/<colour>/<number>.png``, all different."""
    root = tmp_path / "photos"
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(12):
            write_image(root / name / f"{number}.png", colour, seed=100 * label + number)
    return root


@pytest.fixture
def stub_recipe() -> Recipe:
    """Recipe of the stub backbone at 64 x 96 px: maps of shape (2, 3, 3)."""
    return Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 96), preprocess="none")


@pytest.fixture
def extract(tmp_path: Path) -> Callable[..., Any]:
    """Extract with the stub backbone at 64 px into ``tmp_path/cache`` unless told otherwise."""

    def run(images: Path, cache: Path | None = None, **options: Any) -> featx.ExtractResult:
        options = {"backbone": "stub", "image_size": (64, 64), "batch_size": 8} | options
        return featx.extract_features(images, cache or tmp_path / "cache", **options)

    return run


@pytest.fixture
def stub_cache(photos: Path, extract: Callable[..., Any]) -> Path:
    """A finished cache of ``photos`` with stub features."""
    cache: Path = extract(photos).cache
    return cache


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in ``tmp_path``; a traceback fails the test whatever the exit code."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


def as_json(result: Result) -> dict[str, Any]:
    """Parse a command's stdout, which must be one JSON object and nothing else."""
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document
