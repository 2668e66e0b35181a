"""What was measured of pictures stands beside their features, and a cache without it is as good as before."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import featx
from featx.errors import CacheDamaged
from featx.images import MEASURES, PICTURE_SIDE, load_batches
from featx.models import Compute
from featx.models.pictures import measure_missing, stored_pictures
from featx.store import FeatureCache
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import ShardWriter, copy_rows
from featx.system.files import content_digest

Extract = Callable[..., featx.ExtractResult]


def rewrite(cache: Path, change: Callable[[h5py.File], None]) -> None:
    """Change each shard as a program other than featx might, under a name that fits the new content."""
    for path in list((cache / "shards").iterdir()):
        with h5py.File(path, "r+") as file:
            change(file)
        path.rename(path.with_name(f"{content_digest(path.read_bytes()).hex()}.h5"))


def make_old(cache: Path) -> None:
    """Take out of a cache what featx before this did not store."""
    rewrite(cache, lambda file: file.__delitem__("picture"))


def test_what_extract_stores_is_what_decoding_measures(stub_cache: Path) -> None:
    """For each image of the catalog, to the bit."""
    store = FeatureCache.open(stub_cache)
    rows = store.catalog.rows()
    found = stored_pictures(store, rows)
    paths = [Path(store.catalog.source) / store.catalog.paths[row] for row in rows]
    (batch,) = load_batches(paths, store.recipe, len(paths))
    assert found.present.all()
    assert found.measures.tobytes() == batch.measured()["measures"].tobytes()
    assert found.thumbnails.tobytes() == batch.measured()["thumbnail"].tobytes()
    assert found.column("width").tolist() == [48] * 36


def test_augmented_views_have_no_picture_and_disturb_none(photos: Path, extract: Extract, tmp_path: Path) -> None:
    """The clean rows have theirs, whether views stand in the same shard or not; the rows of views have none."""
    plain = FeatureCache.open(extract(photos, tmp_path / "plain").cache)
    views = FeatureCache.open(extract(photos, tmp_path / "views", views=3).cache)
    one, other = (stored_pictures(store, store.catalog.rows()) for store in (plain, views))
    assert one.measures.tobytes() == other.measures.tobytes()
    assert one.thumbnails.tobytes() == other.thumbnails.tobytes()
    for shard in views.shards:
        if "measures" in shard.layers("picture"):
            measures = shard.read("picture/measures", np.arange(len(shard)))
            assert np.isnan(measures[shard.views != 0]).all()


def test_rows_with_and_without_pictures_share_a_shard(tmp_path: Path) -> None:
    """Those without come before, between and after: they are filled up, and copying keeps all as it was."""
    writer = ShardWriter(tmp_path, "5" * 64, np.dtype(np.float16))
    maps = np.ones((2, 1, 1, 3), np.float32)
    for number, given in enumerate((None, {"measures": np.ones((2, 7), np.float32)}, None)):
        digests = [content_digest(bytes([number, row])) for row in range(2)]
        writer.append(digests, np.zeros(2, np.int64), {"cells": maps}, {}, given)
    shard = writer.commit()
    measures = shard.read("picture/measures", np.arange(6))
    assert np.isnan(measures[[0, 1, 4, 5]]).all()
    assert (measures[2:4] == 1).all()
    copy = ShardWriter(tmp_path, "5" * 64, np.dtype(np.float16))
    copy_rows(shard, np.array([1, 2, 5]), copy)
    assert Shard(copy.commit().path).read("picture/measures", np.arange(3)).tobytes() == measures[[1, 2, 5]].tobytes()


def test_a_cache_of_an_older_featx_opens_fits_and_verifies(stub_cache: Path, tmp_path: Path) -> None:
    """It has no pictures and says so; everything else is as it was."""
    store = FeatureCache.open(stub_cache)
    before = store.features(store.catalog.rows())
    make_old(stub_cache)
    assert featx.verify_cache(stub_cache).sound
    store = FeatureCache.open(stub_cache)
    rows = store.catalog.rows()
    assert store.features(rows).tobytes() == before.tobytes()
    assert not stored_pictures(store, rows).present.any()
    assert featx.fit_head(stub_cache, "ridge", out=tmp_path / "m.featx").classes == 3


def test_missing_pictures_are_measured_from_the_files(photos: Path, stub_cache: Path) -> None:
    """As extract would have; a file that was edited or is gone stays without, and nothing is written."""
    store = FeatureCache.open(stub_cache)
    rows = store.catalog.rows()
    wanted = stored_pictures(store, rows)
    make_old(stub_cache)
    (photos / "red" / "0.png").unlink()
    (photos / "red" / "1.png").write_bytes((photos / "red" / "2.png").read_bytes())
    content = {path: path.read_bytes() for path in stub_cache.rglob("*") if path.is_file()}
    store = FeatureCache.open(stub_cache)
    found = measure_missing(store, rows, stored_pictures(store, rows))
    lost = [store.catalog.paths[row] for row, present in zip(rows, found.present, strict=True) if not present]
    assert lost == ["red/0.png", "red/1.png"]
    assert found.measures[found.present].tobytes() == wanted.measures[found.present].tobytes()
    assert found.thumbnails[found.present].tobytes() == wanted.thumbnails[found.present].tobytes()
    assert content == {path: path.read_bytes() for path in stub_cache.rglob("*") if path.is_file()}


def test_a_twin_is_measured_for_a_file_that_is_gone(photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an image that was extracted with a larger limit than today's is measured too."""
    shutil.copy(photos / "red" / "0.png", photos / "red" / "twin.png")
    cache = extract(photos).cache
    store = FeatureCache.open(cache)
    rows = store.catalog.rows()
    wanted = stored_pictures(store, rows)
    make_old(cache)
    (photos / "red" / "0.png").unlink()
    monkeypatch.setattr("featx.models.pictures.Compute", functools.partial(Compute, max_pixels=1000))
    store = FeatureCache.open(cache)
    found = measure_missing(store, rows, stored_pictures(store, rows))
    assert found.present.all()
    assert found.thumbnails.tobytes() == wanted.thumbnails.tobytes()


