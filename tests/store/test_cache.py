"""The cache as a whole: what was appended is what is read, by one writer and any number of readers."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import featx.store.shards.shard
import featx.store.shards.shard_writer
import featx.store.writer
from featx.errors import CacheDamaged, CacheError, CacheLocked, CacheNotFound, CacheWriteError, RecipeMismatch
from featx.recipe import Recipe
from featx.store import EXTRACTED, Catalog, FeatureCache, find_cache

N_ROWS = 10
SHAPE = (2, 3, 4)


def digest_of(number: int) -> bytes:
    """Return the content digest of a made-up image."""
    return hashlib.sha256(str(number).encode()).digest()


def maps_of(numbers: list[int], seed: int = 0, shape: tuple[int, ...] = SHAPE) -> dict[str, NDArray[np.float32]]:
    """Return what a backbone would give for made-up images; values that half precision holds exactly."""
    rows = [np.random.default_rng([seed, number]).integers(0, 2048, shape) for number in numbers]
    return {"cells": np.array(rows, np.float32).reshape(len(numbers), *shape)}


def catalog_of(numbers: list[int], recipe: Recipe) -> Catalog:
    """Return a listing of made-up images, all extracted."""
    n = len(numbers)
    return Catalog(
        source="/photos",
        fingerprint=recipe.fingerprint,
        class_names=("cat", "dog"),
        paths=[f"cat/{number}.png" for number in numbers],
        labels=np.zeros(n, np.int32),
        splits=np.zeros(n, np.int8),
        digests=np.frombuffer(b"".join(map(digest_of, numbers)), np.uint8).reshape(-1, 32),
        sizes=np.ones(n, np.int64),
        mtimes=np.ones(n, np.int64),
        ctimes=np.ones(n, np.int64),
        status=np.full(n, EXTRACTED, np.uint8),
        reasons=[""] * n,
    )


def fill(
    folder: Path, recipe: Recipe, numbers: list[int], block: int = 4, overwrite: bool = False, seed: int = 0
) -> FeatureCache:
    """Extract made-up images into a cache, a shard for each block, and finish it."""
    cache = FeatureCache.open_or_create(folder, recipe, overwrite)
    with cache.writing() as writer:
        for start in range(0, len(numbers), block):
            part = numbers[start : start + block]
            writer.append([digest_of(number) for number in part], maps_of(part, seed))
            writer.flush()
        writer.commit(catalog_of(numbers, recipe))
    return cache


def fill_until(cache: FeatureCache, numbers: list[int], error: BaseException | None = None, seed: int = 0) -> None:
    """Append made-up images and leave the writer's block, by an error if one is given, without finishing the extract."""
    with cache.writing() as writer:
        writer.append([digest_of(number) for number in numbers], maps_of(numbers, seed))
        if error is not None:
            raise error


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path, stub_recipe: Recipe) -> Path:
    """A finished cache of images 0 to 9 in three shards."""
    return fill(tmp_path / "cache", stub_recipe, list(range(N_ROWS))).folder


@pytest.fixture
def other_recipe(stub_recipe: Recipe) -> Recipe:
    """The stub's recipe at another image size."""
    return dataclasses.replace(stub_recipe, image_size=(32, 96))


ORDERS = [list(range(N_ROWS)), list(range(N_ROWS))[::-1], [7, 0, 7, 3, 3, 9], [5], [1, 6, 2, 8, 0, 4]]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_rows_keep_the_order_asked_for(folder: Path, order: list[int]) -> None:
    """Across shards, backwards and repeated: row i of the answer is the i-th row asked for."""
    cache = FeatureCache.open(folder)
    assert len(cache.shards) == 3
    X = cache.features(np.array(order))
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X, maps_of(order)["cells"].reshape(len(order), -1))


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_each_pooling_equals_numpys_own(folder: Path, order: list[int]) -> None:
    """Average and maximum over height and width, alone or side by side."""
    cache, maps = FeatureCache.open(folder), maps_of(order)["cells"]
    average, maximum = maps.astype(np.float64).mean(axis=(1, 2)), maps.max(axis=(1, 2))
    np.testing.assert_allclose(cache.features(np.array(order), pooling="avg"), average, rtol=1e-6)
    np.testing.assert_array_equal(cache.features(np.array(order), pooling="max"), maximum)
    np.testing.assert_allclose(cache.features(np.array(order), pooling="avgmax"), np.hstack([average, maximum]), rtol=1e-6)


