"""Items made ahead are the same items, and come with the same errors."""

import threading
from collections.abc import Iterator

import pytest

from featx.system.ahead import one_ahead


def counted(n: int, made: list[int]) -> Iterator[int]:
    """Yield numbers and keep which were made."""
    for number in range(n):
        made.append(number)
        yield number


@pytest.mark.parametrize("n", [0, 1, 7])
def test_items_come_in_their_order(n: int) -> None:
    """All of them, once."""
    assert list(one_ahead(counted(n, []))) == list(range(n))


def test_the_next_item_is_made_while_one_is_worked_on_and_no_more() -> None:
    """In another thread; what is two ahead would take memory."""
    wanted, threads = threading.Event(), set()

    def items() -> Iterator[int]:
        for number in range(5):
            threads.add(threading.get_ident())
            if number == 1:
                wanted.set()
            assert number < 2 or released.is_set(), "made too early"
            yield number

    released = threading.Event()
    coming = one_ahead(items())
    assert next(coming) == 0
    assert wanted.wait(10)
    released.set()
    assert list(coming) == [1, 2, 3, 4]
    assert threading.get_ident() not in threads


def test_an_error_comes_when_its_item_would() -> None:
    """Not earlier, and as it was raised."""

    def items() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    coming = one_ahead(items())
    assert next(coming) == 1
    with pytest.raises(OSError, match="no more"):
        next(coming)


def test_nothing_goes_on_once_the_caller_has_stopped() -> None:
    """No thread is left, and no more is made."""
    made: list[int] = []
    before = threading.active_count()
    coming = one_ahead(counted(1000, made))
    next(coming)
    coming.close()  # type: ignore[attr-defined] # it is a generator
    assert threading.active_count() == before
    assert len(made) <= 2
