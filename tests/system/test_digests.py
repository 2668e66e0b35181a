"""Which contents are alike: the answers of plain dicts and sets, whatever the digests."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.system.digests import are_among, as_digests, first_alike

# Few beginnings, so that digests which are equal in their first 8 bytes alone turn up all the time.
BEGINNINGS = st.sampled_from([b"\0" * 8, b"\xff" * 8, b"featx   "])
ENDINGS = st.sampled_from([b"\0" * 24, b"\0" * 23 + b"\1", bytes(range(24))])
DIGESTS = st.lists(st.builds(bytes.__add__, BEGINNINGS, ENDINGS) | st.binary(min_size=32, max_size=32), max_size=30)


@settings(max_examples=300, deadline=None)
@given(digests=DIGESTS)
def test_each_digest_leads_to_the_first_like_it(digests: list[bytes]) -> None:
    """As ``list.index`` says."""
    found = first_alike(as_digests(digests))
    assert found.tolist() == [digests.index(digest) for digest in digests]


@settings(max_examples=200, deadline=None)
@given(digests=DIGESTS, others=DIGESTS)
def test_membership_is_that_of_a_set(digests: list[bytes], others: list[bytes]) -> None:
    """As ``in`` says of a set."""
    assert are_among(as_digests(digests), as_digests(others)).tolist() == [digest in set(others) for digest in digests]


def test_digests_are_stacked_once() -> None:
    """Bytes become rows; an array is returned as it is."""
    rows = as_digests([b"a" * 32, b"b" * 32])
    assert (rows == [[97] * 32, [98] * 32]).all()
    assert as_digests(rows) is rows
    assert as_digests([]).shape == (0, 32)
    assert np.shares_memory(as_digests(rows[1:]), rows)
