"""Small files that would grow: opening one takes at most 512 MB beyond its own size, and gives one typed error."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from featx.models import load_model
from featx.system.npy import npy_bytes
from featx.system.zipped import write_members

OLD = Path(__file__).parent / "data" / "before"
MOST_MB = 512

# Runs what is to be measured in a process of its own, and tells how much more memory it took at its peak than before.
MEASURE = """
import json, resource, sys
from pathlib import Path
from featx.backbones import QuantizedNetwork
from featx.errors import FeatxError
from featx.models import load_model
from featx.store import FeatureCache
from featx.store.documents import read_json
from featx.store.listing.catalog import Catalog
from featx.store.shards.shard import Shard
from featx.verbs.finetune.checkpoint import load_checkpoint
load_model(sys.argv[1])
def shard(path):
    one = Shard(path)
    one.check(bytes.fromhex(sys.argv[4]))
def checkpoint(path):
    if load_checkpoint(path, "x") is None:
        raise FeatxError("no checkpoint")
def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
todo = dict(catalog=Catalog.read, shard=shard, model=load_model, quantized=QuantizedNetwork.read, json=read_json)
todo["checkpoint"] = checkpoint
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a test that fails is not to end the machine
before = rss()
try:
    todo[sys.argv[2]](Path(sys.argv[3]))
    said = ""
except FeatxError as error:
    said = str(error)
