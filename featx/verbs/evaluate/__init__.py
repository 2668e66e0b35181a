"""The verb evaluate: a model measured on labelled images."""

from featx.verbs.evaluate.evaluate import evaluate_model
from featx.verbs.evaluate.evaluation import ClassMeasures, Confidence, Evaluation, Strangers
from featx.verbs.evaluate.featuremap import FeatureMap, check_map, map_features
from featx.verbs.evaluate.sets import ClassSets, SetMeasures
from featx.verbs.evaluate.surest import RiskCoverage, Surest

__all__ = [
    "ClassMeasures",
    "ClassSets",
    "Confidence",
    "Evaluation",
    "FeatureMap",
    "RiskCoverage",
    "SetMeasures",
    "Strangers",
    "Surest",
    "check_map",
    "evaluate_model",
    "map_features",
]
