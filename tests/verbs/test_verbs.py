"""The verbs fit and evaluate, through the Python API."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics

import featx
from featx.errors import CacheNotFound, ClassMismatch, HeadError, ImageListError, RecipeMismatch
from tests.conftest import COLOURS, write_image
from tests.pages import block

Extract = Callable[..., featx.ExtractResult]


@pytest.fixture
def noisy_cache(tmp_path: Path, extract: Extract) -> Path:
    """A cache of colours close enough together that some images are mistaken."""
    for label, shift in enumerate((0, 3, 6)):
        for number in range(30):
            level = 100 + shift + int(np.random.default_rng(label * 100 + number).integers(-4, 5))
            write_image(tmp_path / "noisy" / f"c{label}" / f"{number}.png", (level,) * 3, seed=label * 100 + number)
    cache: Path = extract(tmp_path / "noisy", tmp_path / "noisy-cache").cache
    return cache


def test_measures_equal_scikit_learns(noisy_cache: Path, tmp_path: Path) -> None:
    """Accuracy, balanced accuracy, macro F1, log loss and the confusion matrix, against scikit-learn's own functions."""
    model = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx").model
    found = featx.evaluate_model(model, split="all")
    predicted = found.probabilities.argmax(axis=1)
    assert 0.4 < found.accuracy < 1, "the problem should be neither hopeless nor trivial"
    assert found.accuracy == pytest.approx(sklearn.metrics.accuracy_score(found.y, predicted))
    assert found.balanced_accuracy == pytest.approx(sklearn.metrics.balanced_accuracy_score(found.y, predicted))
    assert found.macro_f1 == pytest.approx(sklearn.metrics.f1_score(found.y, predicted, average="macro"))
    assert found.log_loss == pytest.approx(sklearn.metrics.log_loss(found.y, found.probabilities))
    np.testing.assert_array_equal(found.confusion, sklearn.metrics.confusion_matrix(found.y, predicted))
    assert sum(measures.images for measures in found.per_class) == len(found.y) == 90


def test_fit_learns_from_training_images_alone(noisy_cache: Path, tmp_path: Path) -> None:
    """The coefficients are scikit-learn's on exactly the training rows of the catalog."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = featx.load_model(featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx", pooling="avg", C=0.5).model)
    store = featx.FeatureCache.open(noisy_cache)
    train, test = store.catalog.rows("train"), store.catalog.rows("test")
    own = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000))
    own.fit(store.features(train, pooling="avg").astype(np.float64), store.catalog.labels[train])
    X = store.features(test, pooling="avg").astype(np.float64)
    np.testing.assert_allclose(model.head.predict_proba(X), own.predict_proba(X), atol=1e-9)


def test_validation_accuracy_is_that_of_the_validation_images(noisy_cache: Path, tmp_path: Path) -> None:
    """What fit reports is what evaluate measures on the same split."""
    result = featx.fit_head(noisy_cache, "svm", out=tmp_path / "m.featx")
    assert featx.evaluate_model(result.model, split="val").accuracy == result.val_accuracy


@pytest.mark.parametrize("head", ["dense", "logreg", "svm"])
def test_the_same_seed_gives_the_same_head(noisy_cache: Path, tmp_path: Path, head: str) -> None:
    """To the last bit; only what was measured (seconds) differs between the files."""
    first, second = (
        featx.load_model(featx.fit_head(noisy_cache, head, out=tmp_path / f"{n}.featx", seed=3).model) for n in range(2)
    )
    for name, array in first.head.arrays().items():
        np.testing.assert_array_equal(array, second.head.arrays()[name])


def test_parameter_counts_are_the_headlines_of_the_tutorials(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """VGG16 at 224 px with a softmax over four classes: 14,815,044 in all, 100,356 trainable, 14,714,688 frozen.

    The real network describes itself; its features are not needed for the count, so they are replaced by zeros.
    """
    import featx.models.compute
    from featx.backbones import load_backbone

    write_image(photos / "yellow" / "0.png", (250, 240, 20), seed=1)
    write_image(photos / "yellow" / "1.png", (250, 240, 20), seed=2)

    class Zeros:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            loaded = load_backbone(*arguments, **options)
            self.network, self.device, self.engine = loaded.network, loaded.device, loaded.engine

        def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
            return {"block5_pool": np.zeros((len(images), 7, 7, 512), np.float32)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(featx.models.compute, "load_backbone", Zeros)
        cache = extract(photos, tmp_path / "c", backbone="vgg16", image_size=(224, 224)).cache
    result = featx.fit_head(cache, "dense", out=tmp_path / "m.featx", epochs=1)
    assert result.parameters == {"total": 14_815_044, "trainable": 100_356, "frozen": 14_714_688}


def test_a_model_that_moved_finds_its_cache_where_it_is_told(stub_cache: Path, tmp_path: Path) -> None:
    """The path in the model is only a hint."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    moved = shutil.move(stub_cache, tmp_path / "elsewhere")
    with pytest.raises(CacheNotFound, match="Give --cache, or --images"):
        featx.evaluate_model(model)
    assert featx.evaluate_model(model, cache=moved).accuracy == 1.0


