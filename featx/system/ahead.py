"""What comes next is made while the caller works on what it has."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items in their order; a thread asks for the next one as soon as one is handed out.

    Parameters
    ----------
    items : iterator
        Its own work must leave Python's lock for anything to be gained. An error that it raises comes when its item would.
    """
    ended = object()
    with ThreadPoolExecutor(1, "featx-ahead") as pool:
        coming = pool.submit(next, items, ended)
        try:
            while (item := coming.result()) is not ended:
                coming = pool.submit(next, items, ended)
                yield item  # type: ignore[misc] # it is not the end
        finally:
            coming.cancel()
