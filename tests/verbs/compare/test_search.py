"""Cross-validation inside the training images: what is left out of what, the same figures as scikit-learn, the search."""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import featx
import featx.heads.classical.left_out
import featx.verbs.compare.limit
import featx.verbs.compare.search
import featx.verbs.compare.validate
from featx.errors import HeadError
from featx.heads import HEADS, Scaling, make_head
from featx.heads.classical.ridge import RidgeHead
from featx.store import FeatureCache
from featx.system.progress import Progress
from featx.verbs.compare.candidates import Candidate, Tried, rank_of
from featx.verbs.compare.folds import TrainingImages, cut_into_folds
from featx.verbs.compare.limit import Limit, check_minutes
from featx.verbs.compare.search import search_settings
from featx.verbs.compare.validate import CrossValidation, cross_validate
from tests.conftest import write_image

CENTRES = ((100, 100, 100), (106, 100, 100), (100, 106, 100))
STUB: dict[str, Any] = {"backbone": "stub", "val_fraction": 0, "test_fraction": 0, "workers": 1}
Fitted = Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]


def write_noisy(root: Path, counts: Sequence[tuple[str, int]], first: int = 0) -> Path:
    """Write, for each (split, images), so many images of each of 3 classes that no head tells apart without mistakes."""
    for label, centre in enumerate(CENTRES):
        number = first
        for split, n_images in counts:
            for number in range(number, number + n_images):  # noqa: B020 - goes on counting in the next split
                shift = np.random.default_rng(1000 * label + number).integers(-6, 7, 3)
                red, green, blue = (int(value) for value in np.array(centre) + shift)
                write_image(root / split / f"c{label}" / f"{number}.png", (red, green, blue), seed=100 * label + number)
            number += 1
    return root


def write_few(root: Path, counts: dict[str, int]) -> Path:
    """Write so many images of each class."""
    for label, (name, n_images) in enumerate(counts.items()):
        for number in range(n_images):
            write_image(root / name / f"{number}.png", (60 * label, 90, 200 - 60 * label), seed=100 * label + number)
    return root


def folds_of(images: Path, cache: Path, n_folds: int = 4, seed: int = 0, **options: Any) -> TrainingImages:
    """Extract with the stub backbone and deal the training images out."""
    featx.extract_features(images, cache, **(STUB | {"image_size": (64, 64), "yes": True} | options))
    return cut_into_folds(FeatureCache.open(cache), "cells", n_folds, seed)


def features_of(images: TrainingImages, pooling: str, views: Any = 0) -> NDArray[np.float64]:
    """Return the features of all training images."""
    return images.store.features(images.rows, pooling=pooling, views=views).astype(np.float64)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    """3 classes x 20 training images in 4 folds, and val and test images; whole maps have 108 values, averages 3."""
    folder = tmp_path_factory.mktemp("search")
    write_noisy(folder / "photos", [("train", 20), ("val", 3), ("test", 3)])
    return folds_of(folder / "photos", folder / "cache", image_size=(192, 192))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    """8, 16 and 24 training images of 3 classes in 4 folds."""
    folder = tmp_path_factory.mktemp("uneven")
    write_noisy(folder / "photos", [("train", 24)])
    for label, n_images in enumerate((8, 16)):
        for path in sorted((folder / "photos" / "train" / f"c{label}").iterdir())[n_images:]:
            path.unlink()
    return folds_of(folder / "photos", folder / "cache", image_size=(192, 192))


@pytest.fixture(scope="module")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    """The same with 10 training images a class, each in 3 views."""
    folder = tmp_path_factory.mktemp("viewed")
    write_noisy(folder / "photos", [("train", 10)])
    return folds_of(folder / "photos", folder / "cache", 3, augment="flip,rotate=20,brightness=0.05", views=3)


def test_every_training_image_is_left_out_once_and_classes_are_spread(images: TrainingImages) -> None:
    """20 of each class in 4 folds are 5 of each in each; labels and names are those of the catalog."""
    catalog = images.store.catalog
    assert images.rows.tolist() == catalog.rows("train").tolist()
    assert [images.class_names[label] for label in images.labels] == [
        catalog.class_names[catalog.labels[row]] for row in images.rows
    ]
    assert images.n_folds == 4
    for label in range(3):
        assert np.bincount(images.fold_of[images.labels == label]).tolist() == [5, 5, 5, 5]
    # One image in seven of each class, rounded.
    assert np.bincount(images.labels[images.inner_val]).tolist() == [3, 3, 3]


def test_folds_are_a_function_of_the_seed(images: TrainingImages) -> None:
    """The same seed deals alike; another deals otherwise, as evenly."""
    again, other = (cut_into_folds(images.store, "cells", 4, seed) for seed in (0, 1))
    assert again.fold_of.tolist() == images.fold_of.tolist()
    assert again.inner_val.tolist() == images.inner_val.tolist()
    assert other.fold_of.tolist() != images.fold_of.tolist()
    assert np.bincount(other.fold_of).tolist() == [15] * 4