def test_a_cache_of_another_recipe_is_refused(stub_cache: Path, photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Features of 96 px mean something else to a head fitted on 64 px, even where the numbers would fit."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    other = extract(photos, tmp_path / "other", resize="pad").cache
    with pytest.raises(RecipeMismatch, match=r"resize='pad'.*resize='stretch'"):
        featx.evaluate_model(model, cache=other)


def test_images_that_moved_into_the_test_split_are_owned_up_to(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Fit, draw another split, evaluate: most test images were trained on, and the evaluation says how many."""
    cache = extract(photos).cache
    model = featx.fit_head(cache, "logreg", out=tmp_path / "m.featx").model
    assert featx.evaluate_model(model).notes == []
    store = featx.FeatureCache.open(cache)
    trained = {store.catalog.paths[row] for row in store.catalog.rows("train")}
    extract(photos, seed=7)
    found = featx.evaluate_model(model)
    overlap = len(trained & set(found.paths))
    assert overlap > 0
    assert found.notes[0].startswith(f"{overlap} of {len(found.paths)} images were in the training set")


def test_a_class_without_training_images_cannot_be_learned_and_is_said(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Fit names it, extract too; evaluate leaves its images out of every figure, and says so."""
    root = tmp_path / "split"
    shutil.copytree(photos, root / "train")
    for name in COLOURS:
        write_image(root / "test" / name / "t.png", COLOURS[name], seed=950)
    write_image(root / "test" / "pink" / "t.png", (250, 150, 190), seed=951)
    extracted = extract(root)
    assert extracted.unlearnable == ["pink"]
    result = featx.fit_head(extracted.cache, "logreg", out=tmp_path / "m.featx")
    assert result.notes == ["class 'pink' has no training image: it cannot be learned"]
    assert featx.load_model(result.model).class_names == ("blue", "green", "red")
    evaluation = featx.evaluate_model(result.model)
    assert sorted(evaluation.paths) == [f"test/{name}/t.png" for name in COLOURS]
    assert "1 image is of a class that had no training image" in evaluation.notes[0]
    shutil.rmtree(root / "test" / "blue")
    shutil.rmtree(root / "test" / "green")
    shutil.rmtree(root / "test" / "red")
    extract(root)
    with pytest.raises(ClassMismatch, match="images of 'pink'"):
        featx.evaluate_model(result.model)


def test_classes_are_matched_by_name(stub_cache: Path, tmp_path: Path) -> None:
    """Images of two of three classes are measured right although their positions differ from the model's."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    for name in ("green", "red"):
        write_image(tmp_path / "two" / name / "x.png", COLOURS[name], seed=970)
    found = featx.evaluate_model(model, images=tmp_path / "two")
    assert (found.accuracy, found.balanced_accuracy) == (1.0, 1.0)
    assert "no images of 'blue' were measured" in found.notes


def test_rejected_images_are_counted_and_named(stub_cache: Path, tmp_path: Path) -> None:
    """They are in no figure, and the report says so."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    for name in COLOURS:
        write_image(tmp_path / "new" / name / "x.png", COLOURS[name], seed=980)
    (tmp_path / "new" / "red" / "bad.png").write_text("no image")
    found = featx.evaluate_model(model, images=tmp_path / "new")
    assert (len(found.y), list(found.rejected)) == (3, ["red/bad.png"])
    written = json.loads(featx.write_report(found, tmp_path / "r").metrics.read_text())
    assert written["rejected"] == found.rejected


def test_a_split_without_images_is_refused(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """And the message says what there is."""
    cache = extract(photos, val_fraction=0, test_fraction=0).cache
    model = featx.fit_head(cache, "logreg", out=tmp_path / "m.featx").model
    with pytest.raises(ImageListError, match=r"no images in split 'val' \(train 36, val 0, test 0\)"):
        featx.evaluate_model(model)


def test_validation_figures_of_a_head_with_epochs_carry_a_warning(stub_cache: Path, tmp_path: Path) -> None:
    """Those images chose the epoch; test images did not."""
    model = featx.fit_head(stub_cache, "dense", out=tmp_path / "m.featx", epochs=2).model
    assert any("chose the epoch" in note for note in featx.evaluate_model(model, split="val").notes)
    assert featx.evaluate_model(model, split="test").notes == []


def test_no_training_images_is_an_error(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A folder with a train/ whose images are all rejected cannot be fitted."""
    root = tmp_path / "split"
    shutil.copytree(photos, root / "test")
    for name in ("red", "blue"):
        (root / "train" / name).mkdir(parents=True)
        (root / "train" / name / "bad.png").write_text("no image")
    with pytest.raises(HeadError, match="has no training images"):
        featx.fit_head(extract(root).cache, "logreg", out=tmp_path / "m.featx")


def test_a_report_leaves_other_files_alone_and_curves_of_another_model_do_not_stay(stub_cache: Path, tmp_path: Path) -> None:
    """A logreg report after a dense one in the same folder must not show the dense head's curves as its own."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for head in ("dense", "logreg"):
        model = featx.fit_head(stub_cache, head, out=tmp_path / f"{head}.featx").model
        files = featx.write_report(featx.evaluate_model(model), folder)
    assert files.curves is None
    assert sorted(path.name for path in folder.iterdir()) == [
        ".featx-report",
        "classification_report.csv",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "metrics.json",
        "notes.txt",
        "predictions.csv",
        "report.html",
    ]


def test_the_tutorials_python_snippet_runs(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, from extract to features with labels and paths; the stub backbone stands in for VGG16."""
    import functools

    monkeypatch.chdir(tmp_path)
    stub = functools.partial(featx.extract_features, backbone="stub", image_size=(64, 64))
    monkeypatch.setattr(featx, "extract_features", stub)
    scope: dict[str, Any] = {}
    exec(block("snippet: python"), scope)  # the page's own text, not somebody's input
    assert scope["X"].shape == (24, 3)
    assert [path.split("/")[0] for path in scope["paths"]] == scope["labels"]
