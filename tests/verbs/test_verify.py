"""The verb verify: what is wrong is found and named; repairing costs just the damaged rows."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import featx
import featx.store.writer
from featx.cli import main
from featx.errors import CacheDamaged, CacheError, CacheLocked, CacheNotFound
from tests.verbs.extract.test_extract import features_by_path

Extract = Callable[..., featx.ExtractResult]


@pytest.fixture
def shards_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close a shard after each batch of eight."""
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 1)


@pytest.fixture
def cache(shards_of_eight: None, photos: Path, extract: Extract) -> Path:
    """A cache of 36 rows in five shards."""
    folder: Path = extract(photos).cache
    assert len(shards(folder)) == 5
    return folder


def shards(cache: Path) -> list[Path]:
    """Return the shards' paths."""
    return sorted((cache / "shards").iterdir())


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_a_sound_cache_is_called_sound(cache: Path) -> None:
    """Five shards, 36 rows, nothing to say."""
    result = featx.verify_cache(cache)
    assert result.sound
    assert (result.shards, result.rows, result.damages, result.missing, result.unlisted) == (5, 36, [], 0, 0)
    assert result.bytes == sum(path.stat().st_size for path in shards(cache))


@pytest.mark.parametrize("damage", ["bit", "truncated", "empty", "other content"])
def test_a_damaged_shard_is_named(cache: Path, damage: str) -> None:
    """By its path; the rows in it count as missing; nothing is changed."""
    victim = shards(cache)[2]
    if damage == "bit":
        flip_a_bit(victim)
    elif damage == "other content":
        shutil.copy(shards(cache)[0], victim)
    else:
        victim.write_bytes(victim.read_bytes()[: 1000 if damage == "truncated" else 0])
    before = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    result = featx.verify_cache(cache)
    assert not result.sound
    assert [found.path for found in result.damages] == [victim]
    assert result.missing in (4, 8)  # four rows are in the last shard, eight in each of the others
    assert {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()} == before


def test_repair_sets_damage_aside_and_extract_redoes_just_those_rows(cache: Path, photos: Path, extract: Extract) -> None:
    """The damaged file is kept, out of use; afterwards every row is what it was, to the bit."""
    whole = features_by_path(cache)
    victim = shards(cache)[1]
    content = victim.read_bytes()
    victim.write_bytes(content[:512] + bytes(byte ^ 255 for byte in content[512:]))
    with pytest.raises(CacheDamaged, match=r"featx verify --repair.*redoes just what is lost"):
        features_by_path(cache)
    result = featx.verify_cache(cache, repair=True)
    assert result.set_aside == [cache / "damaged" / victim.name]
    assert result.damages == []
    lost = result.missing
    again = extract(photos)
    assert (again.extracted, again.reused) == (lost, 36 - lost)
    np.testing.assert_equal(features_by_path(cache), whole)
    assert featx.verify_cache(cache).sound


def test_a_damaged_catalog_is_found_and_made_anew(cache: Path, photos: Path, extract: Extract) -> None:
    """The features stay; the next extract lists again and extracts nothing."""
    whole = features_by_path(cache)
    flip_a_bit(cache / "catalog.h5")
    assert [found.path.name for found in featx.verify_cache(cache).damages] == ["catalog.h5"]
    featx.verify_cache(cache, repair=True)
    assert extract(photos).extracted == 0
    np.testing.assert_equal(features_by_path(cache), whole)


def test_a_damaged_recipe_costs_no_rows(cache: Path, photos: Path, extract: Extract) -> None:
    """Set aside, and written again by an extract with the same settings, which finds its rows by their fingerprint."""
    whole = features_by_path(cache)
    (cache / "recipe.json").write_text("{")
    assert not featx.verify_cache(cache).sound
    featx.verify_cache(cache, repair=True)
    with pytest.raises(CacheNotFound):
        featx.verify_cache(cache)
    assert extract(photos).extracted == 0
    np.testing.assert_equal(features_by_path(cache), whole)


def test_a_lost_shard_shows_as_missing_rows(cache: Path, photos: Path, extract: Extract) -> None:
    """Somebody deleted a file: no damage to see, but the catalog knows better."""
    shards(cache)[0].unlink()
    result = featx.verify_cache(cache)
    assert (result.sound, result.damages) == (False, [])
    lost = result.missing
    assert lost > 0
    assert extract(photos).extracted == lost
    assert featx.verify_cache(cache).sound