def test_exact_duplicates_are_left_out_together(tmp_path: Path) -> None:
    """Copies of a file, in its own class or in another one, share a fold, and a side of the inner validation."""
    write_few(tmp_path / "photos", {"a": 9, "b": 9})
    for name in "ab":
        for number in range(4):
            for copy in range(number + 1):
                shutil.copy(tmp_path / "photos" / name / f"{number}.png", tmp_path / "photos" / name / f"{number}-{copy}.png")
    shutil.copy(tmp_path / "photos" / "a" / "8.png", tmp_path / "photos" / "b" / "conflict.png")
    images = folds_of(tmp_path / "photos", tmp_path / "cache", 3)
    assert len(images.rows) == 18 + 20 + 1
    for seed in range(5):
        dealt = cut_into_folds(images.store, "cells", 3, seed)
        assert sorted(set(dealt.fold_of.tolist())) == [0, 1, 2]
        sides: dict[bytes, set[tuple[int, bool]]] = {}
        for row, fold, is_val in zip(dealt.rows, dealt.fold_of, dealt.inner_val, strict=True):
            sides.setdefault(images.store.catalog.digests[row].tobytes(), set()).add((int(fold), bool(is_val)))
        assert {len(side) for side in sides.values()} == {1}
        assert len(sides) == 18


def test_a_small_class_gives_fewer_folds(tmp_path: Path) -> None:
    """3 different images, one of them there 4 times, are 3 folds, each with some of that class."""
    write_few(tmp_path / "photos", {"large": 12, "small": 3})
    for copy in range(3):
        shutil.copy(tmp_path / "photos" / "small" / "0.png", tmp_path / "photos" / "small" / f"copy{copy}.png")
    images = folds_of(tmp_path / "photos", tmp_path / "cache", 10)
    assert images.n_folds == 3
    assert set(images.fold_of[images.labels == 1].tolist()) == {0, 1, 2}


@pytest.mark.parametrize("copies", [0, 3])
def test_a_class_of_one_image_is_named(tmp_path: Path, copies: int) -> None:
    """Copies of it are no help: left out, nothing of the class would be left."""
    write_few(tmp_path / "photos", {"many": 6, "lonely": 1, "more": 6})
    for copy in range(copies):
        shutil.copy(tmp_path / "photos" / "lonely" / "0.png", tmp_path / "photos" / "lonely" / f"copy{copy}.png")
    with pytest.raises(HeadError, match=r"cache: cross-validation needs .*1 of 'lonely'.*Add images"):
        folds_of(tmp_path / "photos", tmp_path / "cache")


def test_a_single_class_and_none_are_refused(tmp_path: Path) -> None:
    """Neither can be cross-validated; no other error comes of them."""
    write_few(tmp_path / "one", {"only": 6})
    with pytest.raises(HeadError, match="two classes"):
        folds_of(tmp_path / "one", tmp_path / "c1")
    write_few(tmp_path / "none" / "test", {"a": 2, "b": 2})
    (tmp_path / "none" / "train" / "a").mkdir(parents=True)
    (tmp_path / "none" / "train" / "a" / "bad.png").write_text("no image")
    with pytest.raises(HeadError, match="two classes"):
        folds_of(tmp_path / "none", tmp_path / "c2")


@pytest.mark.parametrize("n_folds", [-1, 0, 1, 101])
def test_a_number_of_folds_outside_its_range_is_refused(images: TrainingImages, n_folds: int) -> None:
    """With the range and what was received."""
    with pytest.raises(HeadError, match=rf"--folds must be from 2 to 100\. Received: {n_folds}\."):
        cut_into_folds(images.store, "cells", n_folds, 0)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_outside_its_range_is_refused(images: TrainingImages, seed: int) -> None:
    """By featx, as every head does, and not by the library underneath."""
    with pytest.raises(HeadError, match="seed must be"):
        cut_into_folds(images.store, "cells", 3, seed)


def test_val_and_test_images_play_no_part(tmp_path: Path) -> None:
    """With others of them, and without any, every image is in the same fold and every figure is the same bits."""
    write_noisy(tmp_path / "photos", [("train", 8), ("val", 3), ("test", 3)])
    candidates = [Candidate(head, "flatten") for head in ("logreg", "ridge", "knn")]
    found = []
    for change in range(3):
        if change:
            for split in ("val", "test"):
                shutil.rmtree(tmp_path / "photos" / split)
        if change == 1:
            write_noisy(tmp_path / "photos", [("val", 5), ("test", 2)], first=100)
        dealt = folds_of(tmp_path / "photos", tmp_path / f"cache{change}", 3)
        digests = [dealt.store.catalog.digests[row].tobytes() for row in dealt.rows]
        tried = cross_validate(dealt, candidates)
        figures = [(one.accuracy, one.log_loss, one.right.tolist()) for one in tried]
        found.append((digests, dealt.fold_of.tolist(), dealt.inner_val.tolist(), figures))
    assert found[0] == found[1] == found[2]


