"""From the parts of a result to HTML that a notebook shows and keeps."""

import functools
from importlib import resources

import jinja2

from featx.report.notebook.blocks import Picture, Shown
from featx.report.page.render import plain

_LONGEST_SIDE = 300
"""Of a picture of many cells [px]."""


def draw_result(shown: Shown) -> str:
    """Return HTML. Every text in it is escaped; it takes the colours of the page around it."""
    return plain(_template().render(shown=shown, **_places(shown.picture)))


def _places(picture: Picture | None) -> dict[str, int]:
    """Return where the cells of a picture begin, and how large they are [px]."""
    if picture is None:
        return {}
    if picture.png:
        longest = max(picture.size)
        height, width = (max(1, round(_LONGEST_SIDE * side / longest)) for side in picture.size)
        return {"height": height, "width": width}
    named = 12 + 7 * min(24, max(map(len, picture.rows), default=0)) if picture.rows else 2
    above = 14 + 5 * min(18, max(map(len, picture.columns), default=0)) if picture.columns else 2
    return {"left": named, "top": above, "cell": 30 if max(picture.size) <= 12 else 22}


@functools.cache
def _template() -> jinja2.Template:
    source = (resources.files("featx.report.notebook") / "templates" / "result.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source)
