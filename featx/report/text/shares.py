"""Shares and their intervals as texts that claim no more than was found."""

_DIGITS, _MOST_DIGITS = 3, 9


def share_text(share: float, digits: int = _DIGITS) -> str:
    """Give a share with three digits behind the point, and with more where it would read as all or none and is not."""
    while 0 < share < 1 and digits < _MOST_DIGITS and float(f"{share:.{digits}f}") in (0.0, 1.0):
        digits += 1
    return f"{share:.{digits}f}"


def interval_text(interval: tuple[float, float]) -> str:
    """Give an interval as "0.981 to 1.000": with three digits, and with more where its two ends would read the same."""
    low, high = interval
    digits = _DIGITS
    while low < high and digits < _MOST_DIGITS and f"{low:.{digits}f}" == f"{high:.{digits}f}":
        digits += 1
    return f"{low:.{digits}f} to {high:.{digits}f}"


def range_text(low: float, high: float, digits: int = 2) -> str:
    """Give the smallest and the largest of some values: "0.31" where they read the same, else "0.31 to 0.48"."""
    ends = f"{low:.{digits}f}", f"{high:.{digits}f}"
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
