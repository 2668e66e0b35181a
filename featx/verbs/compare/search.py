"""The search for the settings of a head: coarse first, and within a time."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from featx.heads import head_spec, head_task, is_number
from featx.system.progress import Progress
from featx.verbs.compare.candidates import Candidate, Tried, rank_of
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.glance import are_behind, are_worth_a_look, first_looks
from featx.verbs.compare.limit import Limit
from featx.verbs.compare.validate import CrossValidation

_FOR_LOOKS = 0.4
"""Share of the time up to which rows are looked at, where that comes first."""

_FOR_THE_FIRST_STEP = 0.6
"""Share of the time: the settings that the second step tries on what the first has found are worth as much as it."""


@dataclasses.dataclass(frozen=True)
class Search:
    """What a search has found.

    Parameters
    ----------
    tried : list of Tried
        The best first; of equals the candidate nearest to the head's defaults.
    untried : list of Candidate
        Those that the time did not suffice for, or the memory.
    too_large : set of str
        Poolings that the memory did not suffice for.
    behind : list of Candidate
        Of the untried those that a first look put far behind others, where there was no time for all.
    """

    tried: list[Tried]
    untried: list[Candidate]
    too_large: set[str]
    behind: list[Candidate] = dataclasses.field(default_factory=list)


def search_settings(
    images: TrainingImages,
    head: str,
    pooling: str | None,
    settings: dict[str, Any],
    progress: Progress | None = None,
    minutes: float | None = None,
) -> Search:
    """Look for the settings of a head that are not given: first pooling and scale, then the others on the best of those.

    All scales give values of one size, so that the default penalty suits each, and the two steps find what a full grid
    would for a fraction of the fits. Within a time, each step tries the defaults first and then what costs least or lies
    nearest to them, and the first leaves some of the time to the second. Of wide features it begins with a look at the rows of
    each pooling and scale, and then tries the best of them first; where the time will not suffice for all, those far behind are
    left out. With time enough every candidate is tried, and the result is always the same.

    Parameters
    ----------
    images : TrainingImages
        In folds.
    head : str
        Name of the head.
    pooling : str or None
        The only pooling to try; by default those of the head's spec.
    settings : dict
        Settings that stay fixed.
    progress : callable or None
        Called as (stage, newly done, total) after each candidate.
    minutes : float or None
        How long to search, at most; by default as long as it takes.

    Returns
    -------
    search : Search
        Without any tried where the time did not suffice for one.

    Raises
    ------
    HeadError, CacheError
        If a candidate cannot be fitted; for want of memory, where no other could be either.
    """
    spec = head_spec(head, head_task(images.task))
    free = spec.free_grid(settings)
    scales = free.pop("scale", None)
    limit = Limit(None if minutes is None else 60 * minutes)
    validation = CrossValidation(images, searches=True)
    bases = [
        Candidate(head, each, settings | ({"scale": scale} if scale else {}))
        for each in ([pooling] if pooling else spec.searched)
        for scale in scales or (None,)
    ]
    first = bases if len(bases) > 1 or not free else []
    part, behind = limit.part(_FOR_THE_FIRST_STEP) if free else limit, list[Candidate]()
    if not limit.is_open and are_worth_a_look(images, first):
        n_further = math.prod(map(len, free.values())) if free else 0
        found, behind = _look_and_run(validation, images, first, n_further, limit, part, progress)
    else:
        found = validation.run(first, part, progress) if first else []
    second: list[Candidate] = []
    if free:
        basis = min((one for one in found if one), key=rank_of, default=None)
        second = _further(basis.candidate if basis else bases[0], free, tried=bool(basis))
        # Nearest to the defaults first: where the time ends, what was tried lies around them.
        order = sorted(range(len(second)), key=lambda number: _distance(second[number], free))
        results = validation.run([second[number] for number in order], limit, progress)
        found = [*found, *(results[order.index(number)] for number in range(len(second)))]
    pairs = list(zip([*first, *second], found, strict=True))
    tried = sorted((one for _, one in pairs if one), key=rank_of)
    if validation.no_room and not tried:
        raise validation.no_room
    return Search(tried, [candidate for candidate, one in pairs if one is None], validation.too_large, behind)


def _look_and_run(
    validation: CrossValidation,
    images: TrainingImages,
    first: Sequence[Candidate],
    n_further: int,
    limit: Limit,
    part: Limit,
    progress: Progress | None,
) -> tuple[list[Tried | None], list[Candidate]]:
    """Try candidates in the order of a first look; all of them only if that leaves time for as many more as there will be.

    ``part`` of the time is theirs, and as much as it takes that of the best.
    """
    looks = first_looks(validation, images, first, limit.part(_FOR_LOOKS), progress)
    order = sorted(range(len(first)), key=lambda number: math.inf if math.isnan(looks[number]) else -looks[number])
    before = limit.left
    found = dict(zip(order[:1], validation.run([first[order[0]]], limit, progress), strict=True))
    enough = (before - limit.left) * (len(order) - 1 + n_further) <= limit.left
    left_out = [False] * len(first) if enough else are_behind(looks, len(images.rows))
    rest = [number for number in order[1:] if not left_out[number]]
    if rest:
        found |= zip(rest, validation.run([first[number] for number in rest], part, progress), strict=True)
    validation.release()
    return [found.get(number) for number in range(len(first))], [first[number] for number in order[1:] if left_out[number]]


def _further(chosen: Candidate, free: Mapping[str, Sequence[Any]], *, tried: bool) -> list[Candidate]:
    """Return all combinations of free settings on one basis; without the first of each, the default, where that was tried."""
    known = chosen.settings | {name: values[0] for name, values in free.items()}
    combined = (chosen.settings | dict(zip(free, values, strict=True)) for values in itertools.product(*free.values()))
    return [Candidate(chosen.head, chosen.pooling, one) for one in combined if not tried or one != known]


def _distance(candidate: Candidate, free: Mapping[str, Sequence[Any]]) -> tuple[int, float]:
    """Return how many settings are not at their first value, and how many powers of ten the numbers among them are away."""
    changed, powers = 0, 0.0
    for name, values in free.items():
        value, default = candidate.settings[name], values[0]
        changed += value != default
        if is_number(value) and is_number(default) and value > 0 and default > 0:
            powers += abs(math.log10(value / default))
    return changed, powers
