"""Chunks that featx compresses itself: they are to be what HDF5 would have written, and what it accepts."""

import h5py
import numpy as np
import pytest

from featx.store import chunks

ROWS = {
    "maps after ReLU": np.maximum(np.random.default_rng(0).normal(size=(9, 3, 3, 64)), 0).astype(np.float32),
    "zeros": np.zeros((5, 1, 1, 8), np.float32),
    "all bits set": np.full((3, 1, 1, 4000), np.nan, np.float32).view(np.uint32).__or__(0xFFFFFFFF).view(np.float32),
    "noise": np.random.default_rng(1).normal(size=(6, 7, 7, 32)).astype(np.float32),
}


def _dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    options = {"compression": "gzip", "compression_opts": chunks.GZIP_LEVEL, "fletcher32": True}
    return file.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *shape), **options)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_chunks_decode_to_the_rows_and_carry_the_checksum_that_hdf5_computes(tmp_path, rows, dtype):
    """Of chunks that HDF5 filtered itself, featx computes the same checksum; of ours, HDF5 reads the same values."""
    with h5py.File(tmp_path / "both.h5", "w") as file:
        ours, theirs = (_dataset(file, name, rows.shape[1:], dtype) for name in ("ours", "theirs"))
        chunks.append_gzipped(ours, rows[:4])
        chunks.append_gzipped(ours, rows[4:])
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


def test_a_flipped_bit_is_found_by_hdf5(tmp_path):
    """What featx puts behind a chunk is really looked at."""
    rows = ROWS["noise"]
    with h5py.File(tmp_path / "one.h5", "w") as file:
        dataset = _dataset(file, "maps", rows.shape[1:], "float16")
        chunks.append_gzipped(dataset, rows)
        mask, chunk = dataset.id.read_direct_chunk((2, 0, 0, 0))
        dataset.id.write_direct_chunk((2, 0, 0, 0), chunk[:50] + bytes([chunk[50] ^ 4]) + chunk[51:], mask)
    with h5py.File(tmp_path / "one.h5") as file, pytest.raises(OSError, match=r"checksum|filter"):
        file["maps"][2]
