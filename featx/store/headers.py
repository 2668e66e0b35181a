"""What HDF5's object headers say, which its library does not tell: in which of its formats a dataset or group is stored.

A file of the newest superblock may still hold groups and indexes of chunks in the oldest format. These have no checksums, and
changed ones crash the library.

References
----------
HDF5 File Format Specification 3.0, IV.A.1.b "Version 2 Data Object Header Prefix" and IV.A.2 "Data Object Header Messages".
"""

from collections.abc import Iterator

from featx.system.regular import read_at

_LAYOUT, _CONTINUATION, _SYMBOL_TABLE = 0x08, 0x10, 0x11
_CHUNKED = 2
_OLDEST_WITHOUT_TREES = 4
"""Version of the layout message from which on the index of chunks is no B-tree of version 1."""

_MOST_BYTES = 1 << 20
_MOST_BLOCKS = 100


def old_format(descriptor: int, address: int) -> str:
    """Return what an object has in a format without checksums, or an empty text.

    Parameters
    ----------
    descriptor : int
        Of the file.
    address : int
        Where the object's header begins.

    Raises
    ------
    ValueError
        If no header of an object is there.
    """
    head = read_at(descriptor, 64, address)
    if head[:5] != b"OHDR\2":
        return "a header of an older format"
    for kind, message in _messages(descriptor, address, head):
        if kind == _SYMBOL_TABLE:
            return "a group of an older format"
        if kind == _LAYOUT and message[1:2] == bytes([_CHUNKED]) and message[0] < _OLDEST_WITHOUT_TREES:
            return "an index of chunks of an older format"
    return ""


def _messages(descriptor: int, address: int, head: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of each message of a header, in all its blocks."""
    flags = head[5]
    begins = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(head[begins : begins + width], "little")
    blocks = [(address + begins + width, size)]
    read = 0
    while blocks and read < _MOST_BLOCKS:
        at, length = blocks.pop()
        read += 1
        if length > _MOST_BYTES:
            raise ValueError(f"the header of an object is {length} bytes long")
        block, place = read_at(descriptor, length, at), 0
        while place + 4 <= len(block):
            kind, n_bytes = block[place], int.from_bytes(block[place + 1 : place + 3], "little")
            place += 6 if flags & 4 else 4
            message = block[place : place + n_bytes]
            place += n_bytes
            if kind == _CONTINUATION and len(message) >= 16:
                where, whole = int.from_bytes(message[:8], "little"), int.from_bytes(message[8:16], "little")
                blocks.append((where + 4, max(0, whole - 8)))  # between "OCHK" and a checksum
            yield kind, message
