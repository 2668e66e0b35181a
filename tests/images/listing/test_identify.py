"""What each listed file is: read where it must be, else taken from an earlier listing, and little held for each."""

import contextlib
import os
import time
import tracemalloc
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images import NEVER_TRUSTED, NO_DIGEST, Identities, ImageIndex, identify_files, list_images
from featx.images.listing import identify
from featx.images.listing.identify import KnownFiles
from featx.system.files import content_digest, file_digest

LONG_AGO = 10**18


def made_files(root: Path, n_files: int) -> ImageIndex:
    """Write files in two classes, each with its number in it, all old enough for their time to be trusted."""
    for number in range(n_files):
        path = root / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return list_images(root)


@contextlib.contextmanager
def an_hour_later() -> Iterator[None]:
    """Look at files as if it were an hour later: their ctimes, which nobody can set, are then old enough to be trusted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identify, "time", types.SimpleNamespace(time_ns=lambda: time.time_ns() + 3_600_000_000_000))
        yield


def known_of(index: ImageIndex, found: Identities, order: NDArray[np.int64]) -> KnownFiles:
    """Return what a listing in another order would have kept."""
    paths = [index.paths[row] for row in order]
    return KnownFiles(paths, found.digests[order], found.sizes[order], found.mtimes[order], found.ctimes[order])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    names: list[str] = []
    real = identify.digest_image_file
    monkeypatch.setattr(identify, "digest_image_file", lambda path: names.append(path.name) or real(path))
    return names


def test_every_file_has_its_own_digest(tmp_path: Path) -> None:
    """SHA-256 of the very bytes, with size and time, over several groups of files."""
    index = made_files(tmp_path, 3 * identify._GROUP + 7)
    with an_hour_later():
        found = identify_files(index)
    for row, path in enumerate(index.paths):
        data = (index.root / path).read_bytes()
        assert found.digests[row].tobytes() == content_digest(data)
        assert (found.sizes[row], found.mtimes[row]) == (len(data), LONG_AGO)
    assert set(found.reasons) == {""}


@pytest.mark.parametrize("shuffled", [False, True])
def test_known_files_are_not_read_in_whatever_order_they_were_listed(tmp_path: Path, reads: list[str], shuffled: bool) -> None:
    """Those that are new or have changed are; the digests are right either way."""
    index = made_files(tmp_path, 40)
    with an_hour_later():
        first = identify_files(index)
    order = np.random.default_rng(0).permutation(40) if shuffled else np.arange(40)
    known = known_of(index, first, order[:-1] if shuffled else order)
    reads.clear()
    (tmp_path / "class1" / "7.png").write_bytes(b"other")
    again = identify_files(list_images(tmp_path), known)
    wanted = {"7.png"} | ({Path(index.paths[order[-1]]).name} if shuffled else set())
    assert set(reads) == wanted
    assert len(reads) == len(wanted)
    changed = index.paths.index("class1/7.png")
    assert again.digests[changed].tobytes() == content_digest(b"other")
    others = np.arange(40) != changed
    np.testing.assert_array_equal(again.digests[others], first.digests[others])
    assert again.mtimes[changed] == NEVER_TRUSTED


def test_of_a_path_known_twice_the_first_counts(tmp_path: Path, reads: list[str]) -> None:
    """As in a manifest that names a file twice: what is known of the second is of no use."""
    index = made_files(tmp_path, 4)
    with an_hour_later():
        found = identify_files(index)
    known = known_of(index, found, np.array([0, 1, 2, 3, 0]))
    known.digests[4] = 0
    reads.clear()
    again = identify_files(index, known)
    assert reads == []
    np.testing.assert_array_equal(again.digests, found.digests)


def test_a_file_that_cannot_be_read_keeps_what_was_known_of_it(tmp_path: Path) -> None:
    """Gone files and files never read have their reason; only the first have a digest. They are looked at again next time."""
    index = made_files(tmp_path, 6)
    found = identify_files(index)
    (tmp_path / index.paths[2]).unlink()
    again = identify_files(index, known_of(index, found, np.arange(6)))
    assert again.reasons[2] == "cannot be read: No such file or directory"
    assert again.digests[2].tobytes() == found.digests[2].tobytes()
    assert again.mtimes[2] == NEVER_TRUSTED
    unknown = identify_files(index)
    assert unknown.digests[2].tobytes() == NO_DIGEST
    assert (unknown.reasons[2], unknown.sizes[2]) == (again.reasons[2], 0)


def test_a_file_refused_while_it_is_read_is_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is not trusted, whatever refused it."""
    index = made_files(tmp_path, 3)
    real = identify.digest_image_file

    def refuse(path: Path) -> bytes:
        if path.name == "1.png":
            raise ImageRejected("some reason")
        return real(path)

    with monkeypatch.context() as patch, an_hour_later():
        patch.setattr(identify, "digest_image_file", refuse)
        found = identify_files(index)
    assert sorted(found.reasons) == ["", "", "some reason"]
    reads.clear()
    identify_files(index, known_of(index, found, np.arange(3)))
    assert reads == ["1.png"]


