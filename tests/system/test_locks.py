"""Locks without ``flock``, as on Windows: the same promises, kept by another mechanism."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from featx.errors import CacheLocked, CacheWriteError
from featx.system.lock_file import locked

HOLDER = """
import sys
sys.modules["fcntl"] = None
from pathlib import Path
from featx.system.lock_file import locked
with locked(Path(sys.argv[1]), shared_by=sys.argv[2]):
    print("ready", flush=True)
    sys.stdin.read()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock file of a process that has no ``fcntl``."""
    monkeypatch.setattr("featx.system.locks.fcntl", None)
    return tmp_path / ".lock"


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Start another such process, which holds the lock until its stdin is closed; killed at the end."""
    processes = []

    def run(shared_by: str = "") -> "subprocess.Popen[str]":
        words = [sys.executable, "-c", HOLDER, str(path), shared_by]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_the_holder_is_named(path: Path, start: Start) -> None:
    """The lock file can be read while it is locked."""
    process = start()
    wanted = rf"being written by process {process.pid} on {os.uname().nodename} since 20.* --wait"
    for _ in range(2):
        with pytest.raises(CacheLocked, match=wanted), locked(path):
            pytest.fail("two writers at a time")


def test_it_is_free_after_its_block(path: Path) -> None:
    """One after the other, in one process; an error inside frees it too."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(path):
            raise ZeroDivisionError


def test_one_process_keeps_itself_out(path: Path) -> None:
    """Held twice by one process it would be dropped by the first to leave."""
    with locked(path), pytest.raises(CacheLocked, match=f"process {os.getpid()} "), locked(path):
        pytest.fail("two writers at a time")


def test_it_is_dropped_when_its_holder_is_killed(path: Path, start: Start) -> None:
    """SIGKILL leaves files, and no lock."""
    process = start()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(path), pytest.raises(CacheLocked, match=f"process {os.getpid()} "), locked(path):
        pytest.fail("two writers at a time")


def test_it_is_shared_with_those_who_share_it_alone(path: Path, start: Start) -> None:
    """As parts share it: who wants it alone waits for the last of them."""
    process = start("three painters")
    with pytest.raises(CacheLocked, match=rf"by three painters, .* process {process.pid} "), locked(path):
        pytest.fail("others share it")
    with locked(path, shared_by="three painters"):
        process.communicate()
        with pytest.raises(CacheLocked, match=f"process {os.getpid()} "), locked(path):
            pytest.fail("the other holder left, this one did not")
    with locked(path), pytest.raises(CacheLocked), locked(path, shared_by="painters"):
        pytest.fail("somebody holds it alone")


def test_waiting_ends_when_the_holder_leaves(path: Path, start: Start) -> None:
    """With ``wait`` nothing is raised, however long the holder stays."""
    process = start()
    inside = threading.Event()

    def wait_and_enter() -> None:
        with locked(path, wait=True):
            inside.set()

    waiter = threading.Thread(target=wait_and_enter, daemon=True)
    waiter.start()
    assert not inside.wait(1.2)
    process.communicate()
    assert inside.wait(20)
    waiter.join()


def test_ctrl_c_ends_the_waiting(path: Path, start: Start) -> None:
    """SQLite would not hear it."""
    start()
    program = HOLDER.replace("shared_by=sys.argv[2]", "wait=print('waiting', flush=True) is None")
    words = [sys.executable, "-c", program, str(path), ""]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]


def test_what_cannot_be_locked_is_as_a_file_system_without_locks(path: Path) -> None:
    """Those who share go on; who needs it alone is refused."""
    path.with_name(".lock.db").write_text("no database, which SQLite says when it is locked" * 100)
    with locked(path, shared_by="painters"):
        pass
    with (
        pytest.raises(CacheWriteError, match=r"its file system has no locks \(no lock .*featx merge"),
        locked(path),
    ):
        pytest.fail("nothing would keep another writer out")


def test_without_the_library_there_are_no_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that is neither POSIX nor Windows."""
    monkeypatch.setitem(sys.modules, "filelock", None)
    with locked(path, shared_by="painters"):
        pass
    with pytest.raises(CacheWriteError, match=os.strerror(errno.ENOSYS)), locked(path):
        pytest.fail("nothing would keep another writer out")
