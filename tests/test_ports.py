"""A session on a system without what POSIX alone has: its modules and calls are taken away from every process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import featx

# Python runs a module of this name at the start of each process, decoders among them. Libraries keep what they find on this
# system: they have their own ways on others.
TAKEN_AWAY = """
import builtins, os, select, selectors, signal, subprocess, types

MODULES = set("fcntl resource pwd grp termios tty pty syslog readline".split())
NAMES = {
    os: "fork forkpty getuid geteuid getgid getegid getgroups setsid getpgid killpg sched_getaffinity sched_setaffinity "
    "sysconf statvfs fstatvfs mkfifo chown lchown fchmod fchown pread pwrite posix_fallocate posix_fadvise uname "
    "register_at_fork O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_CLOEXEC",
    select: "poll epoll",
    selectors: "DefaultSelector PollSelector EpollSelector",
    signal: "setitimer getitimer alarm pthread_sigmask sigwait SIGALRM SIGHUP SIGUSR1 SIGUSR2 SIGKILL SIGCHLD ITIMER_REAL",
}

class Poor(types.ModuleType):
    def __init__(self, module, names):
        super().__init__(module.__name__)
        self.__dict__.update({"module": module, "taken": set(names.split()), "name": "nt"})

    def __getattr__(self, name):
        if name in self.taken:
            raise AttributeError(f"{self.module.__name__}.{name} is taken away")
        return getattr(self.module, name)

POOR = {module.__name__: Poor(module, names) for module, names in NAMES.items()}
POOR["os"].supports_dir_fd = set()  # a set that says what there is
rich = builtins.__import__

def poor_import(name, globals=None, *rest, **more):
    ours = ((globals or {}).get("__name__") or "").split(".")[0] == "featx"
    if ours and name in MODULES:
        raise ImportError(name)
    found = rich(name, globals, *rest, **more)
    return POOR[name] if ours and name in POOR else found

builtins.__import__ = poor_import
"""


@pytest.fixture
def poor(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has none of it."""
    folder = tmp_path / "poor"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(TAKEN_AWAY)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(featx.__file__).parent.parent)])}


def test_a_session_needs_nothing_of_posix(photos: Path, tmp_path: Path, poor: dict[str, str]) -> None:
    """Every verb but fine-tuning; extract says once what is missing."""

    def run(*words: object) -> tuple[dict[str, object], str]:
        program = "from featx.cli import run; run()"
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, words), "--json"],
            cwd=tmp_path,
            env=poor,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout), done.stderr

    extracted, said = run("extract", photos, "--cache", "cache/photos", "--backbone", "stub", "--image-size", "64")
    assert (extracted["extracted"], extracted["rejected"]) == (36, 0)
    assert said.count("this system does not limit a decoder's memory") == 1
    again, _ = run("extract", photos, "--cache", "cache/photos", "--backbone", "stub", "--image-size", "64")
    assert (again["extracted"], again["reused"]) == (0, 36)
    fitted, _ = run("fit", "cache/photos", "--head", "logreg", "--out", "models/a.featx")
    assert fitted["val_accuracy"] == 1.0
    assert run("evaluate", "models/a.featx")[0]["images"]
    assert run("predict", "models/a.featx", photos / "red")[0]["predicted"] == 12
    assert run("explain", "models/a.featx", photos / "red", "--out", "why.html")[0]["explained"] == 12
    assert run("audit", "cache/photos", "--out", "audit")[0]["images"] == 36
    run("export", "models/a.featx", "out/a.joblib")
    run("export", "models/a.featx", "out/a.joblib", "--overwrite")
    assert run("doctor")[0]["problems"] == []
    (photos / "red" / "0.png").unlink()
    assert run("extract", photos, "--cache", "cache/photos", "--backbone", "stub", "--image-size", "64")[0]["reused"] == 35
    assert run("verify", "cache/photos", "--repair", "--prune")[0]["pruned"] == 1
    assert run("merge", "cache/photos", "--cache", "cache/merged")[0]["listed"] == 35
    verified, _ = run("verify", "cache/photos")
    assert verified["sound"]
    run("pack", "cache/photos", "packed.h5")
    assert (tmp_path / "packed.h5").is_file()
