"""The verb evaluate: a model measured on labelled images."""

from featx.verbs.evaluate.evaluate import evaluate_model
from featx.verbs.evaluate.evaluation import ClassMeasures, Confidence, Evaluation
from featx.verbs.evaluate.featuremap import FeatureMap, check_map, map_features

__all__ = [
    "ClassMeasures",
    "Confidence",
    "Evaluation",
    "FeatureMap",
    "check_map",
    "evaluate_model",
    "map_features",
]
