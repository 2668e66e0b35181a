"""How much memory is at hand."""

from pathlib import Path

# What a container may take, under version 2 and version 1 of Linux' control groups: limit and use.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
_WHERE_NOT_TOLD = 4_000_000_000


def available_memory() -> int:
    """Return how much memory this process may still take [bytes].

    What the system has available, or what is left of the container's limit, whichever is less. Where the system does not
    tell, 4 GB are assumed.
    """
    found = [_available_in_system(), *(_left_in_group(limit, used) for limit, used in _GROUPS)]
    return min((one for one in found if one is not None), default=_WHERE_NOT_TOLD)


def _available_in_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    kibibytes = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return kibibytes[0] * 1024 if kibibytes else None


def _left_in_group(limit: str, used: str) -> int | None:
    try:
        return max(0, int(Path(limit).read_text("ascii")) - int(Path(used).read_text("ascii")))
    except (OSError, ValueError):  # no such group, or "max"
        return None
