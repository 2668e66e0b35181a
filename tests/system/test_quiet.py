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
