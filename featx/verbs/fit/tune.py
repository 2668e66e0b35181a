"""What a fit chooses by cross-validation inside the training images: the pooling and the settings that are not given."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from featx.models import TrainingCopies
from featx.system.progress import Progress
from featx.verbs.compare import Candidate, Search, cut_into_folds, search_settings
from featx.verbs.fit.request import FitRequest

_MOST_NAMED = 4


@dataclasses.dataclass(frozen=True)
class Tuned:
    """A request, completed by a search.

    Parameters
    ----------
    request : FitRequest
        With pooling and settings of the best candidate.
    tuning : list of dict
        What was tried, the best first.
    untried : list of dict
        What there was no time for, or no memory.
    notes : list of str
        Remarks for the user about that.
    """

    request: FitRequest
    tuning: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    untried: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


def tune_settings(
    request: FitRequest, folds: int, minutes: float, copies: TrainingCopies | None, progress: Progress | None
) -> Tuned:
    """Search for what a request leaves open; parameters and errors as for ``fit_head``."""
    groups = copies.groups if copies else None
    images = cut_into_folds(request.store, request.layer, folds, request.settings["seed"], groups)
    search = search_settings(images, request.spec.name, request.pooling, request.settings, progress, minutes)
    table = [
        _shown(attempt.candidate)
        | {"accuracy": attempt.accuracy, "log_loss": attempt.log_loss, "seconds": attempt.seconds}
        | ({"score": attempt.score, "figures": attempt.figures} if images.task.kind != "classes" else {})
        for attempt in search.tried
    ]
    untried = [_shown(candidate) for candidate in search.untried]
    if search.tried:
        best = search.tried[0].candidate
        request = dataclasses.replace(request, pooling=best.pooling, settings=best.settings)
    return Tuned(request, table, untried, _notes(search, minutes))


def _shown(candidate: Candidate) -> dict[str, Any]:
    settings = {name: value for name, value in candidate.settings.items() if name not in ("seed", "map_shape")}
    return {"pooling": candidate.pooling, "settings": settings}


def _notes(search: Search, minutes: float) -> list[str]:
    """Say what was left out and why, and what to do."""
    too_large = search.too_large
    large = [one for one in search.untried if one.pooling in too_large]
    behind = [one for one in search.behind if one not in large]
    late = [one for one in search.untried if one not in large and one not in behind]
    notes = []
    if large:
        poolings = " and ".join(sorted(too_large))
        notes.append(f"tune: {poolings} was left out, as a search holds all features in memory and these do not fit")
    if behind:
        notes.append(
            f"tune: {len(behind)} settings were left out after a first look, which put them far behind others, as {minutes:g} "
            f"minutes would not suffice for all: {_named(behind)}. Give more --minutes"
        )
    if late:
        chosen = "" if search.tried else ", so that the defaults are taken"
        notes.append(
            f"tune: {len(late)} settings were not tried within {minutes:g} minutes{chosen}: {_named(late)}. Give more --minutes"
        )
    return notes


def _named(candidates: Sequence[Candidate]) -> str:
    named = "; ".join(map(_in_words, candidates[:_MOST_NAMED]))
    return named + (f"; and {len(candidates) - _MOST_NAMED} more" if len(candidates) > _MOST_NAMED else "")


def _in_words(candidate: Candidate) -> str:
    settings = _shown(candidate)["settings"].items()
    return " ".join([candidate.pooling, *(f"{name} {value}" for name, value in settings)])
