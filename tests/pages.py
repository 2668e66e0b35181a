"""The README and the pages of ``docs/``: their marked blocks of code, for the tests that run them."""

import dataclasses
import re
from pathlib import Path

import featx

ROOT = Path(featx.__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"(?:^<!-- (?P<marker>[^\n]+?) -->\n+)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Parameters
    ----------
    page : str
        The page, relative to the checkout.
    marker : str
        What the comment before it says: ``<!-- marker -->``; empty without one.
    language, text : str
        What follows the fence, and what is inside.
    """

    page: str
    marker: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block without their comments."""
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in self.text.replace("\\\n", " ").splitlines())
        return [line for line in lines if line]


def blocks() -> list[Block]:
    """Return every block of every page, in order."""
    return [
        Block(path.relative_to(ROOT).as_posix(), found["marker"] or "", found["language"], found["text"])
        for path in PAGES
        for found in _BLOCK.finditer(path.read_text("utf-8"))
    ]


def block(marker: str) -> str:
    """Return the text of the only block that has that marker."""
    (found,) = (block for block in blocks() if block.marker == marker)
    return found.text
