"""Repair, prune and restore: what is sound is neither deleted nor moved, whatever the instant or the system's refusal."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import featx
import featx.store.writer
from featx.errors import CacheError, CacheUnreadable, FeatxError
from tests.killed import changes_until_killed
from tests.verbs.extract.test_extract import features_by_path
from tests.verbs.test_verify import Extract, flip_a_bit, shards


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, photos: Path, extract: Extract) -> Path:
    """A cache of 36 rows in five shards, of which four rows are in no listing any more."""
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 1)
    folder: Path = extract(photos).cache
    for name in ("red/0", "red/1", "green/5", "blue/11"):
        (photos / f"{name}.png").unlink()
    extract(photos)
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_prune_that_is_killed_anywhere_and_run_again_loses_no_row(cache: Path, tmp_path: Path) -> None:
    """Killed before each of its changes, and again at the same change of the second run; then run to its end."""
    whole = features_by_path(cache)
    last, killed = 0, True
    while killed:
        place = tmp_path / str(last)
        shutil.copytree(cache, place)
        for _ in range(2):
            killed = changes_until_killed(lambda here=place: featx.verify_cache(here, prune=True), place, last) == last  # type: ignore[misc]
            np.testing.assert_equal(features_by_path(place), whole)
        result = featx.verify_cache(place, prune=True)
        assert (result.rows, result.unlisted, result.repeated, result.missing) == (32, 0, 0, 0), last
        np.testing.assert_equal(features_by_path(place), whole)
        last += 1
    assert last > 10


def refusing(monkeypatch: pytest.MonkeyPatch, victim: Path, code: int) -> None:
    """Let HDF5 and Python be refused one file, as the system would."""
    real_file, real_open, real_low = h5py.File, Path.open, os.open

    def refuse(path: object) -> None:
        if Path(os.fsdecode(path)) == victim:  # type: ignore[arg-type]
            raise OSError(code, os.strerror(code))

    def open_hdf5(name: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(name, str | os.PathLike):
            refuse(name)
        return real_file(name, *arguments, **keywords)

    def open_path(self: Path, *arguments: Any, **keywords: Any) -> Any:
        refuse(self)
        return real_open(self, *arguments, **keywords)

    def open_low(path: Any, *arguments: Any, **keywords: Any) -> int:
        if isinstance(path, str | os.PathLike):
            refuse(path)
        return real_low(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", open_low)
    monkeypatch.setattr(h5py, "File", open_hdf5)
    monkeypatch.setattr(Path, "open", open_path)


@pytest.mark.parametrize("name", ["shard", "catalog.h5", "recipe.json", "network.json"])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EAGAIN, errno.ENOLCK, errno.ESTALE, errno.ENOMEM, errno.EIO])
def test_repair_leaves_what_cannot_be_read(cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """It is named, with the system's own reason; nothing is moved, pruned or called missing, and nobody is told to repair."""
    before = contents(cache)
    victim = shards(cache)[1] if name == "shard" else cache / name
    with monkeypatch.context() as patch:
        refusing(patch, victim, code)
        result = featx.verify_cache(cache, repair=True, prune=name != "recipe.json")
        assert [one.path for one in result.unreadable] == [victim]
        assert os.strerror(code) in result.unreadable[0].problem
        assert (result.damages, result.set_aside, result.pruned, result.missing, result.sound) == ([], [], 0, 0, False)
        if name == "shard":
            with pytest.raises(CacheUnreadable, match="Nothing shows that it is damaged"):
                featx.open_cache(str(cache))
    assert contents(cache).keys() - {cache / ".lock"} == before.keys() - {cache / ".lock"}
    assert featx.verify_cache(cache, repair=True).sound


def test_repair_leaves_a_shard_that_somebody_holds_locked(cache: Path) -> None:
    """HDF5 asks for a lock of its own when it opens a file; a refusal says nothing of the bytes."""
    with shards(cache)[0].open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = featx.verify_cache(cache, repair=True)
    assert (result.damages, result.set_aside) == ([], [])
    assert featx.verify_cache(cache).sound


def test_restore_brings_back_what_is_sound_and_leaves_what_is_not(cache: Path) -> None:
    """As an earlier repair may have set it aside: shards, also of a name that was set aside twice, catalog and recipe."""
    before = contents(cache)
    aside = cache / "damaged"
    aside.mkdir()
    damaged, twice, sound = shards(cache)[:3]
    for path in (damaged, sound, cache / "catalog.h5", cache / "recipe.json"):
        path.rename(aside / path.name)
    flip_a_bit(aside / damaged.name)
    shutil.copy(aside / damaged.name, aside / twice.name)
    twice.rename(aside / f"{twice.name}.1")
    result = featx.verify_cache(cache, restore=True)
    assert sorted(result.restored) == sorted([twice, sound, cache / "catalog.h5", cache / "recipe.json"])
    assert (result.damages, result.missing > 0) == ([], True)
    after = contents(cache)
    assert {path: before[path] for path in result.restored} == {path: after[path] for path in result.restored}
    assert sorted(path.name for path in aside.iterdir()) == sorted([damaged.name, twice.name])