def test_prune_drops_exactly_the_rows_of_removed_images(cache: Path, photos: Path, extract: Extract) -> None:
    """Removed images stay in the shards until then; what is still listed keeps its bits."""
    for name in ("red/0", "red/1", "green/5", "blue/11"):
        (photos / f"{name}.png").unlink()
    extract(photos)
    whole = features_by_path(cache)
    assert (featx.verify_cache(cache).unlisted, featx.verify_cache(cache).rows) == (4, 36)
    result = featx.verify_cache(cache, prune=True)
    assert (result.pruned, result.unlisted, result.rows, result.sound) == (4, 0, 32, True)
    np.testing.assert_equal(features_by_path(cache), whole)
    assert featx.verify_cache(cache, prune=True).pruned == 0


def test_a_reader_that_opened_before_a_prune_goes_on_reading(cache: Path, photos: Path, extract: Extract) -> None:
    """Its shards were rewritten under it; it finds the new ones by itself."""
    (photos / "red" / "0.png").unlink()
    extract(photos)
    store = featx.FeatureCache.open(cache)
    before = store.features(store.catalog.rows())
    featx.verify_cache(cache, prune=True)
    np.testing.assert_array_equal(store.features(store.catalog.rows()), before)


def test_shards_of_another_recipe_are_counted_and_kept(cache: Path, photos: Path, tmp_path: Path, extract: Extract) -> None:
    """They are whole, so no damage; they are never used."""
    other = extract(photos, tmp_path / "other", resize="pad").cache
    shutil.copy(shards(other)[0], cache / "shards" / shards(other)[0].name)
    result = featx.verify_cache(cache)
    assert (result.sound, result.foreign, result.shards) == (True, 1, 5)


def test_repair_and_prune_respect_the_writer(cache: Path) -> None:
    """Both change the cache, so both need its lock; looking does not."""
    flip_a_bit(shards(cache)[0])
    store = featx.FeatureCache(cache, featx.store.documents.read_recipe(cache), shards=[])  # type: ignore[arg-type]
    with store.locked():
        assert not featx.verify_cache(cache).sound
        with pytest.raises(CacheLocked):
            featx.verify_cache(cache, repair=True)


def test_what_is_restored_after_a_prune_has_its_rows_again(cache: Path, photos: Path, extract: Extract) -> None:
    """Those that are listed; rows of an image that went meanwhile are unlisted, and the next prune drops just them."""
    (cache / "damaged").mkdir()
    for shard in shards(cache)[:2]:
        shard.rename(cache / "damaged" / shard.name)
    before = featx.verify_cache(cache, prune=True)
    assert before.missing >= 8
    assert before.rows + before.missing == 36
    next(photos.rglob("*.png")).unlink()
    restored = featx.verify_cache(cache, restore=True)
    assert (restored.sound, restored.rows, restored.missing, len(restored.restored)) == (True, 36, 0, 2)
    extract(photos)
    pruned = featx.verify_cache(cache, prune=True)
    assert (pruned.sound, pruned.rows, pruned.pruned, pruned.missing) == (True, 35, 1, 0)
    assert not featx.verify_cache(cache, restore=True).restored
    assert extract(photos).extracted == 0


def test_a_folder_called_like_a_leftover_is_not_counted(cache: Path) -> None:
    """No extract sweeps it: it is somebody's own."""
    for name in (".tmp-1-deadbeef", "shards/.tmp-2-deadbeef.h5"):
        (cache / name).mkdir()
    assert featx.verify_cache(cache).leftovers == 0
    (cache / "shards" / ".tmp-3-deadbeef.h5").touch()
    assert featx.verify_cache(cache).leftovers == 1


def test_the_command_exits_with_1_and_says_what_to_do(cache: Path) -> None:
    """Sound: 0. Damaged: 1, with the next step. Repaired: 1 once more, because rows are missing now. Extracted: 0."""

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["verify", str(cache), *arguments])

    assert run().exit_code == 0
    flip_a_bit(shards(cache)[0])
    damaged = run("--json")
    assert damaged.exit_code == 1
    assert json.loads(damaged.stdout)["sound"] is False
    assert "--repair, then featx extract again" in damaged.stderr
    repaired = run("--repair")
    assert repaired.exit_code == 1
    assert "set aside" in repaired.stdout
    assert "Run featx extract again: it redoes just those." in repaired.stderr


