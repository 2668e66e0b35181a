"""Small files that would grow: opening one takes at most 512 MB beyond its own size, and gives one typed error."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bombs import BOMBS, MOST_MB, OLD, catalog_with, opened, suffix_of
from featx.models import load_model
from featx.system.npy import npy_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units elsewhere")
@pytest.mark.parametrize(("kind", "bomb"), BOMBS, ids=[f"{kind}-{bomb.__name__}" for kind, bomb in BOMBS])
def test_bomb_costs_little_and_is_refused(kind: str, bomb: Callable[[Path], None], tmp_path: Path) -> None:
    """The error names the file; the process that met it took no more memory than the limit."""
    path = tmp_path / f"bomb{suffix_of(bomb)}"
    bomb(path)
    said, peak = opened(kind, path)
    assert said
    assert kind == "checkpoint" or str(path) in said
    assert peak <= MOST_MB + path.stat().st_size / 1e6, said


def test_sound_files_are_not_taken_for_bombs(tmp_path: Path) -> None:
    """The same makers, with little in them: a catalog of zeros is read."""
    from featx.store import Catalog

    catalog_with(tmp_path / "catalog.h5", {}, n=1000)
    assert len(Catalog.read(tmp_path / "catalog.h5")) == 1000
    assert load_model(OLD / "logreg.featx").class_names
    assert npy_bytes(np.zeros(3)).startswith(b"\x93NUMPY")