def by_hand(images: TrainingImages, pooling: str, fitted: Fitted, n_views: int = 1) -> tuple[float, float, NDArray[np.bool_]]:
    """Return accuracy, log loss and which were right: scaled over all training rows, fitted on all folds but one.

    ``fitted`` takes the rows that are learned from, their labels and the rows to judge, and returns probabilities.
    """
    keys = (0, *images.store.catalog.view_keys)[:n_views]
    views = np.stack([features_of(images, pooling, views=key) for key in keys], axis=1)
    scaler = StandardScaler().fit(views.reshape(-1, views.shape[2]))
    probabilities = np.zeros((len(images.rows), len(images.class_names)))
    for fold in range(images.n_folds):
        used, left_out = images.fold_of != fold, images.fold_of == fold
        learned = scaler.transform(views[used].reshape(-1, views.shape[2]))
        y = np.repeat(images.labels[used], n_views)
        probabilities[left_out] = fitted(learned, y, scaler.transform(views[left_out, 0]))
    right = probabilities.argmax(axis=1) == images.labels
    of_label = np.maximum(probabilities[np.arange(len(right)), images.labels], 1e-7)
    return float(right.mean()), float(-np.log(of_label).mean()), right


def fit_logreg(X: NDArray[np.float64], y: NDArray[np.int64], X_new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of scikit-learn's logistic regression, walked to its very minimum."""
    return LogisticRegression(C=0.05, tol=1e-9, max_iter=100_000).fit(X, y).predict_proba(X_new)


def fit_knn(X: NDArray[np.float64], y: NDArray[np.int64], X_new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares of votes."""
    return KNeighborsClassifier(3).fit(X, y).predict_proba(X_new)


def fit_ridge(X: NDArray[np.float64], y: NDArray[np.int64], X_new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Platt's sigmoids of what as many refits as there are rows decide, scaled to sum to 1."""
    targets = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    rows = np.arange(len(X))
    refits = [Ridge(20).fit(X[rows != row], targets[rows != row]).predict(X[[row]])[0] for row in rows]
    # The head takes out of each what its own label alone does to the mean of the targets.
    others = (targets.sum(axis=0) - targets) / (len(X) - 1)
    left_out = np.stack(refits) + targets.mean(axis=0) - others
    decided = Ridge(20).fit(X, targets).predict(X_new)
    shares = np.empty_like(decided)
    for label in range(3):

        class Decided(LogisticRegression):
            """A classifier whose decision is its only feature."""

            def decision_function(self, X: Any) -> Any:
                return X[:, 0]

        plain = Decided().fit(left_out[:, [label]], y == label)
        sigmoid = CalibratedClassifierCV(FrozenEstimator(plain), method="sigmoid").fit(left_out[:, [label]], y == label)
        shares[:, label] = sigmoid.predict_proba(decided[:, [label]])[:, 1]
    return shares / shares.sum(axis=1, keepdims=True)


BY_HAND: dict[str, tuple[dict[str, Any], Fitted]] = {
    "logreg": ({"C": 0.05}, fit_logreg),
    "ridge": ({"alpha": 20}, fit_ridge),
    "knn": ({"neighbors": 3}, fit_knn),
}


@pytest.mark.parametrize("pooling", ["flatten", "avg"], ids=["wide", "tall"])
@pytest.mark.parametrize("head", BY_HAND)
def test_figures_equal_scikit_learns_on_the_same_folds(images: TrainingImages, head: str, pooling: str) -> None:
    """Accuracy, log loss and who was right, where whole maps are wider than they are many, and averages not."""
    settings, fitted = BY_HAND[head]
    assert (features_of(images, pooling).shape[1] > len(images.rows)) == (pooling == "flatten")
    (found,) = cross_validate(images, [Candidate(head, pooling, settings)])
    accuracy, log_loss, right = by_hand(images, pooling, fitted)
    assert 0.45 < accuracy < 0.95, "the problem should be neither hopeless nor trivial"
    assert found.right.tolist() == right.tolist()
    assert found.accuracy == accuracy
    assert found.log_loss == pytest.approx(log_loss, rel=2e-4)
    assert found.candidate == Candidate(head, pooling, settings)


ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "logreg": ("logreg", {"C": 0.05}),
    "ridge": ("ridge", {}),
    "knn": ("knn", {"neighbors": 3}),
    "svm": ("svm", {"C": 0.01}),
    "svm, balanced": ("svm", {"class_weight": "balanced"}),
    "rbf": ("svm", {"kernel": "rbf"}),
    "rbf, balanced": ("svm", {"kernel": "rbf", "class_weight": "balanced"}),
}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("pooling", ["flatten", "avg"], ids=["wide", "tall"])
@pytest.mark.parametrize("scale", ["standard", "sqrt", "none"])
def test_what_is_shared_changes_no_figure(
    uneven: TrainingImages, name: str, pooling: str, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared with each other or by their columns: as heads decide that are fitted on the scaled rows of each fold alone."""
    head, settings = ROUTES[name]
    candidates = [Candidate(head, pooling, settings | {"scale": scale})]
    (compared,) = cross_validate(uneven, candidates)
    monkeypatch.setattr(featx.heads.classical.left_out, "are_compared", lambda *_: False)
    (by_columns,) = cross_validate(uneven, candidates)
    assert by_columns.right.tolist() == compared.right.tolist()
    assert by_columns.log_loss == pytest.approx(compared.log_loss, rel=1e-6)
    if scale == "none" and (head, settings.get("kernel")) in (("svm", None), ("logreg", None)):
        return  # on such columns scikit-learn's own solvers do not get to the end
    X = features_of(uneven, pooling)
    rows = Scaling.learn(scale, X)(X)
    probabilities = np.zeros((len(X), 3))
    for fold in range(uneven.n_folds):
        used, left_out = uneven.fold_of != fold, uneven.fold_of == fold
        fitted = make_head(head, **settings, scale="none").fit(rows[used], uneven.labels[used])
        probabilities[left_out] = fitted.predict_proba(rows[left_out])
    right = probabilities.argmax(axis=1) == uneven.labels
    log_loss = -np.log(np.maximum(probabilities[np.arange(len(X)), uneven.labels], 1e-7)).mean()
    assert compared.right.tolist() == right.tolist()
    assert compared.log_loss == pytest.approx(log_loss, rel=2e-4)


def grid_search(
    images: TrainingImages, pooling: str, estimator: Any, grid: dict[str, Sequence[Any]]
) -> tuple[dict[Any, float], dict[Any, float]]:
    """Return accuracy and log loss of each value by scikit-learn's exhaustive search, on the same rows and folds."""
    X = features_of(images, pooling)
    scores, folds = ("accuracy", "neg_log_loss"), PredefinedSplit(images.fold_of)
    search = GridSearchCV(estimator, grid, scoring=scores, refit=False, cv=folds, error_score="raise")
    found = search.fit(StandardScaler().fit_transform(X), images.labels).cv_results_
    values = [next(iter(each.values())) for each in found["params"]]
    return (
        dict(zip(values, found["mean_test_accuracy"], strict=True)),
        dict(zip(values, -found["mean_test_neg_log_loss"], strict=True)),
    )


def machine_with_sigmoids() -> Any:
    """Return scikit-learn's linear machine, walked to its very minimum, and its sigmoids."""
    machine = LinearSVC(dual=True, tol=1e-9, max_iter=1_000_000, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return CalibratedClassifierCV(machine, method="sigmoid", ensemble=False, cv=folds)


EXHAUSTIVE: dict[str, tuple[Callable[[], Any], str, float]] = {
    # Each with how exactly scikit-learn's own log loss is known: its sigmoids walk until their gradient is below 1e-6 or so.
    "logreg": (lambda: LogisticRegression(tol=1e-9, max_iter=100_000), "C", 1e-6),
    "svm": (machine_with_sigmoids, "estimator__C", 2e-4),
    "knn": (KNeighborsClassifier, "n_neighbors", np.inf),
}


@pytest.mark.parametrize("head", EXHAUSTIVE)
@pytest.mark.parametrize("pooling", ["flatten", "avg"], ids=["wide", "tall"])
def test_the_choice_is_that_of_scikit_learns_exhaustive_search(images: TrainingImages, head: str, pooling: str) -> None:
    """Every value has the accuracy and the log loss that it has there, and the same is the best."""
    make, name, precision = EXHAUSTIVE[head]
    key = "neighbors" if head == "knn" else "C"
    tried = search_settings(images, head, pooling, {"scale": "standard"}).tried
    default = HEADS[head].grid[key][0]
    found = {one.candidate.settings.get(key, default): one for one in tried}
    accuracy, log_loss = grid_search(images, pooling, make(), {name: sorted(HEADS[head].grid[key])})
    assert {value: one.accuracy for value, one in found.items()} == pytest.approx(accuracy, abs=1e-12)
    best = max(accuracy.values())
    if head != "knn":  # whose share of votes is 0 now and then: a log loss by how far that is from 0
        assert {value: one.log_loss for value, one in found.items()} == pytest.approx(log_loss, rel=precision)
        wanted = min((value for value in accuracy if accuracy[value] > best - 1e-9), key=log_loss.__getitem__)
        assert tried[0].candidate.settings.get(key, default) == wanted
    assert tried[0].accuracy == pytest.approx(best)


@pytest.mark.parametrize("name", ["logreg", "ridge", "knn", "svm", "svm, balanced", "rbf", "rbf, balanced"])
def test_weights_of_images_count_in_what_is_shared(uneven: TrainingImages, name: str) -> None:
    """As for a head that is fitted on each fold alone, with its images' weights; some weigh nothing."""
    head, settings = ROUTES[name]
    weights = np.random.default_rng(4).integers(0, 4, len(uneven.rows)).astype(np.float64)
    weighted = dataclasses.replace(uneven, weights=weights)
    (found,) = cross_validate(weighted, [Candidate(head, "flatten", settings)])
    X = features_of(uneven, "flatten")
    rows = Scaling.learn("standard", X, weights)(X)
    probabilities = np.zeros((len(X), 3))
    for fold in range(uneven.n_folds):
        used, left_out = uneven.fold_of != fold, uneven.fold_of == fold
        fitted = make_head(head, **settings, scale="none")
        fitted.fit(rows[used], uneven.labels[used], sample_weight=weights[used])
        probabilities[left_out] = fitted.predict_proba(rows[left_out])
    losses = -np.log(np.maximum(probabilities[np.arange(len(X)), uneven.labels], 1e-7))
    # Folds for sigmoids are dealt by the rows' bytes: those of scaled rows are others.
    precision = 0.1 if head == "svm" else 2e-4
    assert found.log_loss == pytest.approx(np.average(losses, weights=weights), rel=precision)
    (alike,) = cross_validate(uneven, [Candidate(head, "flatten", settings)])
    assert abs(alike.log_loss - found.log_loss) > 1e-3, "weights should matter here"


@pytest.mark.parametrize("name", ["ridge", "svm", "rbf"])
def test_an_image_that_stands_twice_is_one_of_twice_the_weight(uneven: TrainingImages, name: str) -> None:
    """For heads that hold rows out inside a fit: what is shared keeps copies alike to the bit."""
    head, settings = ROUTES[name]
    twice = np.concatenate([np.arange(len(uneven.rows)), np.arange(0, len(uneven.rows), 3)])
    copied = dataclasses.replace(
        uneven,
        rows=uneven.rows[twice],
        labels=uneven.labels[twice],
        fold_of=uneven.fold_of[twice],
        inner_val=uneven.inner_val[twice],
    )
    weights = np.where(np.arange(len(uneven.rows)) % 3 == 0, 2.0, 1.0)
    (found,) = cross_validate(copied, [Candidate(head, "flatten", settings)])
    (wanted,) = cross_validate(dataclasses.replace(uneven, weights=weights), [Candidate(head, "flatten", settings)])
    assert found.accuracy == pytest.approx(wanted.accuracy, abs=1e-12)
    assert found.log_loss == pytest.approx(wanted.log_loss, rel=1e-6)


def test_candidates_tried_together_do_as_they_do_alone(images: TrainingImages) -> None:
    """Neither their order nor their company changes a figure, and results come in the order asked."""
    candidates = [
        Candidate("knn", "avg"),
        Candidate("logreg", "flatten", {"scale": "l2"}),
        Candidate("logreg", "avg", {"C": 1.0}),
        Candidate("ridge", "flatten"),
        Candidate("svm", "flatten", {"kernel": "rbf"}),
        Candidate("logreg", "avg", {"C": 0.001}),
    ]
    steps: list[tuple[str, int, int]] = []
    together = cross_validate(images, candidates, lambda *step: steps.append(step))
    assert [one.candidate for one in together] == candidates
    assert steps == [("cross-validate", 0, 6)] + [("cross-validate", 1, 6)] * 6
    for candidate, one in zip(reversed(candidates), reversed(together), strict=True):
        (alone,) = cross_validate(images, [candidate])
        assert (alone.accuracy, alone.log_loss) == (one.accuracy, one.log_loss)
        assert one.seconds > 0
    assert len({(one.accuracy, one.log_loss) for one in together}) == 6


@pytest.mark.parametrize("settings", [{"C": -1.0}, {"scale": "minmax"}, {"scale": None}, {"class_weight": "even"}], ids=str)
def test_a_bad_setting_is_refused_as_a_fit_refuses_it(images: TrainingImages, settings: dict[str, Any]) -> None:
    """It is not tried as if it were another one."""
    (name,) = settings
    with pytest.raises(HeadError, match=f"{name} must be"):
        cross_validate(images, [Candidate("logreg", "avg", settings)])


def test_folds_learn_from_all_views_and_are_judged_on_clean_rows(viewed: TrainingImages) -> None:
    """As by hand: scaled over all views of all images, fitted on the views of the others, judged on its clean row."""
    (found,) = cross_validate(viewed, [Candidate("logreg", "flatten", {"C": 0.05})])
    _, log_loss, right = by_hand(viewed, "flatten", fit_logreg, n_views=3)
    assert found.right.tolist() == right.tolist()
    assert found.log_loss == pytest.approx(log_loss, rel=2e-4)
    assert by_hand(viewed, "flatten", fit_logreg)[1] != pytest.approx(log_loss, rel=1e-2), "views should matter here"


class Recorder:
    """Stands in for every head: keeps what it was given and finds all classes it saw alike."""

    def __init__(self) -> None:
        self.fits: list[dict[str, Any]] = []
        self.judged: list[NDArray[np.floating]] = []
        self.made: list[tuple[str, dict[str, Any]]] = []

    def make(self, name: str, *, task: str = "classes", **settings: Any) -> Self:
        """Take the place of make_head."""
        self.made.append((name, settings))
        return self

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None, sample_weight: Any = None) -> Self:
        """Keep the rows."""
        val = None if X_val is None else np.asarray(X_val)
        self.fits.append({"X": np.asarray(X), "y": y, "X_val": val, "y_val": y_val})
        self.classes_ = np.unique(y)
        return self

    def outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Keep the rows."""
        self.judged.append(X)
        return np.full((len(X), len(self.classes_)), 1 / max(1, len(self.classes_)))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A recorder in the place of every head that a cross-validation makes."""
    spy = Recorder()
    monkeypatch.setattr(featx.verbs.compare.validate, "make_head", spy.make)
    return spy


def who(images: TrainingImages, X: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Return (image, number of the view) of each row of whole maps, by its values."""
    known = {}
    for number, key in enumerate((0, *images.store.catalog.view_keys)):
        rows = images.store.features(images.rows, views=key, dtype=np.float16)
        known |= {row.tobytes(): (image, number) for image, row in enumerate(rows)}
    assert len(known) == len(images.rows) * (1 + len(images.store.catalog.view_keys))
    return [known[row.astype(np.float16).tobytes()] for row in X]


@pytest.mark.parametrize("head", ["dense", "conv"])
def test_a_head_with_epochs_stops_by_rows_that_are_not_left_out(viewed: TrainingImages, recorder: Recorder, head: str) -> None:
    """Learned from, stopped by and judged are three parts of the images; only the first comes in all views."""
    (tried,) = cross_validate(viewed, [Candidate(head, "flatten", {"epochs": 2})])
    assert len(recorder.fits) == len(recorder.judged) == 3
    for fold, (fit, judged) in enumerate(zip(recorder.fits, recorder.judged, strict=True)):
        learned, stopped, found = who(viewed, fit["X"]), who(viewed, fit["X_val"]), who(viewed, judged)
        assert found == [(image, 0) for image in np.flatnonzero(viewed.fold_of == fold)]
        assert stopped == [(image, 0) for image in np.flatnonzero((viewed.fold_of != fold) & viewed.inner_val)]
        rest = np.flatnonzero((viewed.fold_of != fold) & ~viewed.inner_val)
        assert learned == [(image, view) for image in rest for view in range(3)]
        assert fit["y"].tolist() == [viewed.labels[image] for image, _ in learned]
        assert fit["y_val"].tolist() == [viewed.labels[image] for image, _ in stopped]
        assert len(learned) > 3 * len(stopped) > 0
    wanted = {"epochs": 2} | ({"map_shape": [2, 2, 3]} if head == "conv" else {})
    assert recorder.made == [(head, wanted)] * 3
    assert (tried.accuracy, tried.log_loss) == (pytest.approx(1 / 3), pytest.approx(np.log(3)))


def test_a_classical_head_is_given_no_validation_rows(images: TrainingImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns from all images but those left out."""
    fits: list[tuple[int, int]] = []
    real = RidgeHead.fit

    def fit(self: RidgeHead, X: Any, y: Any, *others: Any, **_: Any) -> Any:
        fits.append((len(X), len(others)))
        return real(self, X, y)

    monkeypatch.setattr(RidgeHead, "fit", fit)
    cross_validate(images, [Candidate("ridge", "avg")])
    assert fits == [(45, 0)] * 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [{"a": 8, "b": 2, "c": 8}, {"a": 2, "b": 2}], ids=str)
def test_inner_validation_never_takes_a_class_away(
    tmp_path: Path, recorder: Recorder, counts: dict[str, int], seed: int
) -> None:
    """A class that has images outside the fold is learned, however few, and rows that validate are of classes learned."""
    images = folds_of(write_few(tmp_path / "photos", counts), tmp_path / "cache", seed=seed)
    cross_validate(images, [Candidate("dense", "flatten")])
    for fold, fit in enumerate(recorder.fits):
        assert set(fit["y"].tolist()) == set(images.labels[images.fold_of != fold].tolist())
        assert fit["y_val"] is None or set(fit["y_val"].tolist()) <= set(fit["y"].tolist())


Score = Callable[[Candidate], tuple[float, float]]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Score], list[list[Candidate]]]:
    """Let (accuracy, log loss) of a candidate be what a function says; gives the list of what is tried in each step."""

    def start(score: Score) -> list[list[Candidate]]:
        steps: list[list[Candidate]] = []

        class Scored(CrossValidation):
            """Fits nothing."""

            def run(
                self, candidates: Sequence[Candidate], limit: Limit, progress: Progress | None = None
            ) -> list[Tried | None]:
                """Keep what is asked for."""
                steps.append(list(candidates))
                return [Tried(one, *score(one), 0.1, np.ones(1, np.bool_)) for one in candidates]

        monkeypatch.setattr(featx.verbs.compare.search, "CrossValidation", Scored)
        return steps

    return start


