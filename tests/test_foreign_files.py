"""Damaged and foreign files: what was found by ``python -m benchmarks.damage`` once, each kind with a test of its own."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import featx
from featx.backbones.weights_check import check_weights_file
from featx.errors import CacheDamaged, ImageListError, ModelDamaged, OutputError, WeightsError
from featx.images.listing.manifest import read_manifest
from featx.images.listing.options import ManifestOptions
from featx.store import FeatureCache
from featx.store.guard import open_guarded
from featx.store.inside import ALIKE, UNFINISHED
from featx.system.zipped import read_members, write_members
from featx.verbs.inspect import CacheSummary
from tests.conftest import write_image

Extract = Callable[..., Any]
OLD = Path(__file__).parent / "data" / "before"
NETWORK: dict[str, Any] = {"parameters": 12, "layers": []}


def edit(path: Path, **values: Any) -> None:
    """Change values of a JSON file, and leave its digest as it is."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def problems(cache: Path) -> str:
    """Return what ``featx verify`` says of a cache's files."""
    return "\n".join(damage.problem for damage in featx.verify_cache(cache).damages)


def test_an_edited_number_of_the_network_is_an_error(stub_cache: Path) -> None:
    """It was another parameter count, of ``fit`` and ``inspect``; one without a digest, as once, is read."""
    path = stub_cache / "network.json"
    sound = featx.open_cache(stub_cache).network
    edit(path, parameters=7)
    with pytest.raises(CacheDamaged, match=r"network\.json: is not what was written"):
        _ = featx.open_cache(stub_cache).network
    assert "is not what was written" in problems(stub_cache)
    path.write_text(json.dumps(sound))
    assert featx.open_cache(stub_cache).network == sound


def test_the_network_of_another_recipe_is_an_error(stub_cache: Path, photos: Path, extract: Extract, tmp_path: Path) -> None:
    """As where files were mixed up; both are whole and fit their digests."""
    other = extract(photos, tmp_path / "other", image_size=(32, 32)).cache
    shutil.copy(other / "network.json", stub_cache / "network.json")
    with pytest.raises(CacheDamaged, match="is of another recipe than the cache"):
        _ = featx.open_cache(stub_cache).network
    assert "is of another recipe" in problems(stub_cache)


def test_what_is_alike_is_found_again_where_it_was_edited(stub_cache: Path) -> None:
    """An edited group made images one picture that are not."""
    wanted = featx.audit_cache(stub_cache).duplicates
    edit(stub_cache / ALIKE, groups=[[0, 1, 2, 3]])
    assert "is not what was written" in problems(stub_cache)
    assert featx.audit_cache(stub_cache).duplicates == wanted


def test_verify_compares_the_table_of_rejected_images(photos: Path, extract: Extract) -> None:
    """A changed letter of it was sound, as long as the number of rows was right."""
    (photos / "red" / "-broken.png").write_bytes(b"no image")
    cache = extract(photos).cache
    assert problems(cache) == ""
    path = cache / "rejects.csv"
    path.write_bytes(path.read_bytes().replace(b"broken", b"brokem"))
    assert "not those of the catalog" in problems(cache)


def test_a_part_is_no_whole_listing(photos: Path, extract: Extract, tmp_path: Path) -> None:
    """Its rows are all there; it would be a cache of half the images."""
    cache = extract(photos, tmp_path / "parts", shard="1/2").cache
    shutil.copy(cache / "parts" / "1-of-2.h5", cache / "catalog.h5")
    with pytest.raises(CacheDamaged, match="lists the images of part 1/2 alone"):
        featx.open_cache(cache)
    assert "part 1/2 alone" in problems(cache)


def test_the_listing_of_another_recipe_is_damage_unless_an_extract_was_killed(
    stub_cache: Path, photos: Path, extract: Extract, tmp_path: Path
) -> None:
    """``verify`` found nothing, and every other verb refused; between two renames of an extract it may stand there."""
    other = extract(photos, tmp_path / "other", image_size=(32, 32)).cache
    shutil.copy(other / "catalog.h5", stub_cache / "catalog.h5")
    assert "is the listing of another recipe" in problems(stub_cache)
    (stub_cache / UNFINISHED).touch()
    assert problems(stub_cache) == ""


