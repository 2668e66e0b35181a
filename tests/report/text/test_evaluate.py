"""The table by class on a terminal: all of few classes, the worst of many."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from featx.report import evaluation_text
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
