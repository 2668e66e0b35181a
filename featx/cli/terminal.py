"""What commands show: text, JSON, and which cache or model was taken."""

import dataclasses
import json
import re
from pathlib import Path
from typing import IO, Any

import click

from featx.errors import CacheNotFound, ModelNotFound

# What a terminal obeys: control characters but for the line's end and the tab, C1 among them, and what turns text around.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return a text with every character that a terminal would obey written as an escape, such as ``\x1b``.

    A class, a file or a model of somebody else's can have any name: one that sets the title, clears the screen or writes
    into the clipboard, say.
    """
    return _OBEYED.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] < "\u0100" else f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    r"""Return a text with ``\n`` for each end of a line: a name must not look like lines of featx's."""
    return text.replace("\n", "\\n")


def echo(line: str, file: IO[str] | None = None, err: bool = False) -> None:
    """Print one line on stdout or stderr, whatever names are in it."""
    echo_text(one_line(line), file, err)


def echo_text(text: str, file: IO[str] | None = None, err: bool = False) -> None:
    """Print a text of several lines, whose names stand each in one. No command prints in another way."""
    click.echo(printable(text), file=file, err=err)


# In click's context: what --quiet and --verbose said, whether a JSON object is still to be printed, and what is to be said
# once it is known how loud a command is to be.
_LOUDNESS, _JSON, _LATER = "featx.loudness", "featx.json", "featx.later"


def set_loudness(context: click.Context, option: click.Parameter, given: bool) -> None:
    """Take --quiet or --verbose; of both the last one in click's order counts."""
    if given:
        context.meta[_LOUDNESS] = option.name
        if option.name == "verbose":
            from featx.models import library_versions

            echo(", ".join(f"{name} {version}" for name, version in library_versions().items()), err=True)


def is_quiet() -> bool:
    """Return whether only results and errors are wanted."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_LOUDNESS) == "quiet")


def is_verbose() -> bool:
    """Return whether more than usual is wanted."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_LOUDNESS) == "verbose")


def newest_cache() -> Path:
    """Find the newest cache and name it on stderr."""
    from featx.store import find_cache

    newest = find_cache(Path("cache"))
    if newest is None:
        raise CacheNotFound("cache/: no finished cache in it. Make one with: featx extract IMAGES")
    _say(f"using cache {newest}")
    return newest


def newest_model() -> Path:
    """Find the newest model and name it on stderr."""
    from featx.models import find_model

    newest = find_model(Path("models"))
    if newest is None:
        raise ModelNotFound("models/: no model in it. Make one with: featx fit")
    _say(f"using model {newest}")
    return newest


def show_note(note: str) -> None:
    """Say on stderr what a user should know before the end."""
    _say(f"note: {note}")


def show_replaced(text: str) -> None:
    """Say on stderr what of featx' own is replaced."""
    _say(text)


def say_later(context: click.Context, text: str) -> None:
    """Have something said on stderr as the command begins: only then it is known whether it is to be quiet."""
    context.meta[_LATER] = text


def say_what_waits(context: click.Context) -> None:
    """Say it."""
    if text := context.meta.pop(_LATER, ""):
        _say(text)


def _say(text: str) -> None:
    if not is_quiet():
        echo(text, err=True)


def expect_json(context: click.Context, wanted: bool) -> None:
    """Note whether a command is to print one JSON object."""
    context.meta[_JSON] = wanted


def print_error(message: str, kind: str) -> None:
    """Print an error as one JSON object, if one is wanted and none was printed yet."""
    if click.get_current_context().meta.get(_JSON):
        print_json({"error": message, "kind": kind})


def print_json(result: Any) -> None:
    """Print a result, whatever paths and dataclasses are in it, as one JSON object."""
    expect_json(click.get_current_context(), False)  # this is the one
    document = dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
    echo(json.dumps(document, default=str))
