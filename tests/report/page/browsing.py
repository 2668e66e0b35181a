"""A real browser, and what its pages print."""

import base64
import dataclasses
import functools
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

A4 = (210.0, 297.0)
"""A sheet [mm]."""


def start() -> Any:
    """Start a headless Chromium that writes down what it logs and asks for; skip the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def look(browser: Any, width: int = 1200, theme: str = "light", media: str = "") -> None:
    """Have the next page seen at a width, in light or dark as the system would have it, on a screen or as printed."""
    features = {"media": media, "features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def print_page(browser: Any, path: Path, **options: Any) -> Path:
    """Save the page that is open as a PDF, as the print dialog does: without backgrounds unless the page insists on them."""
    asked = {"preferCSSPageSize": True, "printBackground": False} | options
    path.write_bytes(base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", asked)["data"]))
    return path


Box = tuple[float, float, float, float]

_DOTS = 3
"""Of a rendered sheet to a point."""

_MM = 25.4 / 72


@dataclasses.dataclass(frozen=True, eq=False)
class Word:
    """Letters that stand together on a printed page.

    Parameters
    ----------
    text : str
        The letters.
    box : (left, top, right, bottom)
        Where they stand, from the upper left corner of the sheet [mm].
    turned : bool
        Whether they run upwards or downwards.
    boxes : list of (left, top, right, bottom)
        Of each letter [points].
    picture : callable
        Returns the sheet as it is shown, in grey (height, width), ``_DOTS`` to a point.
    """

    text: str
    box: Box
    turned: bool
    boxes: list[Box]
    picture: Callable[[], NDArray[np.uint8]]

    @property
    def x(self) -> float:
        """Its middle [mm]."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        """Its middle [mm]."""
        return (self.box[1] + self.box[3]) / 2

    @property
    def visible(self) -> bool:
        """Whether there is ink in the box of each letter, against what is around it there: none is cut off or covered."""
        for left, top, right, bottom in self.boxes:
            rows = slice(max(0, round(top * _DOTS)), round(bottom * _DOTS) + 1)
            inside = self.picture()[rows, max(0, round(left * _DOTS)) : round(right * _DOTS) + 1]
            if not inside.size or int(inside.max()) - int(inside.min()) < 60:
                return False
        return True


def words_of(pdf: Path) -> Iterator[tuple[tuple[float, float], list[Word]]]:
    """Yield width and height of each sheet [mm] and its words, as PDFium, the browser's own viewer, reads and shows them."""
    pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    from pypdfium2 import raw

    for page in pdfium.PdfDocument(pdf):
        width, height = page.get_size()
        picture = functools.cache(lambda page=page: page.render(scale=_DOTS, grayscale=True).to_numpy())
        text = page.get_textpage()
        letters: list[list[tuple[str, Box, bool]]] = [[]]
        for place in range(text.count_chars()):
            letter = chr(raw.FPDFText_GetUnicode(text, place))
            if letter.isspace() or not letter.isprintable():
                letters.append([])
                continue
            left, bottom, right, top = text.get_charbox(place)
            box = (left, height - top, right, height - bottom)
            turned = abs(raw.FPDFText_GetCharAngle(text, place) % math.pi - math.pi / 2) < 0.1
            if letters[-1] and not _goes_on(letters[-1][-1], box, turned):
                letters.append([])
            letters[-1].append((letter, box, turned))
        yield (width * _MM, height * _MM), [_word(some, picture) for some in letters if some]


def _word(letters: list[tuple[str, Box, bool]], picture: Callable[[], NDArray[np.uint8]]) -> Word:
    boxes = [box for _, box, _ in letters]
    starts, ends = np.min(boxes, axis=0)[:2] * _MM, np.max(boxes, axis=0)[2:] * _MM
    text = "".join(letter for letter, *_ in letters)
    return Word(text, (*starts.tolist(), *ends.tolist()), letters[0][2], boxes, picture)


def _goes_on(last: tuple[str, Box, bool], box: Box, turned: bool) -> bool:
    """Return whether a letter stands right after another, on the same line [points]."""
    _, (left, top, right, bottom), before = last
    if turned != before:
        return False
    if turned:
        return box[0] < right + 1 and left < box[2] + 1 and min(abs(box[3] - top), abs(box[1] - bottom)) < 3
    return box[1] < bottom + 2 and top < box[3] + 2 and -1 < box[0] - right < 3
