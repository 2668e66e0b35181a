"""What fine-tuning begins with: a frozen head as dense layers, maps turned at random, rates and averages of weights."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featx
from featx.heads import make_head
from featx.heads.epochs.network import KerasSteps, build_network
from featx.heads.epochs.settings import TrainingRules
from featx.verbs.finetune.flips import flipped
from featx.verbs.finetune.origin import Beginning, figures_to_beat
from featx.verbs.finetune.settings import Schedule, TuningSettings
from featx.verbs.finetune.training import Examples

Extract = Any
SGD = TrainingRules("softmax", "categorical_crossentropy", 0.0, "sgd", 0.1, 0.0, None)


class Doubling:
    """Layers to train that double the maps they are given."""

    end = "cells"

    def __call__(self, maps: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the maps times two."""
        return np.asarray(2 * maps, np.float32)


@dataclasses.dataclass
class Fitted:
    """What of a model the beginning is made from."""

    head: Any
    head_name: str
    pooling: str = "avg"
    layer: str = "cells"
    tail: None = None
    temperature: float = 1.0


@pytest.fixture
def examples() -> Examples:
    """90 maps of 2 x 2 x 5 in three classes that overlap."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    maps = rng.normal(size=(90, 2, 2, 5)) + np.eye(5)[y][:, None, None] * 0.7
    return Examples(maps.reshape(90, -1).astype(np.float32), y, (2, 2, 5))


def pooled(examples: Examples) -> NDArray[np.float32]:
    """Return averages of what the layers give."""
    return 2 * examples.maps(np.asarray(examples.X)).mean(axis=(1, 2))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("logreg", {}), ("svm", {}), ("ridge", {}), ("logreg", {"scale": "none", "C": 1.0}), ("dense", {"epochs": 3})],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_linear_head_begins_with_its_own_probabilities(
    name: str, settings: dict[str, Any], n_classes: int, examples: Examples
) -> None:
    """As a dense layer, whatever the head calls its planes; of two classes and of more."""
    few = examples.y < n_classes
    some = Examples(np.asarray(examples.X)[few], examples.y[few], examples.map_shape)
    head = make_head(name, **settings).fit(pooled(some), some.y)
    beginning = Beginning.of(Fitted(head, name), Doubling(), some, 0)  # type: ignore[arg-type]
    assert (beginning.is_exact, beginning.pooling) == (True, "avg")
    np.testing.assert_allclose(beginning.head.predict_proba(pooled(some)), head.predict_proba(pooled(some)), atol=1e-5)


def test_a_calibrated_head_begins_calibrated(examples: Examples) -> None:
    """The temperature is in the weights."""
    head = make_head("logreg", C=1.0).fit(pooled(examples), examples.y)
    beginning = Beginning.of(Fitted(head, "logreg", temperature=2.0), Doubling(), examples, 0)  # type: ignore[arg-type]
    roots = np.sqrt(head.predict_proba(pooled(examples)))
    wanted = roots / roots.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(beginning.head.predict_proba(pooled(examples)), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "layer"),
    [
        ("knn", {}, "cells"),
        ("svm", {"kernel": "rbf"}, "cells"),
        ("logreg", {"scale": "l2"}, "cells"),
        ("logreg", {}, "an earlier one"),
    ],
)
def test_in_the_place_of_another_head_begins_a_logistic_regression(
    name: str, settings: dict[str, Any], layer: str, examples: Examples
) -> None:
    """Fitted on what the layers to train give as they are now; the model itself is to be beaten."""
    head = make_head(name, **settings).fit(pooled(examples), examples.y)
    beginning = Beginning.of(Fitted(head, name, layer=layer), Doubling(), examples, 0)  # type: ignore[arg-type]
    assert not beginning.is_exact
    wanted = make_head("logreg").fit(pooled(examples), examples.y).predict_proba(pooled(examples))
    np.testing.assert_allclose(beginning.head.predict_proba(pooled(examples)), wanted, atol=1e-4)


def test_what_is_to_beat_does_not_depend_on_confidence() -> None:
    """The loss at the temperature that suits the images best: as small for a head that is far too sure of itself."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(200, 3))
    y = np.array([rng.choice(3, p=np.exp(row) / np.exp(row).sum()) for row in logits])

    def shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
        raised = np.exp(values)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    one, other = figures_to_beat(shares(logits), y), figures_to_beat(shares(5 * logits), y)
    assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-6)
    assert one["val_accuracy"] == other["val_accuracy"] == (logits.argmax(axis=1) == y).mean()
    assert one["val_loss"] < -np.log(shares(5 * logits)[np.arange(200), y]).mean()


