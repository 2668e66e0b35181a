"""What a head is worth on images of classes that it does not know: some are withheld, and it is fitted without."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.heads import head_spec, make_head
from featx.models import Familiarity, Separation, tell_apart
from featx.store import CachedRows
from featx.system.kinds import shown
from featx.system.progress import Progress
from featx.verbs.compare.candidates import Candidate
from featx.verbs.compare.folds import TrainingImages

DRAWS = 8


@dataclasses.dataclass(frozen=True)
class WithheldHead:
    """How well a head on a pooling tells images of withheld classes from others that it has not seen: means over the draws.

    Parameters
    ----------
    head, pooling : str
        What was fitted.
    auroc : float
        Chance that an image of a withheld class is found stranger than another.
    spread, low, high : float
        Standard deviation of ``auroc`` over the draws, its smallest and its largest value.
    auroc_of_confidence : float
        The same of the head's confidence alone.
    caught, false_alarms : float
        Shares of the withheld and of the other images that ``--unknown 0.05`` takes for unknown.
    """

    head: str
    pooling: str
    auroc: float
    spread: float
    low: float
    high: float
    auroc_of_confidence: float
    caught: float
    false_alarms: float


def check_withhold(share: object) -> None:
    """Refuse what is no share of the classes.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise HeadError(
            f"withhold must be a share of the classes above 0 and below 1, such as 0.25. Received: {shown(share)}.",
            wrong_value=True,
        )


def withhold_classes(
    images: TrainingImages, candidates: Sequence[Candidate], share: float, seed: int, progress: Progress | None = None
) -> list[WithheldHead]:
    """Withhold classes in ``DRAWS`` draws, the same for each candidate; fit on three folds of five of the others.

    One of the two folds left makes the scale of strangeness, as validation images do; the other is what the withheld images
    are compared with.

    Raises
    ------
    HeadError
        If there are fewer than three classes, or a candidate cannot be fitted.
    """
    n_classes = len(images.class_names)
    if n_classes < 3:
        raise HeadError(
            f"{images.store.folder}: has {n_classes} classes, and withholding one leaves fewer than two to learn. "
            "Leave --withhold out."
        )
    out = min(max(1, round(share * n_classes)), n_classes - 2)
    averages = images.store.features(images.rows, layer=images.layer, pooling="avg")
    if progress:
        progress("withhold", 0, DRAWS * len(candidates))
    compared = []
    for candidate in candidates:
        found = []
        for draw in range(DRAWS):
            withheld = np.random.default_rng([seed, draw]).choice(n_classes, out, replace=False)
            found.append(_one_draw(images, candidate, averages, np.isin(images.labels, withheld), draw))
            if progress:
                progress("withhold", 1, DRAWS * len(candidates))
        compared.append(_summary(candidate, [one for one in found if one]))
    return compared


def _one_draw(
    images: TrainingImages, candidate: Candidate, averages: NDArray[np.floating], strange: NDArray[np.bool_], draw: int
) -> Separation | None:
    fold_of, n_folds = images.fold_of, images.n_folds
    test = ~strange & (fold_of == draw % n_folds)
    # Of two folds one is learned from: then that one makes the scale too.
    val = ~strange & (fold_of == (draw + 1) % n_folds) if n_folds > 2 else np.zeros_like(strange)
    train = np.flatnonzero(~strange & ~test & ~val)
    classes = np.unique(images.labels[train])
    if len(classes) < 2:
        return None
    known = np.isin(images.labels, classes)
    judging, tested, strangers = np.flatnonzero(val & known), np.flatnonzero(test & known), np.flatnonzero(strange)
    labels = np.searchsorted(classes, images.labels)
    settings = dict(candidate.settings)
    if "map_shape" in head_spec(candidate.head).settings():
        settings["map_shape"] = list(images.store.row_shape(images.layer))
    views = np.array((0, *images.store.catalog.view_keys), np.int64)
    X = _rows(images, candidate.pooling, np.repeat(train, len(views)), np.tile(views, len(train)))
    validates = len(judging) and not head_spec(candidate.head).classical
    validation = (_rows(images, candidate.pooling, judging), labels[judging]) if validates else (None, None)
    head = make_head(candidate.head, **settings).fit(
        X,
        np.repeat(labels[train], len(views)),
        validation[0],
        validation[1],
        sample_weight=None if images.weights is None else np.repeat(images.weights[train], len(views)),
    )

    def given(some: NDArray[np.int64]) -> NDArray[np.float64]:
        if not len(some):
            return np.empty((0, len(classes)))
        return head.predict_proba(np.asarray(_rows(images, candidate.pooling, some)))

    familiarity = Familiarity.learn(averages[train], labels[train], len(classes), averages[judging], given(judging))
    if familiarity is None or not len(tested):
        return None
    genuine, withheld = (
        familiarity.judge(familiarity.strangeness(averages[some], probabilities), probabilities)
        for some, probabilities in ((tested, given(tested)), (strangers, given(strangers)))
    )
    return tell_apart(genuine, withheld)


def _rows(
    images: TrainingImages, pooling: str, chosen: NDArray[np.int64], views: NDArray[np.int64] | None = None
) -> CachedRows:
    dtype = images.store.maps_dtype if pooling == "flatten" else np.float32
    views = np.zeros_like(chosen) if views is None else views
    return CachedRows(images.store, images.rows[chosen], views, images.layer, pooling, dtype)


def _summary(candidate: Candidate, found: Sequence[Separation]) -> WithheldHead:
    if not found:
        raise HeadError("withhold: no draw leaves two classes to learn and images to test. Add images, or no --withhold.")
    aurocs = np.array([one.auroc for one in found])
    return WithheldHead(
        head=candidate.head,
        pooling=candidate.pooling,
        auroc=float(aurocs.mean()),
        spread=float(aurocs.std(ddof=1)) if len(aurocs) > 1 else 0.0,
        low=float(aurocs.min()),
        high=float(aurocs.max()),
        auroc_of_confidence=float(np.mean([one.auroc_of_confidence for one in found])),
        caught=float(np.mean([one.caught for one in found])),
        false_alarms=float(np.mean([one.false_alarms for one in found])),
    )