def test_a_search_chooses_pooling_and_scale_and_then_the_rest(images: TrainingImages, scored: Any) -> None:
    """The first step tries all poolings and scales at the head's defaults, the second the rest on the best of those."""

    def score(one: Candidate) -> tuple[float, float]:
        basis = one.pooling == "max", one.settings["scale"] == "l2"
        return sum(basis) / 4 + (0.25 if one.settings.get("C") == 1.0 else 0), 1.0

    steps = scored(score)
    found = search_settings(images, "logreg", None, {"seed": 3}).tried
    assert [(one.pooling, one.settings) for one in steps[0]] == [
        (pooling, {"seed": 3, "scale": scale})
        for pooling in ("avgmax", "avg", "max", "flatten")
        for scale in ("standard", "l2", "sqrt")
    ]
    # The first of the grid is the default, which was tried already; what lies next to it comes first.
    penalties = (0.001, 0.1, 0.0001, 1.0, 10.0)
    assert {*penalties, 0.01} == {*HEADS["logreg"].grid["C"]}
    assert steps[1:] == [[Candidate("logreg", "max", {"seed": 3, "scale": "l2", "C": C}) for C in penalties]]
    assert found[0].candidate == Candidate("logreg", "max", {"seed": 3, "scale": "l2", "C": 1.0})
    assert [rank_of(one) for one in found] == sorted(rank_of(one) for one in found)
    assert len(found) == 12 + len(penalties)


