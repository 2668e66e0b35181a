"""How a list of images is to be read where it does not say so itself."""

import dataclasses
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from featx.errors import ImageListError
from featx.system.kinds import as_texts, check_kind
from featx.task import Task

_LONGEST_SEPARATOR = 20

_SEVERAL = ("label_columns", "target", "ordinal")
_TEXTS = (
    *("path_column", "label_column", "split_column", "group_column", "weight_column", "ext"),
    "label_separator",
)

_OPTION_OF = {
    "label_separator": "--label-separator",
    "label_columns": "--label-columns",
    "target": "--target",
    "ordinal": "--ordinal",
}


@dataclasses.dataclass(frozen=True)
class ManifestOptions:
    """How a manifest is to be read where it does not say so itself.

    Parameters
    ----------
    root : Path, str or None
        Folder that its paths are relative to; by default the folder of the manifest.
    path_column, label_column, split_column, group_column, weight_column : str or None
        Names of the columns; by default the usual ones are recognised.
    ext : str or None
        Suffix that is added to each path which does not end in it, such as ``.png``.
    label_separator : str or None
        What stands between several labels in a cell of the label column, such as ``|``. A label that a cell does not name is
        absent; an empty cell is not known, and the separator alone is none of the labels.
    label_columns : sequence of str, str or None
        Columns of one label each: 1, 0, or empty for not known.
    target : sequence of str, str or None
        Columns of numbers, which are to be predicted; empty for not known.
    ordinal : sequence of str, str or None
        The classes in their order: they are grades. Of class folders too.

    Raises
    ------
    ImageListError
        If a value is of another kind, or two of them say what is to be learned.
    """

    root: Path | str | None = None
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    weight_column: str | None = None
    ext: str | None = None
    label_separator: str | None = None
    label_columns: Sequence[str] | str | None = None
    target: Sequence[str] | str | None = None
    ordinal: Sequence[str] | str | None = None

    def __post_init__(self) -> None:
        check_kind("root", self.root, (str, Path, type(None)), "a folder, or None", ImageListError)
        for name in _TEXTS:
            check_kind(name, getattr(self, name), (str, type(None)), "a text, or None", ImageListError)
        for name in _SEVERAL:
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _different(name, given))
        separator = self.label_separator
        if separator is not None and not (separator.strip() and len(separator) <= _LONGEST_SEPARATOR):
            raise ImageListError(f"--label-separator must be a text such as '|'. Received: {separator!r}.", wrong_value=True)
        chosen = [option for name, option in _OPTION_OF.items() if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ImageListError(f"{' and '.join(chosen)} each say what is to be learned: give one of them.", wrong_value=True)
        if self.label_column is not None and self.value_columns:
            raise ImageListError(
                f"--label-column is where an image's class stands, and {chosen[0]} names other columns: give one of them.",
                wrong_value=True,
            )

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in dataclasses.fields(self))

    @property
    def is_for_tables(self) -> bool:
        """Whether anything is given that class folders have no use for."""
        return bool(dataclasses.replace(self, ordinal=None))

    @property
    def suffix(self) -> str:
        """What is added to paths, with its full stop; empty for nothing."""
        return f".{self.ext.strip().lstrip('.')}" if self.ext and self.ext.strip(" .") else ""

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns that hold what is to be learned, a label or a number each; none where there is a label column."""
        return tuple(self.label_columns or self.target or ())

    @property
    def grades(self) -> tuple[str, ...]:
        """The classes in their order; none where they have no order."""
        return tuple(self.ordinal or ())

    def with_task(self, task: Task) -> "ManifestOptions":
        """Return the options that read a list for a task that is known, as of a model; what was given stays.

        Of labels, columns that are named as the labels are looked for, unless a separator is given.
        """
        if task.kind == "classes" or any(getattr(self, name) is not None for name in _OPTION_OF):
            return self
        name = {"labels": "label_columns", "numbers": "target", "grades": "ordinal"}[task.kind]
        if name != "ordinal" and self.label_column is not None:
            return self
        given: dict[str, Any] = {name: task.names}
        return dataclasses.replace(self, **given)


class ManifestKeywords(TypedDict, total=False):
    """Keywords of ``extract_features`` and ``evaluate_model`` that say how a manifest is read; see ``ManifestOptions``.

    Examples
    --------
    >>> columns: featx.ManifestKeywords = {"path_column": "file", "label_column": "kind"}
    >>> options: featx.ExtractKeywords = {**columns, "backbone": "stub"}
    """

    root: Path | str | None
    path_column: str | None
    label_column: str | None
    split_column: str | None
    group_column: str | None
    weight_column: str | None
    ext: str | None
    label_separator: str | None
    label_columns: Sequence[str] | str | None
    target: Sequence[str] | str | None
    ordinal: Sequence[str] | str | None


def _different(name: str, given: Sequence[str] | str) -> tuple[str, ...]:
    texts = as_texts(name, given, "names, or None", ImageListError)
    names = tuple(unicodedata.normalize("NFC", text.strip()) for text in texts)  # as classes are
    least = 2 if name == "ordinal" else 1
    if len(set(names)) != len(names) or not all(names) or len(names) < least:
        wanted = f"at least {least} different names with commas" if least > 1 else "different names with commas"
        raise ImageListError(f"{_OPTION_OF[name]} must be {wanted}. Received: {', '.join(names) or 'none'}.", wrong_value=True)
    return names