def test_inspect_counts_rows_that_are_missing(stub_cache: Path, extract: Extract, tmp_path: Path) -> None:
    """The listing of other images, made with the same recipe, has none of its rows here."""
    for label in ("a", "b"):
        for number in range(3):
            write_image(tmp_path / "more" / label / f"{number}.png", (9, 9, 9), seed=ord(label) * 10 + number)
    other = extract(tmp_path / "more", tmp_path / "other").cache
    shutil.copy(other / "catalog.h5", stub_cache / "catalog.h5")
    found = featx.inspect_path(stub_cache)
    assert isinstance(found, CacheSummary)
    assert found.missing == 6


@pytest.mark.parametrize("field", ["metrics", "history", "network", "source", "versions", "views", "tuning"])
def test_an_edited_field_of_a_model_is_an_error(stub_cache: Path, tmp_path: Path, field: str) -> None:
    """Those that predictions do not rest on were other figures in ``inspect`` and in reports."""
    path = featx.fit_head(stub_cache, "ridge", out=tmp_path / "m.featx").model
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members["model.json"])
    other = {"metrics": {"train_images": 7}, "history": {"loss": [1.0]}, "network": NETWORK, "tuning": []}
    other |= {"source": {"cache": "x"}, "versions": {"numpy": "0"}, "views": {"augment": "flip", "seed": 1, "count": 2}}
    if document[field] == other[field]:
        document["sealed"][field] = "0"
    document[field] = other[field]
    write_members(path, members | {"model.json": json.dumps(document).encode()})
    with pytest.raises(ModelDamaged, match=rf"model\.json, {field}: not what was written"):
        featx.load_model(path)


def test_a_damaged_pack_is_one_typed_error_or_replaced(stub_cache: Path, tmp_path: Path) -> None:
    """HDF5 was asked whether a file is a pack, in its oldest format: it raised what nobody caught."""
    path = featx.pack_cache(stub_cache, tmp_path / "p.h5").path
    sound = path.read_bytes()
    for start in range(0, len(sound), 512):
        path.write_bytes(sound[:start] + bytes(512) + sound[start + 512 :])
        try:
            assert featx.pack_cache(stub_cache, path, overwrite=True).images == 36
        except OutputError as error:
            assert "was not made by featx pack" in str(error)  # noqa: PT017 - either is right
    shutil.copy(OLD / "packed.h5", path)
    assert featx.pack_cache(stub_cache, path, overwrite=True).images == 36


def lookup3(data: bytes) -> int:
    """Return the checksum that HDF5 puts behind its metadata: Bob Jenkins' lookup3, ``hashlittle``."""

    def rot(x: int, k: int) -> int:
        return (x << k | x >> 32 - k) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    padded = data + bytes(-len(data) % 12)
    words = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, len(padded), 4)]
    for start in range(0, len(words), 3):
        a, b, c = ((x + y) & 0xFFFFFFFF for x, y in zip((a, b, c), words[start : start + 3], strict=True))
        if start + 3 < len(words):
            for k in ((4, 6, 8), (16, 19, 4)):
                a, c = (((a - c) & 0xFFFFFFFF) ^ rot(c, k[0])), (c + b) & 0xFFFFFFFF
                b, a = (((b - a) & 0xFFFFFFFF) ^ rot(a, k[1])), (a + c) & 0xFFFFFFFF
                c, b = (((c - b) & 0xFFFFFFFF) ^ rot(b, k[2])), (b + a) & 0xFFFFFFFF
    for x, k in (("c", 14), ("a", 11), ("b", 25), ("c", 16), ("a", 4), ("b", 14), ("c", 24)):
        if x == "c":
            c = ((c ^ b) - rot(b, k)) & 0xFFFFFFFF
        elif x == "a":
            a = ((a ^ c) - rot(c, k)) & 0xFFFFFFFF
        else:
            b = ((b ^ a) - rot(a, k)) & 0xFFFFFFFF
    return c


