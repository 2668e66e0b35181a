"""The manifest of an audit without the images that were found fault with."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featx.errors import FeatxError, OutputError
from featx.images import check_manifest_path, write_manifest
from featx.store import FeatureCache
from featx.system.kinds import as_texts, check_kind, shown
from featx.system.paths import StrPath, as_path
from featx.verbs.audit.findings import FLAGS, Audit, flags_of
from featx.verbs.audit.listing import Listing


def write_clean_manifest(audit: Audit, path: StrPath, drop: Sequence[str] = FLAGS[:1]) -> dict[str, int]:
    """Write a CSV manifest of the audited images without the flagged images, for a next extract.

    Labels, splits, groups and weights stay as they are; cached features are reused. Flagged images that are kept have their
    flags in the column ``audit_flags``. Of labels and numbers there is a column each: give them as ``label_columns`` or
    ``target`` to the next extract.

    Parameters
    ----------
    audit : Audit
        The findings. Their cache must list the same images still.
    path : Path or str
        The manifest; an audit's earlier manifest is replaced.
    drop : sequence of str
        Which of ``FLAGS`` leave an image out; by default duplicates alone: they are certain, the rest are suspicions.

    Returns
    -------
    counts : dict of str to int
        ``kept`` and ``left_out``, and images left out for each of ``drop``; an image may count for several.

    Raises
    ------
    OutputError
        If the manifest cannot be written, a file that is not a manifest of featx stands there, or no image would be left.
    FeatxError
        If ``audit`` is none.

    Examples
    --------
    >>> featx.write_clean_manifest(featx.audit_cache("cache/photos"), "clean.csv", drop=["duplicates"])
    {'kept': 36, 'left_out': 0, 'duplicates': 0}
    >>> with open("clean.csv") as file:
    ...     print(file.readline(), end="")
    path,label,split,audit_flags
    """
    check_kind("audit", audit, Audit, "what audit_cache returns", FeatxError)
    path = as_path("path", path, OutputError)
    check_manifest_path(path)
    drop = as_texts("drop", drop, f"some of {', '.join(FLAGS)}", OutputError)
    if unknown := [name for name in drop if name not in FLAGS]:
        raise OutputError(
            f"{path}: there is no flag {shown(unknown[0])} to leave images out for. Give some of {', '.join(FLAGS)}.",
            wrong_value=True,
        )
    flags = flags_of(audit)
    listing = FeatureCache.open(audit.cache).catalog
    images = Listing(listing, listing.rows())
    counts: Counter[str] = Counter({"kept": 0, "left_out": 0, **dict.fromkeys(drop, 0)})
    rows, kept = [], []
    for position in range(len(images)):
        image = images[position]
        flagged = flags.get(image.path, [])
        reasons = [name for name in flagged if name in drop]
        counts.update(reasons or ["kept"])
        counts["left_out"] += bool(reasons)
        if not reasons:
            rows.append((image.path, image.label, image.split, " ".join(flagged)))
            kept.append(images.rows[position])
    if not rows:
        raise OutputError(f"{path}: every image was found fault with, none would be left. Leave some of --drop out.")
    targets = None if listing.targets is None else listing.targets[kept]
    groups = [listing.groups[row] for row in kept] if listing.groups else []
    weights = listing.weights_of(np.array(kept))
    write_manifest(path, Path(listing.source), rows, listing.task.column_names, targets, groups, weights)
    return dict(counts)
