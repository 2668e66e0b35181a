"""Sentences only where the figures bear them: a table of results at the ends of what can happen, and what is said of each."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.report.page.figures import baseline_text
from featx.report.text.evaluate import evaluation_text
from featx.report.text.shares import interval_text, range_text, share_text
from featx.report.text.words import parameters_text
from tests.report.page.made import answers, confused, measured_of, model_of, page_of
from tests.report.page.pages import Page

EPOCHS = {"loss": [0.5, 0.4], "accuracy": [0.8, 0.9], "val_loss": [0.4, 0.3], "val_accuracy": [0.9, 0.9]}

MORE, LESS, AS = "it is more sure than right", "it is less sure than right", "it is as sure as it is right, as far as"
FLAT = "here its confidence does not tell which answers are wrong"
UNTOLD = "these images do not tell whether the model knows what it does not know"
SINGLE = "All images measured are of one class"
NARROW, NOT_NARROW = "only just", "none of them narrowly"
CHOSEN = "chosen by the validation images"

# Confusion matrix, confidence of each answer, what the model is; what is said, and what is not.
CASES: dict[str, tuple[list[list[int]], float, dict[str, Any], list[str], list[str]]] = {
    "all of six right": (
        [[3, 0], [0, 3]], 0.9, {},
        [
            "measured on 6 test images of its 2 classes.",
            "0.610 to 1.000 with 95 % confidence, n = 6, none wrong",
            "Each of the 2 classes measured has fewer than 30 images (3): one of them moves the recall of its class by 0.33, "
            "the balanced accuracy by 0.17 and the accuracy by 0.17.",
            AS, NOT_NARROW, UNTOLD, "No image was taken for another class.", "an average precision of 1",
        ],
        [MORE, LESS, NARROW + ":", "Mistakes", SINGLE, "the worst first", "taken out"],
    ),
    "all of six wrong": (
        [[0, 3], [3, 0]], 0.9, {},
        [
            "0.000 to 0.390 with 95 % confidence, n = 6, each wrong", MORE, UNTOLD, "All 6, the surest first",
            "Always answering 'cat' would be right for 3 of 6 images, the model is for 0.", "0.510 to 0.900 with 95 %",
        ],
        [LESS, AS, "Least sure hits", SINGLE],
    ),
    "one image, right": (
        [[1, 0], [0, 0]], 0.9, {},
        [
            "measured on 1 test image of 1 of its 2 classes.", "0.207 to 1.000 with 95 % confidence, n = 1, none wrong",
            f"{SINGLE}, 'cat'", "The class measured has fewer than 30 images ('cat' 1): one of them moves the recall of its "
            "class by 1 and the accuracy by 1.", "No images of 'dog' were measured.", "as far as 1 image can tell",
            "The only one, and not narrowly",
        ],
        ["balanced accuracy by", "always the largest", "Precision and recall", "Always answering"],
    ),
    "one image, wrong": (
        [[0, 1], [0, 0]], 0.9, {},
        ["n = 1, 1 wrong", MORE, "The only one, with a confidence of 0.90.", "'cat' 1)"],
        ["each wrong", "Least sure hits", "Always answering"],
    ),
    "one class, one mistake": (
        [[5, 1], [0, 0]], 0.9, {},
        ["measured on 6 test images of 1 of its 2 classes.", SINGLE, "0.436 to 0.970", FLAT],
        ["Precision and recall", "always the largest"],
    ),
    "certain and right": (
        [[40, 0], [0, 40]], 1.0, {},
        ["0.954 to 1.000 with 95 %", AS, "0.000 to 0.046 with 95 %", UNTOLD],
        [MORE, LESS, "fewer than 30"],
    ),
    "worse than a constant answer": (
        [[20, 10], [9, 1]], 0.9, {},
        [
            "always the largest class, 'cat': 0.750",
            "1 of 2 classes measured has fewer than 30 images ('dog' 10): one of them moves the recall of its class by 0.1, "
            "the balanced accuracy by 0.05 and the accuracy by 0.025.",
            "Always answering 'cat' would be right for 30 of 40 images, the model is for 21.", MORE,
        ],
        [],
    ),
    "sure and often wrong": ([[60, 40], [40, 60]], 0.95, {}, [MORE, "The surest 24 of 80", FLAT, "Most confident"], [LESS, AS]),
    "unsure and right": ([[99, 1], [1, 99]], 0.6, {}, [LESS, NOT_NARROW, "All 2,"], [MORE, AS, "but only just"]),
    "as sure as right": ([[90, 10], [10, 90]], 0.9, {}, [AS, "as far as 200 images can tell"], [MORE, LESS]),
    "even": (
        [[8, 2], [1, 9]], 0.5, {},
        ["Right, but only just: the class leads the runner-up by a probability of 0.00"],
        [NOT_NARROW],
    ),
    "one of a hundred thousand": (
        [[50_000, 1], [0, 50_000]], 0.999, {},
        ["0.9999 to 1.0000 with 95 % confidence, n = 100,001, 1 wrong", "0.99999", LESS],
        ["fewer than 30"],
    ),
    "four of forty classes": (
        np.diag([3] * 4 + [0] * 36).tolist(), 0.9, {},
        ["measured on 12 test images of 4 of its 40 classes.", "and 26 more classes were measured.", "The worst recall comes"],
        ["36 of 40", "Always answering"],
    ),
    "neighbours": (
        [[8, 2], [1, 9]], 0.9, {"head": "knn"},
        ["A knn head on stub features", "1,000 in total, all frozen"],
        ["trainable"],
    ),
    "validated, several epochs": (
        [[8, 2], [1, 9]], 0.9, {"history": EPOCHS, "split": "val"},
        ["measured on 20 validation images", CHOSEN, "These validation images chose the epoch that was kept", "validation"],
        ["There was one epoch"],
    ),
    "validated, one epoch": (
        [[8, 2], [1, 9]], 0.9, {"history": {name: values[:1] for name, values in EPOCHS.items()}, "split": "val"},
        ["There was one epoch."],
        [CHOSEN, "chose the epoch"],
    ),
    "never validated": (
        [[8, 2], [1, 9]], 0.9, {"history": {"loss": [0.5, 0.4], "accuracy": [0.8, 0.9]}},
        ["Epoch 2 of 2 was kept."],
        [CHOSEN, "validation"],
    ),
}  # fmt: skip

NEVER = (
    r"\b(\d\.\d+) to \1\b",  # an interval of no width
    r"(?<![\d,.])1 (images|classes|mistakes|hits|epochs|bins|answers)\b",
    r"(?<![\d,.])(?!1 )[\d,]+ (image|class|epoch|bin)\b(?! \w)",
    r"\b1\.0 of|\b\d+\.0 images",
)
"""What no text may hold, whatever was measured."""


def evaluated(matrix: list[list[int]], confidence: float, fields: dict[str, Any]) -> featx.Evaluation:
    """Measure a made-up result."""
    names = ("cat", "dog") if len(matrix) == 2 else tuple(f"c{number}" for number in range(len(matrix)))
    model = model_of(names, fields.get("head", "logreg"), history=fields.get("history", {}))
    return measured_of(*answers(np.array(matrix), confidence), model, split=fields.get("split", "test"))


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_is_borne_by_the_figures(name: str, tmp_path: Path) -> None:
    """Each sentence where its case calls for it, and nowhere else; nothing absurd anywhere, on the page and in the terminal."""
    matrix, confidence, fields, said, unsaid = CASES[name]
    evaluation = evaluated(matrix, confidence, fields)
    text = Page(page_of(evaluation, tmp_path / "p.html")).text.replace("\u00a0", " ")
    for sentence in said:
        assert sentence in text, sentence
    for sentence in unsaid:
        assert sentence not in text, sentence
    for pattern in NEVER:
        assert re.search(pattern, text) is None, pattern
    assert re.search(NEVER[0], evaluation_text(evaluation)) is None


def test_every_interval_of_a_report_is_that_of_a_share(tmp_path: Path) -> None:
    """Of the headline, of each class, each bin, each threshold and of the surest: Wilson's, so never of no width."""
    for matrix, confidence, fields, _, _ in CASES.values():
        evaluation = evaluated(matrix, confidence, fields)
        bins = evaluation.confidence.bins if evaluation.confidence else []
        surest = evaluation.surest.table if evaluation.surest else []
        of_classes = [(one.recall_low, one.recall_high) for one in evaluation.per_class if one.images]
        shares = [one.interval for one in (*bins, *evaluation.thresholds, *surest) if one.interval]
        for low, high in (*evaluation.intervals.values(), *of_classes, *shares):
            assert low is not None
            assert high is not None
            assert 0 <= low < high <= 1