@pytest.mark.parametrize(("pooling", "width"), [("flatten", 24), ("avg", 4), ("max", 4), ("avgmax", 8)])
def test_no_rows_asked_for_give_no_rows(folder: Path, pooling: str, width: int) -> None:
    """An empty split is an empty answer of the usual width, not an error."""
    assert FeatureCache.open(folder).features(np.empty(0, np.int64), pooling=pooling).shape == (0, width)


def test_features_come_in_the_type_asked_for(folder: Path) -> None:
    """Half precision, single and double hold the same numbers here."""
    cache, rows = FeatureCache.open(folder), np.arange(N_ROWS)
    for dtype in (np.float16, np.float64):
        X = cache.features(rows, dtype=dtype)
        assert X.dtype == dtype
        np.testing.assert_array_equal(X, cache.features(rows))


def test_wide_and_narrow_rows_are_read_together(tmp_path: Path, stub_recipe: Recipe) -> None:
    """Rows past half precision lie in a shard of their own; the answer mixes both, each exact."""
    maps = maps_of(list(range(6)))
    maps["cells"][[1, 4], 0, 0, 0] = [70_001.0, 1e30]
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        writer.append(list(map(digest_of, range(6))), maps)
        writer.commit(catalog_of(list(range(6)), stub_recipe))
    order = np.array([4, 0, 1, 5, 3, 2])
    X = FeatureCache.open(cache.folder).features(order)
    np.testing.assert_array_equal(X, maps["cells"][order].reshape(6, -1))


@pytest.mark.parametrize("layer", ["other", "../cells", "cells/x"])
def test_a_layer_that_is_not_kept_is_named(folder: Path, layer: str) -> None:
    """The error lists the layers that are kept."""
    with pytest.raises(CacheError, match="It keeps: cells"):
        FeatureCache.open(folder).features(np.arange(2), layer=layer)


def test_an_unknown_pooling_is_refused_with_the_known_ones(folder: Path) -> None:
    """The error lists what there is."""
    with pytest.raises(CacheError, match="flatten, avg, max, avgmax"):
        FeatureCache.open(folder).features(np.arange(2), pooling="median")


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["no folder", "empty folder"])
def test_nothing_to_open_is_said_with_the_command_that_makes_it(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Opening to read creates nothing."""
    make(tmp_path / "cache")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CacheNotFound, match="featx extract"):
        FeatureCache.open(tmp_path / "cache")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unfinished_extract_has_no_catalog(tmp_path: Path, stub_recipe: Recipe) -> None:
    """Rows without a listing: the cache opens, and says what to do."""
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        writer.append([digest_of(0)], maps_of([0]))
    with pytest.raises(CacheNotFound, match="not finished"):
        FeatureCache.open(cache.folder).features(np.arange(1))


@pytest.mark.parametrize(
    ("name", "value"), [("image_size", (32, 96)), ("resize", "pad"), ("weights", "random:7"), ("stored_dtype", "float32")]
)
def test_another_recipe_is_refused_with_setting_values_and_advice(
    folder: Path, stub_recipe: Recipe, name: str, value: Any
) -> None:
    """The message has the setting's name, what the cache has, what was asked for, and the two ways on."""
    wanted = dataclasses.replace(stub_recipe, **{name: value})
    before = contents(folder)
    with pytest.raises(RecipeMismatch) as caught:
        FeatureCache.open_or_create(folder, wanted)
    message = str(caught.value)
    assert f"{name}={stub_recipe.to_dict()[name]!r}" in message
    assert f"{name}={wanted.to_dict()[name]!r}" in message
    assert "--cache" in message
    assert "--overwrite" in message
    assert str(folder) in message
    assert contents(folder) == before


def test_a_folder_that_is_no_cache_is_refused_and_left_alone(tmp_path: Path, stub_recipe: Recipe) -> None:
    """Somebody's photographs are not written into."""
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"mine")
    with pytest.raises(CacheError, match="not a feature cache"):
        FeatureCache.open_or_create(tmp_path / "holiday", stub_recipe, overwrite=True)
    assert [path.name for path in (tmp_path / "holiday").rglob("*")] == ["beach.jpg"]
    assert (tmp_path / "holiday" / "beach.jpg").read_bytes() == b"mine"