print(json.dumps([said, (rss() - before) // 1024]))
"""

LARGE = 200_000_000


def new(path: Path) -> h5py.File:
    """Make an HDF5 file as featx does."""
    return h5py.File(path, "w", libver=("v110", "v110"))


def catalog_with(path: Path, columns: dict[str, np.ndarray], n: int = 1, **head: object) -> None:
    """Write a catalog of n rows with some columns replaced."""
    whole = {"source": "/x", "fingerprint": "f", "class_names": ["a"]} | head
    sound = {
        "head": np.frombuffer(json.dumps(whole).encode(), np.uint8),
        "path": np.frombuffer(b"a\0" * n, np.uint8),
        "reason": np.zeros(n, np.uint8),
        "digest": np.zeros((n, 32), np.uint8),
        **{name: np.zeros(n, np.int64) for name in ("label", "split", "size", "mtime", "ctime", "status")},
    }
    with new(path) as file:
        for name, values in (sound | columns).items():
            chunks = (max(1, min(len(values), 1 << 20)), *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip", compression_opts=9, fletcher32=True)


def catalog_of_nothing(path: Path) -> None:
    """A hundred million empty paths."""
    catalog_with(path, {"path": np.zeros(LARGE // 2, np.uint8), "reason": np.zeros(LARGE // 2, np.uint8)})


def catalog_of_rows(path: Path) -> None:
    """Five million rows, all alike."""
    catalog_with(path, {}, n=5_000_000)


def catalog_of_one_long_path(path: Path) -> None:
    """A path of 200 MB."""
    catalog_with(path, {"path": np.concatenate([np.full(LARGE, 97, np.uint8), [np.uint8(0)]])})


def catalog_of_lists(path: Path) -> None:
    """A head of fifty million empty lists."""
    text = b'{"class_names": [' + b"[]," * 20_000_000 + b"[]]}"
    catalog_with(path, {"head": np.frombuffer(text, np.uint8)})


def catalog_of_wide_columns(path: Path) -> None:
    """A column of another shape than the rest."""
    catalog_with(path, {"size": np.zeros((1, LARGE // 8), np.int64)})


def shard_of(path: Path, add: Callable[[h5py.File], object]) -> None:
    """Write a shard of one row with something more in it."""
    with new(path) as file:
        file.attrs["fingerprint"] = np.bytes_(b"f" * 64)
        file["digest"], file["view"] = np.zeros((1, 32), np.uint8), np.zeros(1, np.int64)
        file.create_dataset("pooled/a", data=np.zeros((1, 2, 4), np.float32))
        add(file)


def deflated(size: int, times: int = 1) -> bytes:
    """Return so many zeros, compressed: one block of 16 MiB again and again, and the sum of all."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    sum_of_zeros = (size % 65521 << 16 | 1).to_bytes(4, "big")
    data = b"\x78\x9c" + block * (size >> 24) + b"\x03\0" + sum_of_zeros
    return zlib.compress(data, 9) if times == 2 else data


def with_chunk(shape: tuple[int, ...], chunks: tuple[int, ...], data: bytes, filters: int = 1) -> Callable[[h5py.File], None]:
    """Return what adds a map with one chunk of compressed bytes."""

    def add(file: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(chunks)
        for _ in range(filters):
            plist.set_filter(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FLAG_OPTIONAL, (9,))
        group = file.require_group("maps")
        space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED,) * len(shape))
        made = h5py.h5d.create(group.id, b"a", h5py.h5t.NATIVE_FLOAT, space, plist)
        made.write_direct_chunk((0,) * len(shape), data)

    return add


def shard_of_one_chunk(path: Path) -> None:
    """One chunk of 2 GiB, of which one row is wanted."""
    shard_of(path, with_chunk((1, 4), (1, 1 << 29), deflated(1 << 31)))


def shard_deflated_twice(path: Path) -> None:
    """Two filters, a thousand times a thousand."""
    shard_of(path, with_chunk((1, 1 << 27), (1, 1 << 27), deflated(1 << 29, times=2), filters=2))


def shard_of_one_large_row(path: Path) -> None:
    """A row of 2 GiB."""
    shard_of(path, with_chunk((1, 1 << 29), (1, 1 << 29), deflated(1 << 31)))


def shard_that_inflates(path: Path) -> None:
    """A chunk of 64 KiB that becomes 1 GiB."""
    shard_of(path, with_chunk((1, 1 << 14), (1, 1 << 14), deflated(1 << 30)))


def shard_of_many_datasets(path: Path) -> None:
    """A thousand measurements, each of which the whole file could hold."""

    def add(file: h5py.File) -> None:
        for number in range(1000):
            file.create_dataset(f"picture/{number}", (1, 1 << 20), np.float64, chunks=(1, 1 << 20), compression="gzip")

    shard_of(path, add)


def shard_without_values(path: Path) -> None:
    """A hundred million keys that nobody has stored."""
    with new(path) as file:
        file.attrs["fingerprint"] = np.bytes_(b"f" * 64)
        file.create_dataset("digest", (100_000_000, 32), np.uint8, chunks=(1024, 32), fillvalue=7)
        file.create_dataset("view", (100_000_000,), np.int64, chunks=(1024,), fillvalue=7)
        file.create_dataset("pad", data=np.random.default_rng(0).integers(0, 255, 8_000_000, np.uint8))


def model_in_itself(path: Path) -> None:
    """Members that overlap: each is most of the file."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("0", bytes(1_400_000))
    data = whole.getvalue()
    start = data.index(b"PK\1\2")
    entry, end = data[start : data.index(b"PK\5\6")], data[data.index(b"PK\5\6") :]
    many = b"".join(entry.replace(b"0", b"%d" % (number % 10)) for number in range(10)) * 1
    entries = many + b"".join(entry[:46][:28] + (4).to_bytes(2, "little") + entry[30:46] + b"%04d" % n for n in range(3400))
    count = 3410
    tail = end[:8] + count.to_bytes(2, "little") * 2 + len(entries).to_bytes(4, "little") + end[16:]
    path.write_bytes(data[:start] + entries + tail)


def model_of_lists(path: Path) -> None:
    """A document of twenty million empty lists."""
    write_members(path, {"model.json": b'{"schema": 1, "x": [' + b"[]," * 19_000_000 + b"[]]}"})


def model_of_a_huge_array(path: Path) -> None:
    """An array that declares a terabyte."""
    with zipfile.ZipFile(OLD / "logreg.featx") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members.pop("model.json"))
    name = next(iter(members))
    shape = np.lib.format.header_data_from_array_1_0(np.zeros(1, np.uint8)) | {"shape": (1 << 20, 1 << 20)}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, shape)
    members[name] = buffer.getvalue()
    document["members"] = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    write_members(path, members | {"model.json": json.dumps(document).encode()})


def checkpoint_of(path: Path, data: bytes) -> None:
    """Write what has a checkpoint's beginning, and a digest that fits."""
    path.write_bytes(b"featx checkpoint 1\n" + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


def checkpoint_compressed(path: Path) -> None:
    """Arrays of zeros, compressed a thousand times."""
    buffer = io.BytesIO()
    text = json.dumps({"identity": "x", "document": {}}).encode()
    np.savez_compressed(buffer, **{"": np.frombuffer(text, np.uint8), "now/0": np.zeros(560_000_000, np.uint8)})
    checkpoint_of(path, buffer.getvalue())


def checkpoint_of_lists(path: Path) -> None:
    """A document of twenty million empty lists."""
    text = b'{"identity": "x", "document": [' + b"[]," * 19_000_000 + b"[]]}"
    buffer = io.BytesIO()
    np.savez(buffer, **{"": np.frombuffer(text, np.uint8)})
    checkpoint_of(path, buffer.getvalue())


def quantized_of_lists(path: Path) -> None:
    """A description of twenty million empty lists."""
    text = b'{"parameters": 1, "layers": [' + b"[]," * 19_000_000 + b"[]]}"
    write_members(path, {"graph": b"<layer version='opset1'>", "weights": b"", "description": text})


def quantized_of_tags(path: Path) -> None:
    """A graph in which every tag begins and none ends: no search may begin anew at each."""
    text = b'{"parameters": 1, "layers": []}'
    write_members(path, {"graph": b"<layer " * 2_000_000, "weights": b"", "description": text})


def json_of_objects(path: Path) -> None:
    """Ten megabytes of empty objects."""
    path.write_bytes(b"[" + b"{}," * 3_200_000 + b"{}]")


BOMBS = [
    ("catalog", catalog_of_nothing),
    ("catalog", catalog_of_rows),
    ("catalog", catalog_of_one_long_path),
    ("catalog", catalog_of_lists),
    ("catalog", catalog_of_wide_columns),
    ("shard", shard_of_one_chunk),
    ("shard", shard_deflated_twice),
    ("shard", shard_of_one_large_row),
    ("shard", shard_that_inflates),
    ("shard", shard_of_many_datasets),
    ("shard", shard_without_values),
    ("model", model_in_itself),
    ("model", model_of_lists),
    ("model", model_of_a_huge_array),
    ("checkpoint", checkpoint_compressed),
    ("checkpoint", checkpoint_of_lists),
    ("quantized", quantized_of_lists),
    ("quantized", quantized_of_tags),
    ("json", json_of_objects),
]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units elsewhere")
@pytest.mark.parametrize(("kind", "bomb"), BOMBS, ids=[bomb.__name__ for _, bomb in BOMBS])
def test_bomb_costs_little_and_is_refused(kind: str, bomb: Callable[[Path], None], tmp_path: Path) -> None:
    """The error names the file; the process that met it took no more memory than the limit."""
    path = tmp_path / "bomb"
    bomb(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    run = [sys.executable, "-c", MEASURE, str(OLD / "logreg.featx"), kind, str(path), digest]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=os.environ, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    said, peak = json.loads(done.stdout)
    assert said
    assert kind == "checkpoint" or str(path) in said
    assert peak <= MOST_MB + path.stat().st_size / 1e6, said


def test_sound_files_are_not_taken_for_bombs(tmp_path: Path) -> None:
    """The same makers, with little in them: a catalog of zeros is read."""
    from featx.store import Catalog

    catalog_with(tmp_path / "catalog.h5", {}, n=1000)
    assert len(Catalog.read(tmp_path / "catalog.h5")) == 1000
    assert load_model(OLD / "logreg.featx").class_names
    assert npy_bytes(np.zeros(3)).startswith(b"\x93NUMPY")
