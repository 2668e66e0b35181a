"""The verb pack: a plain HDF5 file, read here with h5py alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import featx
from featx.errors import CacheError, OutputError
from tests.pages import block

PACK = """
import resource, sys
import featx
from featx.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
try:
    featx.pack_cache(sys.argv[1], sys.argv[2])
except OutputError as error:
    sys.exit(str(error))
"""
"""Pack where no file may grow past a size: the kernel refuses that write, and every later one, as a full disk does."""


def test_a_pack_holds_every_image_with_its_features_and_names(stub_cache: Path, tmp_path: Path) -> None:
    """Features, pooled, labels, class names, paths and splits in one order: the catalog's."""
    result = featx.pack_cache(stub_cache, tmp_path / "out.h5")
    store = featx.FeatureCache.open(stub_cache)
    rows = store.catalog.rows()
    with h5py.File(result.path) as file:
        assert result.images == len(file["features"]) == 36
        np.testing.assert_array_equal(file["features"][()].reshape(36, -1), store.features(rows))
        np.testing.assert_array_equal(file["pooled"][()].reshape(36, -1), store.features(rows, pooling="avgmax"))
        assert file["features"].dtype == file["pooled"].dtype == np.float32
        paths = [path.decode() for path in file["paths"]]
        names = [name.decode() for name in file["class_names"]]
        assert paths == store.catalog.paths
        assert [names[label] for label in file["labels"]] == [path.split("/")[0] for path in paths]
        assert [split.decode() for split in file["split"]] == [featx.store.SPLITS[s] for s in store.catalog.splits]
        assert json.loads(file.attrs["recipe"]) == store.recipe.to_dict()


def test_rejected_images_are_not_in_a_pack(photos: Path, extract, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Every row has features."""
    (photos / "red" / "bad.png").write_text("no image")
    result = featx.pack_cache(extract(photos).cache, tmp_path / "out.h5")
    with h5py.File(result.path) as file:
        assert b"red/bad.png" not in list(file["paths"])
        assert len(file["paths"]) == len(file["features"]) == 36


def test_the_snippet_of_the_docs_runs(stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that the docs give to people without featx, as they stand there."""
    monkeypatch.chdir(tmp_path)
    featx.pack_cache(stub_cache, "photos.h5")
    scope: dict[str, object] = {}
    exec(block("snippet: pack"), scope)  # the page's own text, not somebody's input
    assert np.shape(scope["X"]) == (36, 12)
    assert next(iter(scope["labels"])) in ("blue", "green", "red")  # type: ignore[call-overload]


def test_an_existing_file_is_not_overwritten(stub_cache: Path, tmp_path: Path) -> None:
    """Not at all if featx did not make it; only with ``overwrite`` if it did."""
    mine = tmp_path / "mine.h5"
    mine.write_bytes(b"a thesis")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="was not made by featx pack"):
            featx.pack_cache(stub_cache, mine, overwrite=overwrite)
    assert mine.read_bytes() == b"a thesis"
    featx.pack_cache(stub_cache, tmp_path / "out.h5")
    with pytest.raises(OutputError, match="give --overwrite"):
        featx.pack_cache(stub_cache, tmp_path / "out.h5")
    assert featx.pack_cache(stub_cache, tmp_path / "out.h5", overwrite=True).images == 36


