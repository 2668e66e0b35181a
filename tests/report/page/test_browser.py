"""The pages in a browser; skipped without one: apt-get install chromium chromium-driver, and pip install selenium."""

import csv
import itertools
import json
import lzma
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import featx
from featx.report.page.render import render_page, save_page
from tests.report.page.browsing import look
from tests.report.page.conftest import FILE
from tests.report.page.made import answers, confused, long_names, measured_of, model_of, page_of
from tests.report.page.test_page import luminance

Show = Callable[..., Any]
EVERY_PAGE = ("r/report.html", "p.html", "a/audit.html", "e.html", "l.html")
OF_COLUMNS = ("labels/report.html", "numbers/report.html", "two/report.html", "labels.html", "numbers.html")
"""Pages of labels, of numbers and of two classes, made of the same parts."""


def open_until(browser: Any, address: str, holds: Callable[[], bool], before: str = "") -> None:
    """Open a page again until something holds of it, each time after a script has run in the one before.

    Chromium tells the next page what this one keeps in localStorage, but on a busy machine some time later.
    """
    end = time.monotonic() + 30
    while time.monotonic() < end:
        browser.execute_script(before)
        browser.get(address)
        if holds():
            return
        time.sleep(0.2)
    pytest.fail("it never came to hold")


@pytest.fixture
def show(browser: Any, site: Path) -> Show:
    """Open a page, of a width and in light or dark as the system would have it; its kept choice is forgotten."""

    def run(name: str | Path = "r/report.html", width: int = 1200, theme: str = "light") -> Any:
        look(browser, width, theme)
        address = (site / name).as_uri()  # a path of its own stays as it is
        browser.get(address)
        forget = "try { localStorage.clear() } catch {}"
        open_until(browser, address, lambda: browser.execute_script("return !document.documentElement.dataset.theme"), forget)
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(address)
        return browser

    return run


def rows_of(site: Path) -> list[dict[str, str]]:
    """Read predictions.csv."""
    with (site / "r" / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def dialog(browser: Any) -> tuple[str, list[str]]:
    """Return title and captions of the open dialog."""
    found = browser.execute_script(
        "const d = document.getElementById('viewer');"
        "const captions = [...d.querySelectorAll('figcaption')].map(c => c.textContent);"
        "return d.open ? [d.querySelector('h2').textContent, captions] : null"
    )
    assert found is not None, "the dialog is not open"
    return found[0], found[1]


def press(browser: Any, key: str) -> None:
    """Press one key."""
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(key).perform()


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_nothing_is_asked_for_and_nothing_goes_wrong(show: Show, site: Path, name: str) -> None:
    """No message on the console, no alert, and no request but for the page itself and what stands in it."""
    browser = show(name)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith("data:")] == [(site / name).as_uri()]
    assert browser.execute_script("return [...document.images].filter(i => i.complete && !i.naturalWidth).length") == 0


def test_the_policy_keeps_a_script_out(show: Show) -> None:
    """Even one that got into the page: the browser refuses to run what is not featx's own."""
    browser = show()
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.got = 1'; document.body.append(s);"
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);"
    )
    assert browser.execute_script("return window.got") is None
    messages = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert messages.count("Content Security Policy") == 2


@pytest.mark.parametrize("name", ["r/report.html", "p.html"])
def test_hostile_names_are_read_as_they_are(show: Show, site: Path, name: str) -> None:
    """As text, letter by letter; a name that is not UTF-8 with its byte's escape."""
    browser = show(name)
    if name.startswith("r/"):
        place = next(place for place, row in enumerate(rows_of(site)) if row["path"].endswith(FILE))
        click = "document.querySelector(arguments[0]).dispatchEvent(new MouseEvent('click', {bubbles: true}))"
        browser.execute_script(click, f'#map [data-place="{place}"]')  # the dialog names the file
    text = browser.execute_script(
        "document.querySelectorAll('script').forEach(s => s.remove()); return document.body.textContent"
    )
    for wanted in ("<script>alert(1)<", 'b"onload="alert(2)', "caf\\udce9 & <b>", FILE):
        assert wanted in text


