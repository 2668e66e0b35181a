"""The bundled sample images: 800 of Fashion-MNIST in ten classes (MIT licence, see README.md beside this file)."""

import contextlib
import dataclasses
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featx.errors import OutputError
from featx.system.durable import delete, make_folder
from featx.system.files import is_temporary, reading_from, replacing, writing_to
from featx.system.outputs import refuse_address
from featx.system.paths import StrPath, as_path
from featx.system.regular import read_regular
from featx.system.results import Result

ARCHIVE = Path(__file__).with_name("fashion-mnist-sample.zip")

# The images are 28 px; three cells of VGG16's last layer a side keep the demo under a minute on two cores.
IMAGE_SIZE = (96, 96)

_THREADS = 16


@dataclasses.dataclass(frozen=True, repr=False)
class SampleResult(Result):
    """What was unpacked.

    Parameters
    ----------
    folder : Path
        Where the images are.
    images, classes : int
        Number of images, and of their classes.
    """

    folder: Path
    images: int
    classes: int


def unpack_sample(folder: StrPath) -> SampleResult:
    """Write the sample as ``folder/train/<class>/…`` and ``folder/test/<class>/…``.

    Files that are already there with the same content are left alone; what a killed run left half-written is written anew.

    Raises
    ------
    OutputError
        If the folder holds anything but an earlier sample, or cannot be written.

    Examples
    --------
    >>> result = featx.unpack_sample("sample")
    >>> result.images, result.classes
    (800, 10)
    """
    folder = as_path("folder", folder, OutputError)
    refuse_address(folder)
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = archive.namelist()
        leftovers = _refuse_foreign(folder, names)
        contents = [(folder / name, archive.read(name)) for name in names]
        classes = {path.parent.name for path, _ in contents}
        with writing_to(folder, "Give another folder."):
            for place in dict.fromkeys(path.parent for path, _ in contents):
                make_folder(place)
        # Several at a time: nearly all of it is waiting for the disk, which forces many files in hardly more time than one.
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(_write_new, *zip(*contents, strict=True)))
    with contextlib.suppress(OSError):  # hidden, and so no images to anybody
        delete(*leftovers)
    return SampleResult(folder, len(names), len(classes))


def _refuse_foreign(folder: Path, names: list[str]) -> list[Path]:
    """Refuse a folder with other things in it: 800 pictures of clothes among a user's own would be hard to get out.

    Returns
    -------
    leftovers : list of Path
        Unfinished files of a killed run.
    """
    own = {folder / name for name in names}
    places = {path.parent for path in own}
    leftovers = []
    with reading_from(folder, "Give another folder.", OutputError):
        for path in folder.rglob("*"):
            if path in own or not path.is_file():
                continue
            if not (is_temporary(path.name) and path.parent in places):
                raise OutputError(
                    f"{folder}: holds {path.relative_to(folder)}, which is not of the sample. Give another, empty folder."
                )
            leftovers.append(path)
    return leftovers


def _write_new(path: Path, content: bytes) -> None:
    with writing_to(path, "Give another folder."):
        found = read_regular(path) if path.exists() else b""
        if found == content:
            return
        if not content.startswith(found):  # the beginning alone is what a machine that went down leaves
            raise OutputError(f"{path}: exists and is not the sample's image. Give another, empty folder.")
        with replacing(path) as temporary:  # a killed run must not leave half an image under a final name
            temporary.write_bytes(content)