def test_of_equals_the_least_log_loss_and_then_the_default_is_first(images: TrainingImages, scored: Any) -> None:
    """Where nothing differs the head's own defaults win."""
    scored(lambda one: (0.5, 1.0))
    assert search_settings(images, "knn", None, {}).tried[0].candidate == Candidate("knn", "avgmax", {"scale": "standard"})
    scored(lambda one: (0.5, 0.9 if one.settings["scale"] == "sqrt" else 1.0))
    assert search_settings(images, "knn", None, {}).tried[0].candidate == Candidate("knn", "avgmax", {"scale": "sqrt"})
    scored(lambda one: (0.5 if one.settings["scale"] == "sqrt" else 0.6, 0.1 if one.settings["scale"] == "sqrt" else 9.9))
    assert search_settings(images, "knn", None, {}).tried[0].candidate == Candidate("knn", "avgmax", {"scale": "standard"})


@pytest.mark.parametrize(
    ("head", "pooling", "settings", "sizes"),
    [
        ("ridge", None, {}, [12]),
        ("ridge", "avg", {}, [3]),
        ("ridge", "avg", {"scale": "l2"}, [1]),
        ("ridge", None, {"alpha": 5.0}, [12]),
        ("logreg", "avg", {"scale": "l2"}, [6]),
        ("logreg", "avg", {"scale": "l2", "C": 0.3}, [1]),
        ("logreg", "avg", {"C": 0.3}, [3]),
        ("logreg", None, {"scale": "none", "class_weight": "balanced"}, [4, 5]),
        ("knn", None, {"neighbors": 2}, [12]),
        ("svm", "flatten", {"kernel": "linear"}, [3, 5]),
        ("dense", None, {"epochs": 2}, [12]),
        ("dense", "avg", {"epochs": 2, "hidden": (4,), "dropout": 0.1}, [3]),
        ("conv", None, {"learning_rate": 0.1, "dropout": 0.1}, [2]),
        ("conv", "flatten", {"learning_rate": 0.1, "dropout": 0.1, "hidden": ()}, [1]),
    ],
    ids=str,
)
def test_what_is_given_stays_and_nothing_is_tried_twice(
    images: TrainingImages, scored: Any, head: str, pooling: str | None, settings: dict[str, Any], sizes: list[int]
) -> None:
    """Each step tries so many; every one has the given settings and pooling."""
    rng = np.random.default_rng(0)
    steps = scored(lambda one: (float(rng.uniform()), 1.0))
    found = search_settings(images, head, pooling, settings).tried
    assert [len(step) for step in steps] == sizes
    assert all(one.candidate.settings.items() >= settings.items() for one in found)
    assert pooling is None or {one.candidate.pooling for one in found} == {pooling}
    assert {one.candidate.pooling for one in found} <= set(HEADS[head].poolings)
    told = [(one.candidate.pooling, sorted(one.candidate.settings.items())) for one in found]
    assert all(told.count(one) == 1 for one in told)


