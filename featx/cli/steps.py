"""The last line of a command's text: what to open, or what to type next."""

import re
import shlex
import sys
import webbrowser
from collections.abc import Mapping
from os import environ
from pathlib import Path
from typing import Any

import click

from featx.cli.spelling import Named
from featx.cli.terminal import echo, is_quiet, show_note

_LONGEST = 400
"""Characters of a command that nobody has to scroll for."""

_WORDS = "featx.words"

_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def open_option(command: Any) -> Any:
    """Add --open to a command that writes a page."""
    return click.option("--open", "open_", cls=Named, is_flag=True, help="Open the page in a browser.")(command)


def say_open(path: Path, *, err: bool = False) -> None:
    """Say which file to look at."""
    _say(["open", path], err)


def say_next(*words: str | Path, err: bool = False) -> None:
    """Say which command comes next, so that it can be copied into a shell."""
    _say(["next: featx", *words], err)


def say_again(*more: str, instead: Mapping[str, str] | None = None, err: bool = False) -> None:
    """Say that the same command comes next; nothing where that is too long a line, or would wait for paths on stdin.

    Parameters
    ----------
    *more : str
        Further words of it.
    instead : mapping of str to str or None
        Words that others stand for, or none where the other is empty.
    err : bool
        Say it on stderr.
    """
    changed = instead or {}
    typed = (changed.get(word, word) for word in click.get_current_context().meta.get(_WORDS, []))
    words = [word for word in typed if word]
    # Behind "--" an option would be a path.
    place = words.index("--") if "--" in words else len(words)
    words[place:place] = more
    if words and "-" not in words and sum(map(len, words)) < _LONGEST:
        _say(["next: featx", *map(_typed, words)], err, quote=False)


def note_words(context: click.Context, words: list[str]) -> None:
    """Keep the words that were typed behind ``featx``."""
    context.meta[_WORDS] = list(words)


def open_page(page: Path | None) -> None:
    """Open a page in the browser, or say why not."""
    if page is None:
        return
    # Without a display a browser in the terminal would be started, which takes the terminal away.
    shows = sys.platform in ("win32", "darwin") or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not shows:
        show_note(f"there is no display to open {page} on")
        return
    try:
        opened = webbrowser.open(page.resolve().as_uri())
    except (OSError, webbrowser.Error):
        opened = False
    if not opened:
        show_note(f"no browser could be started to open {page}")


def _say(words: list[str | Path], err: bool, *, quote: bool = True) -> None:
    if not is_quiet():
        first, *others = words
        echo(" ".join([str(first), *(_quoted(word) if quote else str(word) for word in others)]), err=err)


def _quoted(word: str | Path) -> str:
    """Return a word as a shell takes it; a path that begins like an option, as one that does not."""
    if isinstance(word, Path):
        word = f"./{word}" if str(word).startswith("-") else str(word)
    return _typed(word)


def _typed(word: str) -> str:
    if not _ODD.search(word):
        return shlex.quote(word)
    # A line's end and the like, which no terminal shows; and bytes that are no text.
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_ODD.sub(_as_bytes, escaped)}'"


def _as_bytes(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape"))
