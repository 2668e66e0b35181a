"""Which pixels the scaling is for that a network begins with: its numbers tell."""

_SMALL_FACTOR = 0.1  # a factor below it makes pixels from 0 to 255 small, one above it spreads those from 0 to 1


def scaling_before(largest: float, *, is_factor: bool) -> str:
    """Return how pixels are scaled for a network that begins with a scaling of its own.

    Parameters
    ----------
    largest : float
        The largest size of the numbers that pixels are multiplied by, divided by, or that are added to them.
    is_factor : bool
        Whether they are multiplied.

    Returns
    -------
    preprocess : str
        ``none`` where it takes pixels from 0 to 255, ``rescale`` where it takes pixels from 0 to 1.
    """
    of_bytes = largest < _SMALL_FACTOR if is_factor else largest > 1
    return "none" if of_bytes else "rescale"