def test_maps_are_mirrored_and_turned_each_on_its_own() -> None:
    """Half of them left and right; with ``all`` in each of the eight positions of a square; the maps given stay."""
    one = np.arange(3 * 3 * 2, dtype=np.float16).reshape(3, 3, 2)
    maps = np.repeat(one[None], 400, axis=0)
    assert flipped(maps, "none", [0]) is maps
    mirrored = flipped(maps, "horizontal", [0, 1])
    counts = [sum(np.array_equal(each, form) for each in mirrored) for form in (one, one[:, ::-1])]
    assert sum(counts) == 400
    assert 150 < counts[0] < 250
    every = [np.rot90(form, turns) for form in (one, one[:, ::-1]) for turns in range(4)]
    turned = flipped(maps, "all", [0, 1])
    counts = [sum(np.array_equal(each, form) for each in turned) for form in every]
    assert sum(counts) == 400
    assert min(counts) > 20
    assert turned.dtype == np.float16
    np.testing.assert_array_equal(flipped(maps, "all", [0, 1]), turned)
    assert (maps == one).all()
    oblong = np.zeros((5, 2, 3, 1), np.float32)
    assert flipped(oblong, "all", [0]).shape == oblong.shape


def test_the_rate_rises_and_falls() -> None:
    """During the first tenth of the steps, and then to nothing; a constant rate stays."""
    rates = [Schedule(learning_rate=1.0).rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert int(np.argmax(rates)) == 9
    assert rates[-1] < 0.001
    assert {Schedule(learning_rate=1.0, kind="constant").rate(step, 100) for step in range(100)} == {1.0}


def test_an_average_is_over_its_share_of_the_steps() -> None:
    """1,000 steps and a tenth of them: each counts for a hundredth; none where nothing is averaged."""
    assert Schedule(averaging=0.1).kept_of_average(1000) == pytest.approx(0.99)
    assert Schedule(averaging=0.0).kept_of_average(1000) == 0
    assert Schedule(averaging=0.1).kept_of_average(5) == 0


def test_dropout_is_the_heads_own_where_it_has_one() -> None:
    """What was given counts first."""
    dense, logreg = make_head("dense", dropout=0.5), make_head("logreg")
    assert [TuningSettings(Schedule()).dropout_for(head) for head in (dense, logreg)] == [0.5, 0.3]
    assert TuningSettings(Schedule(), dropout=0.0).dropout_for(dense) == 0


def test_variables_learn_at_their_shares_and_the_average_is_one() -> None:
    """Plain SGD, its steps and its running average by hand in NumPy."""
    X, y = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), np.arange(8) % 2
    network = build_network(4, X.dtype, 1.0, units=(2,), dropout=0.0, seed=0)
    steps = KerasSteps(network, SGD, averaging=0.75, shares=(0.25, 1.0))
    kernel, bias = steps.weights()
    averages: list[Any] = []
    for _ in range(3):
        logits = X @ kernel + bias
        raised = np.exp(logits)
        slope = (raised / raised.sum(axis=1, keepdims=True) - np.eye(2)[y]) / 8
        kernel, bias = kernel - 0.1 * 0.25 * X.T @ slope, bias - 0.1 * slope.sum(axis=0)
        new = [kernel, bias]
        averages = [0.75 * old + 0.25 * one for old, one in zip(averages, new, strict=True)] if averages else new
        steps.step(X, y, None)
    with steps.averaged():
        for found, wanted in zip(steps.weights(), averages, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-5)
    for found, wanted in zip(steps.weights(), (kernel, bias), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_of_several_models_the_best_is_found(
    photos: Path, extract: Extract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its accuracy on the validation images, whatever its head."""
    from featx.verbs.finetune.origin import find_start, fit_frozen

    monkeypatch.chdir(tmp_path)
    store = featx.open_cache(extract(photos).cache)
    assert find_start(store, None) is None
    name, model = fit_frozen(store, 0)
    assert name.endswith("fitted now")
    assert model.head_name in ("logreg", "svm", "ridge")
    featx.fit_head(store, "logreg", out=Path("models/good.featx"))
    featx.fit_head(store, "dense", epochs=1, learning_rate=1e-9, out=Path("models/newer.featx"))
    found = find_start(store, None)
    assert found is not None
    assert found[0] == Path("models/good.featx")


def test_a_model_of_other_classes_is_passed_over(
    photos: Path, extract: Extract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before a class was added: however good it was, it is no beginning for the classes of now."""
    from featx.verbs.finetune.origin import find_start

    monkeypatch.chdir(tmp_path)
    cache = extract(photos).cache
    before = Path("models/before.featx")
    featx.fit_head(cache, "logreg", out=before)
    shutil.copytree(photos / "red", photos / "violet")
    for path in (photos / "violet").iterdir():
        with Image.open(path) as image:
            Image.fromarray(np.asarray(image)[..., ::-1] // 2).save(path)
    store = featx.open_cache(extract(photos).cache)
    assert store.catalog.class_names == ("blue", "green", "red", "violet")
    assert find_start(store, None) is None
    featx.fit_head(store, "dense", epochs=1, learning_rate=1e-9, out=Path("models/now.featx"))
    found = find_start(store, None)
    assert found is not None
    assert found[0] == Path("models/now.featx")
    assert find_start(store, before)  # asked for by name, it is refused by name later
