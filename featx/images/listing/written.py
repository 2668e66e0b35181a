"""Writing a manifest that featx reads again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import OutputError
from featx.images.listing.columns import BESIDE, FLAGS
from featx.images.listing.walk import real_path
from featx.system.cells import TableWriter, guarded
from featx.system.durable import make_folder
from featx.system.files import replacing_text, writing_to
from featx.system.outputs import Kind, check_result_file

_WRITTEN = ("path", "label", "split", FLAGS)
_WRITTEN_BESIDE = ("path", "split", FLAGS)  # in front of the columns of labels or numbers
_BEGINNINGS = [",".join(names).encode() for names in (_WRITTEN, _WRITTEN_BESIDE)]
_MANIFEST = Kind("an earlier manifest of featx audit", "was not written by featx audit", _BEGINNINGS)


def check_manifest_path(path: Path) -> None:
    """Make sure that a manifest can be written there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If it cannot, or a file stands there that ``write_manifest`` did not write: a manifest of the user's is none of ours.
    """
    check_result_file(path, _MANIFEST, "manifest")


def write_manifest(
    path: Path,
    root: Path,
    rows: Sequence[tuple[str, str, str, str]],
    names: Sequence[str] = (),
    targets: NDArray[np.float64] | None = None,
    groups: Sequence[str] = (),
    weights: NDArray[np.float64] | None = None,
) -> None:
    """Write a manifest that ``read_manifest`` reads, atomically.

    Parameters
    ----------
    path : Path
        The CSV file.
    root : Path
        Absolute folder that the rows' paths are relative to. Written are paths relative to the manifest where it lies above
        all images, else absolute ones.
    rows : sequence of (path, label, split, flags)
        In their order.
    names, targets : sequence of str, ndarray of shape (n_rows, n_names), float64
        Columns of labels or numbers, which stand in place of ``label``; NaN is written as nothing.
    groups, weights : sequence of str, ndarray of shape (n_rows,), float64
        Group of each row, empty for none, and how much it counts; no column where no row has one. The column has the first of
        the names under which such columns are found that none of ``names`` is.

    Raises
    ------
    OutputError
        If it cannot be written, or a path is no text: a manifest cannot name it.
    """
    check_manifest_path(path)
    folder = Path(real_path(path.absolute().parent))
    within = folder == root or folder in root.parents
    with writing_to(path, "Give another manifest."):
        make_folder(path.parent)
        with replacing_text(path) as file:
            writer = TableWriter(file, always=True)
            beside: dict[str, Sequence[str]] = {"group": groups if any(groups) else ()}
            beside["weight"] = () if weights is None else [repr(float(weight)) for weight in weights]
            beside = {_free_name(kind, names): cells for kind, cells in beside.items() if cells}
            writer.writerow((*(_WRITTEN if targets is None else (*_WRITTEN_BESIDE, *names)), *beside))
            for row, (name, *others) in enumerate(rows):
                if targets is not None:
                    cells = ["" if np.isnan(value) else repr(float(value)) for value in targets[row]]
                    others = [*others[1:], *cells]
                place = root / name
                written = (place.relative_to(folder) if within else place).as_posix()
                if not written.isascii():
                    _check_is_text(path, written)
                # Whoever opens it in a spreadsheet is shown no formula, and the rows are read again exactly as they were: a
                # path behind ./ is the same path to every program, a text behind an apostrophe is undone by `read_manifest`.
                if guarded(written) != written:
                    written = f"./{written}"
                writer.writerow((written, *others, *(cells[row] for cells in beside.values())))


def _free_name(kind: str, names: Sequence[str]) -> str:
    """Return a name under which a column of that kind is found, and which is no label's."""
    used = {name.strip().lower() for name in names}
    return next(name for name in BESIDE[kind] if name not in used)


def _check_is_text(path: Path, written: str) -> None:
    try:
        written.encode()
    except UnicodeEncodeError:
        shown = written.encode("utf-8", "backslashreplace").decode()
        raise OutputError(
            f"{path}: cannot name {shown!r}, whose name is not UTF-8. Rename that file and extract again."
        ) from None
