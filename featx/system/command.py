"""The command line that is running, as it can be shown to others: in a page that is mailed, say."""

import contextlib
import contextvars
import re
import shlex
from collections.abc import Iterator, Sequence

_words: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("words of the command", default=())

_MOST_WORDS, _LONGEST = 40, 300

# What an address may hold beside a place: a user's name and password, and a signature behind the question mark.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#\s]*@)?(?P<place>[^?#\s]*)(?P<rest>[?#]\S*)?")
_SECRET = re.compile(r"(?i)(^|[-_.])(password|passwd|secret|token|credentials?|api[-_]?key|key)($|[-_.])")
_HIDDEN = "…"


@contextlib.contextmanager
def running(words: Sequence[str]) -> Iterator[None]:
    """Have ``shown_command`` return these words, the program's name first, for as long as the block runs."""
    token = _words.set(tuple(words))
    try:
        yield
    finally:
        _words.reset(token)


def shown_command() -> str:
    """Return the command as a shell takes it, without passwords and signatures; empty where featx is used from Python.

    Of a very long one, such as a list of a thousand files, the first words.
    """
    words = _words.get()
    shown = [shlex.quote(_shortened(word)) for word in _without_secrets(words[:_MOST_WORDS])]
    if len(words) > _MOST_WORDS:
        shown.append(f"{_HIDDEN} and {len(words) - _MOST_WORDS:,} more words")
    return " ".join(shown)


def _without_secrets(words: Sequence[str]) -> Iterator[str]:
    after_secret = False
    for word in words:
        name, equals, _ = word.partition("=")
        option = word.startswith("-")
        if after_secret and not option:
            yield _HIDDEN
        elif option and equals and _SECRET.search(name):
            yield f"{name}={_HIDDEN}"
        else:
            yield _ADDRESS.sub(lambda found: found["scheme"] + found["place"] + ("?" + _HIDDEN if found["rest"] else ""), word)
        after_secret = option and not equals and bool(_SECRET.search(word))


def _shortened(word: str) -> str:
    return word if len(word) <= _LONGEST else word[:_LONGEST] + _HIDDEN