@pytest.mark.parametrize("settings", [{}, {"kernel": "linear"}, {"kernel": "rbf"}], ids=str)
def test_every_penalty_of_the_grid_is_tried(images: TrainingImages, scored: Any, settings: dict[str, Any]) -> None:
    """What is left out as tried already is the kernel's own default, and was."""
    scored(lambda one: (0.5, 1.0))
    found = search_settings(images, "svm", "avg", settings).tried
    default = 3.0 if settings.get("kernel") == "rbf" else 0.001
    tried = {one.candidate.settings.get("C", default) for one in found}
    assert tried == {default, *HEADS["svm"].free_grid(settings)["C"]}
    assert min(tried) < default < max(tried)


@pytest.mark.parametrize(("optimizer", "default"), [("adam", 1e-3), ("rmsprop", 1e-3), ("sgd", 0.05)])
def test_the_default_step_of_the_optimizer_is_among_those_tried(
    images: TrainingImages, scored: Any, optimizer: str, default: float
) -> None:
    """A search never leaves out what a plain fit would do."""
    scored(lambda one: (0.5, 1.0))
    found = search_settings(images, "dense", None, {"optimizer": optimizer}).tried
    steps = {one.candidate.settings.get("learning_rate") for one in found}
    assert default in {default if step is None else step for step in steps}


