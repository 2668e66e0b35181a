"""How many cores there are for this process."""

import contextlib
import math
import os
from pathlib import Path

# How much time a container gets of how much that passes, under version 2 and version 1 of Linux' control groups [µs].
_SHARES = (
    (Path("/sys/fs/cgroup/cpu.max"),),
    (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")),
)


def available_cores() -> int:
    """Return how many cores this process may use, at least one; a container's limit counts, where the system reports it.

    ``joblib.cpu_count`` looks at the same, but importing joblib takes a quarter of a second, which a prediction has no need of.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in _SHARES:
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # "max" is no number: no limit
            time, of = (int(number) for file in files for number in file.read_text().split())
            if time > 0:  # version 1 reports -1 for no limit
                cores = min(cores, math.ceil(time / of))
    return max(cores, 1)


def threads_told() -> int:
    """Return how many threads ``OMP_NUM_THREADS`` allows, at most one for each core; 0 where it says nothing.

    For libraries that do not look at it by themselves. One that is given tens of thousands would try to start them.
    """
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(available_cores(), int(told)) if told.isdecimal() else 0
