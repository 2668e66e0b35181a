"""A shard holds exactly the rows that were written, or says that it does not."""

import errno
import hashlib
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import featx.store.shards.shard
import featx.store.shards.shard_writer
from featx.errors import CacheDamaged, CacheWriteError
from featx.recipe import Recipe
from featx.store import FeatureCache
from featx.store.pooling import average_and_maximum
from featx.store.shards import chunks
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import ShardWriter
from featx.system.files import TEMPORARY_PREFIX

FINGERPRINT = "5" * 64
N_ROWS = 12


def made_digests(n: int) -> list[bytes]:
    """Return n different content digests."""
    return [hashlib.sha256(str(number).encode()).digest() for number in range(n)]


def made_maps(n: int, seed: int = 0, shape: tuple[int, ...] = (2, 3, 5)) -> NDArray[np.float32]:
    """Return n maps like a ReLU's: many zeros, the rest positive."""
    return np.maximum(np.random.default_rng(seed).normal(0, 50, (n, *shape)), 0).astype(np.float32)


def write_shard(folder: Path, maps: NDArray[np.float32], dtype: type[np.floating] = np.float16, block: int = 5) -> Shard:
    """Commit a shard of one layer, the rows given a block at a time."""
    digests = made_digests(len(maps))
    writer = ShardWriter(folder, FINGERPRINT, np.dtype(dtype))
    for start in range(0, len(maps), block):
        part = maps[start : start + block]
        views = np.arange(start, start + len(part), dtype=np.int64)
        writer.append(digests[start : start + block], views, {"cells": part}, {"cells": average_and_maximum(part)})
    return writer.commit()


def everything(path: Path) -> tuple[Any, ...]:
    """Read all that a shard has to say, as bytes."""
    shard = Shard(path)
    rows = np.arange(len(shard))
    values = (shard.read(f"{kind}/cells", rows).tobytes() for kind in ("maps", "pooled"))
    return shard.fingerprint, shard.digests.tobytes(), shard.views.tobytes(), *values


@pytest.fixture
def maps() -> NDArray[np.float32]:
    """Maps of 12 rows, 2 x 3 cells, 5 channels."""
    return made_maps(N_ROWS)


@pytest.fixture
def shard(tmp_path: Path, maps: NDArray[np.float32]) -> Shard:
    """A committed float16 shard of ``maps``."""
    return write_shard(tmp_path, maps)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_come_back_bit_for_bit(tmp_path: Path, maps: NDArray[np.float32], dtype: type[np.floating]) -> None:
    """Every row reads as numpy's own rounding to the stored type, with its digest and view."""
    shard = Shard(write_shard(tmp_path, maps, dtype).path)
    values = shard.read("maps/cells", np.arange(N_ROWS))
    assert values.dtype == dtype
    assert values.tobytes() == maps.astype(dtype).tobytes()
    assert [row.tobytes() for row in shard.digests] == made_digests(N_ROWS)
    assert shard.views.tolist() == list(range(N_ROWS))
    assert shard.fingerprint == FINGERPRINT


@pytest.mark.parametrize("rows", [[], [0], [11], [3, 4, 5], [0, 2, 3, 7, 10, 11], list(range(N_ROWS))], ids=str)
def test_any_ascending_choice_of_rows_is_read(shard: Shard, maps: NDArray[np.float32], rows: list[int]) -> None:
    """Gaps, runs, all and none: the answer is what indexing the original gives."""
    chosen = np.array(rows, np.int64)
    assert shard.read("maps/cells", chosen).tobytes() == maps.astype(np.float16)[chosen].tobytes()


@pytest.mark.parametrize("rows", [[], [3], [0, 1, 9], [0, 2, 4, 6, 8, 10], list(range(12)), [0, 1, 2, 9, 10, 11]])
def test_pooled_rows_that_share_a_chunk_are_read_in_any_ascending_choice(tmp_path: Path, rows: list[int]) -> None:
    """Whatever lies between them in the chunk is left out again; chunks of 4 rows here."""
    maps = made_maps(N_ROWS, shape=(2, 3, 2048))
    shard = write_shard(tmp_path, maps)
    with h5py.File(shard.path) as file:
        assert file["pooled/cells"].chunks[0] == 4
    np.testing.assert_array_equal(shard.read("pooled/cells", np.array(rows, np.int64)), average_and_maximum(maps)[rows])


