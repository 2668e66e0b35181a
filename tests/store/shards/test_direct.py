"""Rows that are read past HDF5 are HDF5's own to the bit, and whatever is wrong with one is said as HDF5 says it."""

import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.store.shards import chunks, direct
from featx.store.shards.reader import ShardRows
from featx.store.shards.shard import Shard
from tests.store.shards.test_shard import N_ROWS, made_maps, write_shard


def hdf5s(shard: Shard, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows as h5py alone reads them."""
    with h5py.File(shard.path) as file:
        return np.asarray(file["maps/cells"][()])[rows]


@pytest.fixture
def no_hdf5(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of rows by HDF5 fails the test."""
    monkeypatch.setattr(Shard, "read", lambda *_: pytest.fail("HDF5 was asked"))


@pytest.mark.usefixtures("no_hdf5")
@pytest.mark.parametrize("stored", [np.float16, np.float32])
@pytest.mark.parametrize("wanted", [np.float16, np.float32, np.float64])
def test_rows_are_those_that_h5py_reads(tmp_path: Path, stored: type[np.floating], wanted: type[np.floating]) -> None:
    """Of two shards, in any order, some of them twice, in any type."""
    shards = []
    for number in range(2):
        maps = made_maps(40, seed=number, shape=(2, 3, 50))
        maps[0, 0, 0, :6] = [0.0, 6e-8, 6.1e-5, 65504, -3.5, -0.0]  # numbers below the normal ones, too
        (tmp_path / str(number)).mkdir()
        shards.append(write_shard(tmp_path / str(number), maps, stored))
    everything = np.concatenate([hdf5s(shard, np.arange(40)) for shard in shards])
    places = np.random.default_rng(3).integers(0, 80, 200)
    found = ShardRows(shards).read(places, "maps/cells", wanted)
    assert found.dtype == wanted
    assert found.tobytes() == everything[places].astype(wanted).tobytes()


@pytest.mark.usefixtures("no_hdf5")
def test_rows_are_the_same_in_one_task_and_in_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are dealt out among the threads."""
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    for n_bytes in (1, 200, 10**6):
        monkeypatch.setattr(direct, "_BYTES_A_TASK", n_bytes)
        found = ShardRows([shard]).read(np.arange(N_ROWS)[::-1], "maps/cells", np.float16)
        assert found.tobytes() == hdf5s(shard, np.arange(N_ROWS)[::-1]).tobytes()


@pytest.mark.usefixtures("no_hdf5")
def test_zlib_inflates_where_there_is_no_isal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows."""
    monkeypatch.setattr(chunks, "_decompressor", zlib.decompressobj)
    monkeypatch.setattr(chunks, "_broken", (zlib.error,))
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    assert (
        ShardRows([shard]).read(np.arange(N_ROWS), "maps/cells", np.float16).tobytes() == hdf5s(shard, np.arange(12)).tobytes()
    )


def places_of(shard: Shard) -> dict[str, range]:
    """Return where in the file the parts of one row's chunk are."""
    with h5py.File(shard.path) as file:
        chunk = file["maps/cells"].id.get_chunk_info(5)
    end = chunk.byte_offset + chunk.size
    compressed = range(chunk.byte_offset, end - 4)
    return {"compressed": compressed, "zlib's checksum": compressed[-4:], "checksum": range(end - 4, end)}


@pytest.mark.parametrize("has_isal", [True, False], ids=["isal", "zlib"])
def test_a_flipped_bit_of_a_chunk_is_found_and_said_as_hdf5_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_isal: bool
) -> None:
    """Wherever it is; rows beside the damaged one are read all the same."""
    if not has_isal:
        monkeypatch.setattr(chunks, "_decompressor", zlib.decompressobj)
        monkeypatch.setattr(chunks, "_broken", (zlib.error,))
    shard = write_shard(tmp_path, made_maps(N_ROWS, shape=(1, 2, 8)))
    sound, whole = shard.path.read_bytes(), hdf5s(shard, np.arange(N_ROWS))
    rng = np.random.default_rng(8)
    for place in (int(place) for places in places_of(shard).values() for place in rng.choice(places, 4, replace=False)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << int(rng.integers(8))
        shard.path.write_bytes(damaged)
        opened = Shard(shard.path)
        with pytest.raises(CacheDamaged) as by_hdf5:
            opened.read("maps/cells", np.array([5]))
        rows = ShardRows([opened])
        with pytest.raises(CacheDamaged) as found:
            rows.read(np.arange(N_ROWS), "maps/cells", np.float16)
        assert str(found.value) == str(by_hdf5.value)
        others = np.delete(np.arange(N_ROWS), 5)
        assert rows.read(others, "maps/cells", np.float16).tobytes() == whole[others].tobytes()


def rewritten(path: Path, row: int, chunk: bytes, filter_mask: int = 0) -> Shard:
    """Put another chunk in the place of a row's and open the shard again."""
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        file["maps/cells"].id.write_direct_chunk((row, 0, 0, 0), chunk, filter_mask)
    return Shard(path)


def with_checksum(data: bytes) -> bytes:
    """Return a chunk whose last filter is content with it."""
    return data + chunks.fletcher32(data).to_bytes(4, "little")


@pytest.mark.parametrize("n_values", [0, 29, 31, 10**7], ids=["empty", "short", "long", "bomb"])
def test_a_chunk_of_another_size_is_refused(tmp_path: Path, n_values: int) -> None:
    """Though its checksums fit: HDF5 would fill a short one up with whatever is in memory. A bomb is not inflated."""
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    opened = rewritten(shard.path, 5, with_checksum(zlib.compress(np.ones(n_values, np.float16).tobytes())))
    tracemalloc.start()
    with pytest.raises(CacheDamaged, match=r"\.h5: row 5 of 'maps/cells' is not as long as it should be\. "):
        ShardRows([opened]).read(np.arange(N_ROWS), "maps/cells", np.float16)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("value", [np.inf, np.nan, -np.inf])
def test_a_row_of_no_numbers_is_refused_with_its_image(tmp_path: Path, value: float) -> None:
    """As ever, though every checksum fits."""
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    row = np.ones((2, 3, 5), np.float16)
    row[1, 2, 3] = value
    opened = rewritten(shard.path, 5, with_checksum(zlib.compress(row.tobytes())))
    with pytest.raises(
        CacheDamaged, match=rf"row 5 of 'maps/cells', of the image with digest {opened.digests[5].tobytes().hex()}"
    ):
        ShardRows([opened]).read(np.arange(N_ROWS), "maps/cells", np.float32)


def test_a_chunk_without_one_of_its_filters_is_left_to_hdf5(tmp_path: Path) -> None:
    """Its mask says that it was not compressed; h5py reads it, and so does featx."""
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    row = np.arange(30, dtype=np.float16)
    opened = rewritten(shard.path, 5, with_checksum(row.tobytes()), filter_mask=1)
    found = ShardRows([opened]).read(np.arange(N_ROWS), "maps/cells", np.float16)
    assert found.tobytes() == hdf5s(opened, np.arange(N_ROWS)).tobytes()
    assert found[5].ravel().tolist() == row.tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (3, 2, 3, 5), "compression": "gzip", "fletcher32": True},
        {"chunks": (1, 2, 3, 5), "compression": "gzip"},
        {"chunks": (1, 2, 3, 5), "fletcher32": True},
        {"chunks": None},
    ],
    ids=["several rows a chunk", "no checksum", "not compressed", "no chunks"],
)
def test_what_is_stored_in_another_way_is_left_to_hdf5(tmp_path: Path, options: dict[str, Any]) -> None:
    """As foreign caches may; the values are the same."""
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    values = hdf5s(shard, np.arange(N_ROWS))
    with h5py.File(shard.path, "r+", libver=("v110", "v110")) as file:
        del file["maps/cells"]
        file.create_dataset("maps/cells", data=values, **options)
        assert direct.ChunkIndex.of(file["maps/cells"]) is None
    if options["chunks"]:
        found = ShardRows([Shard(shard.path)]).read(np.arange(N_ROWS), "maps/cells", np.float16)
        assert found.tobytes() == values.tobytes()


def test_a_file_put_in_the_place_of_another_is_guarded_again(tmp_path: Path) -> None:
    """After its rows were read directly, as before."""
    shard = write_shard(tmp_path, made_maps(N_ROWS))
    rows = ShardRows([shard])
    rows.read(np.arange(N_ROWS), "maps/cells", np.float16)
    other = shard.path.with_name("other.h5")
    shard.path.rename(other)
    with h5py.File(shard.path, "w", libver=("v110", "v110")) as file:
        file["maps/cells"] = h5py.ExternalLink(str(other), "maps/cells")
    with pytest.raises(CacheDamaged, match="a link that leaves its group"):
        rows.read(np.arange(N_ROWS), "maps/cells", np.float16)
