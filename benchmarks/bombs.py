"""Peak memory of opening small files that would grow: ``python -m benchmarks.bombs`` prints a table.

Each is opened in a process of its own; the tests hold that none takes more than 512 MB beyond its own size.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from featx.system.zipped import write_members

OLD = Path(__file__).parents[1] / "tests" / "data" / "before"
MOST_MB = 512

# Runs what is to be measured in a process of its own, and tells how much more memory it took at its peak than before.
MEASURE = """
import json, resource, sys
from pathlib import Path
from featx.backbones import QuantizedNetwork
from featx.backbones.weights_check import check_weights_file
from featx.errors import FeatxError
from featx.images import decode_image
from featx.images.listing.columns import ManifestOptions
from featx.images.listing.manifest import read_manifest
from featx.models import load_model
from featx.recipe import Recipe
from featx.store.packed import is_pack
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
def packed(path):
    if not is_pack(path):
        raise FeatxError(f"{path}: no pack")
def image(path):
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(64, 64), preprocess="none")
    try:
        decode_image(path.read_bytes(), recipe)
    except FeatxError as error:
        raise FeatxError(f"{path}: {error}")
def manifest(path):
    read_manifest(path, ManifestOptions())
def rss():
    # Not ru_maxrss: that begins with what the parent took, which made the file.
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
todo = dict(catalog=Catalog.read, shard=shard, model=load_model, quantized=QuantizedNetwork.read, json=read_json)
todo |= dict(checkpoint=checkpoint, packed=packed, image=image, manifest=manifest, weights=check_weights_file)
if sys.argv[2] == "manifest":
    import openpyxl, pyarrow.parquet
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


def zip_of_many(path: Path) -> None:
    """A list of a million members, all of them empty and of one place."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("0", b"")
    data = whole.getvalue()
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    count = 1_000_000
    listed = b"".join(data[start : start + 28] + b"\7\0" + data[start + 30 : start + 46] + b"%07d" % n for n in range(count))
    size, place = len(listed).to_bytes(8, "little"), start.to_bytes(8, "little")
    wide = b"PK\6\6" + (44).to_bytes(8, "little") + bytes(12) + count.to_bytes(8, "little") * 2 + size + place
    locator = b"PK\6\7" + bytes(4) + (start + len(listed)).to_bytes(8, "little") + b"\1\0\0\0"
    path.write_bytes(data[:start] + listed + wide + locator + data[end : end + 8] + b"\xff" * 12 + data[end + 20 :])


def checkpoint_of_many(path: Path) -> None:
    """The same, behind a digest that fits."""
    zip_of_many(path)
    checkpoint_of(path, path.read_bytes())


def weights_with(path: Path, add: Callable[[h5py.File], object]) -> None:
    """Write a weights file with one layer, as Keras does, and something more."""
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", data=np.zeros((3, 3, 3, 64), np.float32))
        add(file)


def weights_that_grow(path: Path) -> None:
    """Two gigabytes of zeros, compressed."""
    size = 1 << 29
    weights_with(path, lambda file: file.create_dataset("a", (size,), np.float32, chunks=(1 << 20,), compression="gzip"))
    with h5py.File(path, "r+") as file:
        data = deflated(1 << 22)
        for number in range(size >> 20):
            file["a"].id.write_direct_chunk((number << 20,), data)


def weights_of_nothing(path: Path) -> None:
    """Four gigabytes that nobody has stored."""
    weights_with(path, lambda file: file.create_dataset("layers/a/vars/0", (1 << 30,), np.float32, fillvalue=1))


def weights_that_inflate(path: Path) -> None:
    """A chunk of 64 KiB that becomes 2 GiB."""
    weights_with(path, with_chunk((1, 1 << 14), (1, 1 << 14), deflated(1 << 31)))


def weights_of_texts(path: Path) -> None:
    """Names of variable length, more than any network has: each may be the same bytes again."""
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("layers/conv2d/vars/0", data=np.zeros((3, 3, 3, 64), np.float32))
        file.attrs.create("weight_names", ["x"] * 2000, dtype=h5py.string_dtype())


def packed_of_zeros(path: Path) -> None:
    """What begins like HDF5."""
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(LARGE))


def workbook(path: Path, sheet: bytes) -> None:
    """Write an Excel workbook with a sheet of one's own."""
    import openpyxl

    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    begin = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    members["xl/worksheets/sheet1.xml"] = begin + sheet + b"</sheetData></worksheet>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def workbook_of_wide_rows(path: Path) -> None:
    """Rows that end at the last column."""
    workbook(path, b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(1, 9000)))


