"""Counts with their noun, as sentences need them."""


def number_of(n: int, noun: str) -> str:
    """Give "1 image", "2 images", "1,200 images", "2 classes"."""
    return f"{n:,} {noun if n == 1 else plural_of(noun)}"


def plural_of(noun: str) -> str:
    """Give "images" for "image", "classes" for "class"."""
    return noun + ("es" if noun.endswith("s") else "s")


def known_number_of(n: object, noun: str) -> str:
    """Give a count as ``number_of`` does, and of what is no count, as in an older file, that it is not known."""
    return number_of(n, noun) if isinstance(n, int) else f"an unknown number of {noun}s"


def is_or_are(n: int) -> str:
    """Give the verb to a count: "is" of one, "are" of none or several."""
    return "is" if n == 1 else "are"


def was_or_were(n: int) -> str:
    """Give the verb to a count: "was" of one, "were" of none or several."""
    return "was" if n == 1 else "were"
