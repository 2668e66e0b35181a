"""The verb audit: what is wrong with the images or their labels."""

from featx.verbs.audit.audit import audit_cache
from featx.verbs.audit.cleaned import write_clean_manifest
from featx.verbs.audit.findings import Audit, DuplicateGroup, ListedImage

__all__ = [
    "Audit",
    "DuplicateGroup",
    "ListedImage",
    "audit_cache",
    "write_clean_manifest",
]
