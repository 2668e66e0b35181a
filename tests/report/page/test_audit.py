"""The page of an audit: what it says of findings of every number, and that nothing leads where it should not."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

import featx
from featx.report.page.audit import audit_page
from featx.report.text.audit import audit_text
from featx.report.text.odds import odds_text
from featx.verbs.audit import Audit, DuplicateGroup, ListedImage
from featx.verbs.audit.findings import AlikeClasses, LabelError, QualityProblem
from tests.report.page.pages import Page

CAT, COPY = ListedImage("cat/1.png", "cat", "train"), ListedImage("قطة/2.png", "قطة", "test")


@pytest.fixture
def found(stub_cache: Path) -> Audit:
    """An audit of 36 images of three classes without findings."""
    return dataclasses.replace(featx.audit_cache(stub_cache), quality=[], label_errors=[], outliers=[], notes=[])


def page_of(audit: Audit, folder: Path, files: tuple[str, ...] = ("audit.csv",)) -> Page:
    """Write the page of an audit and read it."""
    path = folder / "audit.html"
    path.write_text(audit_page(audit, path, files), "utf-8")
    return Page(path)


CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "nothing found": (
        {"small_classes": {}, "alike_classes": []},
        ["in 36 images of 3 classes in", "None is too small, and no two are too alike."],
        ["they flatter", "it flatters", "several classes", "a cleaned manifest"],
    ),
    "one class": (
        {"images": 1, "classes": 1, "judged": False, "small_classes": {}, "alike_classes": []},
        [
            "in 1 image of 1 class in",
            "Not judged: there are no different images of two classes.",
            "None is too small.",
            "1 class",
        ],
        ["no two are too alike", "1 images", "1 classes"],
    ),
    "one pair across splits": (
        {"duplicates": [DuplicateGroup([CAT, COPY], exact=True, agreement=1.0, across_splits=True, conflicting_labels=True)]},
        ["it flatters the accuracy", "one picture, several classes", "same content", "a cleaned manifest"],
        ["they flatter"],
    ),
    "nothing measured": (
        {"measured": 0},
        ["Not looked for: no picture was measured.", "none was measured"],
        [],
    ),
    "most are tiny": (
        {"notes": ["30 of 36 pictures are tiny: enlarged more than 4 times for the backbone"]},
        ["None beside what stands above."],
        [],
    ),
    "a label that a ridge is certain of": (
        {"label_errors": [LabelError(CAT, "dog", 812_345_678.0)], "quality": [QualityProblem(CAT, "dark", "black", 0.99)]},
        ["cat → dog? over 1,000 : 1"],
        ["812,345,678", "Not judged"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_is_borne_by_the_findings(name: str, found: Audit, tmp_path: Path) -> None:
    """Each sentence where its case calls for it, and nowhere else."""
    fields, said, unsaid = CASES[name]
    text = page_of(dataclasses.replace(found, **fields), tmp_path).text
    for sentence in said:
        assert sentence in text, sentence
    for sentence in unsaid:
        assert sentence not in text, sentence


def test_the_terminal_says_what_was_not_looked_for(found: Audit) -> None:
    """Labels of a single class are not judged, pictures that nobody measured not found good."""
    text = audit_text(dataclasses.replace(found, judged=False, measured=0))
    assert "labels likely to be wrong: not judged" in text
    assert "bad pictures: none was measured" in text
    assert [odds_text(odds) for odds in (10.2, 1000.0, 1000.1, 1e9)] == ["10", "1,000", "over 1,000", "over 1,000"]


def test_a_cache_of_one_class_is_not_judged(photos: Path, extract: Any, tmp_path: Path) -> None:
    """The audit says so itself, in its note, its field and on the page."""
    for name in ("green", "blue"):
        shutil.rmtree(photos / name)
    audit = featx.audit_cache(extract(photos, tmp_path / "one", yes=True).cache)
    assert not audit.judged
    assert "labels cannot be judged" in audit.notes[-1]
    assert "Not judged" in page_of(audit, tmp_path).text


def test_the_page_links_its_table_and_its_images(found: Audit, tmp_path: Path) -> None:
    """By addresses from where it lies, whatever the names; an Arabic name turns nothing around it."""
    audit = dataclasses.replace(
        found, label_errors=[LabelError(COPY, "cat", 20.0)], alike_classes=[AlikeClasses("cat", "dog", 0.2)] * 25
    )
    page = page_of(audit, tmp_path)
    assert [address for address in page.attributes("href") if not address.startswith(("#", "data:"))] == ["audit.csv"]
    assert "\u2068قطة\u2069 → cat? 20 : 1\ntest\nقطة/2.png" in page.texts
    assert page.attributes("data-filter") == ["classes"]
    with_images = dataclasses.replace(found, quality=[QualityProblem(image, "dark", "black", 0.99) for image in _listed(found)])
    assert "photos/red/3.png" in page_of(with_images, tmp_path).attributes("data-file")


def _listed(audit: Audit) -> list[ListedImage]:
    catalog = featx.FeatureCache.open(audit.cache).catalog
    return [ListedImage(path, "x", "train") for path in catalog.paths]
