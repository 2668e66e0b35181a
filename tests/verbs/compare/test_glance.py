"""The first look of a search: what it orders and leaves out where time is short, and that it changes nothing else."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

import featx
import featx.verbs.compare.glance
import featx.verbs.compare.validate
from featx.errors import HeadError
from featx.heads import make_head
from featx.verbs.compare.candidates import Candidate
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.glance import are_behind, are_worth_a_look, first_looks
from featx.verbs.compare.limit import Limit
from featx.verbs.compare.search import search_settings
from featx.verbs.compare.validate import CrossValidation
from tests.verbs.compare.test_search import Clock, clock, features_of, folds_of, write_noisy

__all__ = ["clock"]

BASES = [Candidate("svm", pooling, {"scale": scale}) for pooling in ("avg", "flatten") for scale in ("standard", "l2")]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    """3 classes x 20 training images in 4 folds."""
    folder = tmp_path_factory.mktemp("glance")
    write_noisy(folder / "photos", [("train", 20)])
    return folds_of(folder / "photos", folder / "cache", image_size=(192, 192))


def trying(clock: Clock, seconds: float) -> Callable[..., None]:
    """Return a progress that moves the clock by so many seconds for each candidate tried, and by nothing for a look."""

    def progress(stage: str, newly: int, total: int) -> None:
        clock.now += seconds * newly * (stage == "cross-validate")

    return progress


def looking_like(monkeypatch: pytest.MonkeyPatch, looks: dict[tuple[str, str], float]) -> None:
    """Let the looks at some poolings and scales be these, and 0.3 at all others."""

    def first_looks(validation: CrossValidation, images: TrainingImages, candidates: Sequence[Candidate], *rest: Any) -> Any:
        return [looks.get((one.pooling, one.settings["scale"]), 0.3) for one in candidates]

    monkeypatch.setattr(featx.verbs.compare.search, "first_looks", first_looks)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these features count as wide."""
    monkeypatch.setattr(featx.verbs.compare.glance, "_WORTH_A_LOOK", 0)


def test_a_look_is_the_accuracy_of_a_ridge_on_the_same_folds(images: TrainingImages) -> None:
    """As scikit-learn's ridge has it, fold by fold, on rows scaled by all of them."""
    looks = first_looks(CrossValidation(images), images, BASES, Limit(), None)
    for candidate, look in zip(BASES, looks, strict=True):
        X = features_of(images, candidate.pooling)
        head: Any = make_head("svm", **candidate.settings)
        scaled = np.hstack([head._learn_scaling(X)(X), np.ones((len(X), 1))])
        signs = np.where(images.labels[:, None] == np.arange(3), 1.0, -1.0)
        right = np.zeros(len(X), np.bool_)
        for fold in range(images.n_folds):
            out = images.fold_of == fold
            decided = Ridge(500.0, fit_intercept=False).fit(scaled[~out], signs[~out]).predict(scaled[out])
            right[out] = decided.argmax(axis=1) == images.labels[out]
        assert look == pytest.approx(right.mean(), abs=1e-12)
    assert len({round(look, 6) for look in looks}) > 1


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("head", ["svm", "logreg", "ridge"])
def test_with_time_enough_nothing_is_left_out_and_nothing_differs(images: TrainingImages, clock: Clock, head: str) -> None:
    """The same table, to the bit, as without an end."""
    found = search_settings(images, head, None, {}, trying(clock, 0.01), 10.0)
    wanted = search_settings(images, head, None, {})
    assert (found.untried, found.behind) == ([], [])
    assert [(one.candidate, one.accuracy, one.log_loss) for one in found.tried] == [
        (one.candidate, one.accuracy, one.log_loss) for one in wanted.tried
    ]


