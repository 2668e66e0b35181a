"""Predictions as text: the table that ``featx predict`` prints."""

import io
from collections.abc import Sequence

from featx.verbs.predict import ColumnPredictions, Prediction, write_predictions


def predictions_text(predictions: Sequence[Prediction] | ColumnPredictions) -> str:
    """Return the table, with a line for each image."""
    table = io.StringIO()
    write_predictions(predictions, table)
    return table.getvalue().rstrip("\r\n")
