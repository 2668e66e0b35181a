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
        95 % of ``auroc`` (DeLong's), ``caught`` and ``false_alarms`` (Wilson's).
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

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves.
    """
    above, below = _share_below(genuine, strange), 1 - _share_below(strange, genuine)
    auroc = float(above.mean())
    half = _Z * math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1))
    return auroc, (max(0.0, auroc - half), min(1.0, auroc + half))


def wilson(count: int, n: int) -> Interval:
    """Return the 95 % interval of a share (Wilson 1927)."""
    share, squared = count / n, _Z**2 / n
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(share * (1 - share) * squared + squared**2 / 4) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def _share_below(values: NDArray[np.floating], of: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return for each of ``of`` the share of ``values`` that is smaller, equal ones counted half."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, of, "left") + np.searchsorted(ordered, of, "right")) / (2 * len(ordered))
