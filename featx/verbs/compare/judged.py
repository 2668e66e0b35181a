"""What the folds of a cross-validation gave, put together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads import answer_grades, choose_answer
from featx.verbs.compare.candidates import Candidate, Tried
from featx.verbs.compare.folds import TrainingImages
from featx.verbs.compare.scoring import SCORES, figures_of

_LEAST_PROBABILITY = 1e-7

Judged = tuple[NDArray[np.int64], NDArray[np.float64], float]
"""Of a fold: the classes that were learned, the probabilities of the images left out, and seconds."""


def tried_of(images: TrainingImages, candidate: Candidate, judged: Sequence[Judged]) -> Tried:
    """Return the figures of a candidate from what each fold's fit gave the images left out."""
    probabilities = np.zeros((len(images.rows), len(images.task.column_names or images.class_names)))
    for fold, (classes, of_fold, _) in enumerate(judged):
        probabilities[np.ix_(np.flatnonzero(images.fold_of == fold), classes)] = of_fold
    seconds = float(np.mean([seconds for _, _, seconds in judged]))
    of_task: dict[str, Any] = {}
    if images.task.kind != "classes":
        figures = figures_of(images.task, images.y, probabilities, images.weights)
        score = figures.get(SCORES[images.task.kind])
        of_task = {"figures": figures, "score": score, "outputs": probabilities}
    if images.targets is not None:
        nothing = np.zeros(0, np.bool_)
        return Tried(candidate, None, of_task["figures"].get("log_loss"), seconds, nothing, **of_task)
    of_label = probabilities[np.arange(len(images.rows)), images.labels]
    how = choose_answer(probabilities, images.labels, images.weights) if images.task.is_ordered else "most_probable"
    called = answer_grades(probabilities, how)
    right = called == images.labels
    return Tried(
        candidate=candidate,
        accuracy=float(np.average(right, weights=images.weights)),
        log_loss=float(np.average(-np.log(np.maximum(of_label, _LEAST_PROBABILITY)), weights=images.weights)),
        seconds=seconds,
        right=right,
        **of_task,
    )
