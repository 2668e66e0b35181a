"""Finding image files below a folder, whatever else lies there, in an order that is the same everywhere."""

import contextlib
import dataclasses
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from types import ModuleType

from featx.errors import ImageListError
from featx.images.sniff import SNIFF_BYTES, sniff_format

IMAGE_SUFFIXES = tuple(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .pbm .pgm .ppm .pnm".split()  # noqa: SIM905 - reads better
)
"""What the names of images end in, in lower case."""

_NO_IMAGES = frozenset({"thumbs.db", "desktop.ini"})

# Folders that a NAS, Windows, macOS or a file system puts among the images: thumbnails, what was deleted, snapshots. Their
# names in lower case; those that begin with a full stop (.snapshot, .Trash-1000, .AppleDouble) are hidden anyway.
_SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "@tmp", "@sharesnap", "@sharebin", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot", "@thumb", "network recycle bin"),  # QNAP
        *("$recycle.bin", "recycler", "recycled", "system volume information", "found.000"),  # Windows
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),  # macOS
        *("lost+found", "~snapshot"),  # ext4; NetApp
    }
)

REPORT_PLOTS = ("confusion_matrix.png", "curves.png")
"""Images that a report folder holds."""

_OUTPUT_HOMES = frozenset({"cache", "models", "reports"})

REPORT_MARKER = ".featx-report"
"""Name of the file that says: this folder is a report of ours, its plots are no images to learn from."""


_DIGITS = re.compile("[0-9]+")


def natural_key(text: str) -> str:
    """Sort key under which "img2" comes before "img10", whatever the locale."""
    # One string and not a list of parts: a million of them are sorted three times as fast.
    return _DIGITS.sub(_number_key, text)


def _number_key(digits: re.Match[str]) -> str:
    """Return what sorts by the number, then by its zeros, and before all letters: NUL stands in no name."""
    written = digits[0]
    value = written.lstrip("0")
    return f"\0{chr(len(value))}{value}{written}\0"


@dataclasses.dataclass
class Tally:
    """What a walk does not list, each once however often it comes by.

    Parameters
    ----------
    skipped : Counter of str
        Files that are no images by name and content, by suffix.
    passed_over : set of str
        Folders of the system and hidden ones.
    unreadable : dict of str to str
        Folders that the system refuses to list, to its reason.
    dangling : set of str
        Links that lead nowhere, and are not named like images.
    hidden : dict of str to int
        Folder to the number of hidden files right inside, which are no images either.
    strict : bool
        Raise an error for a folder that cannot be listed instead.
    """

    skipped: Counter[str] = dataclasses.field(default_factory=Counter)
    passed_over: set[str] = dataclasses.field(default_factory=set)
    unreadable: dict[str, str] = dataclasses.field(default_factory=dict)
    dangling: set[str] = dataclasses.field(default_factory=set)
    hidden: dict[str, int] = dataclasses.field(default_factory=dict)
    strict: bool = False


@contextlib.contextmanager
def reading_named(path: Path) -> Iterator[None]:
    """Turn the system's refusal into an error that names the path."""
    try:
        yield
    except OSError as error:
        raise cannot_list(path, error.strerror or str(error)) from None


def cannot_list(path: Path | str, reason: str) -> ImageListError:
    """Return the error for a folder that the system refuses to list."""
    return ImageListError(f"{path}: cannot be listed: {reason}. Make it readable, move it away or give another path.")


def mode_of(path: Path) -> int:
    """Return what is at the path, as ``stat`` says it; 0 for nothing."""
    # Not Path.exists: on some refusals it raises, and others it takes for nothing there. ValueError: a null byte in it.
    with reading_named(path), contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        return path.stat().st_mode
    return 0


def real_path(path: Path | str) -> str:
    """Return the path without links.

    Raises
    ------
    ImageListError
        If it is relative and the current folder was deleted.
    """
    with reading_named(Path(path)):
        return os.path.realpath(path)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NO_IMAGES


