"""How well a number tells strange images from genuine ones: figures with their intervals."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

# Of a normal distribution, 95 % lie within so many standard deviations.
_Z = 1.959964

LEVEL = 0.05
"""Share of genuine images that may be taken for strange ones, where nobody asked for another."""

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Separation:
    """How well strange images are told from genuine ones.

    Parameters
    ----------
    auroc : float
        Chance that a strange image is found stranger than a genuine one; 0.5 is guessing.
    auroc_of_confidence : float
        The same of the head's confidence alone, the most probable class's probability.
    caught, false_alarms : float
        Shares of the strange and of the genuine images whose ``unfamiliar`` is at most ``level``.
    level : float
        What was asked for: the share of genuine images that may be taken for strange.
    intervals : dict of str to (low, high)
        95 % of ``auroc`` (DeLong's; Newcombe's where the two do not overlap), ``caught`` and ``false_alarms`` (Wilson's).
    """

    auroc: float
    auroc_of_confidence: float
    caught: float
    false_alarms: float
    level: float
    intervals: dict[str, Interval]


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a model finds of some images.

    Parameters
    ----------
    strangeness, unfamiliar, confidence : ndarray of shape (n,), float64
        How strange each is, the share of genuine images as strange, and the probability of its class.
    """

    strangeness: NDArray[np.float64]
    unfamiliar: NDArray[np.float64]
    confidence: NDArray[np.float64]


def tell_apart(genuine: Judged, strange: Judged, level: float = LEVEL) -> Separation:
    """Compare strange images with genuine ones; there must be some of each."""
    auroc, interval = auroc_with_interval(genuine.strangeness, strange.strangeness)
    caught, alarms = (int((judged.unfamiliar <= level).sum()) for judged in (strange, genuine))
    return Separation(
        auroc=auroc,
        auroc_of_confidence=auroc_with_interval(-genuine.confidence, -strange.confidence)[0],
        caught=caught / len(strange.unfamiliar),
        false_alarms=alarms / len(genuine.unfamiliar),
        level=level,
        intervals={
            "auroc": interval,
            "caught": wilson(caught, len(strange.unfamiliar)),
            "false_alarms": wilson(alarms, len(genuine.unfamiliar)),
        },
    )


def auroc_with_interval(genuine: NDArray[np.floating], strange: NDArray[np.floating]) -> tuple[float, Interval]:
    """Return the chance that a strange image has the larger value, ties counted half, and its 95 % interval.

    Where no image of the one kind is as strange as any of the other, DeLong's variance is 0 and would have the chance known
    exactly: there the interval is Newcombe's.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves.
    Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2: method 5.
    """
    above, below = _share_below(genuine, strange), 1 - _share_below(strange, genuine)
    auroc = float(above.mean())
    half = _Z * math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1))
    if half == 0:
        return auroc, _newcombe(auroc, len(genuine), len(strange))
    return auroc, (max(0.0, auroc - half), min(1.0, auroc + half))


def _newcombe(auroc: float, n_genuine: int, n_strange: int) -> Interval:
    """Return the chances whose standard error does not exclude the one found: the score interval of Newcombe's method 5."""

    def excluded(chance: float) -> bool:
        more = (n_genuine + n_strange) / 2 - 1
        shared = 1 + more * ((1 - chance) / (2 - chance) + chance / (1 + chance))
        variance = chance * (1 - chance) * shared / (n_genuine * n_strange)
        return (auroc - chance) ** 2 > _Z**2 * variance

    def end(outside: float) -> float:
        inside = auroc
        for _ in range(50):  # halves: to 1e-15
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if excluded(middle) else (middle, outside)
        return inside

    return (0.0 if auroc == 0 else end(0.0)), (1.0 if auroc == 1 else end(1.0))


def wilson(count: float, n: float) -> Interval:
    """Return the 95 % interval of a share: ``count`` of ``n``, which need not be whole where images count for less than one.

    It is never of no width: where all of n are right, as much as 3.84 / (n + 3.84) wrong would not contradict that.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    share, squared = count / n, _Z**2 / n
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(max(0.0, share * (1 - share)) * squared + squared**2 / 4) / (1 + squared)
    # Exact at the ends, where rounding would leave 1 - 1e-16.
    return 0.0 if count <= 0 else max(0.0, middle - half), 1.0 if count >= n else min(1.0, middle + half)


def _share_below(values: NDArray[np.floating], of: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return for each of ``of`` the share of ``values`` that is smaller, equal ones counted half."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, of, "left") + np.searchsorted(ordered, of, "right")) / (2 * len(ordered))
