"""The verb evaluate: a model measured on labelled images."""

from featx.verbs.evaluate.column_evaluations import AnyEvaluation, LabelsEvaluation, NumbersEvaluation
from featx.verbs.evaluate.evaluate import evaluate_model
from featx.verbs.evaluate.evaluation import Evaluation
from featx.verbs.evaluate.featuremap import FeatureMap, check_map, map_features
from featx.verbs.evaluate.grade_measures import GradeMeasures
from featx.verbs.evaluate.label_measures import LabelMeasures, LabelPair
from featx.verbs.evaluate.number_measures import BoundMeasures, TargetMeasures
from featx.verbs.evaluate.operating_curve import CurvePoint, OperatingCurve
from featx.verbs.evaluate.parts import ClassMeasures, Confidence, Strangers
from featx.verbs.evaluate.sets import ClassSets, SetMeasures
from featx.verbs.evaluate.surest import RiskCoverage, Surest

__all__ = [
    "AnyEvaluation",
    "BoundMeasures",
    "ClassMeasures",
    "ClassSets",
    "Confidence",
    "CurvePoint",
    "Evaluation",
    "FeatureMap",
    "GradeMeasures",
    "LabelMeasures",
    "LabelPair",
    "LabelsEvaluation",
    "NumbersEvaluation",
    "OperatingCurve",
    "RiskCoverage",
    "SetMeasures",
    "Strangers",
    "Surest",
    "TargetMeasures",
    "check_map",
    "evaluate_model",
    "map_features",
]