def test_a_file_is_guarded_when_it_is_opened_first_and_when_it_has_changed(
    shard: Shard, maps: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading looks for links that lead out once; a file put in its place later is looked at again, and refused."""
    opened: list[Path] = []
    real = featx.store.shards.shard.open_guarded
    monkeypatch.setattr(featx.store.shards.shard, "open_guarded", lambda path: opened.append(path) or real(path))
    for _ in range(3):
        shard.read("maps/cells", np.arange(N_ROWS))
    assert opened == []
    other = shard.path.with_name("other.h5")
    shard.path.rename(other)
    with h5py.File(shard.path, "w", libver=("v110", "v110")) as file:
        file["maps/cells"] = h5py.ExternalLink(str(other), "maps/cells")
    with pytest.raises(CacheDamaged, match="a link that leaves its group"):
        shard.read("maps/cells", np.arange(N_ROWS))
    assert opened == [shard.path]


def test_h5py_alone_reads_the_same_rows(shard: Shard, maps: NDArray[np.float32]) -> None:
    """The file needs no featx: plain h5py finds the documented datasets with the values written."""
    with h5py.File(shard.path, "r") as file:
        assert set(file) == {"digest", "view", "maps", "pooled", "crc32"}
        np.testing.assert_array_equal(file["maps/cells"][()], maps.astype(np.float16))
        np.testing.assert_array_equal(
            file["digest"][()], np.frombuffer(b"".join(made_digests(N_ROWS)), np.uint8).reshape(-1, 32)
        )
        assert file.attrs["fingerprint"] == FINGERPRINT.encode()


def test_pooled_rows_equal_numpy_on_the_unrounded_maps(shard: Shard, maps: NDArray[np.float32]) -> None:
    """Average and maximum are taken from the float32 maps, before any rounding to half precision."""
    pooled = shard.read("pooled/cells", np.arange(N_ROWS))
    assert pooled.dtype == np.float32
    assert pooled.shape == (N_ROWS, 2, 5)
    np.testing.assert_allclose(pooled[:, 0], maps.astype(np.float64).mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(pooled[:, 1], maps.max(axis=(1, 2)))
    assert not np.array_equal(pooled[:, 1], maps.astype(np.float16).max(axis=(1, 2)))


def test_values_past_float16_are_kept_as_float32(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A map with a value of 70000 comes back bitwise; its neighbours are stored in half precision all the same."""
    maps = made_maps(6)
    maps[2, 0, 0, 0] = 70_000.0
    maps[4, 1, 2, 4] = -3e38
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        assert writer.append(made_digests(6), {"cells": maps}) == 6
    found = {
        row.tobytes(): shard.read("maps/cells", np.array([i]))[0]
        for shard in cache.shards
        for i, row in enumerate(shard.digests)
    }
    for number, digest in enumerate(made_digests(6)):
        dtype = np.float32 if number in (2, 4) else np.float16
        assert found[digest].dtype == dtype
        assert found[digest].tobytes() == maps[number].astype(dtype).tobytes()


def test_largest_float16_is_still_stored_as_float16(tmp_path: Path, stub_recipe: Recipe) -> None:
    """65504 is float16's largest number and fits; nothing overflows to infinity."""
    maps = np.full((1, 2, 3, 5), 65504.0, np.float32)
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        writer.append(made_digests(1), {"cells": maps})
    (shard,) = cache.shards
    values = shard.read("maps/cells", np.array([0]))
    assert values.dtype == np.float16
    assert (values == 65504.0).all()


def test_name_is_the_sha256_of_the_file(shard: Shard) -> None:
    """Anybody can check a shard with sha256sum alone."""
    assert shard.path.name == hashlib.sha256(shard.path.read_bytes()).hexdigest() + ".h5"


def test_same_rows_give_the_same_bytes(tmp_path: Path, maps: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock, process number or random value gets into the file. zlib compresses: ISA-L's bytes may differ by thread."""
    monkeypatch.setattr(chunks, "_compress", zlib.compress)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write_shard(tmp_path / "a", maps)
    time.sleep(1.1)  # HDF5 keeps seconds
    second = write_shard(tmp_path / "b", maps)
    assert first.path.name == second.path.name
    assert first.path.read_bytes() == second.path.read_bytes()


def test_another_row_gives_another_name(tmp_path: Path, maps: NDArray[np.float32]) -> None:
    """One value changed is enough for another file."""
    changed = maps.copy()
    changed[7, 1, 1, 1] += 1
    assert write_shard(tmp_path, maps).path != write_shard(tmp_path, changed).path


def test_filters_on_disk_are_the_documented_ones(shard: Shard) -> None:
    """Maps: one-row chunks, gzip 1, no shuffle. A Fletcher checksum on everything."""
    with h5py.File(shard.path, "r") as file:
        maps = file["maps/cells"]
        assert maps.dtype == np.float16
        assert maps.chunks == (1, 2, 3, 5)
        assert (maps.compression, maps.compression_opts) == ("gzip", 1)
        datasets: list[h5py.Dataset] = []
        file.visititems(lambda _, member: datasets.append(member) if isinstance(member, h5py.Dataset) else None)
        assert len(datasets) == 5
        assert [dataset.name for dataset in datasets if dataset.shuffle or not dataset.fletcher32] == []
        assert file["pooled/cells"].dtype == np.float32


@pytest.fixture
def narrow_shard(tmp_path: Path) -> Shard:
    """A shard that is mostly structure: 3 rows of one channel, so that random bits hit more than the key chunks."""
    return write_shard(tmp_path, made_maps(3, shape=(1, 1, 2)), block=2)


@pytest.mark.parametrize("part", ["anywhere", "structure"])
def test_a_flipped_bit_never_gives_wrong_numbers(tmp_path: Path, narrow_shard: Shard, part: str) -> None:
    """Whichever bit of the file turns over, opening or reading raises, or the numbers are the ones written."""
    sound = everything(narrow_shard.path)
    data = bytearray(narrow_shard.path.read_bytes())
    # The key and pooled chunks are long runs of zeros; what is not zero holds the structure and the values.
    candidates = np.arange(len(data)) if part == "anywhere" else np.flatnonzero(np.frombuffer(bytes(data), np.uint8))
    rng = np.random.default_rng(20)
    copy = tmp_path / "copy.h5"
    raised = 0
    for byte, bit in zip(rng.choice(candidates, 150), rng.integers(0, 8, 150), strict=True):
        data[byte] ^= 1 << int(bit)
        copy.write_bytes(data)
        data[byte] ^= 1 << int(bit)
        try:
            assert everything(copy) == sound, f"byte {byte}, bit {bit}"
        except CacheDamaged as error:
            assert str(copy) in str(error)  # noqa: PT017 - not raising is as good
            raised += 1
    assert raised > 100
    copy.write_bytes(data)
    assert everything(copy) == sound


def test_a_truncated_shard_is_refused(tmp_path: Path, shard: Shard) -> None:
    """A file cut off anywhere does not open."""
    data = shard.path.read_bytes()
    copy = tmp_path / "copy.h5"
    lengths = {0, 1, 7, 8, 9, 47, 48, 49, len(data) - 1, *np.linspace(0, len(data) - 1, 45, dtype=int).tolist()}
    for length in sorted(lengths):
        copy.write_bytes(data[:length])
        with pytest.raises(CacheDamaged, match=r"copy\.h5"):
            Shard(copy)


def test_check_passes_a_sound_shard(shard: Shard) -> None:
    """Reading every byte of an untouched shard finds nothing."""
    shard.check()
    shard.check(expected_rows=N_ROWS)


def test_check_finds_every_flipped_bit(narrow_shard: Shard) -> None:
    """SHA-256 over the file: not one bit may differ from what the name says, used or not."""
    data = bytearray(narrow_shard.path.read_bytes())
    rng = np.random.default_rng(21)
    for byte, bit in zip(rng.integers(0, len(data), 100), rng.integers(0, 8, 100), strict=True):
        shard = Shard(narrow_shard.path)
        data[byte] ^= 1 << int(bit)
        narrow_shard.path.write_bytes(data)
        with pytest.raises(CacheDamaged, match="digest"):
            shard.check()
        data[byte] ^= 1 << int(bit)
        narrow_shard.path.write_bytes(data)


def test_check_refuses_another_number_of_rows(shard: Shard) -> None:
    """A shard that lost rows on the way is no shard."""
    with pytest.raises(CacheDamaged, match=f"{N_ROWS} rows, but {N_ROWS + 1}"):
        shard.check(expected_rows=N_ROWS + 1)


@pytest.mark.parametrize("dataset", ["digest", "view", "maps/cells", "pooled/cells"])
def test_datasets_of_different_lengths_are_refused(shard: Shard, dataset: str) -> None:
    """A row of one dataset must have its partner in every other."""
    with h5py.File(shard.path, "r+") as file:
        file[dataset].resize(N_ROWS - 1, axis=0)
    with pytest.raises(CacheDamaged, match="different numbers of rows"):
        Shard(shard.path)


def test_a_missing_dataset_is_a_typed_error(shard: Shard) -> None:
    """A layer that the shard does not keep is named damage, not a KeyError."""
    with pytest.raises(CacheDamaged):
        shard.read("maps/other", np.array([0]))


def test_a_shard_that_went_away_is_a_typed_error(shard: Shard) -> None:
    """The file may vanish between opening and reading."""
    shard.path.unlink()
    with pytest.raises(CacheDamaged, match="missing"):
        shard.read("maps/cells", np.array([0]))


def test_no_temporary_file_is_left_after_commit(shard: Shard) -> None:
    """The folder holds the shard and nothing else."""
    assert list(shard.path.parent.iterdir()) == [shard.path]


def disk_full(temporary: Path, final: Path) -> None:
    """Refuse as a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


def wrong_bytes(publish: Callable[..., Any]) -> Callable[[Path, bytes], int]:
    """Return a ``Path.write_bytes`` that loses the last bit on its way to the disk."""

    def write(path: Path, data: bytes) -> int:
        return int(publish(path, bytes(data[:-1]) + bytes([data[-1] ^ 1])))

    return write


def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, maps: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused write is one typed error; neither a shard nor a temporary file stays behind."""
    monkeypatch.setattr(featx.store.shards.shard_writer, "publish", disk_full)
    with pytest.raises(CacheWriteError, match="No space left on device"):
        write_shard(tmp_path, maps)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_change_on_the_way_to_disk_are_found_before_publishing(
    tmp_path: Path, maps: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read back must be what was meant, or it never gets a final name."""
    monkeypatch.setattr(Path, "write_bytes", wrong_bytes(Path.write_bytes))
    with pytest.raises(CacheDamaged):
        write_shard(tmp_path, maps)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_appears_only_under_its_final_name(tmp_path: Path, maps: NDArray[np.float32]) -> None:
    """Until commit nothing is in the folder at all: rows are collected in memory."""
    writer = ShardWriter(tmp_path, FINGERPRINT, np.dtype(np.float16))
    writer.append(made_digests(N_ROWS), np.zeros(N_ROWS, np.int64), {"cells": maps}, {"cells": average_and_maximum(maps)})
    assert list(tmp_path.iterdir()) == []
    writer.close()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(TEMPORARY_PREFIX)] == []


def with_words_of_ones(shard: Shard) -> Shard:
    """Turn a word of zeros of the first pooled row into ones, which Fletcher's sums do not see."""
    with h5py.File(shard.path, "r") as file:
        start = int(file["pooled/cells"].id.get_chunk_info(0).byte_offset)  # not compressed
    content = bytearray(shard.path.read_bytes())
    assert content[start : start + 2] == b"\0\0"
    content[start : start + 2] = b"\xff\xff"
    shard.path.write_bytes(content)
    return Shard(shard.path)


def test_words_of_ones_for_words_of_zeros_are_noticed(tmp_path: Path) -> None:
    """1.0 becomes 1.0078: a number like any, and Fletcher's checksum fits it as well."""
    maps = np.ones((N_ROWS, 2, 3, 5), np.float32)
    damaged = with_words_of_ones(write_shard(tmp_path, maps))
    with h5py.File(damaged.path, "r") as file:
        assert file["pooled/cells"][0, 0, 0] != 1.0  # HDF5 has no objection
    with pytest.raises(CacheDamaged, match="row 0 of 'pooled/cells' does not fit its checksum"):
        damaged.read("pooled/cells", np.arange(3))
    np.testing.assert_array_equal(damaged.read("pooled/cells", np.arange(1, 3)), average_and_maximum(maps[1:3]))


def test_shards_without_these_checksums_are_read_as_ever(tmp_path: Path) -> None:
    """Those of an older featx; what is infinite or no number is refused in them too, with its row."""
    maps = made_maps(N_ROWS)
    shard = write_shard(tmp_path, maps)
    with h5py.File(shard.path, "r+", libver=("v110", "v110")) as file:
        del file["crc32"]
        file["pooled/cells"][4, 1, 2] = np.nan
    again = Shard(shard.path)
    np.testing.assert_array_equal(again.read("pooled/cells", np.arange(4)), average_and_maximum(maps[:4]))
    with pytest.raises(
        CacheDamaged, match=r"row 4 of 'pooled/cells', of the image with digest [0-9a-f]{64}, holds values that"
    ):
        again.read("pooled/cells", np.arange(N_ROWS))
    with pytest.raises(CacheDamaged, match="row 4 of 'pooled/cells'"):
        again.check(expected_digest=hashlib.sha256(shard.path.read_bytes()).digest())