def test_progress_counts_every_file_once(tmp_path: Path) -> None:
    """In groups, in all as many as there are."""
    index = made_files(tmp_path, identify._GROUP + 3)
    seen: Counter[tuple[str, int]] = Counter()
    identify_files(index, progress=lambda stage, newly, total: seen.update({(stage, total): newly}))
    assert seen == {("index", len(index.paths)): len(index.paths)}


def test_an_interrupt_does_not_wait_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C no further group is begun."""
    index, read = made_files(tmp_path, 60), []
    monkeypatch.setattr(identify, "_GROUP", 5)
    monkeypatch.setattr(identify, "digest_image_file", lambda path: time.sleep(0.01) or read.append(path) or bytes(32))

    def stop(stage: str, newly: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        identify_files(index, workers=1, progress=stop)
    time.sleep(1.0)  # enough for all of them
    assert 5 <= len(read) <= 15


def test_a_file_without_a_digest_is_read_whatever_its_times_say(tmp_path: Path, reads: list[str]) -> None:
    """Zeros stand for no digest: what an earlier listing could not read is read now."""
    index = made_files(tmp_path, 3)
    with an_hour_later():
        known = known_of(index, identify_files(index), np.arange(3))
    known.digests[1] = 0
    reads.clear()
    again = identify_files(index, known)
    assert reads == [Path(index.paths[1]).name]
    assert again.digests[1].any()


@pytest.mark.parametrize("grain", [1_000_000_000, 2_000_000_000])
def test_a_file_replaced_within_the_clocks_grain_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grain: int
) -> None:
    """Whole-second times, an equal size, and a copy that keeps an old mtime: nothing tells the two files apart but a read."""
    real = os.stat

    def coarse(path: str) -> types.SimpleNamespace:
        status = real(path)
        return types.SimpleNamespace(
            st_size=status.st_size, st_mtime_ns=LONG_AGO, st_ctime_ns=status.st_ctime_ns // grain * grain
        )

    index = made_files(tmp_path, 2)
    while time.time_ns() % grain > grain // 2:  # both writes in one tick
        time.sleep(0.05)
    path = tmp_path / index.paths[0]
    path.write_bytes(b"old")
    monkeypatch.setattr(identify, "os", types.SimpleNamespace(stat=coarse))
    first = identify_files(index)
    path.write_bytes(b"new")
    again = identify_files(index, known_of(index, first, np.arange(2)))
    assert again.digests[0].tobytes() == content_digest(b"new")


@pytest.mark.parametrize("time_ns", [10_413_792_000 * 10**9, -(2**31) * 10**9, 2**63, -(2**63) - 1, 2**63 - 1])
def test_a_file_may_have_any_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time_ns: int) -> None:
    """Of the year 2300 or 1901, say: it is known again by it, and read again where it is another."""
    real, given = os.stat, [time_ns]

    def dated(path: str) -> types.SimpleNamespace:
        return types.SimpleNamespace(st_size=real(path).st_size, st_mtime_ns=given[0], st_ctime_ns=LONG_AGO)

    index = made_files(tmp_path, 2)
    monkeypatch.setattr(identify, "os", types.SimpleNamespace(stat=dated))
    first = identify_files(index)
    assert first.reasons == ["", ""]
    (tmp_path / index.paths[0]).write_bytes(b"new")
    given[0] = time_ns + 1
    again = identify_files(index, known_of(index, first, np.arange(2)))
    assert again.digests[0].tobytes() == content_digest(b"new")


def test_a_huge_file_is_hashed_in_little_memory(tmp_path: Path) -> None:
    """A disk's image that is named like a picture has its digest as any file, a piece at a time."""
    index = made_files(tmp_path, 2)
    path = tmp_path / index.paths[0]
    with path.open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    try:
        found = identify_files(index)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.reasons == ["", ""]
    assert found.digests[0].tobytes() == file_digest(path)
    assert peak < 10_000_000


def test_a_listing_takes_little_memory_for_each_further_image(tmp_path: Path) -> None:
    """From 1,000 to 3,000 images: under 400 bytes each at the peak, the known listing counted."""

    def peak(n_files: int) -> int:
        root = tmp_path / str(n_files)
        with an_hour_later():
            found = identify_files(made_files(root, n_files))
        tracemalloc.start()
        try:
            index = list_images(root)
            identify_files(index, known_of(index, found, np.arange(n_files)))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert (peak(3000) - peak(1000)) / 2000 < 400