def test_repair_and_prune_together_do_both_and_say_both(cache: Path, photos: Path, extract: Extract) -> None:
    """The damaged file goes aside first, then unlisted rows are dropped: in one call and in one command."""
    (photos / "red" / "0.png").unlink()
    (photos / "blue" / "11.png").unlink()
    extract(photos)
    gone = {bytes(digest) for shard in featx.FeatureCache.open(cache).shards for digest in shard.digests}
    gone -= {bytes(digest) for digest in featx.FeatureCache.open(cache).catalog.digests}
    victim = next(s for s in featx.FeatureCache.open(cache).shards if not gone & {bytes(digest) for digest in s.digests}).path
    spare = cache.with_name("spare")
    flip_a_bit(victim)
    shutil.copytree(cache, spare)
    result = featx.verify_cache(cache, repair=True, prune=True)
    assert result.set_aside == [cache / "damaged" / victim.name]
    assert (result.pruned, result.not_pruned, result.unlisted, result.damages) == (2, "", 0, [])
    done = CliRunner().invoke(main, ["verify", str(spare), "--repair", "--prune"])
    assert f"set aside {spare / 'damaged' / victim.name}" in done.stdout
    assert "pruned   2 rows" in done.stdout
    assert extract(photos).extracted == result.missing
    assert featx.verify_cache(cache).sound


def test_a_repeated_row_outlives_the_damage_of_its_copy(cache: Path, photos: Path, extract: Extract) -> None:
    """Repair comes before prune: the sound copy would otherwise be dropped as the second of two, and the first is lost."""
    whole = features_by_path(cache)
    first, second = shards(cache)[:2]
    copied = featx.FeatureCache.open(cache)
    doubled = featx.store.shards.shard_writer.ShardWriter(
        cache / "shards", copied.recipe.fingerprint, copied.shards[0].maps_dtype
    )
    for shard in copied.shards[:2]:
        featx.store.shards.shard_writer.copy_rows(shard, np.arange(len(shard)), doubled)
    doubled.commit()
    assert featx.verify_cache(cache).repeated == len(copied.shards[0]) + len(copied.shards[1])
    for path in (first, second):
        flip_a_bit(path)
    result = featx.verify_cache(cache, repair=True, prune=True)
    assert (len(result.set_aside), result.pruned, result.missing, result.repeated) == (2, 0, 0, 0)
    assert extract(photos).extracted == 0
    np.testing.assert_equal(features_by_path(cache), whole)


@pytest.mark.parametrize(
    ("broken", "options", "said"),
    [
        ("shard", {}, "add --repair"),
        ("catalog.h5", {}, "add --repair"),
        ("catalog.h5", {"repair": True}, "without a listing"),
        ("recipe.json", {"repair": True}, "without its recipe"),
        ("recipe.json", {}, "without its recipe"),
    ],
)
def test_what_is_not_pruned_is_said(cache: Path, photos: Path, extract: Extract, broken: str, options: Any, said: str) -> None:
    """Every row stays, and the reason stands in the result and on the screen."""
    (photos / "red" / "0.png").unlink()
    extract(photos)
    if broken == "recipe.json":
        (cache / broken).write_text("{")
    else:
        flip_a_bit(shards(cache)[0] if broken == "shard" else cache / broken)
    before = shards(cache)
    spare = cache.with_name("spare")
    shutil.copytree(cache, spare)
    result = featx.verify_cache(cache, prune=True, **options)
    assert result.pruned == 0
    assert said in result.not_pruned
    assert shards(cache) == before
    done = CliRunner().invoke(main, ["verify", str(spare), "--prune", *(f"--{name}" for name in options)])
    assert "not pruned: " in done.stdout
    assert said in done.stdout


def test_an_unfinished_extract_stops_repair_with_prune_before_anything_moves(cache: Path) -> None:
    """Refused as prune alone is: nothing is half done."""
    (cache / "unfinished").touch()
    flip_a_bit(shards(cache)[0])
    before = shards(cache)
    with pytest.raises(CacheError, match="was not finished"):
        featx.verify_cache(cache, repair=True, prune=True)
    assert shards(cache) == before