def test_a_search_can_be_repeated_to_the_last_bit(images: TrainingImages) -> None:
    """The same table, sorted, and the best of it is the best there is."""
    first, second = (search_settings(images, "knn", None, {}).tried for _ in range(2))
    assert [(one.candidate, one.accuracy, one.log_loss) for one in first] == [
        (one.candidate, one.accuracy, one.log_loss) for one in second
    ]
    assert [rank_of(one) for one in first] == sorted(rank_of(one) for one in first)
    assert first[0].accuracy == max(one.accuracy for one in first) > min(one.accuracy for one in first)
    alone = cross_validate(images, [first[0].candidate])[0]
    assert (alone.accuracy, alone.log_loss) == (first[0].accuracy, first[0].log_loss)


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Take the place of the time module's."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A search's clock, that stands still until it is moved."""
    found = Clock()
    monkeypatch.setattr(featx.verbs.compare.limit, "time", found)
    return found


def moving(clock: Clock, seconds: float) -> Callable[..., None]:
    """Return a progress that moves the clock by so many seconds for each candidate done."""

    def progress(stage: str, newly: int, total: int) -> None:
        clock.now += seconds * newly

    return progress


@pytest.mark.parametrize("minutes", [None, 10.0], ids=["no end", "time enough"])
def test_with_time_enough_everything_is_tried(images: TrainingImages, clock: Clock, minutes: float | None) -> None:
    """And nothing is left out; the same as without an end, to the bit."""
    found = search_settings(images, "knn", None, {}, moving(clock, 1), minutes)
    assert (len(found.tried), found.untried, found.too_large) == (16, [], set())
    wanted = search_settings(images, "knn", None, {})
    assert [(one.candidate, one.accuracy, one.log_loss) for one in found.tried] == [
        (one.candidate, one.accuracy, one.log_loss) for one in wanted.tried
    ]


@pytest.mark.parametrize(("seconds", "n_first", "n_second"), [(3, 12, 4), (6, 6, 4), (10, 4, 2), (30, 2, 0), (100, 1, 0)])
def test_within_a_time_the_defaults_come_first_and_the_second_step_gets_its_share(
    images: TrainingImages, clock: Clock, seconds: float, n_first: int, n_second: int
) -> None:
    """Of a minute the first step takes 0.6 at most; what it leaves over is the second's. What is left out is named."""
    found = search_settings(images, "knn", None, {}, moving(clock, seconds), 1.0)
    tried = {
        (one.candidate.pooling, one.candidate.settings["scale"], one.candidate.settings.get("neighbors")) for one in found.tried
    }
    bases = [(pooling, scale, None) for pooling in ("avgmax", "avg", "max", "flatten") for scale in ("standard", "l2", "sqrt")]
    assert [basis for basis in bases if basis in tried] == bases[:n_first]
    further = [one for one in tried if one[2] is not None]
    nearest_first = [3, 9, 15, 1]
    assert {one[2] for one in further} == set(nearest_first[:n_second])
    assert len(found.tried) == n_first + n_second
    assert len(found.tried) + len(found.untried) == 16
    assert all(one.candidate not in found.untried for one in found.tried)
    assert found.tried[0].accuracy == max(one.accuracy for one in found.tried)


