"""Names that a user typed: an unknown name is refused, with the known name that it looks like; a single one is a list."""

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from featx.errors import FeatxError

_LONGEST_NAME = 200  # nobody typed a longer one

_Name = TypeVar("_Name", str, Path | str)


def did_you_mean(name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> str:
    """Return ``"Did you mean A or B? "`` with the known names most like this one, whatever their case; empty without any."""
    by_lower = {entry.lower(): entry for entry in known}
    if len(name) > _LONGEST_NAME:
        return ""
    plain = name.lower()
    near = [plain] if plain in by_lower else difflib.get_close_matches(plain, by_lower, n=most, cutoff=cutoff)
    return f"Did you mean {' or '.join(by_lower[match] for match in near)}? " if near else ""


def as_list(given: _Name | Iterable[_Name]) -> list[_Name]:
    """Return what was given where several may be: a single name or path is one, and not its letters."""
    return [given] if isinstance(given, str | os.PathLike) else list(given)


def keywords_of(function: Callable[..., Any]) -> list[str]:
    """Return the keywords that a function names in its signature, those of a ``**`` left out."""
    parameters = inspect.signature(function).parameters.values()
    return [entry.name for entry in parameters if entry.kind in (entry.POSITIONAL_OR_KEYWORD, entry.KEYWORD_ONLY)]


def check_keywords(
    given: Iterable[str], known: Sequence[str], error: type[FeatxError], problem: str, *, beside: Iterable[str] = ()
) -> None:
    """Refuse keywords that a ``**`` took and that the function does not know.

    Parameters
    ----------
    given : iterable of str
        The keywords received.
    known : sequence of str
        The keywords that the function accepts.
    error : type of FeatxError
        What to raise.
    problem : str
        The beginning of its message, which the keyword follows: ``"head knn: has no setting"``.
    beside : iterable of str
        Keywords that the function names in its signature: the misspelt keyword may be meant for one of them.

    Raises
    ------
    FeatxError
        Of the type given, with the known keyword that looks like it, and all of them.
    """
    for name in given:
        if name not in known:
            raise error(
                f"{problem} {name!r}. {did_you_mean(name, (*known, *beside))}It has: {', '.join(known)}.", wrong_value=True
            )