def test_a_column_sorts_both_ways(show: Show, site: Path) -> None:
    """Numbers largest first, names from A; the heading says which way."""
    browser = show()
    metrics = json.loads((site / "r" / "metrics.json").read_text())["per_class"]
    shown = {one["class_name"].encode("utf-8", "backslashreplace").decode(): one["recall"] for one in metrics}

    def column() -> list[str]:
        names = browser.execute_script("return [...document.querySelectorAll('#per-class tbody th')].map(c => c.textContent)")
        assert isinstance(names, list)
        return names

    button = browser.find_element("css selector", "#per-class thead th:nth-child(3) button")
    for way, sign in (("descending", -1), ("ascending", 1)):
        button.click()
        recalls = [shown[name] for name in column()]
        assert recalls == sorted(recalls, key=lambda value: sign * value)
        assert button.find_element("xpath", "..").get_attribute("aria-sort") == way
    browser.find_element("css selector", "#per-class thead th:first-child button").click()
    assert column()[-1] == "plain"
    assert len(browser.find_elements("css selector", "[aria-sort]")) == 1


def test_a_cell_opens_its_images_and_the_keyboard_closes_them(show: Show, site: Path) -> None:
    """Every cell: exactly the images of that class taken for that other one, the surest first; Escape gives the focus back."""
    browser = show()
    rows = rows_of(site)
    classes = json.loads((site / "r" / "metrics.json").read_text())["confusion"]["class_names"]
    plain = [name.encode("utf-8", "backslashreplace").decode() for name in classes]
    cells = browser.find_elements("css selector", "button.cell")
    assert len(cells) > len(classes), "there should be mistakes"
    for cell in cells:
        true, predicted = (plain[int(cell.get_attribute(f"data-{name}"))] for name in ("true", "predicted"))
        cell.send_keys("\ue007")  # Enter
        title, captions = dialog(browser)
        own = [row for row in rows if (row["label"], row["predicted"]) == (true, predicted)]
        own.sort(key=lambda row: -float(row["confidence"]))
        assert [caption.split("\n")[1] for caption in captions] == [row["path"] for row in own]
        assert title == (f"{true}, found" if true == predicted else f"{true}, taken for {predicted}")
        press(browser, "\ue00c")  # Escape
        assert not browser.execute_script("return document.getElementById('viewer').open")
        assert browser.execute_script("return document.activeElement") == cell


def settled(browser: Any) -> dict[str, Any]:
    """Return what the only image in the dialog is, after its file was found or not."""
    found = browser.execute_async_script(
        "const done = arguments[0], viewer = document.getElementById('viewer'), said = viewer.querySelector('.file-note');"
        "const look = () => { if (said && !said.textContent) return setTimeout(look, 20);"
        " const image = viewer.querySelector('img');"
        " image.decode().then(() => done({ source: image.src, said: said?.textContent ?? '', width: image.naturalWidth,"
        "  height: image.naturalHeight, link: said?.querySelector('a')?.href ?? '' })) };"
        "look()"
    )
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("opener", ["#mistakes .open", "button.cell:not(.hit)", "#map .point.wrong"])
def test_the_image_in_the_dialog_is_the_file(show: Show, site: Path, opener: str) -> None:
    """From a gallery, a cell of the matrix and a point of the map: the file that the caption names, at its full size."""
    browser = show()
    element = browser.find_element("css selector", opener)
    browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", element)
    if len(dialog(browser)[1]) > 1:
        browser.find_element("css selector", "#viewer .alone").click()
    _, (caption,) = dialog(browser)
    found = settled(browser)
    path = site / "images" / os.fsdecode(caption.split("\n")[1].encode().replace(b"\\udce9", b"\xe9"))
    assert unquote(found["source"]) == unquote(found["link"]) == unquote(path.as_uri())
    with Image.open(path) as file:
        assert (found["width"], found["height"]) == file.size
    assert found["said"] == f"Open the file, {found['width']} × {found['height']} px"


