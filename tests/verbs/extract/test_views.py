"""Augmented views: cached beside the clean rows, for training images alone, and what the verbs make of them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featx
import featx.models.compute
from featx.backbones import load_backbone
from featx.errors import AugmentError
from featx.images import Augmentation, view_key
from featx.images.augment import augmented
from featx.store import Catalog
from featx.store.shards.shard import Shard
from tests.conftest import COLOURS, write_image

Extract = Callable[..., featx.ExtractResult]
SPEC = "flip,rotate=15,shift=0.1"


@pytest.fixture
def augmented_cache(photos: Path, extract: Extract) -> Path:
    """A finished cache of ``photos`` with 3 views of each training image."""
    cache: Path = extract(photos, augment=SPEC, views=3).cache
    return cache


def keys_of(cache: Path) -> set[tuple[bytes, int]]:
    """Return (digest, view) of every row on disk."""
    return {
        (digest.tobytes(), int(view))
        for path in (cache / "shards").glob("*.h5")
        for digest, view in zip(Shard(path).digests, Shard(path).views, strict=True)
    }


def test_views_exist_for_training_images_alone(augmented_cache: Path) -> None:
    """Every image has a clean row; training images have the two others, under the keys of spec, seed and number."""
    store = featx.open_cache(augmented_cache)
    catalog = store.catalog
    wanted = {view_key(Augmentation.parse(SPEC), 0, view) for view in (1, 2)}
    assert set(catalog.view_keys) == wanted
    clean = {(catalog.digests[row].tobytes(), 0) for row in catalog.rows()}
    views = {(catalog.digests[row].tobytes(), key) for row in catalog.rows("train") for key in wanted}
    assert keys_of(augmented_cache) == clean | views


def test_cached_views_equal_the_backbone_on_the_augmented_pixels(photos: Path, augmented_cache: Path) -> None:
    """The row of a view is what the backbone gives for the view made directly from the file's pixels."""
    store = featx.open_cache(augmented_cache)
    catalog = store.catalog
    backbone = load_backbone(store.recipe, None, 1)
    row = int(catalog.rows("train")[4])
    # The images are 48 x 40: resized as decode does, by Pillow's own antialiased bilinear filter.
    clean = np.asarray(Image.open(photos / catalog.paths[row]).resize((64, 64), Image.Resampling.BILINEAR))
    for number, key in enumerate(catalog.view_keys, start=1):
        pixels = augmented(clean, catalog.digests[row].tobytes(), Augmentation.parse(SPEC), 0, number)
        assert (pixels != clean).any()
        wanted = backbone(pixels[None])["cells"].astype(np.float16)
        found = store.features(np.array([row]), views=key)
        np.testing.assert_array_equal(found, wanted.reshape(1, -1))


