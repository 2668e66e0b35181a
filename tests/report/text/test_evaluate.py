"""The table by class on a terminal: all of few classes, the worst of many."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from featx.report import evaluation_text
from featx.report.text.words import beside_accuracy, table
from featx.verbs.evaluate import ClassMeasures, Evaluation
from tests.report.files.test_files import evaluate

__all__ = ["evaluate"]


@pytest.mark.parametrize(("n_classes", "shown"), [(30, 30), (31, 20), (60, 20)])
def test_of_many_classes_the_worst_are_shown_and_how_many_more_there_are(
    n_classes: int, shown: int, evaluate: Callable[..., Evaluation]
) -> None:
    """By F1, the worst first, and where the others are; classes without images are not among the worst."""
    # In an order of which neither the first nor the last are the worst; every tenth has no image.
    values = [(7 * number) % n_classes / n_classes for number in range(n_classes)]
    measures = [ClassMeasures(f"k{n}", f1, f1, f1, 0 if n % 10 == 0 else 5) for n, f1 in enumerate(values)]
    lines = evaluation_text(
        dataclasses.replace(evaluate(), per_class=measures), Path("reports/a b/classification_report.csv")
    ).splitlines()
    rows = [line.split()[0] for line in lines if line.startswith("k")]
    assert len(rows) == shown
    if shown == n_classes:
        assert rows == [one.class_name for one in measures]
        assert not [line for line in lines if "more classes" in line]
        return
    with_images = [one for one in measures if one.images]
    assert rows == [one.class_name for one in sorted(with_images, key=lambda one: one.f1)[:20]]
    assert lines[21] == (
        f"… the worst 20 by F1, and {n_classes - 20} more classes, all in reports/a b/classification_report.csv"
    )
    assert lines[23].startswith("test accuracy 1.000 on 6 images (always the largest class: 0.50)")


def test_without_a_report_the_others_are_counted_all_the_same(evaluate: Callable[..., Evaluation]) -> None:
    """As in a demo, or in Python."""
    measures = [ClassMeasures(f"k{n}", 0.5, 0.5, 0.5, 5) for n in range(60)]
    text = evaluation_text(dataclasses.replace(evaluate(), per_class=measures))
    assert "… the worst 20 by F1, and 40 more classes\n" in text


def test_no_share_of_a_terminal_reads_as_all_unless_it_is(evaluate: Callable[..., Evaluation]) -> None:
    """One mistake among many images is seen in every figure."""
    almost = 0.99996
    measures = [ClassMeasures(name, almost, almost, almost, 99_999) for name in "ab"]
    found = dataclasses.replace(evaluate(), accuracy=almost, balanced_accuracy=almost, macro_f1=almost, per_class=measures)
    text = evaluation_text(found)
    assert "1.000" not in text.replace("calibration error", "").partition("surest")[0]
    assert text.count("0.99996") == 9
    assert beside_accuracy((0.99991, 1.0), 0.996) == " (0.9999 to 1.0000; always the largest class: 0.996)"
    html = found._repr_html_()
    assert html.count("0.99996") == 9


def test_columns_stand_below_each_other_whatever_letters_names_have() -> None:
    """A Chinese letter is as wide as two, an accent by itself takes no room."""
    rows = [("cat", "1.000"), ("猫と犬", "0.500"), ("cafe\u0301", "0.250"), ("ｗｉｄｅ", "0.1")]
    assert table(("class", "recall"), rows) == [
        "class     recall",
        "cat        1.000",
        "猫と犬     0.500",
        "cafe\u0301       0.250",
        "ｗｉｄｅ     0.1",
    ]
