"""Heads: classifiers on cached features. Importing this loads neither Keras nor scikit-learn."""

from featx.heads.calibration import LEAST_FOR_CURVE, Calibration, CalibrationKind, fit_calibration
from featx.heads.checks import check_seed, is_number
from featx.heads.classical.left_out import LeftOut, share_rows
from featx.heads.classical.rough import rough_decisions
from featx.heads.classical.scaling import Scaling, check_scale
from featx.heads.classical.shared import SharedRows, memory_of_shared
from featx.heads.classical.span import Span
from featx.heads.conformal import METHODS, MOST_SCORES, Conformal
from featx.heads.epochs.losses import balanced_weights, best_epoch, probabilities_of, row_losses
from featx.heads.grades import GradeAnswer, answer_grades, choose_answer, middle_grade
from featx.heads.head import Features, Head, Rows
from featx.heads.isotonic import Isotonic
from featx.heads.linear_form import LinearForm
from featx.heads.number_intervals import NumberIntervals
from featx.heads.operating import GOALS, Goal, OperatingPoint, choose_point, cuts_of, figures_at
from featx.heads.registry import HEADS, HEADS_OF, HeadSpec, HeadTask, head_spec, head_task, make_head, rebuild_head
from featx.heads.settings import HeadSettings
from featx.heads.temperature import HIGHEST, LOWEST, fit_temperature, scaled, unscaled

__all__ = [
    "GOALS",
    "HEADS",
    "HEADS_OF",
    "HIGHEST",
    "LEAST_FOR_CURVE",
    "LOWEST",
    "METHODS",
    "MOST_SCORES",
    "Calibration",
    "CalibrationKind",
    "Conformal",
    "Features",
    "Goal",
    "GradeAnswer",
    "Head",
    "HeadSettings",
    "HeadSpec",
    "HeadTask",
    "Isotonic",
    "LeftOut",
    "LinearForm",
    "NumberIntervals",
    "OperatingPoint",
    "Rows",
    "Scaling",
    "SharedRows",
    "Span",
    "answer_grades",
    "balanced_weights",
    "best_epoch",
    "check_scale",
    "check_seed",
    "choose_answer",
    "choose_point",
    "cuts_of",
    "figures_at",
    "fit_calibration",
    "fit_temperature",
    "head_spec",
    "head_task",
    "is_number",
    "make_head",
    "memory_of_shared",
    "middle_grade",
    "probabilities_of",
    "rebuild_head",
    "rough_decisions",
    "row_losses",
    "scaled",
    "share_rows",
    "unscaled",
]