def test_a_search_without_time_tries_nothing(images: TrainingImages, clock: Clock) -> None:
    """All is left out, each candidate once."""

    def progress(stage: str, newly: int, total: int) -> None:
        clock.now += 1

    found = search_settings(images, "ridge", "avg", {}, progress, 0.001)
    assert (found.tried, found.too_large) == ([], set())
    assert found.untried == [Candidate("ridge", "avg", {"scale": scale}) for scale in ("standard", "l2", "sqrt")]


@pytest.mark.parametrize(("head", "pooling"), [("svm", "flatten"), ("logreg", "avg"), ("ridge", "flatten"), ("knn", "avg")])
def test_a_fit_is_broken_off_where_the_time_is_up(
    images: TrainingImages, head: str, pooling: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the folds: a candidate that was not judged by all of them counts as not tried."""
    real, folds = CrossValidation._fold, []

    def fold(self: CrossValidation, *arguments: Any) -> Any:
        folds.append(arguments[-1])
        if len(folds) == 2:
            clock.now += 1000
        return real(self, *arguments)

    monkeypatch.setattr(CrossValidation, "_fold", fold)
    monkeypatch.setattr(featx.verbs.compare.validate, "available_cores", lambda: 1)
    (found,) = CrossValidation(images).run([Candidate(head, pooling)], Limit(60))
    assert found is None
    assert len(folds) <= images.n_folds


def test_epochs_are_broken_off_where_the_time_is_up(images: TrainingImages, clock: Clock) -> None:
    """After the one that goes beyond it."""
    epochs: list[int] = []

    def watched(self: Limit, *of_epoch: object) -> None:
        if of_epoch:
            epochs.append(1)
            clock.now += 25
        check(self)

    check = Limit.check
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Limit, "check", watched)
        (found,) = CrossValidation(images).run([Candidate("dense", "flatten", {"epochs": 50})], Limit(60))
    assert found is None
    assert len(epochs) == 3


def test_what_does_not_fit_into_memory_is_left_out_of_a_search(images: TrainingImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """And named; where nothing fits, and in a comparison, it is an error that says so."""
    real = featx.verbs.compare.validate.check_memory

    def check(n_bytes: int, what: str, advice: str) -> None:
        if any(pooling in what for pooling in too_large):
            raise HeadError(f"{what} needs more")
        real(n_bytes, what, advice)

    monkeypatch.setattr(featx.verbs.compare.validate, "check_memory", check)
    too_large = ["with flatten"]
    found = search_settings(images, "knn", None, {})
    assert found.too_large == {"flatten"}
    assert found.untried == [Candidate("knn", "flatten", {"scale": scale}) for scale in ("standard", "l2", "sqrt")]
    assert len(found.tried) == 9 + 4
    with pytest.raises(HeadError, match="knn with flatten: a search holds all features, and 60 rows of 108 needs more"):
        cross_validate(images, [Candidate("knn", "avg"), Candidate("knn", "flatten")])
    too_large = ["with"]
    with pytest.raises(HeadError, match="needs more"):
        search_settings(images, "knn", None, {})


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), True, "1", None])
def test_no_time_at_all_is_refused(minutes: Any) -> None:
    """With the rule and what was received."""
    with pytest.raises(HeadError, match=r"minutes must be a number above 0, such as 0\.5\. Received: "):
        check_minutes(minutes)
