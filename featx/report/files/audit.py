"""An audit as files in a folder: a table of all findings, and a page that shows it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from featx.errors import OutputError
from featx.report.files.folder import check_report_files, keep_earlier_page, writing_together
from featx.system.cells import TableWriter
from featx.system.paths import StrPath, as_path
from featx.system.progress import Progress
from featx.system.results import Result
from featx.verbs.audit import Audit, ListedImage

_NAMES = ("audit.csv", "audit.html")
_HEADER = ("finding", "group", "path", "label", "split", "value", "detail")


@dataclasses.dataclass(frozen=True, repr=False)
class AuditFiles(Result):
    """Where the parts of an audit lie; ``page`` is None where none was asked for."""

    folder: Path
    table: Path
    page: Path | None


def check_audit_folder(folder: Path) -> None:
    """Make sure that an audit can be written there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or holds a file of an audit's name that is not an earlier audit's.
    """
    check_report_files(folder, _NAMES, "featx audit", _NAMES[1])


def write_audit(audit: Audit, folder: StrPath, *, page: bool = True, progress: Progress | None = None) -> AuditFiles:
    """Write ``audit.csv``, one line for each finding, and ``audit.html``.

    Parameters
    ----------
    audit : Audit
        The findings.
    folder : Path or str
        Made if absent, and marked; files of an earlier audit are replaced, others left alone.
    page : bool
        Write the page; it shows images, which are read again for that.
    progress : callable or None
        Called as (stage, newly done, total).

    Raises
    ------
    OutputError
        As ``check_audit_folder``.
    """
    folder = as_path("folder", folder, OutputError)
    check_audit_folder(folder)
    files = AuditFiles(folder, folder / "audit.csv", folder / "audit.html" if page else None)
    with writing_together(folder) as write:
        write(files.table, lambda path: _write_table(audit, path))
        if files.page:
            from featx.report.page.audit import audit_page

            text = audit_page(audit, files.page, [files.table.name], progress=progress)
            write(files.page, lambda path: path.write_bytes(text.encode()))
        else:
            keep_earlier_page(folder / "audit.html")
    return files


def _write_table(audit: Audit, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = TableWriter(file)
        writer.writerow(_HEADER)
        writer.writerows(_findings(audit))


def _findings(audit: Audit) -> Iterator[tuple[object, ...]]:
    for number, group in enumerate(audit.duplicates, 1):
        details = [
            detail
            for detail, holds in (
                ("exact" if group.exact else "near", True),
                ("across splits", group.across_splits),
                ("conflicting labels", group.conflicting_labels),
            )
            if holds
        ]
        for place, image in enumerate(group.images):
            role = ["first" if place == 0 else "copy"]
            yield "duplicates", number, *_image(image), f"{group.agreement:.6f}", ", ".join(role + details)
    for error in audit.label_errors:
        yield "labels", "", *_image(error.image), f"{error.odds:.6g}", error.suggested
    for outlier in audit.outliers:
        yield "outliers", "", *_image(outlier.image), f"{outlier.distance:.6g}", ""
    for entry in audit.quality:
        yield "quality", "", *_image(entry.image), f"{entry.value:.6g}", f"{entry.problem} ({entry.measure})"
    for name, count in audit.small_classes.items():
        yield "small class", "", "", name, "train", count, ""
    for pair in audit.alike_classes:
        yield "alike classes", "", "", pair.first, "", f"{pair.confused:.6g}", pair.second


def _image(image: ListedImage) -> tuple[str, str, str]:
    return image.path, image.label, image.split