@pytest.mark.parametrize("name", ["r/report.html", "p.html", "a/audit.html"])
def test_a_page_that_was_moved_shows_what_it_holds(show: Show, site: Path, tmp_path: Path, name: str) -> None:
    """Its image files are not beside it any more: a small copy, whose mean colour is the image's, and a word on it."""
    moved = tmp_path / "elsewhere" / "deep" / "page.html"
    moved.parent.mkdir(parents=True)
    shutil.copy(site / name, moved)
    browser = show(moved)
    browser.find_element("css selector", ".thumbnail .open").click()
    _, (caption,) = dialog(browser)
    assert settled(browser)["said"].startswith("A small copy: its file is not where it was")
    mean = browser.execute_async_script(
        "const done = arguments[0], image = document.querySelector('#viewer img');"
        "const c = document.createElement('canvas'); c.width = image.naturalWidth; c.height = image.naturalHeight;"
        "const x = c.getContext('2d'); x.drawImage(image, 0, 0);"
        "const p = x.getImageData(0, 0, c.width, c.height).data; const s = [0, 0, 0];"
        "p.forEach((v, i) => { if (i % 4 < 3) s[i % 4] += v }); done(s.map(v => v / p.length * 4))"
    )
    *_, path = caption.encode().replace(b"\\udce9", b"\xe9").split(b"\n")
    with Image.open(site / "images" / os.fsdecode(path)) as file:
        np.testing.assert_allclose(mean, np.asarray(file).mean(axis=(0, 1)), atol=3)


def test_one_of_many_opens_alone_and_leads_back(show: Show) -> None:
    """By the keyboard: Enter on an image, Enter on Back; the focus is in the dialog all the while."""
    browser = show()
    cell = max(browser.find_elements("css selector", "button.cell"), key=lambda one: int(one.text))
    cell.click()
    title, captions = dialog(browser)
    browser.find_elements("css selector", "#viewer .alone")[1].send_keys("\ue007")
    assert dialog(browser) == (title, captions[1:2])
    assert browser.execute_script("return document.activeElement.className") == "back plain"
    press(browser, "\ue007")
    assert dialog(browser) == (title, captions)
    assert browser.execute_script("return document.activeElement.closest('dialog') !== null")


def test_what_spoke_for_an_image_is_drawn_over_it(show: Show, site: Path) -> None:
    """Of one image at once, of many when the button is pressed; the cells lie where they are on the picture."""
    browser = show()
    classes = json.loads((site / "r" / "metrics.json").read_text())["confusion"]["class_names"]
    browser.find_element("css selector", "#mistakes .open").click()
    found = browser.execute_async_script(
        "const done = arguments[0], viewer = document.getElementById('viewer'), image = viewer.querySelector('img');"
        "image.decode().then(() => setTimeout(() => { const drawn = viewer.querySelector('.covered .cells');"
        "const squares = [...drawn.querySelectorAll('.for, .against')].map(p => p.getAttribute('d').split('M').length - 1);"
        "const [outer, inner] = [image, drawn.querySelector('.rules')].map(e => e.getBoundingClientRect());"
        "done({squares: squares.reduce((a, b) => a + b, 0), shown: getComputedStyle(drawn).display,"
        " text: viewer.querySelector('figure .cells-note').textContent,"
        " limits: viewer.querySelector('.cells-note').textContent,"
        " apart: Math.abs(outer.left - inner.left), share: inner.width / outer.width}) }, 100))"
    )
    assert 1 <= found["squares"] <= 4
    assert found["shown"] != "none"
    assert found["share"] == pytest.approx(1, abs=0.05)
    assert found["apart"] < 3
    plain = [name.encode("utf-8", "backslashreplace").decode() for name in classes]
    assert found["text"] in {f"cells: {one} against {other}" for one in plain for other in plain}
    assert "does not tell whether that evidence is the object itself" in found["limits"]
    press(browser, "\ue00c")
    displays = (
        "return [...document.querySelectorAll('#viewer .covered .cells, #viewer .scale')].map(c => getComputedStyle(c).display)"
    )
    cell = max(browser.find_elements("css selector", "button.cell"), key=lambda one: int(one.text))
    cell.click()
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert set(browser.execute_script(displays)) == {"none"}
    browser.find_element("css selector", ".cells-choice button").click()
    assert "none" not in browser.execute_script(displays)


