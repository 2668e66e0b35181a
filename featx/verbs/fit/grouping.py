"""What groups hide: accuracy where images of one group may stand on both sides of a fold, and where they may not."""

from typing import Any

from featx.errors import FeatxError
from featx.verbs.compare import SCORES, Candidate, cross_validate, cut_into_folds
from featx.verbs.fit.request import FitRequest

FOLDS = 5


def measure_grouping(request: FitRequest, pooling: str, n_folds: int = FOLDS) -> tuple[dict[str, Any] | None, list[str]]:
    """Cross-validate the head twice on the training images, and say what the groups make of its accuracy.

    A head that is trained in epochs takes too long for that, and whole maps too much memory: ridge and averages stand in.

    Parameters
    ----------
    request : FitRequest
        The head, its settings and the cache.
    pooling : str
        Of the head's features.
    n_folds : int
        How many, if there are as many groups of each class.

    Returns
    -------
    found : dict or None
        ``accuracy_across`` with images of one group on both sides, ``accuracy_apart`` on new groups, ``groups`` of training
        images, and the ``head`` and ``pooling`` measured; of other tasks than classes ``score_across`` and ``score_apart``, and
        which ``measure`` that is. None without groups, or where a class has but one.
    notes : list of str
        The same for a reader.
    """
    catalog = request.store.catalog
    rows = catalog.rows("train")
    named = {catalog.groups[row] for row in rows.tolist()} - {""} if catalog.groups else set()
    if not named:
        return None, []
    classical = request.spec.classical
    candidate = Candidate(
        request.spec.name if classical else "ridge",
        "avg" if pooling == "flatten" else pooling,
        {name: value for name, value in request.settings.items() if name != "map_shape"}
        if classical
        else {"seed": request.settings["seed"]},
    )
    kind = catalog.task.kind
    figure, measure = ("accuracy", {}) if kind == "classes" else ("score", {"measure": SCORES[kind]})
    try:
        measured: dict[str, Any] = {}
        for name, apart in ((f"{figure}_across", False), (f"{figure}_apart", True)):
            folds = cut_into_folds(request.store, request.layer, n_folds, request.settings["seed"], by_group=apart)
            measured[name] = cross_validate(folds, [candidate])[0].ranked_by
    except FeatxError as error:
        return None, [f"what the groups make of the accuracy could not be measured: {error}"]
    found = measured | measure | {"groups": len(named), "head": candidate.head, "pooling": candidate.pooling}
    across, apart_text = (f"{measured[f'{figure}_{which}']:.3f}" for which in ("across", "apart"))
    said = f"{SCORES[kind].replace('_', ' ')} " if measure else ""
    return found, [
        f"{len(named):,} groups: by cross-validation {said}{across} if images of one group may stand on both sides, "
        f"{apart_text} on new groups ({candidate.head} on {candidate.pooling} features)"
    ]
