"""Reading a page as a browser would: its texts, its attributes, and the data that its scripts read."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_NEVER_CLOSED = frozenset({"meta", "link", "img", "br", "input", "hr", "col"})


class Page(HTMLParser):
    """A parsed page.

    Attributes
    ----------
    elements : list of (name, attributes)
        Every element, in order.
    texts : list of str
        What is to be read on it, script and style left out.
    scripts, styles : list of str
        What runs, and how it looks.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_bytes().decode("utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._data: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(self.source)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in _NEVER_CLOSED and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self._open.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last, which must be this one."""
        if self.get_starttag_text() is not None and self._open and self._open[-1][0] == tag:
            self._open.pop()
        else:
            raise AssertionError(f"</{tag}> closes {self._open[-1:]} at {self.getpos()}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        """Sort a text by what it is in."""
        name, attributes = self._open[-1] if self._open else ("", {})
        if name == "style":
            self.styles.append(data)
        elif name == "script" and attributes.get("type") == "application/json":
            self._data[attributes["id"]] = json.loads(data)
        elif name == "script":
            self.scripts.append(data)
        elif data.strip():
            self.texts.append(data.strip())

    def data(self, name: str) -> Any:
        """Return what an element of JSON holds."""
        return self._data[name]

    def attributes(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def text(self) -> str:
        """All that is to be read, with line breaks between."""
        return "\n".join(self.texts)
