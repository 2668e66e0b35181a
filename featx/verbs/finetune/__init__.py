"""The verb finetune: the last layers of the backbone, retrained from cached features."""

from featx.verbs.finetune.finetune import FineTuneResult, fine_tune

__all__ = [
    "FineTuneResult",
    "fine_tune",
]
