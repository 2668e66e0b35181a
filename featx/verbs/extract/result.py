"""What an extract did, in figures."""

import dataclasses
from pathlib import Path

from featx.images import Noticed
from featx.store import SPLITS, Catalog, find_repeats, part_path, rejects_path
from featx.system.results import Result
from featx.task import Task
from featx.verbs.extract.prepared import Prepared
from featx.verbs.extract.quantization import seconds_in_int8
from featx.verbs.extract.run import Run


@dataclasses.dataclass(frozen=True, repr=False)
class ExtractResult(Result):
    """What an extract did. ``listed == extracted + reused + rejected``, always.

    Parameters
    ----------
    cache : Path
        The cache's folder.
    listed : int
        Images found.
    extracted : int
        Images that went through the backbone now.
    reused : int
        Images whose features were there already, or are those of an exact duplicate.
    rejected : int
        Images that gave no features; see ``rejects.csv``.
    duplicates : int
        Images with the very content of another listed before.
    views : int
        Views of each training image, the clean one included.
    augmented : int
        Augmented views that went through the backbone now.
    seconds : float
        Of the whole run.
    images_per_second : float
        Of the backbone, decoding included, after its first batch; 0 if there was no second.
    precision : str
        Arithmetic of the backbone.
    device : str
        What the backbone ran on, such as ``cpu:0``; empty if it did not run.
    engine : str
        What computed: ``keras``, ``winograd``, ``openvino`` or ``onnxruntime`` (int8, ONNX files), ``numpy`` for the stub;
        empty if the backbone did not run.
    calibration_seconds : float
        Making the quantized network; 0 if none was made.
    int8_seconds : float or None
        What ``precision="int8"`` would have taken instead, as a measurement on this processor has it; None where it would not
        have been much faster, where the processor has no instructions for int8 products, without OpenVINO, and after a run of
        less than a minute.
    bytes : int
        Of the cached features on disk.
    classes : int
        Number of classes, labels, targets or grades.
    task : Task
        What is to be learned of the images.
    images_of_class : dict of str to int
        Images with features, by class; of labels those that have each, of numbers those of which each is known.
    unlearnable : list of str
        Classes, labels or targets without a single training image.
    conflicts : list of str
        Images whose very content stands in more than one class, or with other labels or numbers: at least one is wrong.
    across_splits : list of str
        Val and test images whose very content is in train, or test images whose content is in val.
    splits : dict of str to int
        Images with features in train, val and test.
    reasons : dict of str to int
        Rejected images by reason.
    skipped : dict of str to int
        Files that are no images, by suffix; of a part those of the whole folder.
    rejects : Path
        The table of rejected images.
    shard : str or None
        ``"I/N"`` where only that part was extracted: then all counts are of it, and there are no ``splits`` yet.
    whole : int
        Images in the whole listing; ``listed`` where it is no part.
    noticed : Noticed
        What was noticed of the files that were decoded now.
    notes : list of str
        What a user should know of the listing.
    passed_over : dict of str to int
        Folders that the system put there or hides, by name.
    hidden : int
        Hidden files in the folders, such as ``.DS_Store``.
    near_duplicates_across_splits : list of str or None
        Val and test images that are near duplicates of an image in an earlier split, those ``across_splits`` left out. None
        for a part; where some pictures were not measured, by an older featx; and among more than 10,000 different images: see
        ``audit_cache``.

    Examples
    --------
    >>> result = featx.extract_features("photos", backbone="stub", image_size=(64, 64))
    >>> result.listed == result.extracted + result.reused + result.rejected
    True
    >>> result.splits
    {'train': 24, 'val': 6, 'test': 6}
    """

    cache: Path
    listed: int
    extracted: int
    reused: int
    rejected: int
    duplicates: int
    views: int
    augmented: int
    seconds: float
    images_per_second: float
    precision: str
    device: str
    engine: str
    calibration_seconds: float
    int8_seconds: float | None
    bytes: int
    classes: int
    task: Task
    images_of_class: dict[str, int]
    unlearnable: list[str]
    conflicts: list[str]
    across_splits: list[str]
    splits: dict[str, int]
    reasons: dict[str, int]
    skipped: dict[str, int]
    rejects: Path
    shard: str | None
    whole: int
    noticed: Noticed
    notes: list[str] = dataclasses.field(default_factory=list)
    passed_over: dict[str, int] = dataclasses.field(default_factory=dict)
    hidden: int = 0
    near_duplicates_across_splits: list[str] | None = None

    def __fspath__(self) -> str:
        """Stand for its cache wherever the path of a cache is wanted."""
        return str(self.cache)


def rejects_file(prepared: Prepared) -> Path:
    """Return where the table of rejected images is written."""
    folder, part = prepared.store.folder, prepared.part
    return rejects_path(part_path(folder, part.number, part.of)) if part else folder / "rejects.csv"


def summarise(
    prepared: Prepared, catalog: Catalog, run: Run, quantization_seconds: float, seconds: float, *, is_here: bool
) -> ExtractResult:
    """Return what an extract did; whether int8 would have been faster, only of one that ran on this machine."""
    usable, part, repeats, rate = catalog.rows(), prepared.part, find_repeats(catalog), run.rate.images_per_second
    n_images = run.extracted + run.augmented
    on_processor = is_here and run.device.startswith("cpu:")
    return ExtractResult(
        cache=prepared.store.folder,
        listed=len(catalog),
        extracted=run.extracted,
        reused=len(usable) - run.extracted,
        rejected=len(catalog) - len(usable),
        duplicates=repeats.duplicates,
        views=prepared.options.n_views,
        augmented=run.augmented,
        seconds=seconds,
        images_per_second=rate,
        precision=prepared.recipe.precision,
        device=run.device,
        engine=run.engine,
        calibration_seconds=quantization_seconds,
        int8_seconds=seconds_in_int8(prepared.engine, n_images, rate) if on_processor else None,
        bytes=prepared.store.stored_bytes,
        classes=len(catalog.class_names or catalog.task.names),
        task=catalog.task,
        images_of_class=catalog.images_of_class(),
        # The splits of a part are provisional: the draw is made when the whole is put together.
        unlearnable=[name for name, count in catalog.images_of_class("train").items() if not count and not part],
        conflicts=repeats.conflicts,
        across_splits=[] if part else repeats.across_splits,
        splits={} if part else {split: len(catalog.rows(split)) for split in SPLITS},
        reasons=catalog.reason_counts(),
        skipped=prepared.index.skipped,
        rejects=rejects_file(prepared),
        shard=str(part) if part else None,
        whole=part.listed if part else len(catalog),
        noticed=prepared.noticed,
        notes=list(prepared.notes),
        passed_over=prepared.index.passed_over,
        hidden=prepared.index.hidden,
    )