def test_a_pack_that_fails_leaves_nothing(stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half file under the name asked for, and no temporary beside it."""
    folder = tmp_path / "out"
    folder.mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(featx.FeatureCache, "pooled", full)
    with pytest.raises(OutputError, match="No space left on device"):
        featx.pack_cache(stub_cache, folder / "out.h5")
    assert list(folder.iterdir()) == []
    with pytest.raises(OutputError):
        featx.pack_cache(stub_cache, tmp_path / "no" / "such" / "folder.h5")


def test_an_unknown_layer_is_refused(stub_cache: Path, tmp_path: Path) -> None:
    """With those that the cache keeps, and nothing is written."""
    with pytest.raises(CacheError, match=r"keeps no layer 'fc2'\. It keeps: cells"):
        featx.pack_cache(stub_cache, tmp_path / "out.h5", layer="fc2")
    assert not (tmp_path / "out.h5").exists()


def pack_elsewhere(cache: Path, out: Path, most: int = -1) -> "subprocess.CompletedProcess[str]":
    """Pack in a process of its own, which HDF5 may crash; exit status 1 and the message if featx refused."""
    return subprocess.run([sys.executable, "-c", PACK, str(cache), str(out), str(most)], capture_output=True, text=True)


def test_no_refused_write_crashes_a_pack(stub_cache: Path, tmp_path: Path) -> None:
    """From the first byte to the last: a typed error, and nothing left behind. HDF5 alone dies of it with SIGSEGV."""
    folder = tmp_path / "out"
    folder.mkdir()
    whole = featx.pack_cache(stub_cache, folder / "out.h5").bytes
    (folder / "out.h5").unlink()
    for most in (0, 100, whole // 3, whole // 2, whole - 1):
        done = pack_elsewhere(stub_cache, folder / "out.h5", most)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "out.h5: cannot be written: File too large. Give another OUT." in done.stderr
        assert list(folder.iterdir()) == []
    assert pack_elsewhere(stub_cache, folder / "out.h5", whole).returncode == 0
    assert featx.pack_cache(stub_cache, folder / "out.h5", overwrite=True).bytes == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB with 12 KiB left; skipped where mounting is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a small disk is not permitted here: {error}")
    try:
        (folder / "filler").write_bytes(bytes(388 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_does_not_crash_a_pack(stub_cache: Path, small_disk: Path) -> None:
    """A real one: the message says so, and the room that was left is free again."""
    done = pack_elsewhere(stub_cache, small_disk / "out.h5")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "out.h5: cannot be written: No space left on device. Give another OUT." in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("number", [1, 5, 9])
def test_ctrl_c_does_not_crash_a_pack(stub_cache: Path, tmp_path: Path, number: int) -> None:
    """Python code runs inside HDF5's writes; an exception there would crash it. Pressed as one begins."""
    folder = tmp_path / "out"
    folder.mkdir()
    code = """
import os, signal, sys
import featx
from featx.store import packed
write, calls = packed._Forgiving.write, []
def press_and_write(self, data):
    calls.append(len(data))
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGINT)
    return write(self, data)
packed._Forgiving.write = press_and_write
featx.pack_cache(sys.argv[1], sys.argv[2])
"""
    arguments = [sys.executable, "-c", code, str(stub_cache), str(folder / "out.h5"), str(number)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, "KeyboardInterrupt" in done.stderr) == (-signal.SIGINT, True), done.stderr
    assert list(folder.iterdir()) == []


def test_names_that_are_not_utf8_are_packed_escaped(photos: Path, extract, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Of the folder, of a class and of an image: HDF5 text must be UTF-8, names on disk need not."""
    root = photos.rename(photos.with_name(os.fsdecode(b"caf\xe9")))
    (root / "red").rename(root / os.fsdecode(b"r\xe9d"))
    result = featx.pack_cache(extract(root).cache, tmp_path / "out.h5")
    with h5py.File(result.path) as file:
        assert file.attrs["source"] == str(tmp_path / "caf") + r"\udce9"
        assert rb"r\udce9d" in list(file["class_names"])
        assert rb"r\udce9d/1.png" in list(file["paths"])


def test_what_is_no_file_is_not_packed_into(stub_cache: Path, tmp_path: Path) -> None:
    """A folder or a pipe, which stands for any device, stays as it is; so does a name that is too long."""
    os.mkfifo(tmp_path / "pipe")
    for out in (tmp_path / "pipe", tmp_path, Path(), Path("/"), tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="Give another OUT"):
            featx.pack_cache(stub_cache, out, overwrite=True)
    assert (tmp_path / "pipe").is_fifo()
