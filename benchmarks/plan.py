"""What many images cost: ``python -m benchmarks.plan``; the table of docs/explain/scale.md, computed from measured rates.

Nothing is run here. Where a rate changes, change it in ``MEASURED`` and make the table again.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Rates:
    """What was measured, on two cores without a GPU; where each comes from stands in docs/explain/figures.md.

    Parameters
    ----------
    float32, int8 : float
        Images that go through decoding and VGG16 in a second, at 224 px.
    listing : float
        Seconds an image of a second extract in which nothing has changed.
    ridge : float
        Seconds a row of 512 features of a ridge fit.
    stored : float
        Bytes an image of features.
    held, base : float
        Bytes an image that the process needs which lists and extracts, and bytes beside these.
    """

    float32: float = 10.3
    int8: float = 37.8
    listing: float = 14e-6
    ridge: float = 27e-6
    stored: float = 14.1e3
    held: float = 680.0
    base: float = 60e6


@dataclasses.dataclass(frozen=True)
class Machine:
    """What one machine has, and how long its owner waits."""

    memory: float = 24e9
    disk: float = 1e12
    patience: float = 86_400.0


MEASURED = Rates()
HERE = Machine()
SIZES = tuple(10**power for power in range(4, 10))


def first_bottleneck(n_images: int, rates: Rates, machine: Machine) -> tuple[str, str]:
    """Return what gives out first on one machine, and what to do then."""
    days = n_images / rates.int8 / machine.patience
    if held_bytes(n_images, rates) > machine.memory:
        share = int(machine.memory / 2 / rates.held)
        parts = -(-n_images // 10 ** (len(str(share)) - 1))
        return (
            "memory of the listing",
            f"{parts:,} manifests, a cache and a machine for each, {days / parts:.1g} days with int8",
        )
    if n_images / rates.float32 > machine.patience:
        if days <= 1:
            return "time in the backbone", "--precision int8, or a GPU"
        return "time in the backbone", f"int8 and --part on {round(3 * days)} machines: 8 hours; or a GPU"
    if n_images * rates.stored > machine.disk:
        return "disk", "another disk"
    if n_images / rates.float32 > machine.patience / 24:
        return "time in the backbone", "one night, or --precision int8"
    return "none", "nothing"


def held_bytes(n_images: int, rates: Rates) -> float:
    """Return what the listing process needs at its peak [bytes]."""
    return rates.base + rates.held * n_images


def said_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    for unit, length in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}" if seconds < 1000 * length else f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def said_bytes(n_bytes: float) -> str:
    """Return a size in the unit that suits it."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= 0.5 * size:
            return f"{n_bytes / size:.2g} {unit}" if n_bytes < 10 * size else f"{n_bytes / size:.0f} {unit}"
    return f"{n_bytes / 1e6:.0f} MB"


def table(rates: Rates = MEASURED, machine: Machine = HERE) -> str:
    """Return the table in Markdown."""
    lines = [
        "| images | backbone, float32 | int8 | features | nothing new | its memory | ridge | first to give out | then |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for n_images in SIZES:
        cells = (
            f"{n_images:,}",
            said_seconds(n_images / rates.float32),
            said_seconds(n_images / rates.int8),
            said_bytes(n_images * rates.stored),
            said_seconds(n_images * rates.listing),
            said_bytes(held_bytes(n_images, rates)),
            said_seconds(n_images * rates.ridge),
            *first_bottleneck(n_images, rates, machine),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