def _entries(folder: Path, tally: Tally) -> list[os.DirEntry[str]]:
    """Return what is to be listed of a folder, in natural order; what is not goes into the tally."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        if tally.strict:
            raise cannot_list(folder, error.strerror or str(error)) from None
        tally.unreadable[str(folder)] = error.strerror or str(error)
        return []
    listed = [entry for entry in found if _is_listed(entry, tally)]
    if len(listed) < len(found):
        left = {id(entry) for entry in listed}
        hidden = sum(id(entry) not in left and _is_hidden(entry.name) and not _is_folder(entry) for entry in found)
        tally.hidden[str(folder)] = hidden  # not added up: a folder may come by several times
    return sorted(listed, key=_entry_key)


def _is_listed(entry: os.DirEntry[str], tally: Tally) -> bool:
    hidden = _is_hidden(entry.name)
    if not _is_folder(entry):
        return not hidden
    if hidden or entry.name.lower() in _SYSTEM_FOLDERS:
        tally.passed_over.add(entry.path)
        return False
    return not _is_output(Path(entry.path))


def _entry_key(entry: os.DirEntry[str]) -> str:
    return natural_key(entry.name)


def _is_output(folder: Path) -> bool:
    """Tell the folders that featx writes: a cache, a report, or a home of nothing but caches, models and reports."""
    if _is_cache_or_report(folder):
        return True
    if folder.name not in _OUTPUT_HOMES:
        return False
    # As below: a folder that does not let itself be looked into is listed, where the refusal gets said.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return all(
            _is_cache_or_report(Path(entry.path)) if _is_folder(entry) else entry.name.endswith((".featx", ".html"))
            for entry in entries
            if not _is_hidden(entry.name)
        )
    return False


def _is_cache_or_report(folder: Path) -> bool:
    # A folder that does not let itself be looked into is listed, where the refusal gets said.
    with contextlib.suppress(OSError):
        if (folder / "recipe.json").is_file() and (folder / "shards").is_dir():
            return True
        # A report may have been written into a folder of somebody's images; those are still to be listed.
        return (folder / REPORT_MARKER).is_file() and all(
            path.name in REPORT_PLOTS or (path.suffix.lower() not in IMAGE_SUFFIXES and not path.is_dir())
            for path in folder.iterdir()
        )
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def subfolders(folder: Path, tally: Tally) -> list[Path]:
    """Return the folders directly inside, without hidden ones, the system's and featx's own output."""
    return [Path(entry.path) for entry in _entries(folder, tally) if _is_folder(entry)]


def loose_images(root: Path, folder: Path, tally: Tally) -> list[str]:
    """Return the images directly inside, relative to ``root``."""
    files = [entry for entry in _entries(folder, tally) if not _is_folder(entry)]
    return list(below(root, (entry.path for entry in files if _is_image(entry, tally))))


def below(root: PurePath, paths: Iterable[str], system: ModuleType = os.path) -> Iterator[str]:
    """Return paths of files below a folder as they are listed: relative to it, with ``/`` on every system.

    Parameters
    ----------
    root : PurePath
        The folder.
    paths : iterable of str
        Each begins with the folder, as the system writes it.
    system : module
        ``ntpath`` where the system writes backslashes.
    """
    # Cutting off costs less than relative_to. Only the root of a disk ends in a separator.
    start = len(str(root).rstrip(system.sep)) + 1
    if system.sep == "/":  # a file's name may hold a backslash here
        return (path[start:] for path in paths)
    return (path[start:].replace(system.sep, "/") for path in paths)


def holds_images(folder: Path, above: frozenset[str]) -> bool:
    """Tell whether there is an image anywhere below."""
    return next(walk_images(folder, Tally(), above), None) is not None


def has_image_names(folder: Path) -> bool:
    """Tell whether files right inside are named like images; of a folder of many files the first are looked at."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(IMAGE_SUFFIXES) for entry in itertools.islice(entries, 1000))
    except OSError:
        return False


def walk_images(folder: Path, tally: Tally, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the path of every image below a folder, following links, but never into a folder above itself.

    Each real folder is entered once, however many links lead to it: of folders that link to each other there are more paths
    than anybody could walk. One that lies inside is listed under its own name, not under a link's.
    """
    seen = set(above)
    # A stack, as folders may be nested deeper than Python lets functions be.
    stack: list[tuple[str, Iterator[os.DirEntry[str]]]] = []
    links_inside: list[tuple[str, str]] = []

    def enter(deeper: str, real: str) -> None:
        if real not in seen:
            seen.add(real)
            stack.append((real, iter(_entries(Path(deeper), tally))))

    top = real_path(folder)
    enter(str(folder), top)
    while stack:
        here, entries = stack[-1]
        for entry in entries:
            if _is_folder(entry):
                if not entry.is_symlink():
                    # Only a link leads elsewhere; asking the system about each folder costs one call for every folder above.
                    enter(entry.path, str(Path(here, entry.name)))
                    break
                real = real_path(entry.path)
                if not real.startswith(f"{top}/"):
                    enter(entry.path, real)
                    break
                links_inside.append((entry.path, real))
            elif _is_image(entry, tally):
                yield entry.path
        else:
            stack.pop()
            while links_inside and not stack:  # what is left leads to folders that are passed over, such as hidden ones
                enter(*links_inside.pop(0))


def _is_image(entry: os.DirEntry[str], tally: Tally) -> bool:
    """Tell images by name, and files with other names by their first bytes.

    What is named like an image is listed whatever it is (a link that leads nowhere, a pipe), to be rejected with a reason.
    """
    if entry.name.lower().endswith(IMAGE_SUFFIXES):
        return True
    try:
        # Only regular files are opened: a pipe would block for ever.
        if entry.is_file():
            with Path(entry.path).open("rb") as file:
                if sniff_format(file.read(SNIFF_BYTES)) is not None:
                    return True
    except OSError:
        pass  # unreadable and not named like an image: counted with the other files below
    if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - one call less an entry
        tally.dangling.add(entry.path)  # it may have been a class folder, on a disk that is not there
    else:
        tally.skipped[Path(entry.name).suffix.lower() or "no suffix"] += 1
    return False
