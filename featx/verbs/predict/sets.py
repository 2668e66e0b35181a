"""The set of classes of each prediction."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import HeadError
from featx.models import Model, SetMaker
from featx.verbs.predict.prediction import Predictions


def set_maker(model: Model, path: Path, level: float | None, method: str | None, tta: bool) -> SetMaker | None:
    """Return what makes the sets that were asked for; None for none.

    Raises
    ------
    HeadError
        If a method is given and no level.
    """
    if level is None:
        if method is not None:
            raise HeadError("--set-method says how sets are made. Give --sets too, such as --sets 0.9.", wrong_value=True)
        return None
    return SetMaker.of(model, path, level, method, tta=tta)


def with_sets(predictions: Predictions, maker: SetMaker, probabilities: NDArray[np.float64]) -> Predictions:
    """Return the predictions, each with its set of classes."""
    given = Predictions(dataclasses.replace(prediction, set=()) for prediction in predictions)
    class_names = predictions.class_names
    vars(given).update(vars(predictions))
    given.notes = (*predictions.notes, *maker.notes)
    places = np.flatnonzero([not prediction.error for prediction in predictions])
    chosen, order = maker(probabilities[places]), np.argsort(-probabilities[places], axis=1, kind="stable")
    for place, members, labels in zip(places, chosen, order, strict=True):
        names = tuple(class_names[label] for label in labels[: members.sum()])
        given[place] = dataclasses.replace(given[place], set=names)
    return given