def test_what_spoke_for_a_predicted_image_is_drawn_over_it(show: Show) -> None:
    """The page of predictions has it too, in the dialog that a thumbnail opens."""
    browser = show("p.html")
    browser.find_element("css selector", ".thumbnail .open").click()
    found = browser.execute_async_script(
        "const done = arguments[0], viewer = document.getElementById('viewer'), image = viewer.querySelector('img');"
        "image.decode().then(() => setTimeout(() => done({"
        " shown: getComputedStyle(viewer.querySelector('.covered .cells')).display,"
        " text: viewer.querySelector('figure .cells-note').textContent,"
        " scale: getComputedStyle(viewer.querySelector('.scale')).display}), 100))"
    )
    assert "none" not in (found["shown"], found["scale"])
    assert re.fullmatch("cells: .+ against .+", found["text"])


@pytest.mark.parametrize(
    ("resize", "placed"),
    [
        ("stretch", "translate(0 0) scale(50 25)"),
        ("crop", "translate(25 0) scale(25 25)"),
        ("pad", "translate(0 -25) scale(50 50)"),
    ],
)
def test_cells_lie_where_the_network_saw_them(resize: str, placed: str, show: Show) -> None:
    """On a picture of 100 x 50 px for a square network: all of it, its middle, or more than it, with the margins."""
    drawn = show().execute_script(
        "const picture = new Image();"
        "const facts = { naturalWidth: 100, naturalHeight: 50, complete: true };"
        "for (const [name, value] of Object.entries(facts)) Object.defineProperty(picture, name, { value });"
        "const cover = featx.cells({ rows: 2, columns: 2, height: 64, width: 64, resize: arguments[0], steps: 5 });"
        "const drawn = cover(picture, 'kfea').querySelector('g');"
        "const squares = [...drawn.querySelectorAll('.for, .against')];"
        "const paths = squares.map((square) => [square.getAttribute('class'), square.getAttribute('d')]);"
        "return { placed: drawn.getAttribute('transform'), paths }",
        resize,
    )
    assert drawn["placed"] == placed
    assert drawn["paths"] == [["for l5", "M0 0h1v1h-1z"], ["against l1", "M0 1h1v1h-1z"], ["against l5", "M1 1h1v1h-1z"]]


def test_a_point_of_the_map_opens_its_image_by_mouse_and_by_keys(show: Show, site: Path) -> None:
    """The click; the arrows, which say where they are; Enter."""
    browser = show()
    rows = rows_of(site)
    points = browser.find_elements("css selector", "#map .point")
    assert len(points) == len(rows) == 80
    browser.execute_script("document.getElementById('map').scrollIntoView({block: 'center'})")
    for point in points[:3] + points[-2:]:
        row = rows[int(point.get_attribute("data-place"))]
        browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", point)
        _, captions = dialog(browser)
        assert [caption.split("\n")[1] for caption in captions] == [row["path"]]
        assert ("wrong" in point.get_attribute("class")) == (row["correct"] == "0")
        press(browser, "\ue00c")
    browser.find_element("id", "map").send_keys("\ue012")  # left
    said = [browser.find_element("id", "map-said").text]
    for _ in range(3):
        press(browser, "\ue014")  # right
        said.append(browser.find_element("id", "map-said").text)
    assert len(set(said)) > 1
    press(browser, "\ue007")
    _, (caption,) = dialog(browser)
    assert said[-1] == caption.replace("\n", ", ")


def test_a_class_of_the_map_and_a_curve_can_be_singled_out(show: Show) -> None:
    """The others fade; the chosen curve is the one drawn strong."""
    browser = show()
    button = browser.find_element("css selector", "#legend button")
    browser.execute_script("arguments[0].click()", button)
    assert len(browser.find_elements("css selector", "#map .point:not(.dim)")) == 20
    assert button.get_attribute("aria-pressed") == "true"
    browser.execute_script(
        "const s = document.getElementById('curve-class'); s.value = s.options[2].value; s.dispatchEvent(new Event('change'))"
    )
    chosen = browser.execute_script("return document.getElementById('curve-class').value")
    on = browser.find_elements("css selector", "#curves .on")
    assert [curve.get_attribute("data-class") for curve in on] == [chosen]