def test_old_formats_behind_a_new_superblock_are_refused(tmp_path: Path) -> None:
    """The superblock is of the newest format, and the index of chunks behind it of one without checksums."""
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w", libver=("v108", "v110")) as file:
        file.attrs["fingerprint"] = np.bytes_(b"f" * 64)
        file.create_dataset("digest", data=np.zeros((4, 32), np.uint8), chunks=(1, 32), maxshape=(None, 32))
        file.create_dataset("view", data=np.zeros(4, np.int64))
    data = bytearray(path.read_bytes())
    assert lookup3(data[:44]) == int.from_bytes(data[44:48], "little")
    data[8] = 3
    data[44:48] = lookup3(data[:44]).to_bytes(4, "little")
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert file["digest"].shape == (4, 32)
    with pytest.raises(CacheDamaged, match="'/digest' holds an index of chunks of an older format"):
        open_guarded(path)


def test_sound_zips_are_read_and_long_lists_of_members_are_not(tmp_path: Path) -> None:
    """A list of members takes some ten times its bytes in memory."""
    write_members(tmp_path / "a.zip", {"x": b"1"})
    assert read_members(tmp_path / "a.zip", 5) == {"x": b"1"}
    assert read_members(io.BytesIO((tmp_path / "a.zip").read_bytes()), 5) == {"x": b"1"}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for number in range(100):
            archive.writestr(f"{number:060000}", b"")
    with pytest.raises(ValueError, match="far longer than featx writes"):
        read_members(tmp_path / "b.zip", 5000)


def linked(file: h5py.File) -> None:
    """Add a link to another file."""
    file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


def external(file: h5py.File) -> None:
    """Add values that are another file's."""
    file.create_dataset("outside", (8,), np.uint8, external=[("/etc/hostname", 0, 8)])


def squeezed(file: h5py.File) -> None:
    """Add an array behind another filter."""
    file.create_dataset("a", data=np.zeros(1000), chunks=(1000,), scaleoffset=1)


@pytest.mark.parametrize("trick", [linked, external, squeezed])
def test_weights_that_keras_never_writes_are_refused(tmp_path: Path, trick: Callable[[h5py.File], None]) -> None:
    """They were opened by Keras as they are: other files of the user's were read in their name."""
    path = tmp_path / "foreign.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", data=np.ones((3, 3), np.float32), compression="gzip", shuffle=True)
        file.create_dataset("layers/conv2d/vars/1", data=np.ones(3, np.float32))
        file.attrs["weight_names"] = [b"a", b"b"]
    check_weights_file(path)
    with h5py.File(path, "r+") as file:
        trick(file)
    with pytest.raises(WeightsError, match=r"foreign\.weights\.h5: .+ which Keras never writes"):
        check_weights_file(path)


def test_weights_are_looked_at_before_keras_reads_them() -> None:
    """``fill_network`` asks first, of any file but the one that comes along."""
    source = (Path(featx.__file__).parent / "backbones" / "fill.py").read_text()
    assert source.index("check_weights_file(weights)") < source.index("    try:\n        _load(network, weights)")


def test_a_line_of_a_hundred_megabytes_is_no_manifest(tmp_path: Path) -> None:
    """Each of its fields would be an object."""
    path = tmp_path / "m.csv"
    path.write_bytes(b"path,label\na.png,x\n" + b"," * 10_000_001)
    with pytest.raises(ImageListError, match="a line of 10,000,001 characters"):
        read_manifest(path, ManifestOptions())


def test_old_caches_are_read_without_digests() -> None:
    """Those of the first featx have none in their JSON files."""
    assert "sealed" not in json.loads((OLD / "cache" / "network.json").read_text())
    assert FeatureCache.open(OLD / "cache").network["parameters"] >= 0
