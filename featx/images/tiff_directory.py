"""A TIFF's directories, and a way to let Pillow's libtiff unpack samples that Pillow itself has no mode for."""

import dataclasses
import struct
from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
OFFSETS, ORIENTATION, CHANNELS, ROWS_A_STRIP, SIZES, PLANES, PREDICTOR = 273, 274, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES, INSIDE = 322, 323, 324, 325, 330
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, SUBFILE, DNG_VERSION, PROFILE = 332, 338, 339, 347, 254, 50706, 34675
"""Tags (TIFF 6.0; DNG 1.7)."""

WANTED = frozenset(
    {WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, OFFSETS, ORIENTATION, CHANNELS, ROWS_A_STRIP, SIZES, PLANES}
    | {PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES, INSIDE, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, SUBFILE}
    | {JPEG_TABLES, DNG_VERSION, PROFILE}
)
_KIND = frozenset({SUBFILE})

# Letters of struct for whole numbers, by type: 1, 2, 4 and 8 bytes, offsets of directories, bytes of no meaning.
_LETTERS = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_LONG = 4

# A sound directory has some twenty entries, and strips of a few rows; what has more of either is left alone.
_MOST_ENTRIES = 4096
_MOST_DIRECTORIES = 100_000


@dataclasses.dataclass(frozen=True)
class Directory:
    """The whole-numbered tags of one page.

    Parameters
    ----------
    tags : dict of int to tuple of int
        Their values; bytes of no meaning are numbers too.
    following : int
        Where the next page's directory is; 0 behind the last.
    """

    tags: Mapping[int, tuple[int, ...]]
    following: int

    def get(self, tag: int, default: int) -> int:
        """Return a tag's only or first value."""
        return self.tags.get(tag, (default,))[0]


class Layout:
    """How a TIFF writes its numbers.

    Parameters
    ----------
    data : bytes
        The file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = data[2:4] in (b"+\0", b"\0+")
        try:
            self.first = self._number(8, "Q") if self.big else self._number(4, "I")
        except struct.error:
            self.first = 0

    def _number(self, at: int, letter: str) -> int:
        number: int = struct.unpack_from(self.order + letter, self.data, at)[0]
        return number

    def directory(self, at: int, wanted: frozenset[int] = WANTED) -> Directory:
        """Read some tags of one directory; of a tag that stands twice the first.

        Raises
        ------
        ValueError
            If there is none at this place.
        """
        count, word, entry = ("Q", "Q", 20) if self.big else ("H", "I", 12)
        try:
            n_entries, at = self._number(at, count), at + struct.calcsize(count)
            if not 0 < n_entries <= _MOST_ENTRIES:
                raise ValueError
            tags: dict[int, tuple[int, ...]] = {}
            for place in range(at, at + n_entries * entry, entry):
                tag, kind, length = struct.unpack_from(f"{self.order}HH{word}", self.data, place)
                letter, value = _LETTERS.get(kind), place + entry - struct.calcsize(word)
                # Only what is wanted, and once: a hostile file may let a thousand tags be as long as itself.
                if letter and tag in wanted - tags.keys() and 0 < length <= len(self.data):
                    size = length * struct.calcsize(letter)
                    start = value if size <= struct.calcsize(word) else self._number(value, word)
                    tags[tag] = struct.unpack_from(f"{self.order}{length}{letter}", self.data, start)
            return Directory(tags, self._number(at + n_entries * entry, word))
        except struct.error:
            raise ValueError from None

    def directories(self) -> Iterator[Directory]:
        """Yield the directory of each page, of the later ones their kind alone, until one is damaged or was there before."""
        at, seen = self.first, set[int]()
        while at and at not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(at)
            try:
                directory = self.directory(at, _KIND if len(seen) > 1 else WANTED)
            except ValueError:
                return
            yield directory
            at = directory.following

    def inside(self, directory: Directory) -> Iterator[Directory]:
        """Yield the directories that one refers to as parts of itself."""
        for at in directory.tags.get(INSIDE, ())[:100]:
            try:
                yield self.directory(at)
            except ValueError:
                return

    def with_page(self, tags: Mapping[int, Sequence[int]]) -> bytes:
        """Return the file with another first page, of which the directory stands behind everything.

        It is a classic TIFF whatever the file was: Pillow does not read big ones with the highest byte first.
        """
        data, entries = self.data + bytes(len(self.data) % 2), b""
        for tag, values in sorted(tags.items()):
            body = struct.pack(f"{self.order}{len(values)}I", *values)
            if len(body) > 4:
                data, body = data + body, struct.pack(self.order + "I", len(data))
            entries += struct.pack(f"{self.order}HHI", tag, _LONG, len(values)) + body
        head = data[:2] + struct.pack(self.order + "HI", 42, len(data))
        return head + data[len(head) :] + struct.pack(self.order + "H", len(tags)) + entries + bytes(4)
