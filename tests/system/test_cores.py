"""How many cores featx takes."""

import os
from pathlib import Path

import pytest

from featx.system import cores

VERSION_2, VERSION_1 = ("cpu.max",), ("quota", "period")


@pytest.mark.parametrize(
    ("names", "texts", "wanted"),
    [
        (VERSION_2, ("max 100000\n",), 64),
        (VERSION_2, ("200000 100000\n",), 2),
        (VERSION_2, ("150000 100000\n",), 2),
        (VERSION_2, ("50000 100000\n",), 1),
        (VERSION_2, ("6400000000 100000\n",), 64),
        (VERSION_2, ("",), 64),
        (VERSION_1, ("-1\n", "100000\n"), 64),
        (VERSION_1, ("300000\n", "100000\n"), 3),
        (VERSION_1, ("300000\n",), 64),
        (VERSION_1, ("300000\n", "0\n"), 64),
    ],
)
def test_a_containers_share_of_the_time_counts(
    names: tuple[str, ...], texts: tuple[str, ...], wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 64 cores, ``docker --cpus 2`` leaves 2; what cannot be read limits nothing."""
    for name, text in zip(names, texts, strict=False):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(cores, "_SHARES", ((tmp_path / "absent",), tuple(tmp_path / name for name in names)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cores.available_cores() == wanted


@pytest.mark.parametrize(("told", "threads"), [("2", 2), ("100000", 4), ("0", 0), ("", 0), ("4,2", 0), ("two", 0)])
def test_threads_that_are_told_stay_within_the_cores(told: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that are asked for a hundred thousand threads try to start them."""
    monkeypatch.setattr(cores, "available_cores", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert cores.threads_told() == threads