def brightness(browser: Any, path: Path) -> float:
    """Take a screenshot and return how bright its left margin is, from 0 to 255."""
    browser.save_screenshot(str(path))
    with Image.open(path) as image:
        return float(np.asarray(image.convert("L"))[:, :8].mean())


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_light_and_dark_follow_the_system_until_they_are_chosen(show: Show, tmp_path: Path, name: str) -> None:
    """The button switches and is remembered; the screenshots show it."""
    browser = show(name, theme="light")
    assert brightness(browser, tmp_path / "light.png") > 240
    browser.find_element("id", "theme").click()
    assert brightness(browser, tmp_path / "chosen.png") < 40
    open_until(browser, browser.current_url, lambda: brightness(browser, tmp_path / "again.png") < 40)
    browser = show(name, theme="dark")
    assert brightness(browser, tmp_path / "dark.png") < 40


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_on_a_phone_nothing_is_wider_than_the_screen(show: Show, name: str) -> None:
    """390 px: tables scroll inside their own frames, the page does not."""
    browser = show(name, width=390)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert browser.execute_script("return document.scrollingElement.clientWidth") == 390
    if str(name).startswith("r/"):
        wide = browser.execute_script(
            "return [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth).length"
        )
        assert wide >= 1


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_whoever_cannot_see_it_is_told_what_everything_is(show: Show, name: str) -> None:
    """Every button, image, table region, heading and field has a name in the browser's accessibility tree."""
    browser = show(name)
    browser.execute_cdp_cmd("Accessibility.enable", {})
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("button", "image", "link", "heading", "region", "combobox", "application", "navigation"):
        assert all(name.strip() for name in roles.get(role, [])), role
    assert len(roles["heading"]) >= 4
    headings = browser.execute_script("return [...document.querySelectorAll('main :is(h1,h2,h3)')].map(h => +h.tagName[1])")
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_tab_reaches_the_content_and_its_parts(show: Show) -> None:
    """The first stop skips to the content; what has the focus shows it."""
    browser = show()
    press(browser, "\ue004")  # Tab
    assert browser.execute_script("return document.activeElement.className") == "skip"
    for _ in range(4):
        press(browser, "\ue004")
        outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline not in ("none", "")


AXE = Path(__file__).parents[2] / "data" / "axe-core" / "axe.min.js.xz"