def test_a_file_in_the_caches_place_is_refused_and_left_alone(tmp_path: Path, stub_recipe: Recipe) -> None:
    """The path of a cache must be a folder."""
    (tmp_path / "cache").write_bytes(b"mine")
    with pytest.raises(CacheError, match="not a feature cache"):
        FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    assert (tmp_path / "cache").read_bytes() == b"mine"


def test_opening_to_create_writes_nothing_yet(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A command that fails before its first feature leaves no folder behind."""
    FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A file where a parent folder should be."""
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(CacheWriteError, match="cannot be written"),
        FeatureCache(tmp_path / "file" / "cache", stub_recipe).writing(),
    ):
        pass


def test_known_and_repeated_keys_are_left_out(tmp_path: Path, stub_recipe: Recipe) -> None:
    """Within one call, between calls before a commit, and after it: each key is stored once, and the first is kept."""
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        assert writer.append([digest_of(0), digest_of(1), digest_of(0)], maps_of([0, 1, 5])) == 2
        assert writer.append([digest_of(1), digest_of(2)], maps_of([6, 2])) == 1
        writer.flush()
        assert writer.append([digest_of(0), digest_of(2), digest_of(3)], maps_of([7, 8, 3])) == 1
        assert writer.append([], maps_of([])) == 0
        writer.commit(catalog_of([0, 1, 2, 3], stub_recipe))
    cache = FeatureCache.open(cache.folder)
    assert len(cache) == 4
    np.testing.assert_array_equal(cache.features(np.arange(4)), maps_of([0, 1, 2, 3])["cells"].reshape(4, -1))


