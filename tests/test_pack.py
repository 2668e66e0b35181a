"""The verb pack: a plain HDF5 file, read here with h5py alone."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import featx
from featx.errors import CacheError, OutputError


def test_a_pack_holds_every_image_with_its_features_and_names(stub_cache: Path, tmp_path: Path) -> None:
    """Features, pooled, labels, class names, paths and splits in one order: the catalog's."""
    result = featx.pack_cache(stub_cache, tmp_path / "out.h5")
    store = featx.FeatureCache.open(stub_cache)
    rows = store.catalog.rows()
    with h5py.File(result.path) as file:
        assert result.images == len(file["features"]) == 36
        np.testing.assert_array_equal(file["features"][()].reshape(36, -1), store.features(rows))
        np.testing.assert_array_equal(file["pooled"][()].reshape(36, -1), store.features(rows, pooling="avgmax"))
        assert file["features"].dtype == file["pooled"].dtype == np.float32
        paths = [path.decode() for path in file["paths"]]
        names = [name.decode() for name in file["class_names"]]
        assert paths == store.catalog.paths
        assert [names[label] for label in file["labels"]] == [path.split("/")[0] for path in paths]
        assert [split.decode() for split in file["split"]] == [featx.store.SPLITS[s] for s in store.catalog.splits]
        assert json.loads(file.attrs["recipe"]) == store.recipe.to_dict()


def test_rejected_images_are_not_in_a_pack(photos: Path, extract, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Every row has features."""
    (photos / "red" / "bad.png").write_text("no image")
    result = featx.pack_cache(extract(photos).cache, tmp_path / "out.h5")
    with h5py.File(result.path) as file:
        assert b"red/bad.png" not in list(file["paths"])
        assert len(file["paths"]) == len(file["features"]) == 36


def test_the_readmes_snippet_runs(stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that the README gives to people without featx, as they stand there."""
    monkeypatch.chdir(tmp_path)
    featx.pack_cache(stub_cache, "photos.h5")
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    snippet = readme.split("<!-- snippet: pack -->")[1].split("```python")[1].split("```")[0]
    scope: dict[str, object] = {}
    exec(snippet, scope)  # the README's own text, not somebody's input
    assert np.shape(scope["X"]) == (36, 12)
    assert next(iter(scope["labels"])) in ("blue", "green", "red")  # type: ignore[call-overload]


def test_an_existing_file_is_not_overwritten(stub_cache: Path, tmp_path: Path) -> None:
    """Not at all if featx did not make it; only with ``overwrite`` if it did."""
    mine = tmp_path / "mine.h5"
    mine.write_bytes(b"a thesis")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="was not made by featx pack"):
            featx.pack_cache(stub_cache, mine, overwrite=overwrite)
    assert mine.read_bytes() == b"a thesis"
    featx.pack_cache(stub_cache, tmp_path / "out.h5")
    with pytest.raises(OutputError, match="give --overwrite"):
        featx.pack_cache(stub_cache, tmp_path / "out.h5")
    assert featx.pack_cache(stub_cache, tmp_path / "out.h5", overwrite=True).images == 36


def test_a_pack_that_fails_leaves_nothing(stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half file under the name asked for, and no temporary beside it."""
    folder = tmp_path / "out"
    folder.mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(featx.FeatureCache, "pooled", full)
    with pytest.raises(OutputError, match="No space left on device"):
        featx.pack_cache(stub_cache, folder / "out.h5")
    assert list(folder.iterdir()) == []
    with pytest.raises(OutputError):
        featx.pack_cache(stub_cache, tmp_path / "no" / "such" / "folder.h5")


def test_an_unknown_layer_is_refused(stub_cache: Path, tmp_path: Path) -> None:
    """With those that the cache keeps, and nothing is written."""
    with pytest.raises(CacheError, match=r"keeps no layer 'fc2'\. It keeps: cells"):
        featx.pack_cache(stub_cache, tmp_path / "out.h5", layer="fc2")
    assert not (tmp_path / "out.h5").exists()
