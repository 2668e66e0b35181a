"""How much memory is left, asked before it is needed: a process that takes more is ended by the system without a word."""

import contextlib
from pathlib import Path

from featx.errors import HeadError

_MEMINFO = Path("/proc/meminfo")
_STATM = Path("/proc/self/statm")

# What a container may take, under version 2 and version 1 of Linux' control groups: limit, use, and what of that are cached
# files, which the system gives back when it is asked for memory.
_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory.stat")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.stat"),
    ),
)
_CACHED = ("inactive_file", "active_file")


def memory_at_hand() -> int | None:
    """Return how many bytes this process may still take; None where the system reports none.

    A container's limit counts, and the process' own (``ulimit -v``).
    """
    free = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        line = next((line for line in _MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:")), "")
        free.append(int(line.split()[1]) * 1024)
    for limit, used, parts in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
            free.append(int(limit.read_text()) - int(used.read_text()) + _cached(parts))
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource  # not on Windows

        limit_of_addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit_of_addresses != resource.RLIM_INFINITY:
            free.append(limit_of_addresses - int(_STATM.read_text().split()[0]) * resource.getpagesize())
    return min(free, default=None)


def _cached(parts: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        counts = dict(line.split() for line in parts.read_text().splitlines())
        return sum(int(counts.get(name, 0)) for name in _CACHED)
    return 0


def check_memory(n_bytes: int, what: str, advice: str) -> None:
    """Refuse what would not fit.

    Parameters
    ----------
    n_bytes : int
        What it takes at its peak.
    what : str
        What needs them, as in "what needs 12 GB of memory".
    advice : str
        What to do instead; a sentence.

    Raises
    ------
    HeadError
        If there is not as much.
    """
    left = memory_at_hand()
    if left is not None and n_bytes > left:
        raise HeadError(f"{what} needs {n_bytes / 1e9:.1f} GB of memory, and {max(left, 0) / 1e9:.1f} GB are left. {advice}")
