"""How long a search may take."""

import math
import time

from featx.errors import HeadError
from featx.system.kinds import shown


class TimeIsUp(Exception):
    """Raised where a search has used its time, and caught where candidates are tried."""


class Limit:
    """Some time from now on.

    Parameters
    ----------
    seconds : float or None
        How much; by default without an end.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._started = time.monotonic()
        self.seconds = seconds
        self._stopped = False

    @property
    def is_open(self) -> bool:
        """Whether there is no end."""
        return self.seconds is None

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._stopped or (self.seconds is not None and time.monotonic() - self._started >= self.seconds)

    @property
    def left(self) -> float:
        """Seconds that are left; without an end, without an end."""
        return math.inf if self.seconds is None else self.seconds - (time.monotonic() - self._started)

    def check(self, *_: object) -> None:
        """Do nothing until the time is up.

        Raises
        ------
        TimeIsUp
            From then on.
        """
        if self.is_over:
            raise TimeIsUp

    def part(self, share: float) -> "Limit":
        """Return the beginning of it, counted from the same start."""
        first = Limit(None if self.seconds is None else share * self.seconds)
        first._started = self._started
        return first

    def stop(self) -> None:
        """End it now, for whoever works under it in other threads."""
        self._stopped = True


def check_minutes(minutes: object) -> None:
    """Refuse what is no time.

    Raises
    ------
    HeadError
        With the rule and the value received.
    """
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not minutes > 0:
        raise HeadError(f"minutes must be a number above 0, such as 0.5. Received: {shown(minutes)}.", wrong_value=True)
