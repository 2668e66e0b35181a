"""Chunks that featx compresses itself: they are to be what HDF5 would have written, and what it accepts."""

import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest
from isal import isal_zlib

from featx.store.shards import chunks

ROWS = {
    "maps after ReLU": np.maximum(np.random.default_rng(0).normal(size=(9, 3, 3, 64)), 0).astype(np.float32),
    "zeros": np.zeros((5, 1, 1, 8), np.float32),
    "all bits set": np.full((3, 1, 1, 4000), np.nan, np.float32).view(np.uint32).__or__(0xFFFFFFFF).view(np.float32),
    "noise": np.random.default_rng(1).normal(size=(6, 7, 7, 32)).astype(np.float32),
}


def _dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    options = {"compression": "gzip", "compression_opts": chunks.GZIP_LEVEL, "fletcher32": True}
    return file.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *shape), **options)


@pytest.mark.parametrize("compress", [zlib.compress, isal_zlib.compress], ids=["zlib", "isal"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_chunks_decode_to_the_rows_and_carry_the_checksum_that_hdf5_computes(tmp_path, monkeypatch, rows, dtype, compress):
    """Of chunks that HDF5 filtered itself, featx computes the same checksum; of ours, HDF5 reads the same values."""
    monkeypatch.setattr(chunks, "_compress", compress)
    with h5py.File(tmp_path / "both.h5", "w") as file:
        ours, theirs = (_dataset(file, name, rows.shape[1:], dtype) for name in ("ours", "theirs"))
        for part in (rows[:4], rows[4:]):
            chunks.append_packed(ours, chunks.packed_rows(part, np.dtype(dtype)))
        theirs.resize(len(rows), axis=0)
        theirs[:] = rows
    with h5py.File(tmp_path / "both.h5") as file:
        assert file["ours"][()].tobytes() == file["theirs"][()].tobytes() == rows.astype(dtype).tobytes()
        for row in range(len(rows)):
            mask, chunk = file["theirs"].id.read_direct_chunk((row, 0, 0, 0))
            assert mask == 0
            assert chunks.fletcher32(chunk[:-4]) == int.from_bytes(chunk[-4:], "little")


@pytest.mark.parametrize("data", [b"\x01", b"\x01\x02\x03", b"\0" * 7, b"\xff" * 100_000, bytes(range(256)) * 999 + b"\x80"])
def test_checksum_of_any_bytes_is_hdf5s(tmp_path, data):
    """An odd number of bytes, zeros, and sums that are multiples of 65535 come out as in HDF5's own filter."""
    with h5py.File(tmp_path / "bytes.h5", "w") as file:
        file.create_dataset("bytes", data=np.frombuffer(data, np.uint8), chunks=(len(data),), fletcher32=True)
    with h5py.File(tmp_path / "bytes.h5") as file:
        _, chunk = file["bytes"].id.read_direct_chunk((0,))
    assert chunk[:-4] == data
    assert chunks.fletcher32(data) == int.from_bytes(chunk[-4:], "little")


def test_without_isal_zlib_compresses() -> None:
    """From a checkout, with few libraries; the rows are the same, the bytes that hold them are not."""
    program = (
        "import sys, zlib; sys.modules['isal'] = None; from featx.store.shards import chunks; "
        "print(chunks._compress is zlib.compress)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert chunks._compress is isal_zlib.compress


def test_checksum_of_a_large_chunk_is_that_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of 64 bits would overflow at some 30 MB: any division into blocks gives the same."""
    data = np.random.default_rng(2).bytes(1_000_001)
    found = set()
    for n_words in (1, 7, 65_536, 10**9):
        monkeypatch.setattr(chunks, "_WORDS_AT_ONCE", n_words)
        found.add(chunks.fletcher32(data if n_words > 7 else data[:20_001]))
    assert len(found) == 2
    monkeypatch.undo()
    ones = b"\xff" * 80_000_000  # 40 million words of 65535, of which both sums are multiples
    assert chunks.fletcher32(ones) == 0xFFFFFFFF
    assert chunks.fletcher32(ones + b"\0\1") == 0x0001_0001


def test_a_forked_process_compresses_too() -> None:
    """It has none of its parent's threads, and starts its own. Rows are compared: ISA-L's bytes may differ between threads."""
    program = """
import os, zlib
import numpy as np
from featx.store.shards.chunks import fletcher32, packed_rows
rows = np.ones((9, 2, 2, 3), np.float32)
def check():
    packed = packed_rows(rows, rows.dtype)
    assert [zlib.decompress(chunk[:-4]) for chunk in packed] == [row.tobytes() for row in rows]
    assert all(fletcher32(chunk[:-4]) == int.from_bytes(chunk[-4:], "little") for chunk in packed)
check()
child = os.fork()
check()
if child:
    assert os.waitpid(child, 0)[1] == 0
    print("both")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "both\n"


def test_a_flipped_bit_of_the_checksum_is_found_by_hdf5(tmp_path):
    """What featx puts behind a chunk is really looked at."""
    rows = ROWS["noise"]
    with h5py.File(tmp_path / "one.h5", "w") as file:
        dataset = _dataset(file, "maps", rows.shape[1:], "float16")
        chunks.append_packed(dataset, chunks.packed_rows(rows, dataset.dtype))
        mask, chunk = dataset.id.read_direct_chunk((2, 0, 0, 0))
        dataset.id.write_direct_chunk((2, 0, 0, 0), chunk[:-1] + bytes([chunk[-1] ^ 4]), mask)
    with h5py.File(tmp_path / "one.h5") as file, pytest.raises(OSError, match="filter returned failure"):
        file["maps"][2]
