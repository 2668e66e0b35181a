"""What a merge did, in figures."""

import dataclasses
from collections import Counter
from pathlib import Path

from featx.store import COPIED, LINKED, PRESENT, SPLITS, FeatureCache, find_repeats
from featx.system.results import Result
from featx.task import Task
from featx.verbs.merge.union import Whole


@dataclasses.dataclass(frozen=True, repr=False)
class MergeResult(Result):
    """The result of a merge. ``listed == with_features + rejected``, always.

    Parameters
    ----------
    cache : Path
        The cache that holds everything now.
    caches : list of Path
        Those that were joined.
    listed : int
        Images in the joined listing.
    with_features : int
        Those that have features.
    rejected : int
        Those that have none; see ``rejects``.
    missing : int
        With ``partial``: images of parts that were not there.
    duplicates : int
        Images with the very content of another listed before.
    differing : list of str
        Images that two caches list with another class, split or content; the first stands.
    conflicts : list of str
        Images whose very content stands in more than one class.
    across_splits : list of str
        Val and test images whose very content is in train, or test images whose content is in val.
    classes : int
        Number of classes, labels, targets or grades.
    task : Task
        What is to be learned of the images.
    images_of_class : dict of str to int
        Images with features, by class; of labels those that have each, of numbers those of which each is known.
    splits : dict of str to int
        Images with features in train, val and test.
    reasons : dict of str to int
        Rejected images by reason.
    rejects : Path
        The table of rejected images.
    linked, copied, present : int
        Shards that came by a hard link and by a copy, and those that were there.
    rows, bytes : int
        Of the joined cache on disk.
    seconds : float
        Of the whole run.
    near_duplicates_across_splits : list of str or None
        As ``ExtractResult`` has them.

    Examples
    --------
    >>> result = featx.merge_caches(["cache/photos"], "cache/copy")
    >>> result.listed, result.with_features, result.missing
    (36, 36, 0)
    """

    cache: Path
    caches: list[Path]
    listed: int
    with_features: int
    rejected: int
    missing: int
    duplicates: int
    differing: list[str]
    conflicts: list[str]
    across_splits: list[str]
    classes: int
    task: Task
    images_of_class: dict[str, int]
    splits: dict[str, int]
    reasons: dict[str, int]
    rejects: Path
    linked: int
    copied: int
    present: int
    rows: int
    bytes: int
    seconds: float
    near_duplicates_across_splits: list[str] | None = None

    def __fspath__(self) -> str:
        """Stand for its cache wherever the path of a cache is wanted."""
        return str(self.cache)


def summarise(store: FeatureCache, folders: list[Path], whole: Whole, how: Counter[str], seconds: float) -> MergeResult:
    """Return what a merge did."""
    catalog, repeats = whole.catalog, find_repeats(whole.catalog)
    usable = len(catalog.rows())
    return MergeResult(
        cache=store.folder,
        caches=folders,
        listed=len(catalog),
        with_features=usable,
        rejected=len(catalog) - usable,
        missing=whole.missing,
        duplicates=repeats.duplicates,
        differing=whole.differing,
        conflicts=repeats.conflicts,
        across_splits=repeats.across_splits,
        classes=len(catalog.class_names or catalog.task.names),
        task=catalog.task,
        images_of_class=catalog.images_of_class(),
        splits={split: len(catalog.rows(split)) for split in SPLITS},
        reasons=catalog.reason_counts(),
        rejects=store.folder / "rejects.csv",
        linked=how[LINKED],
        copied=how[COPIED],
        present=how[PRESENT],
        rows=len(store),
        bytes=store.stored_bytes,
        seconds=seconds,
    )
