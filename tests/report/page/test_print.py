"""Pages on paper: every number of every matrix can be read from the PDF, and nothing is cut off."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.report.page.matrix import MOST_ON_PAPER, paper_matrix
from tests.report.page.browsing import A4, Word, look, print_page, words_of
from tests.report.page.made import answers, confused, long_names, measured_of, model_of, page_of

MARGIN = 11.5
"""Of a sheet, that printers leave white [mm]."""

NAMES_END = 12 + 46.5
"""Where the columns of a matrix begin [mm]."""

LEAST_DIGIT = 1.6
"""Height of a digit of 6.5 points [mm]: smaller ones are hard to read."""


def test_a_matrix_is_laid_out_for_its_numbers_of_classes_and_of_digits() -> None:
    """Upright while all columns have room, else across, else in blocks of equal width; past a hundred classes not at all."""

    def layout(n_classes: int, images: int = 99) -> tuple[bool, list[int]]:
        paper = paper_matrix(np.full((n_classes, n_classes), images))
        assert paper is not None
        for block in paper["blocks"]:
            wide = paper["names"] + paper["column"] * len(block["columns"])
            assert wide <= (A4[1] if paper["across"] else A4[0]) - 2 * MARGIN
        assert list(itertools.chain(*(block["columns"] for block in paper["blocks"]))) == list(range(n_classes))
        return paper["across"], [len(block["columns"]) for block in paper["blocks"]]

    assert layout(2) == (False, [2])
    assert layout(26) == (False, [26])
    assert layout(27) == (True, [27])
    assert layout(26, images=12_345) == (True, [13, 13])
    assert layout(60) == (True, [30, 30])
    assert layout(100)[1] == [34, 33, 33]
    assert paper_matrix(np.zeros((MOST_ON_PAPER + 1,) * 2, int)) is None


def header_of(sheet: list[Word], label: Word) -> dict[int, float]:
    """Return where the numbered columns stand that head a row: each number has its class's name, turned, above it."""
    turned = [word for word in sheet if word.turned]
    numbers = [
        word
        for word in sheet
        if re.fullmatch(r"\d+", word.text) and not word.turned and word.x > NAMES_END and word.y < label.y
        if any(abs(name.x - word.x) < 2 and 0 < word.box[1] - name.box[3] < 4 for name in turned)
    ]
    last = max(word.y for word in numbers)
    return {int(word.text): word.x for word in numbers if abs(word.y - last) < 1}


def rows_of(sheet: list[Word]) -> list[tuple[Word, float, float]]:
    """Return the numbers of the rows on a sheet, and from where to where each row reaches [mm]."""
    names = sorted((word for word in sheet if word.x < NAMES_END and not word.turned), key=lambda word: word.y)
    labels = [word for word in names if re.fullmatch(r"\d+\.", word.text) and word.box[0] < 14]
    found = []
    for number, label in enumerate(labels):
        below = labels[number + 1].box[1] if number + 1 < len(labels) else A4[1]
        end = label.box[3]
        for word in names:  # as far as its name reaches, line by line
            if label.y < word.y < below - 0.5 and word.box[1] < end + 2.5:
                end = max(end, word.box[3])
        found.append((label, label.box[1] - 1.5, end + 1.5))
    return found


def printed_matrix(pdf: Path, n_classes: int) -> NDArray[np.int64]:
    """Read a matrix from the sheets, by the numbers beside its rows and above its columns."""
    found = np.full((n_classes, n_classes), -1)
    for (width, height), sheet in words_of(pdf):
        for label, top, bottom in rows_of(sheet):
            columns = header_of(sheet, label)
            row = int(label.text[:-1]) - 1
            assert (found[row, [column - 1 for column in columns]] == -1).all(), "a cell is printed twice"
            found[row, [column - 1 for column in columns]] = 0
            for word in (word for word in sheet if word.x > NAMES_END and top < word.y < bottom and not word.turned):
                column = min(columns, key=lambda one: abs(columns[one] - word.x))
                assert abs(columns[column] - word.x) < 2
                assert word.visible, f"{word} is cut off"
                assert MARGIN < word.box[0] < word.box[2] < width - MARGIN
                assert MARGIN < word.box[1] < word.box[3] < height - MARGIN
                assert word.box[3] - word.box[1] > LEAST_DIGIT
                assert found[row, column - 1] == 0
                found[row, column - 1] = int(word.text)
    return found


