"""The verb merge: join several caches into one."""

from featx.verbs.merge.merge import merge_caches
from featx.verbs.merge.result import MergeResult

__all__ = [
    "MergeResult",
    "merge_caches",
]