def test_a_listing_of_a_part_keeps_rows_from_being_pruned(cache: Path) -> None:
    """Also where the mark beside it was lost: what the part lists is in no finished listing yet."""
    (cache / "parts").mkdir()
    shutil.copy(cache / "catalog.h5", cache / "parts" / "1-of-2.h5")
    with pytest.raises(CacheError, match="was not finished"):
        featx.verify_cache(cache, prune=True)


def test_overwrite_leaves_shards_of_its_own_recipe_that_came_in_meanwhile(cache: Path, photos: Path, extract: Extract) -> None:
    """Only shards of the replaced recipe go: each file is asked, not the list that was read at the start."""
    from featx.store.cache_writer import CacheWriter

    spare = {path.name: path.read_bytes() for path in shards(cache)}
    extract(photos, cache, resize="pad", overwrite=True)
    late = CacheWriter(featx.open_cache(str(cache)), True)
    late._cache._opened._shards.pop()  # as if another process had published it after this one looked
    present = shards(cache)
    for name, content in spare.items():
        (cache / "shards" / name).write_bytes(content)
    late._drop_other_recipes()
    assert shards(cache) == present


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("network.json", lambda content: content[:40]),
        ("rejects.csv", lambda content: b""),
        ("rejects.csv", lambda content: content.splitlines(keepends=True)[0]),
    ],
)
def test_files_beside_the_shards_are_verified_and_mended(
    cache: Path, photos: Path, extract: Extract, name: str, damage: Callable[[bytes], bytes]
) -> None:
    """Named; after the repair the cache is sound, and a fit goes through."""
    (photos / "red" / "broken.png").write_bytes(b"no image")
    extract(photos)
    table = (cache / "rejects.csv").read_text()
    (cache / name).write_bytes(damage((cache / name).read_bytes()))
    assert [one.path for one in featx.verify_cache(cache).damages] == [cache / name]
    assert featx.verify_cache(cache, repair=True).sound
    assert (cache / "rejects.csv").read_text() == table
    featx.fit_head(cache, "ridge", out=cache.parent / "it.featx")


def test_caches_of_layers_inside_are_verified_and_repaired(cache: Path) -> None:
    """Their damage is damage; it is set aside inside the layer's cache."""
    inside = cache / "layers" / "stub_conv"
    shutil.copytree(cache, inside, ignore=shutil.ignore_patterns("layers"))
    assert featx.verify_cache(cache).sound
    victim = shards(inside)[0]
    flip_a_bit(victim)
    assert [one.path for one in featx.verify_cache(cache).damages] == [victim]
    result = featx.verify_cache(cache, repair=True)
    assert result.set_aside == [inside / "damaged" / victim.name]
    assert result.sound


def test_a_reader_goes_on_however_often_shards_are_rewritten_under_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch, photos: Path, extract: Extract
) -> None:
    """Between any two looks at the folder another process may have rewritten a shard: list again, and again."""
    wanted = features_by_path(cache)
    store = featx.FeatureCache.open(cache)
    rows = store.catalog.rows()
    first = store.features(rows)
    names = [path.name for path in shards(cache)]
    hidden = cache.parent / "hidden"
    hidden.mkdir()
    real, looks = os.listdir, []

    def one_is_away(folder: Any = ".") -> list[str]:
        """Show the folder while each of its shards in turn has another name, for the first looks."""
        found = real(folder)
        if Path(folder) == cache / "shards" and len(looks) < 2 * len(names):
            looks.append(1)
            gone = names[len(looks) // 2 % len(names)]
            return [name for name in found if name != gone]
        return found

    monkeypatch.setattr(os, "listdir", one_is_away)
    store._opened._shards = []
    store.refresh()
    np.testing.assert_array_equal(store.features(rows), first)
    looks.clear()
    np.testing.assert_equal(features_by_path(cache), wanted)
    looks.clear()
    assert featx.verify_cache(cache).damages == []


def test_every_refusal_is_typed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read is no file that is damaged, and no traceback."""
    refusing(monkeypatch, shards(cache)[0], errno.EIO)
    with pytest.raises(FeatxError) as raised:
        featx.fit_head(cache, "ridge", out=cache.parent / "it.featx")
    assert "--repair" not in str(raised.value)