def outside(sheet: list[Word], width: float) -> list[Word]:
    """Return the words that are not between the margins; a ligature has no place of its own in the text of a PDF."""
    words = [word for word in sheet if word.text.isascii() and len(word.text) > 1]
    return [word for word in words if word.box[0] < MARGIN - 1 or word.box[2] > width - MARGIN + 1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page of each number of classes, with long names and names in other scripts."""
    folder = tmp_path_factory.mktemp("print")
    for n_classes in (2, 10, 20, 60):
        evaluation = measured_of(*answers(confused(n_classes)), model_of(long_names(n_classes)))
        page_of(evaluation, folder / f"{n_classes}.html")
    return folder


@pytest.mark.parametrize("n_classes", [2, 10, 20, 60])
def test_every_cell_of_the_matrix_can_be_read_from_the_pdf(browser: Any, made: Path, n_classes: int) -> None:
    """On A4, as the page asks for it, backgrounds left out; the others are empty."""
    look(browser)
    browser.get((made / f"{n_classes}.html").as_uri())
    pdf = print_page(browser, made / f"{n_classes}.pdf")
    np.testing.assert_array_equal(printed_matrix(pdf, n_classes), confused(n_classes))


def test_paper_shows_no_control_repeats_the_heads_and_is_white(browser: Any, made: Path) -> None:
    """Of a page of 60 classes that was read in the dark: 19 sheets, the last of them on their side."""
    look(browser, theme="dark")
    browser.get((made / "60.html").as_uri())
    browser.find_element("css selector", "#per-class thead th:nth-child(2) button").click()
    browser.find_element("css selector", ".filter input").send_keys("wombat 0")
    pdf = print_page(browser, made / "dark.pdf")
    sheets = list(words_of(pdf))
    texts = [{word.text for word in sheet} for _, sheet in sheets]
    assert not {"Dark", "Light", "Filter", "Skip", "Close", "↕", "↓", "↑", "Back", "Show"} & set().union(*texts)
    assert len([one for one in texts if {"recall", "F1", "images"} <= one]) >= 3  # each sheet that the table of classes takes
    assert [width < height for (width, height), _ in sheets] == sorted(
        (width < height for (width, height), _ in sheets), reverse=True
    )
    for (width, _), sheet in sheets:
        assert outside(sheet, width) == []
    import pypdfium2

    for page in pypdfium2.PdfDocument(pdf):
        picture = page.render(scale=0.5).to_numpy().astype(int).max(axis=2)
        assert np.median(picture) > 240
        assert picture[:4].min() > 240


def test_shades_are_printed_where_backgrounds_are_not(browser: Any, made: Path) -> None:
    """A hit is on blue, a mistake on red, as far as their shares go; the numbers stand on both."""
    look(browser)
    browser.get((made / "2.html").as_uri())
    pdf = print_page(browser, made / "shades.pdf")
    import pypdfium2

    document, colours = pypdfium2.PdfDocument(pdf), {}
    for number, (_, sheet) in enumerate(words_of(pdf)):
        if rows := rows_of(sheet):
            picture = document[number].render(scale=4, rev_byteorder=True).to_numpy().astype(int)
            for word in sheet:
                if word.x > NAMES_END and rows[0][1] < word.y < rows[-1][2] and not word.turned:
                    right, middle = (round(edge / 25.4 * 72 * 4) for edge in (word.box[2] + 0.8, word.y))
                    colours[word.text] = picture[middle, right, :3].tolist()
    hit, mistake = (colours[str(count)] for count in (confused(2)[0, 0], confused(2)[1, 0]))
    assert hit[2] > hit[0] + 40
    assert mistake[0] > mistake[2]
    assert min(hit) < min(mistake) < 245


@pytest.mark.parametrize("name", ["r/report.html", "p.html", "a/audit.html", "e.html"])
def test_no_thumbnail_is_cut_and_nothing_is_wider_than_the_sheet(browser: Any, site: Path, tmp_path: Path, name: str) -> None:
    """Every picture of each page lies on one sheet as a whole, and every word between the margins."""
    import pypdfium2
    import pypdfium2.raw as raw

    look(browser)
    browser.get((site / name).as_uri())
    pdf = print_page(browser, tmp_path / "p.pdf")
    pictures = 0
    for page in pypdfium2.PdfDocument(pdf):
        width, height = page.get_size()
        for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=15):
            left, bottom, right, top = picture.get_bounds()
            assert min(left, bottom) > 0
            assert right < width
            assert top < height
            pictures += 1
    assert pictures >= 1
    for (width, _), sheet in words_of(pdf):
        assert outside(sheet, width) == []
