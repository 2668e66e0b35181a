"""A cache from somebody else: links, pipes, sockets and devices in it are refused before anything is opened."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import featx
import featx.store.documents
import featx.store.guard
from featx.errors import CacheUnsafe, FeatxError
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import ShardWriter
from tests.conftest import Run

FILES = ("recipe.json", ".lock", "network.json", "catalog.h5", "rejects.csv", "unfinished", "near_duplicates.json")
FOLDERS = ("shards", "layers", "parts", "quantized", "damaged")
INSIDE = ("parts/1-of-2.h5", "quantized/.lock", "damaged/shard.h5", "layers/cells")
KINDS = ("link to a file", "link to a folder", "link to nowhere", "link to /dev/zero", "pipe", "socket", "device")


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    """A pipe that is opened blocks for ever: the test then fails in place of hanging."""

    def end(*_: object) -> None:
        raise TimeoutError("something waits")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of the user's own, beside the cache, with a file in it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.h5").write_text("years of work")
    return folder


def plant(place: Path, kind: str, mine: Path) -> None:
    """Put something else in the place of a file or folder."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    if kind == "link to a file":
        place.symlink_to(mine / "thesis.h5")
    elif kind == "link to a folder":
        place.symlink_to(mine)
    elif kind == "link to nowhere":
        place.symlink_to(mine / "new")
    elif kind == "link to /dev/zero":
        place.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        os.chdir(place.parent)  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(place.name)
    else:
        try:
            os.mknod(place, 0o666 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("devices are made by root alone")


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of everything below a folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_neither_file_nor_folder_in_a_cache_is_refused(
    kind: str, stub_cache: Path, photos: Path, tmp_path: Path, mine: Path, run: Run
) -> None:
    """By every command that takes a cache, with one line; nothing is read, written, moved or made."""
    sound = stub_cache.rename(tmp_path / "sound")
    for name in (*FILES, *FOLDERS, *INSIDE, "shards/0.h5"):
        shutil.rmtree(stub_cache, ignore_errors=True)
        shutil.copytree(sound, stub_cache)
        plant(stub_cache / name, kind, mine)
        os.chdir(tmp_path)
        check_refused(stub_cache, name, photos, mine, run)


def check_refused(stub_cache: Path, name: str, photos: Path, mine: Path, run: Run) -> None:
    """Run every command that takes a cache; each must refuse it for what stands at a name, and change nothing."""
    before = state_of(stub_cache), state_of(mine)
    commands: list[list[object]] = [
        ["extract", photos, "--cache", stub_cache, "--backbone", "stub", "--image-size", "64"],
        ["extract", photos, "--cache", stub_cache, "--backbone", "stub", "--image-size", "32", "--overwrite"],
        ["verify", stub_cache],
        ["verify", stub_cache, "--repair"],
        ["verify", stub_cache, "--prune"],
        ["fit", stub_cache, "--head", "ridge", "--out", "m.featx"],
        ["inspect", stub_cache],
    ]
    for command in commands:
        done = run(*command)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1), (command, done.stdout, done.stderr)
        assert str(stub_cache / name) in done.stderr
        assert "regular files and real folders alone" in done.stderr
        assert (state_of(stub_cache), state_of(mine)) == before, command


@pytest.mark.parametrize("name", ["shards", "rejects.csv", "unfinished", ".lock"])
@pytest.mark.parametrize("kind", ["link to a folder", "link to a file", "pipe"])
def test_a_cache_that_has_no_recipe_yet_is_looked_at_too(
    name: str, kind: str, photos: Path, tmp_path: Path, mine: Path, extract: Callable[..., Any]
) -> None:
    """A folder prepared for a first extract into it."""
    (tmp_path / "cache").mkdir()
    plant(tmp_path / "cache" / name, kind, mine)
    before = state_of(tmp_path / "cache"), state_of(mine)
    with pytest.raises(CacheUnsafe, match=rf"{name}: is a "):
        extract(photos)
    assert (state_of(tmp_path / "cache"), state_of(mine)) == before


