"""The home folder in what is handed on: its name tells who made a file, and nobody else has it."""

import os
import re
from pathlib import Path

_HOME = "~"


def without_home(text: str) -> str:
    """Return a path, or a text with paths in it, with ``~`` in place of the home folder, in HTML and JSON too."""
    for folder in sorted(_homes(), key=len, reverse=True):
        # A whole path, not a part of another: not /mnt/home/me, not /home/me2, and nothing inside an image in base64.
        text = re.sub(rf"(?<![\w/\\+.=~-]){re.escape(folder)}(?![\w-]|\.\w)", lambda _: _HOME, text)
    return text


def with_home(path: str) -> str:
    """Return a path that ``without_home`` gave as this user's own; any other as it is."""
    if path != _HOME and not path.startswith(("~/", "~\\")):
        return path
    return str(Path(os.path.realpath(Path.home()), path[2:]))


def is_at_home(path: str) -> bool:
    """Return whether an absolute path lies in the home folder, or is it."""
    return any(Path(path).is_relative_to(folder) for folder in _plain_homes())


def _homes() -> set[str]:
    """Return the home folder as texts have it: plain, in HTML and in JSON."""
    found = _plain_homes()
    in_html = {folder.replace("&", "&amp;").replace("'", "&#39;") for folder in found}
    in_json = {folder.replace("\\", "\\\\").replace("&", r"\u0026") for folder in found}
    return found | in_html | in_json


def _plain_homes() -> set[str]:
    """Return the home folder as it is called and as it is, but a root folder, which says nothing."""
    try:
        home = Path.home()
    except RuntimeError:  # a process of no user
        return set()
    return {folder for folder in (str(home), os.path.realpath(home)) if Path(folder).parent != Path(folder)}
