"""The catalog: the listing at the last extract, one row per image file, replaced atomically."""

import dataclasses
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged
from featx.recipe import FORMAT_VERSION
from featx.store.documents import MEND, writing_named
from featx.store.guard import damage_named, open_guarded, read_array
from featx.store.listing.columns import (
    pack_texts,
    read_bytes,
    read_targets,
    read_task,
    read_texts,
    rows_in,
    targets_fit,
    task_head,
)
from featx.store.listing.part import PartOf
from featx.store.seal import SEALED, seal
from featx.store.shards.shard import LIBVER
from featx.system.files import DIGEST_BYTES, replacing
from featx.system.linked import join_groups
from featx.task import Task

SPLITS = ("train", "val", "test")
"""The order gives the code that the catalog stores."""

# Python makes an object of every name in the head, some twenty times as large at worst.
_LARGEST_HEAD = 16_000_000

EXTRACTED, REJECTED = 0, 1
"""Status of a listed image: it has a row, or a reason."""


@dataclasses.dataclass(frozen=True)
class Catalog:
    """What was listed, and what became of it.

    Parameters
    ----------
    source : str
        Absolute folder that ``paths`` are relative to.
    fingerprint : str
        Of the recipe in force.
    class_names : tuple of str
        Names behind ``labels``.
    paths : list of str
        Relative, with ``/``.
    labels : ndarray of shape (n,), int32
        Index into ``class_names``; -1 for none.
    splits : ndarray of shape (n,), int8
        Index into ``SPLITS``.
    digests : ndarray of shape (n, 32), uint8
        Content digest; zeros where the file could not be read.
    sizes, mtimes, ctimes : ndarray of shape (n,), int64
        Of the file when it was read [bytes], [ns], [ns]; an mtime of -1 is never trusted.
    status : ndarray of shape (n,), uint8
        ``EXTRACTED`` or ``REJECTED``.
    reasons : list of str
        Why an image was rejected; empty otherwise.
    augment, view_seed : str and int
        How the augmented views of the training images were made; empty without any.
    view_keys : tuple of int
        What those views are kept under; each training image has every one.
    part : PartOf or None
        Of which listing this is only a part, and which.
    groups : list of str
        The group of each image, empty for none; no entries where there are no groups. Images of one group show the same thing.
    weights : ndarray of shape (n,), float64, or None
        How much each image counts, in learning and in figures; None where all count alike.
    task : Task
        What is to be learned of each image. Of grades, ``class_names`` are the grades in their order.
    targets : ndarray of shape (n, n_names), float64, or None
        A column for each label, 1, 0 or NaN for not known, or for each number, or NaN; ``class_names`` are then empty and
        ``labels`` -1. None of classes and grades.
    """

    source: str
    fingerprint: str
    class_names: tuple[str, ...]
    paths: list[str]
    labels: NDArray[np.int32]
    splits: NDArray[np.int8]
    digests: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    ctimes: NDArray[np.int64]
    status: NDArray[np.uint8]
    reasons: list[str]
    augment: str = ""
    view_seed: int = 0
    view_keys: tuple[int, ...] = ()
    part: PartOf | None = None
    groups: list[str] = dataclasses.field(default_factory=list)
    weights: NDArray[np.float64] | None = None
    task: Task = Task()  # noqa: RUF009 - frozen
    targets: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self, split: str | None = None) -> NDArray[np.int64]:
        """Return the rows that have features, of one split or of all."""
        chosen = self.status == EXTRACTED
        if split is not None:
            chosen &= self.splits == SPLITS.index(split)
        return np.flatnonzero(chosen)

    def known_rows(self, split: str | None = None) -> NDArray[np.int64]:
        """Return, of ``rows``, those of which something is known: a class, or one target of several."""
        rows = self.rows(split)
        return rows if self.targets is None else rows[~np.isnan(self.targets[rows]).all(axis=1)]

    def learned_from(self) -> NDArray[np.int64]:
        """Return the rows of the training images, without those that weigh nothing or of which nothing is known."""
        rows = self.known_rows("train")
        return rows if self.weights is None else rows[self.weights[rows] > 0]

    def learning_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what a head learns from: rows of the training images, and a view of each; all views of an image together."""
        rows = self.learned_from()
        views = np.array((0, *self.view_keys), np.int64)
        return np.repeat(rows, len(views)), np.tile(views, len(rows))

    def joined_groups(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the group of each row (n,), named by its first member; exact duplicates are of one group too."""
        return join_groups(self.digests[rows], [self.groups[row] for row in rows.tolist()] if self.groups else ())

    def weights_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return how much each row counts (n,); None where all count alike."""
        return None if self.weights is None else self.weights[rows]

    def images_of_class(self, split: str | None = None) -> dict[str, int]:
        """Return class name to number of images with features, in one split or in all.

        Of labels, label to the images that have it; of numbers, target to the images of which it is known.
        """
        if self.targets is not None:
            values = self.targets[self.rows(split)]
            there = values == 1 if self.task.kind == "labels" else ~np.isnan(values)
            return dict(zip(self.task.names, there.sum(axis=0).tolist(), strict=True))
        labels = self.labels[self.rows(split)]
        counts = np.bincount(labels[labels >= 0], minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def reason_counts(self) -> dict[str, int]:
        """Return reason to number of rejected images, the most frequent first."""
        return dict(Counter(reason for reason in self.reasons if reason).most_common())

    def write(self, path: Path) -> None:
        """Replace the catalog file.

        Raises
        ------
        CacheWriteError
            If the disk refuses.
        """
        head: dict[str, Any] = {"source": self.source, "fingerprint": self.fingerprint}
        head |= task_head(self.task, self.class_names)
        if self.view_keys:
            head["views"] = {"augment": self.augment, "seed": self.view_seed, "keys": self.view_keys}
        if self.part:
            head["part"] = self.part.head()
        columns: dict[str, NDArray[Any]] = {
            "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
            "path": pack_texts(self.paths),
            "reason": pack_texts(self.reasons),
            "label": self.labels,
            "split": self.splits,
            "digest": self.digests,
            "size": self.sizes,
            "mtime": self.mtimes,
            "ctime": self.ctimes,
            "status": self.status,
        }
        if self.part:
            columns |= {"position": self.part.positions, "given": self.part.given}
        if self.groups:
            columns["group"] = pack_texts(self.groups)
        if self.weights is not None:
            columns["weight"] = self.weights
        if self.targets is not None:
            columns["target"] = self.targets
        with writing_named(path):
            # In memory first, like a shard: then a full disk is an ordinary error.
            image = io.BytesIO()
            with h5py.File(image, "w", libver=LIBVER) as file:
                file.attrs["featx_format"] = FORMAT_VERSION
                file.attrs[SEALED] = 1
                for name, values in columns.items():
                    compression = (
                        {} if name == "digest" else {"compression": "gzip", "compression_opts": 1}
                    )  # digests are noise
                    most = 65536 // (values.shape[1] if name == "target" else 1)
                    chunks = (max(1, min(len(values), most)), *values.shape[1:])
                    file.create_dataset(
                        name, data=values, chunks=chunks, maxshape=(None, *values.shape[1:]),
                        fletcher32=True, track_times=False, **compression,
                    )  # fmt: skip
            with replacing(path) as temporary:
                content = image.getvalue()  # no copy, and no view of it in an error's traceback
                temporary.write_bytes(content + seal(content))

    @classmethod
    def read(cls, path: Path) -> "Catalog":
        """Read a catalog file.

        Raises
        ------
        CacheDamaged
            If it is not a whole, sound catalog.
        """
        with open_guarded(path, sealed=True) as file, damage_named(path):
            n = rows_in(file, path)

            def column(name: str, *inner: int) -> NDArray[Any]:
                return read_array(file, path, name, "iu", (n, *inner))

            head = json.loads(read_bytes(file, path, "head", _LARGEST_HEAD))
            task, class_names = read_task(head)
            views = head.get("views", {"augment": "", "seed": 0, "keys": []})
            catalog = cls(
                source=str(head["source"]),
                fingerprint=str(head["fingerprint"]),
                class_names=class_names,
                paths=read_texts(file, path, "path", n),
                labels=column("label").astype(np.int32),
                splits=column("split").astype(np.int8),
                digests=column("digest", DIGEST_BYTES).astype(np.uint8),
                sizes=column("size").astype(np.int64),
                mtimes=column("mtime").astype(np.int64),
                ctimes=column("ctime").astype(np.int64),
                status=column("status").astype(np.uint8),
                reasons=read_texts(file, path, "reason", n),
                augment=str(views["augment"]),
                view_seed=int(views["seed"]),
                view_keys=tuple(int(np.int64(key)) for key in views["keys"]),
                part=PartOf.read(head["part"], column("position"), column("given")) if "part" in head else None,
                groups=read_texts(file, path, "group", n) if "group" in file else [],
                weights=read_array(file, path, "weight", "f", (n,)).astype(np.float64) if "weight" in file else None,
                task=task,
                targets=read_targets(file, path, task, n),
            )
        catalog._check(path)
        return catalog

    @classmethod
    def read_whole(cls, path: Path) -> "Catalog":
        """Read the catalog of a whole listing; errors as for ``read``, also for a part's, which has a place of its own."""
        catalog = cls.read(path)
        if catalog.part:
            raise CacheDamaged(f"{path}: lists the images of part {catalog.part} alone. {MEND}")
        return catalog

    def _check(self, path: Path) -> None:
        """Refuse a catalog whose columns do not fit together or point outside."""
        n = len(self.paths)
        columns = (self.labels, self.splits, self.sizes, self.mtimes, self.ctimes, self.status)
        sound = (
            all(column.shape == (n,) for column in columns)
            and self.digests.shape == (n, DIGEST_BYTES)
            and len(self.reasons) == n
            and len(self.groups) in (0, n)
            and (self.weights is None or bool(np.isfinite(self.weights).all() and (self.weights >= 0).all()))
            and (n == 0 or (self.labels.min() >= -1 and self.labels.max() < len(self.class_names)))
            and (n == 0 or (self.splits.min() >= 0 and self.splits.max() < len(SPLITS)))
            and (n == 0 or self.status.max() <= REJECTED)
            and targets_fit(self.task, self.targets, self.class_names, n)
            and (self.part is None or self.part.is_sound(n, len(SPLITS)))
            and not self._leads_out()
        )
        if not sound:
            raise CacheDamaged(f"{path}: its columns do not fit together. {MEND}")

    def _leads_out(self) -> bool:
        """Return whether any path is absolute or goes up; all paths are searched as one string, in a tenth of the time."""
        together = "\0".join(["", *self.paths, ""])
        return any(f"{before}..{after}" in together for before in "\0/" for after in "\0/") or "\0/" in together