def test_clean_rows_are_the_same_with_and_without_views(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A cache with views answers for the clean images as one without."""
    plain = featx.open_cache(extract(photos, tmp_path / "plain").cache)
    rich = featx.open_cache(extract(photos, tmp_path / "rich", augment=SPEC).cache)
    rows = plain.catalog.rows()
    np.testing.assert_array_equal(plain.features(rows), rich.features(rows))
    assert plain.recipe == rich.recipe


def test_a_new_spec_reuses_the_clean_rows(photos: Path, extract: Extract) -> None:
    """Only the views are extracted again; the same spec however written, or fewer views, costs nothing."""
    first = extract(photos, augment=SPEC, views=3)
    train = first.splits["train"]
    assert (first.extracted, first.augmented) == (36, 2 * train)
    again = extract(photos, augment="shift=0.10, rotate=15.0, flip", views=3)
    assert (again.extracted, again.reused, again.augmented) == (0, 36, 0)
    fewer = extract(photos, augment=SPEC, views=2)
    assert (fewer.extracted, fewer.augmented) == (0, 0)
    other = extract(photos, augment="flip,rotate=10", views=3)
    assert (other.extracted, other.reused, other.augmented) == (0, 36, 2 * train)
    none = extract(photos)
    assert (none.views, none.augmented) == (1, 0)
    assert featx.open_cache(none.cache).catalog.view_keys == ()


def test_views_are_the_same_in_another_cache_and_differ_by_seed(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A view is a pure function of content, number, spec and seed."""
    one, two = (featx.open_cache(extract(photos, tmp_path / name, augment=SPEC).cache) for name in ("one", "two"))
    other = featx.open_cache(extract(photos, tmp_path / "other", augment=SPEC, seed=1).cache)
    rows, views = one.catalog.learning_rows()
    np.testing.assert_array_equal(one.features(rows, views=views), two.features(rows, views=views))
    assert not set(one.catalog.view_keys) & set(other.catalog.view_keys)


def test_a_duplicate_is_augmented_once(photos: Path, extract: Extract) -> None:
    """A copy in the same class has the same content, and so the same views."""
    shutil.copy(photos / "red" / "3.png", photos / "red" / "copy.png")
    result = extract(photos, augment=SPEC, views=3)
    store = featx.open_cache(result.cache)
    learned = {store.catalog.digests[row].tobytes() for row in store.catalog.rows("train")}
    assert result.augmented == 2 * len(learned)
    assert len(keys_of(result.cache)) == 36 + 2 * len(learned)


def test_fit_learns_from_all_views(augmented_cache: Path, tmp_path: Path) -> None:
    """The coefficients are scikit-learn's on the rows of every view, not on the clean ones alone."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    store = featx.open_cache(augmented_cache)
    rows, views = store.catalog.learning_rows()
    X = np.concatenate([store.features(rows[[i]], pooling="avgmax", views=int(views[i])) for i in range(len(rows))]).astype(
        float
    )
    y = store.catalog.labels[rows]
    wanted = LogisticRegression(C=0.01, max_iter=2000).fit(StandardScaler().fit_transform(X), y)
    result = featx.fit_head(augmented_cache, "logreg", out=tmp_path / "m.featx")
    assert (result.train_images, result.views) == (len(store.catalog.rows("train")), 3)
    np.testing.assert_allclose(featx.load_model(result.model).head.arrays()["coef"], wanted.coef_, atol=1e-6)


def test_evaluate_measures_the_clean_images_unless_asked(augmented_cache: Path, tmp_path: Path) -> None:
    """By default one probability row for each clean image; with ``tta`` the mean over the three views."""
    model = featx.fit_head(augmented_cache, "logreg", out=tmp_path / "m.featx").model
    loaded = featx.load_model(model)
    store = featx.open_cache(augmented_cache)
    rows = store.catalog.rows("test")
    clean = featx.evaluate_model(model)
    np.testing.assert_array_equal(clean.probabilities, loaded.head.predict_proba(store.features(rows, pooling="avgmax")))
    averaged = featx.evaluate_model(model, tta=True)
    assert averaged.paths == clean.paths
    assert "probabilities are averaged over 3 views of each image" in averaged.notes
    backbone = load_backbone(store.recipe, None, 1)
    for place, row in enumerate(rows):
        pixels = Image.open(Path(store.catalog.source) / store.catalog.paths[row])
        base = np.asarray(pixels.resize((64, 64), Image.Resampling.BILINEAR))
        each = []
        for number in range(3):
            view = augmented(base, store.catalog.digests[row].tobytes(), Augmentation.parse(SPEC), 0, number)
            maps = backbone(view[None])["cells"]
            pooled = np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))], axis=1)
            each.append(loaded.head.predict_proba(pooled)[0])
        np.testing.assert_allclose(averaged.probabilities[place], np.mean(each, axis=0), atol=1e-9)


def test_tta_over_a_file_edited_since_is_not_measured(photos: Path, augmented_cache: Path, tmp_path: Path) -> None:
    """The image that was listed is no longer there: it is rejected with that reason and named."""
    model = featx.fit_head(augmented_cache, "logreg", out=tmp_path / "m.featx").model
    path = featx.evaluate_model(model).paths[0]
    write_image(photos / path, (1, 2, 3), seed=1)
    evaluation = featx.evaluate_model(model, tta=True)
    assert evaluation.rejected == {path: "changed since it was extracted"}
    assert path not in evaluation.paths


def test_tta_takes_a_twin_of_a_file_that_is_gone_and_no_image_for_too_large(
    photos: Path, extract: Extract, tmp_path: Path
) -> None:
    """What is measured are the contents that are listed, and these were not too large when they were extracted."""
    for name in COLOURS:
        for number in range(12):
            shutil.copy(photos / name / f"{number}.png", photos / name / f"twin-{number}.png")
    model = featx.fit_head(extract(photos, augment=SPEC, views=3).cache, "logreg", out=tmp_path / "m.featx").model
    wanted = featx.evaluate_model(model, tta=True)
    (photos / wanted.paths[0]).unlink()
    found = featx.evaluate_model(model, tta=True, max_pixels=1000)  # the images have 1,920 px
    assert found.rejected == {}
    np.testing.assert_array_equal(found.probabilities, wanted.probabilities)


def test_predict_averages_views_when_asked(augmented_cache: Path, photos: Path, tmp_path: Path) -> None:
    """The confidence differs from the clean one; rejected files stay rejected, once each."""
    model = featx.fit_head(augmented_cache, "logreg", out=tmp_path / "m.featx").model
    (photos / "red" / "broken.png").write_text("no image")
    files = [photos / "red" / "1.png", photos / "red" / "broken.png", photos / "blue" / "2.png"]
    clean, averaged = (featx.predict_images(model, files, tta=tta, batch_size=2) for tta in (False, True))
    assert [p.label for p in averaged] == [p.label for p in clean] == ["red", "", "blue"]
    assert averaged[1].error == clean[1].error == "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"
    assert averaged[0].confidence != clean[0].confidence


def test_tta_without_views_is_refused(stub_cache: Path, tmp_path: Path) -> None:
    """A head that learned from clean images alone has no views to average."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    with pytest.raises(AugmentError, match="clean images alone"):
        featx.evaluate_model(model, tta=True)


@pytest.mark.parametrize("options", [{"views": 0}, {"views": 1001}, {"augment": "spin=3"}, {"augment": "rotate=999"}])
def test_views_that_cannot_be_made_are_refused_before_anything_is_read(
    photos: Path, tmp_path: Path, extract: Extract, options: dict[str, Any]
) -> None:
    """And nothing is written."""
    with pytest.raises(AugmentError):
        extract(photos, **options)
    assert not (tmp_path / "cache").exists()


def test_verify_counts_missing_views_and_prunes_those_of_an_old_spec(photos: Path, extract: Extract) -> None:
    """Rows of a spec no longer in force are unlisted; pruned, the rows in force are all still there."""
    extract(photos, augment="flip,rotate=10", views=2)
    cache = extract(photos, augment=SPEC, views=3).cache
    train = len(featx.open_cache(cache).catalog.rows("train"))
    found = featx.verify_cache(cache)
    assert (found.missing, found.unlisted, found.rows) == (0, train, 36 + 3 * train)
    pruned = featx.verify_cache(cache, prune=True)
    assert (pruned.pruned, pruned.missing, pruned.unlisted) == (train, 0, 0)
    lost = max((cache / "shards").glob("*.h5"), key=lambda path: (Shard(path).views != 0).sum())
    n_lost = len(Shard(lost))
    lost.unlink()
    assert featx.verify_cache(cache).missing == n_lost
    again = extract(photos, augment=SPEC, views=3)
    assert again.extracted + again.augmented == n_lost
    assert featx.verify_cache(cache).sound


def test_a_catalog_keeps_how_its_views_were_made(augmented_cache: Path, photos: Path, extract: Extract) -> None:
    """Spec, seed and keys come back from disk; one without views is written as before there were any."""
    catalog = Catalog.read(augmented_cache / "catalog.h5")
    assert (catalog.augment, catalog.view_seed, len(catalog.view_keys)) == ("flip,rotate=15,shift=0.1", 0, 2)
    assert all(0 < key < 2**63 for key in catalog.view_keys)
    summary = featx.inspect_path(augmented_cache)
    assert (summary.views, summary.augment) == (3, "flip,rotate=15,shift=0.1")


def test_image_that_changes_between_its_clean_row_and_its_views_is_rejected(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no complete set of rows in the listing; the next extract takes it as it is now."""
    real = featx.models.compute.load_batches

    def edit_before_the_views(*arguments: Any) -> Any:
        if arguments[5] is not None:
            for name in COLOURS:
                for number in range(12):
                    write_image(photos / name / f"{number}.png", COLOURS[name], seed=5000 + number)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(featx.models.compute, "load_batches", edit_before_the_views)
        result = extract(photos, augment=SPEC, views=2)
    assert result.reasons == {"changed while it was being read": result.rejected}
    assert result.rejected > 20
    assert result.listed == result.extracted + result.reused + result.rejected
    assert result.splits["train"] == 0
    assert featx.verify_cache(result.cache).missing == 0
    again = extract(photos, augment=SPEC, views=2)
    assert (again.rejected, again.listed) == (0, 36)


@pytest.mark.parametrize("twin", [True, False])
def test_a_twin_gives_the_views_of_an_image_that_vanishes_before_them(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch, twin: bool
) -> None:
    """Of equal files one is enough. Without any the image is rejected because it is gone, and not as changed."""
    shutil.copy(photos / "blue" / "0.png", photos / "red" / "copy.png")
    real = featx.models.compute.load_batches

    def vanish_before_the_views(*arguments: Any) -> Any:
        if arguments[5] is not None:
            (photos / "blue" / "0.png").unlink(missing_ok=True)
            if not twin:
                (photos / "red" / "copy.png").unlink(missing_ok=True)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(featx.models.compute, "load_batches", vanish_before_the_views)
        result = extract(photos, augment=SPEC, views=2, val_fraction=0.0, test_fraction=0.0)
    assert result.listed == result.extracted + result.reused + result.rejected
    assert result.reasons == ({} if twin else {"cannot be read: No such file or directory": 2})
    assert result.augmented == (36 if twin else 35)
    assert featx.verify_cache(result.cache).missing == 0


def test_views_of_images_that_are_cached_know_no_limit(photos: Path, extract: Extract) -> None:
    """An image that is cached already stays, whatever the limit is now: its views are made too."""
    extract(photos)
    result = extract(photos, augment=SPEC, views=2, max_pixels=1000)  # the images have 1,920 px
    assert (result.rejected, result.augmented) == (0, result.splits["train"])
