"""The verb evaluate: a model measured on labelled images."""

from featx.verbs.evaluate.evaluate import evaluate_model
from featx.verbs.evaluate.evaluation import Evaluation
from featx.verbs.evaluate.featuremap import FeatureMap, check_map, map_features
from featx.verbs.evaluate.operating_curve import CurvePoint, OperatingCurve
from featx.verbs.evaluate.parts import ClassMeasures, Confidence, Strangers
from featx.verbs.evaluate.sets import ClassSets, SetMeasures
from featx.verbs.evaluate.surest import RiskCoverage, Surest

__all__ = [
    "ClassMeasures",
    "ClassSets",
    "Confidence",
    "CurvePoint",
    "Evaluation",
    "FeatureMap",
    "OperatingCurve",
    "RiskCoverage",
    "SetMeasures",
    "Strangers",
    "Surest",
    "check_map",
    "evaluate_model",
    "map_features",
]
