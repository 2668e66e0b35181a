"""The verb finetune: the last layers of the backbone, retrained from cached features."""

from featx.verbs.finetune.finetune import fine_tune
from featx.verbs.finetune.result import FineTuneResult
from featx.verbs.finetune.settings import TuningKeywords

__all__ = [
    "FineTuneResult",
    "TuningKeywords",
    "fine_tune",
]
