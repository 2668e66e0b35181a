"""The lookup gives the answers of a plain dict."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from featx.store.shards.lookup import RowLookup
from featx.system.digests import as_digests

Key = tuple[bytes, int]

# Few beginnings and few endings, so that equal keys and keys equal in their first 8 bytes both turn up all the time.
BEGINNINGS = st.sampled_from([b"\0" * 8, b"\xff" * 8, b"featx   ", bytes(range(8)), b"\0" * 7 + b"\1"])
ENDINGS = st.sampled_from([b"\0" * 24, b"\0" * 23 + b"\1", b"\xff" * 24, bytes(range(24))])
DIGESTS = st.builds(bytes.__add__, BEGINNINGS, ENDINGS) | st.binary(min_size=32, max_size=32)
KEYS = st.tuples(DIGESTS, st.integers(0, 3) | st.integers(0, 2**62))


def columns_of(keys: list[Key]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return digests and views as arrays."""
    return as_digests([digest for digest, _ in keys]), np.array([view for _, view in keys], np.int64)


def find_all(stored: list[Key], asked: list[Key]) -> list[int]:
    """Run one lookup."""
    found = RowLookup(*columns_of(stored)).find(*columns_of(asked))
    assert found.dtype == np.int64
    return found.tolist()


@settings(max_examples=300, deadline=None)
@given(stored=st.lists(KEYS, max_size=30), others=st.lists(KEYS, max_size=10))
def test_answers_equal_a_dict(stored: list[Key], others: list[Key]) -> None:
    """Present and absent keys, in any order: the first row of a key, or -1."""
    first: dict[Key, int] = {}
    for row, key in enumerate(stored):
        first.setdefault(key, row)
    asked = [*others, *reversed(stored)]
    assert find_all(stored, asked) == [first.get(key, -1) for key in asked]


@settings(max_examples=200, deadline=None)
@given(batches=st.lists(st.lists(KEYS, max_size=9), max_size=12), others=st.lists(KEYS, max_size=5))
def test_rows_added_in_batches_are_found_like_all_at_once(batches: list[list[Key]], others: list[Key]) -> None:
    """However the rows come in, of equal keys the first row of all is the answer."""
    stored = [key for batch in batches for key in batch]
    lookup = RowLookup(*columns_of([]))
    for batch in batches:
        lookup.add(*columns_of(batch))
    asked = [*others, *reversed(stored)]
    assert lookup.find(*columns_of(asked)).tolist() == find_all(stored, asked)


def test_adding_sorts_each_row_a_few_times() -> None:
    """A thousand batches of one size: every row is sorted at most a dozen times, not a thousand."""
    lookup, n_sorted = RowLookup(*columns_of([])), 0
    for number in range(1000):
        lookup.add(*columns_of([(number.to_bytes(32, "big"), 0)]))
        n_sorted += len(lookup._runs[-1])
    assert n_sorted < 12 * 1000
    assert len(lookup._runs) < 12
    assert lookup.find(*columns_of([(number.to_bytes(32, "big"), 0) for number in range(1001)])).tolist() == [*range(1000), -1]


def test_keys_that_share_eight_bytes_are_told_apart() -> None:
    """Two hundred digests with one beginning, and one more that nobody stored."""
    stored = [(b"same 8 b" + number.to_bytes(24, "big"), 0) for number in range(200)]
    asked = [*reversed(stored), (b"same 8 b" + (200).to_bytes(24, "big"), 0)]
    assert find_all(stored, asked) == [*reversed(range(200)), -1]


def test_views_of_one_image_are_different_rows() -> None:
    """The key is the digest and the view together."""
    digest = b"d" * 32
    stored = [(digest, 2), (digest, 0), (digest, 1)]
    assert find_all(stored, [(digest, 0), (digest, 1), (digest, 2), (digest, 3)]) == [1, 2, 0, -1]


def test_the_first_of_two_equal_keys_wins() -> None:
    """Two writers that did the same work leave one answer, the same every time."""
    a, b = (b"a" * 32, 0), (b"b" * 32, 0)
    assert find_all([b, a, a, b, a], [a, b]) == [1, 0]


def test_keys_whose_sort_keys_collide_by_their_views_are_told_apart() -> None:
    """Another view of another image may sort to the same 8 bytes; it is another row all the same."""
    step = 0x9E3779B97F4A7C15
    plain = (b"\0" * 32, 1)
    collides = (step.to_bytes(8, "little") + b"\0" * 24, 0)
    assert find_all([plain], [collides]) == [-1]
    assert find_all([collides, plain], [plain, collides]) == [1, 0]


def test_nothing_is_found_among_no_rows() -> None:
    """An empty cache has none of the keys, and no keys have no answers."""
    assert find_all([], [(b"a" * 32, 0), (b"\xff" * 32, 5)]) == [-1, -1]
    assert find_all([(b"a" * 32, 0)], []) == []
    assert find_all([], []) == []
