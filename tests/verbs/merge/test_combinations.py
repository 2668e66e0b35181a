"""What one extract of all images gives, parts give too: with settings of decoding, and with rows of an older featx."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featx
from featx.errors import RecipeMismatch
from tests.conftest import COLOURS, write_image

OLD = Path(__file__).parents[2] / "data" / "before"

Extract = Callable[..., featx.ExtractResult]


def features_by_content(cache: Path) -> dict[bytes, NDArray[Any]]:
    """Read every row of a cache, keyed by the digest of its file."""
    store = featx.open_cache(cache)
    rows = store.catalog.rows()
    return dict(zip((store.catalog.digests[row].tobytes() for row in rows), store.features(rows), strict=True))


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """Two classes of five images of 16 bits, of which ten are used."""
    rng = np.random.default_rng(0)
    for label in range(2):
        for number in range(5):
            path = tmp_path / "deep" / f"class {label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = rng.integers(0, 600, (70, 70)) + 400 * label
            Image.fromarray(values.astype(np.uint16)).save(path)
    return tmp_path / "deep"


@pytest.mark.parametrize("settings", [{"depth": "10"}, {"color_profile": "srgb"}], ids=str)
def test_settings_of_decoding_hold_in_parts(deep: Path, tmp_path: Path, extract: Extract, settings: dict[str, Any]) -> None:
    """Merged they are what one extract gives; a part of another setting is refused."""
    parts = [extract(deep, tmp_path / part[0], shard=part, **settings).cache for part in ("1/2", "2/2")]
    merged = featx.merge_caches(parts, tmp_path / "merged").cache
    whole = extract(deep, tmp_path / "whole", **settings).cache
    found, wanted = features_by_content(merged), features_by_content(whole)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[content], wanted[content]) for content in wanted)
    other = extract(deep, tmp_path / "other", shard="2/2").cache
    with pytest.raises(RecipeMismatch, match="Only features of one recipe can stand together"):
        featx.merge_caches([parts[0], other], tmp_path / "mixed")


def test_a_cache_of_the_version_before_is_continued_merged_and_packed(tmp_path: Path, extract: Extract) -> None:
    """Shards without a CRC-32 beside shards with one: every number is that of a new extract."""
    shutil.copytree(OLD, tmp_path / "before")
    photos, cache = tmp_path / "before" / "photos", tmp_path / "before" / "cache"
    for number in range(4):
        write_image(photos / "red" / f"{number}.png", COLOURS["red"], seed=900 + number)
        write_image(tmp_path / "more" / "blue" / f"{number}.png", COLOURS["blue"], seed=950 + number)
    assert extract(photos, cache).extracted == 4
    more = extract(tmp_path / "more", tmp_path / "more cache", yes=True).cache
    merged = featx.merge_caches([cache, more], tmp_path / "merged").cache
    with_checksum = {"crc32" in h5py.File(path) for path in (merged / "shards").iterdir()}
    assert with_checksum == {True, False}
    assert featx.verify_cache(merged, prune=True).sound
    found = features_by_content(merged)
    wanted = features_by_content(extract(photos, tmp_path / "new").cache) | features_by_content(more)
    assert len(found) == 24
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[content], wanted[content]) for content in wanted)
    packed = featx.pack_cache(merged, tmp_path / "packed.h5")
    assert packed.images == 24