def test_the_caches_folder_may_be_a_link_and_hold_files_of_the_users_own(
    stub_cache: Path, photos: Path, tmp_path: Path, extract: Callable[..., Any]
) -> None:
    """Caches are put on other disks in that way; a link of another name is no business of featx'."""
    (tmp_path / "linked").symlink_to(stub_cache)
    (stub_cache / "notes").symlink_to(tmp_path)
    assert extract(photos, tmp_path / "linked").reused == 36
    assert featx.verify_cache(tmp_path / "linked", repair=True, prune=True).sound
    assert (tmp_path / "linked").is_symlink()


def test_a_lock_with_a_second_name_is_held_and_not_written(
    stub_cache: Path, photos: Path, mine: Path, extract: Callable[..., Any]
) -> None:
    """A hard link cannot be told from a file: it may be the user's own."""
    (stub_cache / ".lock").unlink()
    os.link(mine / "thesis.h5", stub_cache / ".lock")
    extract(photos, stub_cache)
    assert (mine / "thesis.h5").read_text() == "years of work"


AS_ANOTHER = """
import os, sys
from pathlib import Path
from featx.errors import FeatxError
from featx.store import FeatureCache
os.setgroups([]); os.setgid(23456); os.setuid(54321)
try:
    with FeatureCache.open(Path(sys.argv[1])).writing():
        print("in")
except FeatxError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("shared", [True, False])
def test_a_second_user_of_the_group_gets_in_or_is_told_how(stub_cache: Path, tmp_path: Path, shared: bool) -> None:
    """At once: not when the first shard is written, after hours of the backbone."""
    for folder in (tmp_path, *tmp_path.parents[:3]):  # one more under pytest-xdist
        folder.chmod(folder.stat().st_mode | 0o055)
    for path in (stub_cache, *stub_cache.rglob("*")):
        os.chown(path, 0, 23456)
        path.chmod(path.stat().st_mode | (0o070 if path.is_dir() else 0o060) if shared else path.stat().st_mode & ~0o020)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, stub_cache], capture_output=True, text=True, check=True, cwd=tmp_path.anchor
    )
    if shared:
        assert done.stdout == "in\n"
    else:
        assert done.stdout.startswith("CacheWriteError ")
        assert (
            f"belongs to user root, and not all of it can be written by you. Have that user run: chmod -R g+rwX {stub_cache}"
            in done.stdout
        )


def swapped_on(function: Callable[..., Any], place: Path, mine: Path) -> Callable[..., Any]:
    """Wrap a function so that another user's swap comes right after it: ``place`` becomes a link to ``mine``."""

    def swap(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if not place.is_symlink():
            place.rename(place.with_name("moved"))
            place.symlink_to(mine)
        return result

    return swap


@pytest.mark.parametrize("what", ["the folder", "a shard"])
def test_what_is_put_in_a_shards_place_after_the_check_is_not_opened(
    what: str, stub_cache: Path, tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither through a link in place of the folder, nor through one in place of the file, whenever that comes."""
    shard = next((stub_cache / "shards").iterdir())
    shutil.copy(shard, mine / shard.name)
    opened: list[str] = []
    real = h5py.File

    def noted(path: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(str(Path(path).resolve()))
        return real(path, *arguments, **options)

    monkeypatch.setattr(h5py, "File", noted)
    place, target = (stub_cache / "shards", mine) if what == "the folder" else (shard, mine / shard.name)
    for module, name in ((featx.store.documents, "check_inside"), (featx.store.guard, "_check_format")):
        monkeypatch.setattr(module, name, swapped_on(getattr(module, name), place, target))
        with contextlib.suppress(FeatxError):
            featx.open_cache(stub_cache) if name == "check_inside" else Shard(shard)
        assert place.is_symlink()
        assert not [path for path in opened if path.startswith(str(mine))], name
        place.unlink()
        place.with_name("moved").rename(place)
        monkeypatch.undo()
        monkeypatch.setattr(h5py, "File", noted)


def test_a_shard_is_not_written_through_a_link_that_came_after_the_check(tmp_path: Path, mine: Path) -> None:
    """A folder that became a link during a long extract ends it."""
    folder = tmp_path / "shards"
    folder.mkdir()
    writer = ShardWriter(folder, "0" * 64, np.dtype(np.float16))
    folder.rmdir()
    folder.symlink_to(mine)
    with pytest.raises(CacheUnsafe, match="has become a symbolic link"):
        writer.commit()
    assert [path.name for path in mine.iterdir()] == ["thesis.h5"]