@pytest.mark.usefixtures("wide")
def test_where_time_is_short_the_best_by_a_look_comes_first(
    images: TrainingImages, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those far behind are left out, and named; what is left of the time is for the settings of the best."""
    bases = [(pooling, scale) for pooling in ("avgmax", "avg", "max", "flatten") for scale in ("standard", "l2", "sqrt")]
    looks = {("flatten", "sqrt"): 0.9, ("max", "l2"): 0.88, ("avg", "l2"): math.inf, ("avgmax", "l2"): math.nan}
    looking_like(monkeypatch, looks)
    order: list[tuple[str, str]] = []
    real = CrossValidation.run

    def run(self: CrossValidation, candidates: Any, *rest: Any) -> Any:
        order.extend((one.pooling, one.settings["scale"]) for one in candidates if "C" not in one.settings)
        return real(self, candidates, *rest)

    monkeypatch.setattr(CrossValidation, "run", run)
    found = search_settings(images, "svm", None, {}, trying(clock, 4), 1.0)
    # Of the first and the last nothing is known: the one could not be looked at, for the other there was no time.
    assert order == [("avg", "l2"), ("flatten", "sqrt"), ("max", "l2"), ("avgmax", "l2")]
    assert [(one.pooling, one.settings["scale"]) for one in found.behind] == [basis for basis in bases if basis not in order]
    assert len(found.tried) == 4 + 5
    assert found.untried == found.behind


@pytest.mark.usefixtures("wide")
def test_a_fit_says_what_a_look_left_out(
    images: TrainingImages, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which, how many, and what to do; ``untried`` has them all."""
    looking_like(monkeypatch, {("max", "l2"): 0.9})
    fitted = featx.fit_head(
        images.store, "svm", tune=True, folds=4, minutes=1.0, out=tmp_path / "m.featx", progress=trying(clock, 4)
    )
    (note,) = [note for note in fitted.notes if "first look" in note]
    assert note.startswith(
        "tune: 11 settings were left out after a first look, which put them far behind others, as 1 minutes "
    )
    assert "would not suffice for all: avgmax scale standard; avgmax scale l2; " in note
    assert note.endswith("Give more --minutes")
    assert len(fitted.untried) == 11
    assert [one["pooling"] for one in featx.load_model(fitted.model).tuning] == ["max"] * 6


def test_of_looks_those_within_two_standard_errors_stay() -> None:
    """0.9 of 900 images is known to 0.01; where nothing can be said nothing is left out."""
    assert are_behind([0.9, 0.881, 0.879, math.nan, math.inf], 900) == [False, False, True, False, False]
    assert are_behind([math.nan, math.inf], 900) == [False, False]
    assert are_behind([1.0, 0.999, 0.9], 900) == [False, False, True]


@pytest.mark.usefixtures("wide")
def test_without_further_settings_all_the_time_is_for_the_first_step(
    images: TrainingImages, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ridge nothing but pooling and scale is searched."""
    looking_like(monkeypatch, dict.fromkeys([("max", "l2"), ("avg", "sqrt"), ("flatten", "l2"), ("flatten", "sqrt")], 0.9))
    found = search_settings(images, "ridge", None, {}, trying(clock, 14), 1.0)
    assert [found.behind, len(found.tried)] == [found.untried, 4]  # the last of them begins after 42 s
    assert len(found.behind) == 8


def test_a_look_learns_from_all_views_and_judges_clean_rows(tmp_path: Path) -> None:
    """As the fits do."""
    write_noisy(tmp_path / "photos", [("train", 8)])
    viewed = folds_of(tmp_path / "photos", tmp_path / "cache", 3, augment="flip,rotate=20", views=2)
    (look,) = first_looks(CrossValidation(viewed), viewed, BASES[-1:], Limit(), None)
    keys = np.array((0, *viewed.store.catalog.view_keys))
    X = np.stack([features_of(viewed, "flatten", int(key)) for key in keys], axis=1)
    rows = X.reshape(-1, X.shape[-1])
    head: Any = make_head("svm", scale="l2")
    scaled = np.hstack([head._learn_scaling(rows)(rows), np.ones((len(rows), 1))]).reshape(*X.shape[:2], -1)
    right = np.zeros(len(X), np.bool_)
    for fold in range(viewed.n_folds):
        out = viewed.fold_of == fold
        learned, labels = scaled[~out].reshape(-1, scaled.shape[-1]), np.repeat(viewed.labels[~out], len(keys))
        signs = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
        decided = Ridge(500.0, fit_intercept=False).fit(learned, signs).predict(scaled[out, 0])
        right[out] = decided.argmax(axis=1) == viewed.labels[out]
    assert len(keys) == 2
    assert look == pytest.approx(right.mean(), abs=1e-12)


@pytest.mark.usefixtures("wide")
def test_looks_that_take_the_first_steps_time_leave_enough_to_try_the_best(
    images: TrainingImages, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at by then is tried before what was not, and one at least."""

    def first_looks(*_: Any) -> list[float]:
        clock.now += 40
        return [math.nan] * 5 + [0.4, 0.7, 0.5] + [math.nan] * 4

    monkeypatch.setattr(featx.verbs.compare.search, "first_looks", first_looks)
    found = search_settings(images, "svm", None, {}, trying(clock, 30), 1.0)
    assert [(one.candidate.pooling, one.candidate.settings["scale"]) for one in found.tried] == [("max", "standard")]
    assert len(found.untried) == 16


@pytest.mark.usefixtures("wide")
def test_a_look_that_has_no_time_or_no_room_says_nothing(images: TrainingImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the search goes on as it does without."""
    assert all(math.isnan(look) for look in first_looks(CrossValidation(images, searches=True), images, BASES, Limit(0), None))
    real = featx.verbs.compare.validate.check_memory

    def check(n_bytes: int, what: str, advice: str) -> None:
        if "with flatten" in what:
            raise HeadError(f"{what} needs more")
        real(n_bytes, what, advice)

    monkeypatch.setattr(featx.verbs.compare.validate, "check_memory", check)
    found = search_settings(images, "svm", None, {}, None, 60.0)
    assert found.too_large == {"flatten"}
    assert {one.candidate.pooling for one in found.tried} == {"avgmax", "avg", "max"}


def test_what_is_quick_or_no_plane_is_not_looked_at(images: TrainingImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small features, kernels, neighbours, and targets that are no classes."""
    assert not are_worth_a_look(images, BASES)
    monkeypatch.setattr(featx.verbs.compare.glance, "_WORTH_A_LOOK", 0)
    assert are_worth_a_look(images, BASES)
    kernel: Callable[[Candidate], Candidate] = lambda one: dataclasses.replace(one, settings=one.settings | {"kernel": "rbf"})  # noqa: E731
    assert not are_worth_a_look(images, [kernel(one) for one in BASES])
    assert not are_worth_a_look(images, [dataclasses.replace(one, head="knn") for one in BASES])
    assert not are_worth_a_look(images, BASES[:1])
