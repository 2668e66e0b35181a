"""Images that weigh differently: learned from, and counted in every figure that says so, as if they stood there that often."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, precision_recall_fscore_support

import featx
from featx.errors import HeadError, ImageListError
from featx.models import wilson
from tests.conftest import COLOURS, Run, as_json, write_image

Extract = Callable[..., featx.ExtractResult]


@pytest.fixture
def weighted(tmp_path: Path) -> Path:
    """A manifest of 120 images of two colours that are hard to tell apart; weights from 0 to 3, an empty cell among them."""
    rng = np.random.default_rng(0)
    rows = ["path,label,split,weight"]
    for number in range(120):
        label = number % 2
        colour = tuple(int(value) for value in np.clip(rng.normal((100, 100, 110 + 10 * label), 12), 0, 255))
        write_image(tmp_path / "images" / f"{number}.png", colour, number)
        weight = "" if number == 7 else f"{rng.integers(0, 4)}"
        rows.append(f"images/{number}.png,{'ab'[label]},{('train', 'train', 'val', 'test')[number // 2 % 4]},{weight}")
    table = tmp_path / "list.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_a_head_learns_from_weights_as_scikit_learn_does(weighted: Path, extract: Extract, tmp_path: Path) -> None:
    """The same coefficients; images that weigh nothing are not learned from."""
    store = featx.open_cache(extract(weighted).cache)
    catalog = store.catalog
    rows = catalog.rows("train")
    assert catalog.weights is not None
    weights = catalog.weights[rows]
    assert catalog.weights[7] == 1
    result = featx.fit_head(store, "logreg", pooling="avg", scale="none", C=1.0, out=tmp_path / "m.featx")
    assert result.train_images == np.count_nonzero(weights) < len(rows)
    X = store.features(rows, pooling="avg").astype(np.float64)
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(X, catalog.labels[rows], sample_weight=weights)
    model = featx.load_model(result.model)
    test = store.features(catalog.rows("test"), pooling="avg")
    np.testing.assert_allclose(model.predict_proba(test), expected.predict_proba(test.astype(np.float64)), atol=1e-4)


def test_figures_are_weighted_as_scikit_learn_weighs_them(weighted: Path, extract: Extract, tmp_path: Path) -> None:
    """Counts of images are not; a note says which is which."""
    store = featx.open_cache(extract(weighted).cache)
    result = featx.fit_head(store, "ridge", pooling="avg", out=tmp_path / "m.featx")
    found = featx.evaluate_model(result)
    assert store.catalog.weights is not None
    weights, y, p = store.catalog.weights[found.rows], found.y, found.probabilities
    called = p.argmax(axis=1)
    assert found.accuracy == pytest.approx(accuracy_score(y, called, sample_weight=weights))
    assert found.accuracy != accuracy_score(y, called)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, called, sample_weight=weights))
    assert found.macro_f1 == pytest.approx(f1_score(y, called, average="macro", sample_weight=weights))
    assert found.log_loss == pytest.approx(log_loss(y, p, sample_weight=weights))
    precision, recall, f1, _ = precision_recall_fscore_support(y, called, sample_weight=weights)
    assert [(one.precision, one.recall, one.f1) for one in found.per_class] == list(zip(precision, recall, f1, strict=True))
    assert [one.images for one in found.per_class] == np.bincount(y).tolist()
    assert found.confusion.sum() == len(y)
    assert any("count each image by its weight" in note for note in found.notes)
    low, high = found.intervals["accuracy"]
    assert low < found.accuracy < high
    rows = store.catalog.rows("val")
    val = featx.evaluate_model(result, split="val")
    assert result.val_accuracy == pytest.approx(np.average(val.probabilities.argmax(axis=1) == val.y,
                                                           weights=store.catalog.weights[rows]))  # fmt: skip


def test_images_that_weigh_nothing_are_in_no_figure(weighted: Path, extract: Extract, tmp_path: Path) -> None:
    """A class whose images all weigh nothing is as one that is not there; what a constant answer reaches is weighted too."""
    lines = weighted.read_text().splitlines()
    for number, line in enumerate(lines):
        path, label, split, _ = line.split(",")
        if split == "test":
            lines[number] = f"{path},{label},{split},{0 if label == 'b' else 1 + number % 3}"
    weighted.write_text("\n".join(lines))
    store = featx.open_cache(extract(weighted).cache)
    result = featx.fit_head(store, "ridge", pooling="avg", out=tmp_path / "m.featx")
    found = featx.evaluate_model(result)
    assert store.catalog.weights is not None
    weights = store.catalog.weights[found.rows]
    of_a, called = found.y == 0, found.predicted
    recall = np.average(called[of_a] == 0, weights=weights[of_a])
    assert 0 < recall < 1
    assert found.balanced_accuracy == pytest.approx(recall)
    assert found.macro_f1 == pytest.approx(f1_score(found.y, called, labels=[0], average="macro", sample_weight=weights))
    assert found.baseline == ("a", 1.0)
    assert (found.per_class[1].images, found.per_class[1].recall_low) == (15, None)
    for name, (low, high) in found.intervals.items():
        assert low < getattr(found, name) < high
    val = store.catalog.rows("val")
    shares = np.bincount(store.catalog.labels[val], store.catalog.weights[val])
    assert result.val_baseline == pytest.approx(shares.max() / shares.sum())


def test_the_interval_of_a_recall_is_weighted_as_the_recall_is(weighted: Path, extract: Extract, tmp_path: Path) -> None:
    """It holds the recall, and is wider than that of images which all count alike."""
    lines = weighted.read_text().splitlines()
    for number, line in enumerate(lines):
        path, label, split, _ = line.split(",")
        lines[number] = line if number == 0 else f"{path},{label},{split},{100 if number % 16 < 8 else 1}"
    weighted.write_text("\n".join(lines))
    result = featx.fit_head(extract(weighted).cache, "ridge", pooling="avg", out=tmp_path / "m.featx")
    found = featx.evaluate_model(result)
    for one in found.per_class:
        assert one.recall_low is not None
        assert one.recall_high is not None
        assert one.recall_low < one.recall < one.recall_high
        plain = wilson(round(one.recall * one.images), one.images)
        assert one.recall_high - one.recall_low > 1.1 * (plain[1] - plain[0])


def test_weights_of_one_change_nothing(weighted: Path, extract: Extract, tmp_path: Path) -> None:
    """Nor does the column, where it is not wanted."""
    text = weighted.read_text()
    ones = weighted.with_name("ones.csv")
    ones.write_text("\n".join([text.splitlines()[0], *(line.rpartition(",")[0] + ",1" for line in text.splitlines()[1:])]))
    without = featx.open_cache(extract(weighted, tmp_path / "a", weight_column="none").cache).catalog
    assert without.weights is None
    assert featx.open_cache(extract(ones, tmp_path / "b").cache).catalog.weights is None


def test_tune_and_compare_weigh_too(weighted: Path, extract: Extract, tmp_path: Path) -> None:
    """The accuracy of a candidate is the weighted one: an image of weight 0 is in none."""
    cache = extract(weighted).cache
    plain = extract(weighted, tmp_path / "plain", weight_column="none").cache
    tuned, other = (
        featx.fit_head(each, "logreg", pooling="avg", tune=True, out=tmp_path / "m.featx") for each in (cache, plain)
    )
    assert tuned.tuning[0]["accuracy"] != other.tuning[0]["accuracy"]
    assert len(featx.compare_heads(cache, heads=["ridge"]).heads) > 0


def test_compare_leaves_out_what_takes_no_such_weights(weighted: Path, extract: Extract, run: Run) -> None:
    """Where no head is named: knn takes whole numbers. Intervals hold the accuracy, which is weighted, as the baseline is."""
    lines = weighted.read_text().splitlines()
    for number, line in enumerate(lines[1:], 1):
        lines[number] = f"{line.rpartition(',')[0]},{40 if number % 16 < 4 else 0.5}"
    weighted.write_text("\n".join(lines))
    cache = extract(weighted).cache
    catalog = featx.open_cache(cache).catalog
    found = featx.compare_heads(cache, folds=2, epochs=2)
    assert {one.head for one in found.heads} == {"dense", "logreg", "svm", "ridge"}
    assert found.notes == ["knn takes whole numbers as weights alone, and is left out"]
    rows = catalog.learned_from()
    shares = np.bincount(catalog.labels[rows], catalog.weights_of(rows))
    assert found.baseline == pytest.approx(shares.max() / shares.sum())
    for one in found.heads:
        assert one.accuracy is not None
        assert one.low < one.accuracy < one.high
        plain = wilson(round(one.accuracy * found.images), found.images)
        assert one.high - one.low > 1.2 * (plain[1] - plain[0])
        assert one.difference_low <= one.difference <= one.difference_high
    assert "note: knn takes whole numbers" in run("compare", cache, "--folds", 2, "--epochs", 2).stdout
    with pytest.raises(HeadError, match="knn: takes whole numbers as weights"):
        featx.compare_heads(cache, heads=["knn"])


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "heavy", "1e13"])
def test_a_weight_that_is_none_is_refused(weighted: Path, extract: Extract, weight: str) -> None:
    """With its line, before anything is read."""
    lines = weighted.read_text().splitlines()
    lines[6] = f"{lines[6].rpartition(',')[0]},{weight}"
    weighted.write_text("\n".join(lines))
    with pytest.raises(ImageListError, match=rf"list\.csv, line 7: the weight is '{weight}', wanted a number from 0"):
        extract(weighted)


def test_what_takes_no_weights_refuses_them(weighted: Path, extract: Extract, run: Run, tmp_path: Path) -> None:
    """A nearest neighbour takes counts alone; fine-tuning none."""
    half = weighted.with_name("half.csv")
    half.write_text(weighted.read_text().replace(",3\n", ",0.5\n"))
    cache = extract(half).cache
    with pytest.raises(HeadError, match="takes whole numbers as weights"):
        featx.fit_head(cache, "knn", out=tmp_path / "m.featx")
    result = run("finetune", "cache", "--epochs", 1)
    assert result.exit_code == 1
    assert "weigh differently, which fine-tuning does not take" in result.stderr


def test_all_weights_of_zero_teach_nothing(photos: Path, extract: Extract) -> None:
    """Said, and not divided by."""
    table = photos.with_name("list.csv")
    rows = [f"{path.relative_to(photos.parent)},{path.parent.name},train,0" for path in sorted(photos.rglob("*.png"))]
    table.write_text("path,label,split,weight\n" + "\n".join(rows) + "\n")
    with pytest.raises(HeadError, match="all training images weigh 0"):
        featx.fit_head(extract(table, val_fraction=0, test_fraction=0).cache)
    assert len(COLOURS) == 3


def test_json_of_a_weighted_fit(weighted: Path, extract: Extract, run: Run) -> None:
    """The command line gives the same."""
    extract(weighted)
    model = as_json(run("fit", "cache", "--head", "ridge", "--json"))["model"]
    assert any("by its weight" in note for note in as_json(run("evaluate", model, "--json", "--no-page"))["notes"])
