"""Task: what is to be learned of each image."""

import json

import pytest

from featx.errors import TaskError
from featx.task import KINDS, Task

NAMED = [Task(), Task("labels", ("cat", "indoor")), Task("numbers", ("score",)), Task("grades", ("0", "1", "2"))]


@pytest.mark.parametrize("task", NAMED, ids=KINDS)
def test_a_task_goes_through_json(task: Task) -> None:
    """What is written into a catalog or a model comes back equal."""
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_each_kind_answers_for_itself() -> None:
    """Nobody else compares kinds."""
    assert [task.has_classes for task in NAMED] == [True, False, False, True]
    assert [task.has_targets for task in NAMED] == [False, True, True, False]
    assert [task.is_ordered for task in NAMED] == [False, False, False, True]
    assert [task.column_names for task in NAMED] == [(), ("cat", "indoor"), ("score",), ()]
    assert [task.describe() for task in NAMED] == ["classes", "2 labels: cat, indoor", "a number: score", "grades 0 < 1 < 2"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [("classes", ("a",)), ("labels", ()), ("labels", ("a", "a")), ("grades", ("0",)), ("numbers", ("",)), ("kinds", ())],
)
def test_names_that_do_not_fit_are_refused(kind: str, names: tuple[str, ...]) -> None:
    """No featx writes such a task."""
    with pytest.raises(TaskError):
        Task(kind, names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "document", [None, {}, {"kind": "labels"}, {"kind": "labels", "names": "ab"}, {"kind": 3, "names": []}]
)
def test_a_foreign_document_is_refused(document: object) -> None:
    """A file says anything."""
    with pytest.raises(TaskError):
        Task.from_dict(document)


def test_a_refusal_names_verb_task_and_way_out() -> None:
    """A verb that does the task gets no error."""
    error = NAMED[2].refuse("finetune", ("classes", "grades"), "cache/x")
    assert str(error) == (
        "cache/x: finetune works with classes and grades, and this is of a number: score. "
        "Give one of classes or grades, or use a command that does numbers."
    )
    assert NAMED[0].refuse("finetune", ("classes",)) is None