def violations(browser: Any) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now, by rule and element."""
    browser.execute_script(lzma.decompress(AXE.read_bytes()).decode())
    found = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>"
        " done(violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))))"
    )
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("name", EVERY_PAGE + OF_COLUMNS)
def test_axe_core_finds_nothing_wrong(show: Show, name: str) -> None:
    """In light, in dark and on a phone, each with the dialog closed and open: contrast, names, roles, order.

    Pages of columns have the style of the others: a phone in the dark does for them.
    """
    looks = ((1200, "light"), (1200, "dark"), (390, "light")) if name in EVERY_PAGE else ((390, "dark"),)
    for width, theme in looks:
        browser = show(name, width, theme)
        assert violations(browser) == []
        if openers := browser.find_elements("css selector", ".thumbnail .open"):
            browser.execute_script("arguments[0].click()", openers[0])
            assert violations(browser) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_number_of_a_matrix_can_be_read(show: Show, theme: str) -> None:
    """A contrast of 4.5 to 1 at least between number and shade, for every share of a row from 0 to 1, hit or mistake."""
    pairs = show(theme=theme).execute_script(
        "const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });"
        "const pixel = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);"
        " return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3) };"
        "const cell = document.createElement('td'); document.querySelector('.matrix tbody tr').append(cell); const found = [];"
        "for (const kind of ['cell', 'cell hit', 'shaded', 'shaded hit']) for (let share = 1; share <= 100; share += 1) {"
        " cell.className = kind + (share > 80 ? ' full' : ''); cell.style.setProperty('--share', share / 100);"
        " const style = getComputedStyle(cell); found.push([pixel(style.color), pixel(style.backgroundColor)]) }"
        "return found"
    )
    assert len(pairs) == 400
    for text, shade in pairs:
        low, high = sorted(luminance("#" + "".join(f"{value:02x}" for value in colour)) for colour in (text, shade))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, shade)


@pytest.mark.parametrize("width", [1200, 390])
def test_a_look_is_no_wider_than_its_window_whatever_a_class_is_called(
    width: int, browser: Any, photos: Path, tmp_path: Path
) -> None:
    """A name without a space wraps, and what is read aloud alone stays inside the frame of its table."""
    (photos / "red").rename(photos / ("a" * 120))
    featx.write_look_page(featx.look_at_images(photos, image_size=64, examples=1, workers=1), tmp_path / "l.html")
    look(browser, width)
    browser.get((tmp_path / "l.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") == width


def test_a_filter_finds_classes_by_the_keyboard(browser: Any, tmp_path: Path) -> None:
    """From 20 classes on: by parts of words, without accents and capitals; Escape shows all again; the worst stand first."""
    names = tuple(f"{name} {number}" for number in range(8) for name in ("Éclair au chocolat", "wombat", "猫"))
    evaluation = measured_of(*answers(confused(24)), model_of(names))
    look(browser)
    browser.get(page_of(evaluation, tmp_path / "many.html").as_uri())
    rows = "return [...document.querySelectorAll('#per-class tbody tr')].filter(r => r.getClientRects().length)"
    shown = rows + ".map(r => r.querySelector('th').textContent)"
    recall = {one.class_name: one.recall for one in evaluation.per_class}
    every = browser.execute_script(shown)
    assert [recall[name] for name in every] == sorted(recall.values())
    assert browser.execute_script("return document.querySelector('#per-class [aria-sort]').textContent") == "recall"
    label = browser.find_element("css selector", "#classes .filter label")
    assert label.text == "Filter classes"
    label.click()  # the field has the focus
    press(browser, "ECLAIR 3")
    assert browser.execute_script(shown) == ["Éclair au chocolat 3"]
    assert browser.find_element("css selector", "#classes .filter output").text == "1 of 24"
    press(browser, "\ue00c")
    assert browser.execute_script(shown) == every
    press(browser, "猫")
    assert len(browser.execute_script(shown)) == 8
    few = measured_of(*answers(confused(19)), model_of(long_names(19)))
    browser.get(page_of(few, tmp_path / "few.html").as_uri())
    assert browser.find_elements("css selector", ".filter") == []
    assert browser.execute_script(shown) == list(few.model.class_names)


def test_a_filter_finds_the_classes_of_predictions(browser: Any, tmp_path: Path) -> None:
    """From 20 classes on: those that do not match are hidden with their links."""
    names = [f"class {number}" for number in range(25)]
    images = [{"source": "", "caption": "0.9", "alt": "x", "file": ""}]
    groups = [{"name": name, "count": 1, "images": images, "more": 0} for name in names]
    page = render_page(
        "predictions.html", scripts=("cells.js", "predictions.js"), name="m", lead="", figures=[], groups=groups, unsure=None,
        min_confidence=0, missing=[], reasons=[], rejected=[], n_rejected=0, temperature=1.0, isotonic=False, explained=None,
        answered=25, unknown=(), many=True, table=None, page_data={"cells": None, "covered": {}},
    )  # fmt: skip
    save_page(page, tmp_path / "p.html")
    look(browser)
    browser.get((tmp_path / "p.html").as_uri())
    browser.find_element("css selector", ".filter input").send_keys("class 2")
    titles = [title for title in browser.find_elements("css selector", "section.class bdi") if title.is_displayed()]
    shown = [title.text for title in titles]
    assert shown == [name for name in names if "2" in name]
    links = [link.text for link in browser.find_elements("css selector", ".contents a") if link.is_displayed()]
    assert len(links) == len(shown) == 7
