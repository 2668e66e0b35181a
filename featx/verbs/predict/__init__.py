"""The verb predict: class and confidence of new images."""

from featx.verbs.predict.column_predictions import ColumnPrediction, ColumnPredictions, LabelsPrediction, NumbersPrediction
from featx.verbs.predict.predict import predict_images
from featx.verbs.predict.prediction import COLUMNS, UNKNOWN, Prediction, Predictions
from featx.verbs.predict.unknown import check_unknown
from featx.verbs.predict.written import check_output, joined, probability_column, save_predictions, write_predictions

__all__ = [
    "COLUMNS",
    "UNKNOWN",
    "ColumnPrediction",
    "ColumnPredictions",
    "LabelsPrediction",
    "NumbersPrediction",
    "Prediction",
    "Predictions",
    "check_output",
    "check_unknown",
    "joined",
    "predict_images",
    "probability_column",
    "save_predictions",
    "write_predictions",
]
