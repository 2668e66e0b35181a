"""Pages: one HTML file each, that loads nothing and can be mailed."""

import base64
import functools
import hashlib
import json
import re
import unicodedata
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from featx.report.page.place import check_page_path
from featx.report.text.shares import interval_text, share_text
from featx.system.command import shown_command
from featx.system.counts import number_of
from featx.system.durable import make_folder
from featx.system.files import replacing, writing_to
from featx.system.home import without_home
from featx.system.version import __version__

# Inside an element <script> only these could end it or begin a comment; two more end a line in old JavaScript.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}

_SURROGATE = re.compile("[\ud800-\udfff]")


def render_page(template: str, *, scripts: tuple[str, ...] = (), opens_files: bool = False, **values: Any) -> str:
    """Fill a template in.

    Parameters
    ----------
    template : str
        Name of a file in ``templates/`` that extends ``base.html``.
    scripts : tuple of str
        Scripts in ``templates/`` that the page runs, after the script that every page has.
    opens_files : bool
        Whether its script may show image files that lie on the same disk, or come from the same host.
    **values
        What the template shows. Text is escaped, whatever is in it.

    Returns
    -------
    page : str
        The page; it can be encoded as UTF-8.
    """
    sources = [Markup(_read(name)) for name in ("page.js", *scripts)]
    made = {"when": datetime.now().astimezone(), "version": __version__, "command": shown_command()}
    page = plain(_environment().get_template(template).render(scripts=sources, opens_files=opens_files, made=made, **values))
    # A page is mailed: wherever a path stands in it, whose home it was in is nobody's business.
    return without_home(page)


def save_page(page: str, path: Path, option: str = "--out") -> None:
    """Write a page, atomically, in place of an earlier one. Makes its folder.

    Raises
    ------
    OutputError
        If it cannot be written, or another file stands there.
    """
    check_page_path(path, option)
    with writing_to(path, f"Give another {option}."):
        make_folder(path.parent)
        with replacing(path) as temporary:
            temporary.write_bytes(page.encode())


def data_uri(data: bytes, kind: str) -> str:
    """Return an image as text that a page can hold: ``data:image/webp;base64,…``."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def plain(text: str) -> str:
    """Write what is no text, such as the bytes of a file name that is not UTF-8, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def isolated(name: str) -> str:
    """Return a name that stands in a line with others: one in Arabic or Hebrew, say, turns none of what is around it."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL", "RLE", "RLO", "RLI") for letter in name)
    return f"\u2068{name}\u2069" if turns else name


def _json(value: Any) -> Markup:
    """Return JSON that can stand inside an element <script>, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Surrogates are written out as in the tables: a browser would show each of them as the same box.
    text = _SURROGATE.sub(lambda match: f"\\\\u{ord(match[0]):04x}", text)
    return Markup(text.translate(_ESCAPES))


def _script_digest(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _read(name: str) -> str:
    return (resources.files("featx.report.page") / "templates" / name).read_text("utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    # Autoescape for every name: a template that ends in something else than .html is no exception.
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    texts = {"share": share_text, "interval": interval_text, "count": number_of}
    environment.filters |= {"json": _json, "script_digest": _script_digest, **texts}
    return environment