def workbook_of_rows(path: Path) -> None:
    """Four hundred megabytes of rows, compressed."""
    workbook(path, b"<row><c><v>11</v></c></row>" * 15_000_000)


def parquet_of_rows(path: Path) -> None:
    """Fifty million rows, all alike."""
    import pyarrow as pa
    from pyarrow import parquet

    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000_000, np.int8)), pa.array(["a"]))
    parquet.write_table(pa.table({"path": column, "label": column}), path, row_group_size=50_000_000)


def csv_of_commas(path: Path) -> None:
    """A header of a hundred million columns."""
    path.write_bytes(b"path,label" + b"," * 100_000_000 + b"\n")


def png_of_a_header(path: Path) -> None:
    """Ten thousand million pixels, declared."""
    head = b"IHDR" + (100_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    chunk = (13).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + bytes(1000))


def tiff_of_a_header(path: Path) -> None:
    """The same as TIFF, in one strip."""
    tags = {256: 100_000, 257: 100_000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 100_000, 279: 4_000_000_000}
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little") for tag, value in sorted(tags.items())
    )
    path.write_bytes(b"II*\0\x08\0\0\0" + len(tags).to_bytes(2, "little") + entries + bytes(1000))


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
    ("model", zip_of_many),
    ("quantized", zip_of_many),
    ("checkpoint", checkpoint_of_many),
    ("weights", weights_that_grow),
    ("weights", weights_of_nothing),
    ("weights", weights_that_inflate),
    ("weights", weights_of_texts),
    ("packed", packed_of_zeros),
    ("manifest", workbook_of_wide_rows),
    ("manifest", workbook_of_rows),
    ("manifest", parquet_of_rows),
    ("manifest", csv_of_commas),
    ("image", png_of_a_header),
    ("image", tiff_of_a_header),
]
"""What reads it, and what makes it."""


def opened(kind: str, path: Path) -> tuple[str, int]:
    """Open a file in a process of its own; return the error, and how much memory it took at its peak [MB].

    Raises
    ------
    RuntimeError
        If the process failed.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    run = [sys.executable, "-c", MEASURE, str(OLD / "logreg.featx"), kind, str(path), digest]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=os.environ, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    said, peak = json.loads(done.stdout)
    return said, peak


def suffix_of(bomb: Callable[[Path], None]) -> str:
    """Return the suffix that a maker's file goes by."""
    return {"workbook": ".xlsx", "parquet": ".parquet", "csv": ".csv"}.get(bomb.__name__.split("_")[0], "")


def main() -> None:
    """Open every one, and print how much each took."""
    print("| opened as | file | bytes | peak memory beyond the start [MB] |\n|---|---|---:|---:|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind, bomb in BOMBS:
            path = Path(folder) / f"bomb{suffix_of(bomb)}"
            bomb(path)
            _, peak = opened(kind, path)
            worst = max(worst, peak - path.stat().st_size / 1e6)
            what = (bomb.__doc__ or "").rstrip(".")
            print(f"| {kind} | {what[:1].lower()}{what[1:]} | {path.stat().st_size:,} | {peak} |", flush=True)
    sys.exit(worst > MOST_MB)


if __name__ == "__main__":
    main()
