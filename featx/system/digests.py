"""Digests: of JSON values, and of the contents of many files at once, without a Python object for each."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.system.files import DIGEST_BYTES

Digests = NDArray[np.uint8]
"""Content digests, an array of shape (n, 32)."""


def json_digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, in hexadecimal; the order of an object's keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def as_digests(digests: Sequence[bytes] | Digests) -> Digests:
    """Stack digests into an array of shape (n, 32), uint8; one that is such an array already is returned as it is."""
    if isinstance(digests, np.ndarray):
        return digests
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


def first_bytes(digests: Digests) -> NDArray[np.uint64]:
    """Return the first eight bytes of each digest as a number (n,): enough to tell nearly all apart, and quick to sort."""
    return np.ascontiguousarray(digests[:, :8]).view(np.uint64).reshape(-1)


def first_alike(digests: Digests) -> NDArray[np.int64]:
    """Return for each digest the position of the first that is equal to it: its own where none stands before, shape (n,)."""
    first = np.arange(len(digests))
    short = first_bytes(digests)
    order = np.argsort(short, kind="stable")
    short = short[order]
    again = short[1:] == short[:-1]
    if not again.any():
        return first
    if (digests[order[1:][again]] == digests[order[:-1][again]]).all():
        starts = np.flatnonzero(np.concatenate([[True], ~again]))
        first[order] = np.repeat(order[starts], np.diff([*starts, len(order)]))
        return first
    # Different contents whose digests begin alike: files made on purpose.
    _, at, which = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    return at[which.reshape(-1)]


def are_among(digests: Digests, others: Digests) -> NDArray[np.bool_]:
    """Return for each digest whether it is among the others, shape (n,)."""
    together: NDArray[np.bool_] = first_alike(np.concatenate([others, digests]))[len(others) :] < len(others)
    return together
