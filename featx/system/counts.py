"""Counts with their noun, as sentences need them."""


def number_of(n: int, noun: str) -> str:
    """Give "1 image", "2 images", "1,200 images", "2 classes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"


def is_or_are(n: int) -> str:
    """Give the verb to a count: "is" of one, "are" of none or several."""
    return "is" if n == 1 else "are"


def was_or_were(n: int) -> str:
    """Give the verb to a count: "was" of one, "were" of none or several."""
    return "was" if n == 1 else "were"
