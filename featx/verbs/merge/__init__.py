"""The verb merge: join several caches into one."""

from featx.verbs.merge.merge import MergeResult, merge_caches

__all__ = [
    "MergeResult",
    "merge_caches",
]
