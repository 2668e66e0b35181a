"""How strange an image is: the numbers against other ways to compute them, the shares against what they promise."""

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import roc_auc_score

import featx
from featx.errors import ModelDamaged
from featx.models import Familiarity, load_model, save_model, tell_apart
from featx.models.familiarity import LEAST_JUDGING, MOST_DIRECTIONS, SHRINKAGE, WEIGHT_OF_DOUBT, entropy, unit_roots
from featx.models.separation import auroc_with_interval, wilson

RNG = np.random.default_rng(0)
N_CLASSES, N_CHANNELS = 3, 24
CENTRES = RNG.uniform(0, 4, (N_CLASSES, N_CHANNELS))


def images(n: int, seed: int, centres: NDArray[Any] = CENTRES) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return averages and labels of made images, not negative, as behind a ReLU."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % len(centres)
    return np.abs(centres[y] + rng.normal(0, 1, (n, N_CHANNELS))).astype(np.float32), y


def probabilities(averages: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a head might give: the nearer centre's is larger."""
    logits = -np.linalg.norm(averages[:, None] - CENTRES, axis=2)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def learned(n_train: int = 120, n_val: int = 60) -> Familiarity:
    """Return what is learned of made images."""
    train, y = images(n_train, 1)
    val, _ = images(n_val, 2)
    found = Familiarity.learn(train, y, N_CLASSES, val, probabilities(val))
    assert found is not None
    return found


def distances_by_scikit_learn(train: NDArray[Any], y: NDArray[Any], new: NDArray[Any]) -> NDArray[np.float64]:
    """Return squared Mahalanobis distances from the nearest mean, of a covariance shrunk by scikit-learn's own formula."""
    rows, others = unit_roots(train).astype(np.float64), unit_roots(new).astype(np.float64)
    means = np.stack([rows[y == label].mean(axis=0) for label in range(N_CLASSES)])
    empirical = EmpiricalCovariance(assume_centered=True).fit(rows - means[y])
    spherical = np.eye(N_CHANNELS) * np.trace(empirical.covariance_) / N_CHANNELS
    empirical._set_covariance((1 - SHRINKAGE) * empirical.covariance_ + SHRINKAGE * spherical)
    return np.stack([empirical.mahalanobis(others - mean) for mean in means]).min(axis=0) * SHRINKAGE * spherical[0, 0]


def test_distance_and_entropy_are_those_of_other_libraries() -> None:
    """With as many directions as channels nothing is left out: to float16's rounding of means and directions."""
    assert N_CHANNELS < MOST_DIRECTIONS
    train, y = images(120, 1)
    val, _ = images(60, 2)
    new, _ = images(40, 3, CENTRES + 2)
    found = learned()
    of_val, of_new = (distances_by_scikit_learn(train, y, some) for some in (val, new))
    np.testing.assert_allclose(found.typical[0], [of_val.mean(), of_val.std()], rtol=2e-3)
    doubts, its = (-np.array([(p * np.log(p)).sum() for p in probabilities(some)]) for some in (val, new))
    np.testing.assert_allclose(found.typical[1], [doubts.mean(), doubts.std()])
    expected = (of_new - of_val.mean()) / of_val.std() + WEIGHT_OF_DOUBT * (its - doubts.mean()) / doubts.std()
    np.testing.assert_allclose(found.strangeness(new, probabilities(new)), expected, rtol=5e-3, atol=5e-3)


def test_leaving_small_directions_out_changes_little() -> None:
    """Of more channels than directions: the order of the images stays nearly the same."""
    rng = np.random.default_rng(0)
    scales = 1 / np.arange(1, 201)
    train, new = (np.abs(2 + rng.normal(0, 1, (n, 200)) * scales * 20).astype(np.float32) for n in (300, 100))
    y, none = np.arange(300) % 2, np.empty((0, 2))
    found = Familiarity.learn(train, y, 2, train[:0], none)
    assert found is not None
    assert found.directions.shape == (200, MOST_DIRECTIONS)
    rows, others = unit_roots(train).astype(np.float64), unit_roots(new).astype(np.float64)
    means = np.stack([rows[y == label].mean(axis=0) for label in (0, 1)])
    within = np.cov((rows - means[y]).T, bias=True)
    inverse = np.linalg.inv((1 - SHRINKAGE) * within + SHRINKAGE * np.eye(200) * np.trace(within) / 200)
    exact = np.min([np.einsum("ij,jk,ik->i", others - mean, inverse, others - mean) for mean in means], axis=0)
    order = found.strangeness(new, np.full((100, 2), 0.5))
    assert np.corrcoef(np.argsort(np.argsort(order)), np.argsort(np.argsort(exact)))[0, 1] > 0.98


def test_entropy_of_certain_and_equal_probabilities() -> None:
    """0 and the logarithm of their number."""
    np.testing.assert_allclose(entropy(np.array([[1.0, 0, 0, 0], [0.25] * 4])), [0, np.log(4)])


@pytest.mark.parametrize("asked", [0.02, 0.05, 0.2])
def test_no_more_genuine_images_than_asked_for_are_strange(asked: float) -> None:
    """Over 200 scales of 99 images each: the mean share is what was asked for, and so it is small for strange images."""
    shares, strange = [], []
    train, y = images(60, 1)
    for seed in range(200):
        val, _ = images(99, 10 + seed)
        new, _ = images(60, 5000 + seed)
        found = Familiarity.learn(train, y, N_CLASSES, val, probabilities(val))
        assert found is not None
        shares.append((found.shares(found.strangeness(new, probabilities(new))) <= asked).mean())
        far, _ = images(30, 9000 + seed, CENTRES[::-1] + RNG.uniform(0, 6, N_CHANNELS))
        strange.append((found.shares(found.strangeness(far, probabilities(far))) <= asked).mean())
    assert abs(np.mean(shares) - asked) < 0.015
    assert np.mean(strange) > 2 * asked


def test_shares_count_the_image_itself() -> None:
    """(k + 1) / (n + 1): never 0, and 1 for an image more familiar than all."""
    found = dataclasses.replace(learned(), scale=np.array([1.0, 2.0, 2.0, 3.0]))
    assert found.shares(np.array([9.0, 3.0, 2.0, 1.5, 0.0, np.inf])).tolist() == [0.2, 0.4, 0.8, 0.8, 1.0, 0.2]


@pytest.mark.parametrize("n_val", [0, LEAST_JUDGING - 1])
def test_without_enough_validation_images_training_images_make_the_scale(n_val: int) -> None:
    """Each by a fit that has not seen it: new images are no stranger than they, as they would be had it seen them."""
    shares = []
    for seed in range(40):
        train, y = images(60, 100 + seed)
        val, _ = images(n_val, 2)
        found = Familiarity.learn(train, y, N_CLASSES, val, probabilities(val))
        assert found is not None
        assert found.judged_by == "train"
        assert len(found.scale) == 60
        new, _ = images(60, 7000 + seed)
        shares.append((found.shares(found.strangeness(new, probabilities(new))) <= 0.1).mean())
    assert abs(np.mean(shares) - 0.1) < 0.03


DEGENERATE: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "constant": lambda: (np.ones((30, 8), np.float32), np.arange(30) % 2, np.ones((30, 8), np.float32)),
    "zeros": lambda: (np.zeros((30, 8), np.float32), np.arange(30) % 2, np.zeros((30, 8), np.float32)),
    "fewer images than channels": lambda: (
        RNG.random((6, 500), np.float32),
        np.arange(6) % 2,
        RNG.random((25, 500), np.float32),
    ),
    "two images a class": lambda: (RNG.random((4, 8), np.float32), np.arange(4) % 2, np.empty((0, 8), np.float32)),
    "a class with one image": lambda: (RNG.random((9, 8), np.float32), np.arange(9) // 8, np.empty((0, 8), np.float32)),
    "negative": lambda: (RNG.normal(size=(30, 8)).astype(np.float32), np.arange(30) % 2, RNG.normal(size=(30, 8))),
    "beyond float16": lambda: (
        1e30 * RNG.random((30, 8), np.float32),
        np.arange(30) % 2,
        3e38 * RNG.random((30, 8), np.float32),
    ),
    "one channel": lambda: (RNG.random((30, 1), np.float32), np.arange(30) % 2, RNG.random((30, 1), np.float32)),
    "duplicates": lambda: (np.repeat(RNG.random((2, 8), np.float32), 15, axis=0), np.arange(30) // 15, RNG.random((30, 8))),
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_odd_features_give_shares_between_0_and_1(kind: str) -> None:
    """No warning, no division by zero, and what is written comes back."""
    train, y, val = DEGENERATE[kind]()
    found = Familiarity.learn(train, y, 2, val, np.full((len(val), 2), 0.5))
    assert found is not None
    shares = found.shares(found.strangeness(train, np.full((len(train), 2), 0.5)))
    assert ((shares > 0) & (shares <= 1)).all()
    again = Familiarity.from_arrays(found.arrays(), found.judged_by, 2)
    assert (
        again.strangeness(train, np.full((len(train), 2), 0.5)).tobytes()
        == found.strangeness(train, np.full((len(train), 2), 0.5)).tobytes()
    )


def test_an_image_unlike_constant_training_images_is_strange() -> None:
    """Where genuine images do not differ at all, any other is the strangest."""
    train = np.tile(np.linspace(1, 2, 8, dtype=np.float32), (30, 1))
    found = Familiarity.learn(train, np.arange(30) % 2, 2, train, np.full((30, 2), 0.5))
    assert found is not None
    assert found.shares(found.strangeness(train[:1, ::-1], np.full((1, 2), 0.5))).tolist() == [1 / 31]


def test_rows_that_are_no_numbers_are_left_out_and_are_strangest() -> None:
    """NaN and infinity among the training and validation images, and in a new image."""
    train, y = images(120, 1)
    val, _ = images(60, 2)
    bad_train, bad_val = (
        np.concatenate([some, np.full((2, N_CHANNELS), bad, np.float32)]) for some, bad in ((train, np.nan), (val, np.inf))
    )
    given = np.concatenate([probabilities(val), np.full((2, N_CLASSES), 1 / N_CLASSES)])
    found = Familiarity.learn(bad_train, np.append(y, [0, 1]), N_CLASSES, bad_val, given)
    assert found is not None
    assert all(found.arrays()[name].tobytes() == array.tobytes() for name, array in learned().arrays().items())
    strange = found.strangeness(np.full((1, N_CHANNELS), np.nan), np.full((1, N_CLASSES), 1 / N_CLASSES))
    assert found.shares(strange).tolist() == [1 / 61]
    assert Familiarity.learn(train[:1], y[:1], N_CLASSES, val, probabilities(val)) is None


def test_size_and_time_of_ten_thousand_images_of_1024_channels() -> None:
    """Below a megabyte; a generous bound on the time, which benchmarks measure."""
    train = RNG.random((10_000, 1024), np.float32)
    found = Familiarity.learn(train, np.arange(10_000) % 100, 100, train[:500], np.full((500, 100), 0.01))
    assert found is not None
    assert sum(array.nbytes for array in found.arrays().values()) < 1_000_000


def test_auroc_is_scikit_learns_and_its_interval_holds_the_truth() -> None:
    """Ties and all; DeLong's interval of two normal distributions misses the truth in some 5 % of 300 draws."""
    genuine, strange = np.array([0, 1, 1, 2.0]), np.array([1, 3, 2.0, 2])
    expected = roc_auc_score([0] * 4 + [1] * 4, [*genuine, *strange])
    assert auroc_with_interval(genuine, strange)[0] == pytest.approx(expected)
    rng, missed = np.random.default_rng(0), 0
    for _ in range(300):
        _, (low, high) = auroc_with_interval(rng.normal(0, 1, 80), rng.normal(1, 1, 60))
        missed += not low <= 0.7602 <= high
    assert missed < 30


def test_wilsons_interval_is_scipys() -> None:
    """At the ends and between."""
    from scipy.stats import binomtest

    for count, n in ((0, 5), (5, 5), (3, 40), (1, 1)):
        expected = binomtest(count, n).proportion_ci(0.95, "wilson")
        assert wilson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_separation_counts_both_kinds() -> None:
    """Caught among the strange, false alarms among the genuine, at the level asked for."""
    found = learned()
    new, _ = images(60, 3)
    far, _ = images(30, 4, CENTRES[:, ::-1])
    genuine, strange = (found.judge(found.strangeness(some, probabilities(some)), probabilities(some)) for some in (new, far))
    told = tell_apart(genuine, strange, 0.1)
    assert told.caught == (strange.unfamiliar <= 0.1).mean()
    assert told.false_alarms == (genuine.unfamiliar <= 0.1).mean()
    assert told.auroc == pytest.approx(roc_auc_score([0] * 60 + [1] * 30, [*genuine.strangeness, *strange.strangeness]))
    assert told.auroc > 0.7


@pytest.fixture
def fitted(stub_cache: Path, tmp_path: Path) -> Path:
    """A model of the stub's features."""
    return featx.fit_head(stub_cache, "logreg", out=tmp_path / "sound.featx").model


def test_it_comes_back_from_the_file_and_leaves_it_if_it_is_not_there(fitted: Path, tmp_path: Path) -> None:
    """Bit for bit; the file of a model without is of the schema that an older featx reads."""
    model = load_model(fitted)
    assert model.familiarity is not None
    save_model(model, tmp_path / "again.featx")
    again = load_model(tmp_path / "again.featx").familiarity
    assert again is not None
    assert again.judged_by == model.familiarity.judged_by
    for name, array in model.familiarity.arrays().items():
        assert again.arrays()[name].tobytes() == array.tobytes()
    save_model(dataclasses.replace(model, familiarity=None), tmp_path / "old.featx")
    with zipfile.ZipFile(tmp_path / "old.featx") as archive:
        assert json.loads(archive.read("model.json"))["schema"] == 1
        assert not [name for name in archive.namelist() if name.startswith("familiar/")]
    assert load_model(tmp_path / "old.featx").familiarity is None


MUTATIONS: dict[str, Callable[[dict[str, NDArray[Any]]], None]] = {
    "a member is gone": lambda arrays: arrays.__delitem__("scale"),
    "one too many": lambda arrays: arrays.update(other=np.zeros(3)),
    "another type": lambda arrays: arrays.update(means=arrays["means"].astype(np.float32)),
    "another rank": lambda arrays: arrays.update(scale=arrays["scale"][None]),
    "another number of classes": lambda arrays: arrays.update(means=arrays["means"][:-1]),
    "another number of channels": lambda arrays: arrays.update(directions=arrays["directions"][:-1]),
    "no scale": lambda arrays: arrays.update(scale=arrays["scale"][:0]),
    "a scale in another order": lambda arrays: arrays.update(
        scale=arrays["scale"][::-1] + np.arange(len(arrays["scale"]), 0, -1)
    ),
    "no number in the scale": lambda arrays: arrays.update(scale=np.append(arrays["scale"], np.nan)),
    "no number in the directions": lambda arrays: arrays.update(directions=arrays["directions"] * np.float16(np.inf)),
    "no spread": lambda arrays: arrays.update(typical=np.zeros((2, 2))),
    "no number among the typical": lambda arrays: arrays.update(typical=np.full((2, 2), np.nan)),
    "no means": lambda arrays: arrays.update(means=arrays["means"] * np.float16(np.nan)),
}


@pytest.mark.parametrize("kind", MUTATIONS)
def test_each_mutation_of_the_members_is_refused(fitted: Path, tmp_path: Path, kind: str) -> None:
    """Though every digest fits."""
    from featx.system.npy import array_of, npy_bytes

    with zipfile.ZipFile(fitted) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in members if name.startswith("familiar/")]
    arrays = {name.removeprefix("familiar/").removesuffix(".npy"): array_of(members.pop(name)) for name in names}
    MUTATIONS[kind](arrays)
    members |= {f"familiar/{name}.npy": npy_bytes(array) for name, array in arrays.items()}
    document = json.loads(members.pop("model.json"))
    document["members"] = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    sealed = json.dumps(document["members"], sort_keys=True).encode()
    document["sealed"]["members"] = hashlib.sha256(sealed).hexdigest()
    with zipfile.ZipFile(tmp_path / "other.featx", "w") as archive:
        for name, data in (members | {"model.json": json.dumps(document).encode()}).items():
            archive.writestr(name, data)
    with pytest.raises(ModelDamaged, match=r"other\.featx: .*familiar"):
        load_model(tmp_path / "other.featx")