def shorten(file: h5py.File) -> None:
    """Leave one row of the thumbnails out."""
    values = file["picture/thumbnail"][:-1]
    del file["picture/thumbnail"]
    file.create_dataset("picture/thumbnail", data=values)


def reshape(file: h5py.File) -> None:
    """Give the measures a column too many."""
    values = file["picture/measures"][:]
    del file["picture/measures"]
    file.create_dataset("picture/measures", data=np.hstack([values, values[:, :1]]))


def link(file: h5py.File) -> None:
    """Put a link to another file in the place of the measures."""
    del file["picture/measures"]
    file["picture/measures"] = h5py.ExternalLink("/etc/passwd", "/x")


def replace(file: h5py.File) -> None:
    """Put numbers where the group was."""
    del file["picture"]
    file["picture"] = np.arange(3)


@pytest.mark.parametrize("change", [shorten, reshape, link, replace])
def test_other_pictures_than_featx_writes_are_refused(stub_cache: Path, change: Callable[[h5py.File], Any]) -> None:
    """A hostile or damaged dataset gives a typed error when the audit reads it, and never numbers."""
    rewrite(stub_cache, change)
    with pytest.raises(CacheDamaged):
        featx.audit_cache(stub_cache)


def test_a_flipped_bit_in_a_thumbnail_is_found(stub_cache: Path) -> None:
    """Reading raises, verify names the shard: as for features."""
    (path,) = (stub_cache / "shards").iterdir()
    with h5py.File(path) as file:
        where = file["picture/thumbnail"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 30] ^= 1
    path.write_bytes(content)
    with pytest.raises(CacheDamaged, match="damaged"):
        featx.audit_cache(stub_cache)
    assert [damage.path for damage in featx.verify_cache(stub_cache).damages] == [path]


def test_the_sizes_are_the_ones_that_the_format_names() -> None:
    """Another number of measures or pixels would make caches of today unreadable: it needs a new name in the shard."""
    assert (len(MEASURES), PICTURE_SIDE) == (7, 32)
