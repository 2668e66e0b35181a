"""Loading large libraries: what is left of it afterwards."""

import errno
import gc
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import featx
from featx.system.quiet import LOG_LEVEL, quiet_loading

ROOT = Path(featx.__file__).parents[1]


def load_nothing(inside: list[bool]) -> None:
    """Fail to load a library, and note whether garbage is collected meanwhile."""
    with quiet_loading():
        inside.append(gc.isenabled())
        importlib.import_module("no_such_library")


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_after_loading_as_it_was_before(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while Keras is being loaded; afterwards as somebody has set it, also where loading fails."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    inside: list[bool] = []
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ModuleNotFoundError):
            load_nothing(inside)
        assert inside == [False]
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_garbage_is_collected_where_keras_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """What then happens inside may be long, such as a conversion, and leave much of it."""
    monkeypatch.setitem(sys.modules, "keras", sys)
    with quiet_loading():
        assert gc.isenabled()


def test_a_command_ends_without_looking_for_garbage_in_what_it_has_loaded() -> None:
    """All objects are set aside before the interpreter takes itself apart, once, however often a command ran."""
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 1000))\n"
        "from featx.cli import main\n"
        "for _ in range(2): main(['backbones'], standalone_mode=False)\n"
        "print('before', gc.get_freeze_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["before 0", "frozen True"]


def test_without_a_folder_for_temporary_files_the_notices_are_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What only holds them back is no reason not to load."""

    def refuse() -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setenv(LOG_LEVEL, "3")
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with quiet_loading():
        os.write(2, b"a notice")
    assert capfd.readouterr().err == "a notice"


NOTICES = b"""WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795929564.309983   11210 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
2026-01-02 03:04:05.678901: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate compiler flags.
"""
OTHERS = b"a line of another thread\nE is a letter\n"


def load_with_notices(level: list[str | None], fails: bool = False) -> None:
    """Write what TensorFlow writes while it loads, and something else; note the level that it would read."""
    with quiet_loading():
        level.append(os.environ.get(LOG_LEVEL))
        os.write(2, NOTICES + OTHERS)
        if fails:
            raise ValueError("no such library")


def test_a_program_sees_all_but_the_notices_and_its_environment_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who has not loaded TensorFlow and set no level gets the quiet of the command line; no other line is lost."""
    monkeypatch.delenv(LOG_LEVEL, raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    level: list[str | None] = []
    load_with_notices(level)
    assert capfd.readouterr().err == OTHERS.decode()
    assert level == ["3"]
    assert LOG_LEVEL not in os.environ


@pytest.mark.parametrize("said", ["loaded", "level"])
def test_who_has_said_how_tensorflow_shall_be_is_not_overruled(
    said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By loading it first, or by its variable: then every notice comes, at once."""
    monkeypatch.delenv(LOG_LEVEL, raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    if said == "loaded":
        monkeypatch.setitem(sys.modules, "tensorflow", sys)
    else:
        monkeypatch.setenv(LOG_LEVEL, "1")
    level: list[str | None] = []
    load_with_notices(level)
    assert capfd.readouterr().err == (NOTICES + OTHERS).decode()
    assert level == [None if said == "loaded" else "1"]


def test_where_loading_fails_the_notices_are_shown(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """One of them may say why."""
    monkeypatch.delenv(LOG_LEVEL, raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with pytest.raises(ValueError, match="no such library"):
        load_with_notices([], fails=True)
    assert capfd.readouterr().err == (NOTICES + OTHERS).decode()
    assert LOG_LEVEL not in os.environ