def test_a_right_answer_that_nearly_was_not_is_told_from_the_others(tmp_path: Path) -> None:
    """Leads of 0.02, 0.06 and 0.3: the first two only just, the third not."""
    model = model_of(("cat", "dog"))
    probabilities = np.array([[0.51, 0.49], [0.47, 0.53], [0.65, 0.35]])
    evaluation = measured_of(probabilities, np.array([0, 1, 0]), model)
    text = Page(page_of(evaluation, tmp_path / "p.html")).text
    assert "Right, the first 2 only just: the class leads the runner-up by a probability of 0.02 to 0.30." in text


def test_the_largest_class_is_named_where_it_is_one() -> None:
    """Among classes of one size none is; where all images are of one class there is nothing to compare with."""
    model = model_of(("cat", "dog", "owl"))
    texts = [
        baseline_text(measured_of(*answers(np.diag(counts)), model)) for counts in ([2, 5, 1], [3, 3, 0], [4, 4, 4], [0, 6, 0])
    ]
    each = "always the largest class"
    assert texts == [f"{each}, 'dog': 0.625", f"{each}: 0.500", f"{each}: 0.333", ""]
    assert measured_of(*answers(confused(3)), model).baseline[0] == "cat"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.5, "0.500"),
        (1.0, "1.000"),
        (0.0, "0.000"),
        (0.9996, "0.9996"),
        (0.99999, "0.99999"),
        (0.0001, "0.0001"),
        (1 - 1e-12, "1.000000000"),
    ],
)
def test_a_share_reads_as_all_only_if_it_is(share: float, text: str) -> None:
    """More digits where three would say more than was found, up to nine."""
    assert share_text(share) == text


def test_intervals_and_ranges_read_as_two_ends() -> None:
    """And a range of one value as that value."""
    assert interval_text((0.98, 1.0)) == "0.980 to 1.000"
    assert interval_text((0.99991, 1.0)) == "0.9999 to 1.0000"
    assert range_text(0.3, 0.3) == "0.30"
    assert range_text(0.301, 0.303) == "0.30"
    assert range_text(0.3, 0.4) == "0.30 to 0.40"


def test_a_head_that_trains_nothing_has_no_trainable_parameters() -> None:
    """Neighbours are training rows."""
    counts = {head: model_of(("cat", "dog"), head).parameters for head in ("knn", "logreg")}
    assert counts["knn"] == {"total": 1000, "trainable": 0, "frozen": 1000}
    assert parameters_text(counts["knn"]) == "parameters: 1,000 in total, all frozen"
    assert parameters_text(counts["logreg"]) == "parameters: 1,002 in total, 2 trainable, 1,000 frozen"
