"""Zips of stored members: what featx never writes is refused before room is made for it."""

import os
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest

from featx.system.zipped import _check_places, has_member, read_members, write_members

MEMBERS = {"b": b"second " * 40, "a": b"first " * 30, "empty": b""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A zip of three members."""
    write_members(tmp_path / "new" / "it.zip", MEMBERS)
    return tmp_path / "new" / "it.zip"


def patched(path: Path, name: str, field: int, form: str, value: int) -> None:
    """Change a field of a member's entry in the central directory, ``field`` bytes into it."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(name.encode()) - 46  # the name stands behind the entry's fixed part
    assert data[entry : entry + 4] == b"PK\1\2"
    struct.pack_into(form, data, entry + field, value)
    path.write_bytes(data)


def test_members_come_back_and_the_same_members_are_the_same_file(path: Path, tmp_path: Path) -> None:
    """In their order, stored and without the date of the day."""
    assert list(read_members(path, 3).items()) == list(MEMBERS.items())
    write_members(tmp_path / "again.zip", MEMBERS)
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None


def test_a_failed_write_leaves_the_earlier_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole or absent."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_members(path, {"a": b"other"})
    assert read_members(path, 3) == MEMBERS
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "way", ["overlap", "sizes", "size alone", "encrypted", "deflated", "twice", "crowd", "large", "checksum"]
)
def test_what_featx_never_writes_is_refused(path: Path, way: str) -> None:
    """Each by a sentence; no more memory is taken than the file has bytes."""
    large = {"a": 10_000}
    if way == "overlap":  # two names for the same bytes: many of them would be a bomb of stored members
        with zipfile.ZipFile(path) as archive:
            offset = archive.getinfo("b").header_offset
        patched(path, "a", 42, "<I", offset)
    elif way == "sizes":
        patched(path, "b", 20, "<I", 900_000_000)
        patched(path, "b", 24, "<I", 900_000_000)
    elif way == "size alone":
        patched(path, "b", 24, "<I", 900_000_000)
    elif way == "encrypted":
        patched(path, "b", 8, "<H", 1)
    elif way == "deflated":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", bytes(10_000_000))
    elif way == "twice":
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")  # zipfile warns of just this
            archive.writestr("a", b"other")
    elif way == "large":
        large = {"a": 100}
    elif way == "checksum":
        data = bytearray(path.read_bytes())
        data[data.index(b"first")] ^= 1
        path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"overlap|inside another|twice|larger|CRC"):
            read_members(path, 2 if way == "crowd" else 3, large)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert has_member(path, "a")  # but it is still a zip of that kind, which must not be overwritten


def test_many_members_in_the_same_bytes_are_refused_by_their_places(path: Path) -> None:
    """Without the help of zipfile, which looks for overlaps only since Python 3.11.8: the member's places alone tell."""
    with zipfile.ZipFile(path) as archive:
        infos, end = archive.infolist(), archive.start_dir
        _check_places(infos, end)
        infos[1].header_offset = infos[0].header_offset
        with pytest.raises(ValueError, match="inside another"):
            _check_places(infos, end)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\5\6" + bytes(18), b"PK\3\4" + bytes(200)])
def test_what_is_no_zip_has_no_members(tmp_path: Path, content: bytes) -> None:
    """It is refused, or is an empty zip."""
    path = tmp_path / "other"
    path.write_bytes(content)
    assert not has_member(path, "a")
    if content.startswith(b"PK\5\6"):
        assert read_members(path, 3) == {}
    else:
        with pytest.raises(ValueError, match="not a zip"):
            read_members(path, 3)
