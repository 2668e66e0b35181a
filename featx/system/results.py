"""What a result shows of itself: a line as ``repr``, the text of its command as ``str``, and a table in a notebook."""

from featx.system.brief import brief_repr
from featx.system.drawing import draw


class Result:
    """A base of what functions return: of a dataclass made with ``repr=False``."""

    __repr__ = brief_repr

    def __str__(self) -> str:
        """Return the text that the command prints."""
        return str(draw("as_text", self))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: figures, a table and a picture, of bounded size."""
        return str(draw("as_html", self))