def test_a_wide_row_is_kept_once_though_its_neighbours_fill_a_shard(
    tmp_path: Path, stub_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call whose float16 rows close a shard while its float32 row still waits: that row is known all the same."""
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 200_000)
    numbers = list(range(30))
    maps = maps_of(numbers, shape=(8, 8, 64))
    maps["cells"][29, 0, 0, 0] = 1e6
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        assert writer.append(list(map(digest_of, numbers)), maps) == 30
        assert len(cache) >= 29  # the float16 rows have closed a shard
        assert writer.append(list(map(digest_of, numbers)), maps) == 0
    assert len(cache) == 30


def test_views_of_one_image_are_kept_apart(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A row is a digest and a view; the clean image is view 0, which is what features() reads."""
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        assert writer.append([digest_of(0)], maps_of([1]), views=1) == 1
        assert writer.append([digest_of(0)], maps_of([0])) == 1
        writer.commit(catalog_of([0], stub_recipe))
    assert [cache.has([digest_of(0)], view).tolist() for view in (0, 1, 2)] == [[True], [True], [False]]
    np.testing.assert_array_equal(cache.features(np.array([0])), maps_of([0])["cells"].reshape(1, -1))


def test_has_tells_row_by_row(folder: Path) -> None:
    """Present and absent digests, in the order asked."""
    asked = [digest_of(3), digest_of(99), digest_of(0), b"\0" * 32]
    assert FeatureCache.open(folder).has(asked).tolist() == [True, False, True, False]
    assert FeatureCache.open(folder).has([]).tolist() == []


def test_a_missing_row_is_damage_named_by_its_image(folder: Path, stub_recipe: Recipe) -> None:
    """A listing that promises more than the shards hold."""
    catalog_of([*range(N_ROWS), 77], stub_recipe).write(folder / "catalog.h5")
    cache = FeatureCache.open(folder)
    np.testing.assert_array_equal(cache.features(np.array([2])), maps_of([2])["cells"].reshape(1, -1))
    with pytest.raises(CacheDamaged, match=r"1 rows are missing, 'cat/77\.png' among them.*featx extract again"):
        cache.features(np.array([0, 10]))


def test_a_deleted_shard_is_damage_and_extracted_again(folder: Path, stub_recipe: Recipe) -> None:
    """Reading says so; a second extract adds just the rows that were in it."""
    lost = FeatureCache.open(folder).shards[1]
    n_lost = len(lost)
    lost.path.unlink()
    with pytest.raises(CacheDamaged, match=f"{n_lost} rows are missing"):
        FeatureCache.open(folder).features(np.arange(N_ROWS))
    with FeatureCache.open_or_create(folder, stub_recipe).writing() as writer:
        assert writer.append(list(map(digest_of, range(N_ROWS))), maps_of(list(range(N_ROWS)))) == n_lost
    X = FeatureCache.open(folder).features(np.arange(N_ROWS))
    np.testing.assert_array_equal(X, maps_of(list(range(N_ROWS)))["cells"].reshape(N_ROWS, -1))


def test_a_shard_of_another_recipe_is_never_used(tmp_path: Path, folder: Path, other_recipe: Recipe) -> None:
    """Somebody copies shards from one cache into another: same images, other features, not one of them is read."""
    foreign = fill(tmp_path / "foreign", other_recipe, [*range(N_ROWS), 50], seed=1)
    for shard in foreign.shards:
        shutil.copy(shard.path, folder / "shards")
    cache = FeatureCache.open(folder)
    assert len(cache) == N_ROWS
    assert cache.has([digest_of(0), digest_of(50)]).tolist() == [True, False]
    np.testing.assert_array_equal(cache.features(np.arange(N_ROWS)), maps_of(list(range(N_ROWS)))["cells"].reshape(N_ROWS, -1))


def test_a_second_writer_is_refused_while_readers_read(folder: Path, stub_recipe: Recipe) -> None:
    """One writer at a time, named by its process; reading needs no lock."""
    with FeatureCache.open_or_create(folder, stub_recipe).writing() as writer:
        writer.append([digest_of(50)], maps_of([50]))
        with pytest.raises(CacheLocked, match=f"process {os.getpid()} "), FeatureCache.open(folder).writing():
            pass
        reader = FeatureCache.open(folder)
        np.testing.assert_array_equal(reader.features(np.array([4])), maps_of([4])["cells"].reshape(1, -1))
    with FeatureCache.open_or_create(folder, stub_recipe).writing() as writer:
        assert writer.append([digest_of(50)], maps_of([50])) == 0


def test_the_lock_of_a_killed_writer_is_free(folder: Path, stub_recipe: Recipe) -> None:
    """A process that dies in the middle of writing holds nobody up; its uncommitted rows alone are lost."""
    program = (
        "import os, sys; from pathlib import Path; from featx.store import FeatureCache\n"
        "writing = FeatureCache.open(Path(sys.argv[1])).writing(); writing.__enter__(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)], check=False, timeout=60).returncode == 9
    with FeatureCache.open_or_create(folder, stub_recipe).writing() as writer:
        assert writer.append([digest_of(0), digest_of(50)], maps_of([0, 50])) == 1


def test_temporaries_of_dead_writers_are_swept_and_never_read(folder: Path, stub_recipe: Recipe) -> None:
    """Unfinished files are ignored by readers and gone after the next writer, nothing else is."""
    before = contents(folder)
    for leftover in (folder / ".tmp-1234-abcd.json", folder / "shards" / ".tmp-1234-abcd.h5"):
        leftover.write_bytes(b"half a file")
    assert len(FeatureCache.open(folder)) == N_ROWS
    with FeatureCache.open_or_create(folder, stub_recipe).writing():
        pass
    after = contents(folder)
    assert {name: data for name, data in after.items() if name != ".lock"} == {n: d for n, d in before.items() if n != ".lock"}


def test_overwrite_keeps_the_old_features_until_commit(folder: Path, other_recipe: Recipe, stub_recipe: Recipe) -> None:
    """While new features come in, readers have the old ones; after the commit only the new ones are on disk."""
    old = maps_of(list(range(N_ROWS)))["cells"].reshape(N_ROWS, -1)
    new = maps_of([2, 1, 0], seed=1)
    replacement = FeatureCache.open_or_create(folder, other_recipe, overwrite=True)
    assert len(replacement) == 0
    with replacement.writing() as writer:
        assert writer.append(list(map(digest_of, [2, 1, 0])), new) == 3
        writer.flush()
        reader = FeatureCache.open(folder)
        assert reader.recipe == stub_recipe
        np.testing.assert_array_equal(reader.features(np.arange(N_ROWS)), old)
        writer.commit(catalog_of([2, 1, 0], other_recipe))
    cache = FeatureCache.open(folder)
    assert cache.recipe == other_recipe
    assert len(cache.catalog) == 3
    np.testing.assert_array_equal(cache.features(np.arange(3)), new["cells"].reshape(3, -1))
    assert {path.name for path in (folder / "shards").iterdir()} == {shard.path.name for shard in cache.shards}


def test_a_cache_made_by_another_recipe_meanwhile_is_refused(tmp_path: Path, stub_recipe: Recipe, other_recipe: Recipe) -> None:
    """Two first extracts with different settings: the one that gets the lock later must not replace the other's features."""
    late = FeatureCache.open_or_create(tmp_path / "cache", other_recipe)
    folder = fill(tmp_path / "cache", stub_recipe, [0, 1]).folder
    before = contents(folder)
    with pytest.raises(RecipeMismatch, match="image_size"), late.writing() as writer:
        writer.commit(catalog_of([], other_recipe))
    before.pop(".lock")
    assert {name: data for name, data in contents(folder).items() if name != ".lock"} == before


def test_an_abandoned_overwrite_leaves_the_old_cache_in_force(folder: Path, other_recipe: Recipe, stub_recipe: Recipe) -> None:
    """Stopped before the commit: the old recipe, listing and features still answer."""
    with pytest.raises(KeyboardInterrupt):
        fill_until(FeatureCache.open_or_create(folder, other_recipe, overwrite=True), [0], KeyboardInterrupt(), seed=1)
    cache = FeatureCache.open_or_create(folder, stub_recipe)
    np.testing.assert_array_equal(cache.features(np.arange(N_ROWS)), maps_of(list(range(N_ROWS)))["cells"].reshape(N_ROWS, -1))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_interrupted_writer_keeps_the_rows_it_had(tmp_path: Path, stub_recipe: Recipe, error: type[BaseException]) -> None:
    """Whatever ends the block, rows collected so far are on disk and the lock is free."""
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with pytest.raises(error):
        fill_until(cache, [0, 1], error())
    with FeatureCache.open_or_create(cache.folder, stub_recipe).writing() as writer:
        assert writer.append(list(map(digest_of, range(3))), maps_of([0, 1, 2])) == 1
        writer.commit(catalog_of([0, 1, 2], stub_recipe))
    X = FeatureCache.open(cache.folder).features(np.arange(3))
    np.testing.assert_array_equal(X, maps_of([0, 1, 2])["cells"].reshape(3, -1))


def test_a_full_disk_keeps_finished_shards(folder: Path, stub_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused shard is one typed error; what was there stays, no temporary does, and the next run goes on."""

    def disk_full(temporary: Path, final: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shards = sorted((folder / "shards").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(featx.store.shards.shard_writer, "publish", disk_full)
        with pytest.raises(CacheWriteError, match="No space left"):
            fill_until(FeatureCache.open_or_create(folder, stub_recipe), [50])
    assert sorted((folder / "shards").iterdir()) == shards
    with FeatureCache.open_or_create(folder, stub_recipe).writing() as writer:
        assert writer.append([digest_of(0), digest_of(50)], maps_of([0, 50])) == 1


@pytest.mark.parametrize(
    ("limits", "shards"),
    [
        ({"SHARD_BYTES": 1}, 5),
        ({"SHARD_SECONDS": 0.0}, 5),
        ({"SHARD_BYTES": 10**9, "SHARD_SECONDS": 10**9}, 1),
    ],
    ids=["by bytes", "by age", "neither"],
)
def test_a_shard_closes_when_it_is_large_or_old(
    tmp_path: Path, stub_recipe: Recipe, monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], shards: int
) -> None:
    """Past either limit the rows are committed while the writer goes on; below both they stay together."""
    for name, value in limits.items():
        monkeypatch.setattr(featx.store.writer, name, value)
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        for start in range(0, N_ROWS, 2):
            numbers = [start, start + 1]
            writer.append(list(map(digest_of, numbers)), maps_of(numbers))
            assert len(list((cache.folder / "shards").iterdir())) == (start // 2 + 1 if shards == 5 else 0)
        writer.commit(catalog_of(list(range(N_ROWS)), stub_recipe))
    reopened = FeatureCache.open(cache.folder)
    assert len(reopened.shards) == shards
    X = maps_of(list(range(N_ROWS)))["cells"].reshape(N_ROWS, -1)
    np.testing.assert_array_equal(reopened.features(np.arange(N_ROWS)), X)
    assert reopened.stored_bytes == sum(path.stat().st_size for path in (cache.folder / "shards").iterdir())


def test_a_shard_collects_rows_up_to_its_bytes(tmp_path: Path, stub_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are counted compressed, as they will lie on disk: a few shards, each about the limit."""
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 400_000)
    cache = FeatureCache.open_or_create(tmp_path / "cache", stub_recipe)
    with cache.writing() as writer:
        for number in range(200):
            writer.append([digest_of(number)], maps_of([number], shape=(8, 8, 64)))
    sizes = [shard.path.stat().st_size for shard in cache.shards]
    assert len(sizes) > 2
    assert sum(300_000 < size < 500_000 for size in sizes) >= len(sizes) - 1


def edit_recipe(path: Path) -> None:
    """Change one setting and leave the fingerprint."""
    document = json.loads(path.read_text())
    document["recipe"]["image_size"] = [224, 224]
    path.write_text(json.dumps(document))


def drop_setting(path: Path) -> None:
    """Take one setting out."""
    document = json.loads(path.read_text())
    del document["recipe"]["resize"]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "spoil",
    [
        edit_recipe,
        drop_setting,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
    ],
    ids=["edited", "setting missing", "empty", "not text", "list", "no recipe", "nested", "truncated"],
)
def test_a_spoiled_recipe_is_refused(folder: Path, stub_recipe: Recipe, spoil: Callable[[Path], None]) -> None:
    """Without a sound recipe nobody knows what the features are: neither reading nor extracting goes on."""
    spoil(folder / "recipe.json")
    with pytest.raises(CacheDamaged, match=r"recipe\.json"):
        FeatureCache.open(folder)
    with pytest.raises(CacheDamaged, match=r"recipe\.json"):
        FeatureCache.open_or_create(folder, stub_recipe)


def test_a_catalog_of_another_recipe_is_refused(folder: Path, other_recipe: Recipe) -> None:
    """Listing and features must belong together."""
    catalog_of(list(range(N_ROWS)), other_recipe).write(folder / "catalog.h5")
    with pytest.raises(CacheDamaged, match="another recipe"):
        FeatureCache.open(folder).features(np.arange(1))


def test_the_network_is_kept_as_it_was_recorded(folder: Path, stub_recipe: Recipe) -> None:
    """Layers and parameter counts come back; before any, there are none."""
    assert FeatureCache.open(folder).network == {}
    layer = {"name": "cells", "type": "Stub", "output_shape": [2, 3, 4], "parameters": 0}
    network = {"parameters": 14_714_688, "layers": [layer]}
    with FeatureCache.open_or_create(folder, stub_recipe).writing() as writer:
        writer.record_network(network)
        writer.append([digest_of(N_ROWS)], {"cells": np.zeros((1, 2, 3, 4), np.float32)})
    assert FeatureCache.open(folder).network == network


def test_the_newest_finished_cache_is_found(tmp_path: Path, stub_recipe: Recipe) -> None:
    """By the time of its catalog; unfinished caches and other folders are passed over."""
    assert find_cache(tmp_path) is None
    for age, name in enumerate(["newest", "b", "a"]):
        path = fill(tmp_path / name, stub_recipe, [0]).folder / "catalog.h5"
        os.utime(path, ns=(0, 10**18 - age * 10**9))
    with FeatureCache.open_or_create(tmp_path / "unfinished", stub_recipe).writing():
        pass
    (tmp_path / "no cache").mkdir()
    (tmp_path / "no cache" / "catalog.h5").write_bytes(b"")
    assert find_cache(tmp_path) == tmp_path / "newest"
    os.utime(tmp_path / "a" / "catalog.h5", ns=(0, 2 * 10**18))
    assert find_cache(tmp_path) == tmp_path / "a"


def test_a_second_extract_opens_each_shard_once(
    photos: Path, extract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard's name is the digest of its bytes: what was read of it when the cache was opened is not read again."""
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 1)
    cache = extract(photos).cache
    opened: list[str] = []
    real = featx.store.shards.shard.open_guarded
    monkeypatch.setattr(featx.store.shards.shard, "open_guarded", lambda path: opened.append(path.name) or real(path))
    extract(photos)
    assert sorted(opened) == sorted(path.name for path in (cache / "shards").iterdir())
    assert len(opened) > 3
