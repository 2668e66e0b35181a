"""What a benchmark of speed hands back, and RESULTS.json and RESULTS.md made of it."""

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROUNDS = 5

_LIBRARIES = (
    "tensorflow",
    "keras",
    "jax",
    "torch",
    "numpy",
    "scikit-learn",
    "h5py",
    "pillow",
    "onnxruntime",
    "openvino",
    "nncf",
    "ncnn",
)

_HEADER = """# What was measured

Written by `python -m benchmarks`; the figures behind it stand in `RESULTS.json`. Ratios are medians of those within one round:
everything compared runs in turn, one at a time.
"""


@dataclasses.dataclass(frozen=True)
class Target:
    """What was aimed at, and what came out.

    Parameters
    ----------
    what : str
        Which figure.
    aim : float
        What it should be at least, or at most.
    found : float or None
        What was measured; None where it could not be.
    at_least : bool
        Whether more is better.
    unit : str
        Follows both numbers.
    """

    what: str
    aim: float
    found: float | None
    at_least: bool = True
    unit: str = "×"

    @property
    def met(self) -> bool | None:
        """Whether the aim was reached; None where nothing was measured."""
        if self.found is None:
            return None
        return bool(self.found >= self.aim if self.at_least else self.found <= self.aim)

    def row(self) -> list[str]:
        """Return the cells of a table: figure, aim, what was measured, verdict."""
        found = "–" if self.found is None else f"{self.found:.{_decimals(self.found)}f}{self.unit}"
        verdict = {True: "met", False: "missed", None: "not measured"}[self.met]
        return [self.what, f"{'≥' if self.at_least else '≤'} {self.aim:g}{self.unit}", found, verdict]


def _decimals(value: float) -> int:
    """Return how many decimals three figures take, so that a value just below its aim is not shown as the aim."""
    return 1 if abs(value) >= 10 else 2 if abs(value) >= 2 else 3


@dataclasses.dataclass(frozen=True)
class Section:
    """One benchmark's results.

    Parameters
    ----------
    name : str
        What ``--only`` takes.
    title : str
        Heading.
    command : str
        Gives this section alone.
    columns : sequence of str
        Heads of the table.
    rows : sequence of sequence of str
        Its cells.
    targets : sequence of Target
        Aims, and whether they were met.
    notes : sequence of str
        What is compared with what; a paragraph each.
    figures : dict
        Everything measured, of JSON types.
    """

    name: str
    title: str
    command: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types; each target says whether it was met."""
        return dataclasses.asdict(self) | {"targets": [dataclasses.asdict(one) | {"met": one.met} for one in self.targets]}


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios within each round: what slows a whole round down slows both."""
    return statistics.median(above / below for above, below in zip(numerators, denominators, strict=True))


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Write the median, and the smallest and the largest behind it."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> dict[str, Any]:
    """Return processor, cores that this process may use, and memory [GB]."""
    from featx.system.cores import available_cores

    try:
        info = Path("/proc/cpuinfo").read_text("utf-8")
        names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    except OSError:
        names = []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": names[0] if names else platform.processor(), "cores": available_cores(), "memory_gb": round(memory)}


def versions() -> dict[str, str]:
    """Return the versions of featx, Python and the libraries that are installed, by name."""
    import featx

    found = {"featx": featx.__version__, "Python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def dated(section: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Add when, on what and how long a section was measured."""
    now = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    return section | {"date": f"{now} UTC", "seconds": round(seconds), "machine": machine(), "versions": versions()}


def merge(folder: Path, sections: Sequence[dict[str, Any]], order: Sequence[str]) -> None:
    """Put sections into RESULTS.json in place of earlier ones of the same name, and write RESULTS.md anew from it.

    Parameters
    ----------
    folder : Path
        Where the two files are, or are to be.
    sections : sequence of dict
        From ``dated``.
    order : sequence of str
        Names of all sections, in the order of the page.

    Raises
    ------
    SystemExit
        If a RESULTS.json is there that is something else.
    """
    document, page = folder / "RESULTS.json", folder / "RESULTS.md"
    held: dict[str, Any] = {}
    if document.exists():
        try:
            held = {section["name"]: section for section in json.loads(document.read_text("utf-8"))["sections"]}
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"{document}: exists and holds no results of benchmarks. Give another --out.") from error
    held |= {section["name"]: section for section in sections}
    ordered = [held[name] for name in (*order, *(set(held) - set(order))) if name in held]
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in ((document, json.dumps({"sections": ordered}, indent=1) + "\n"), (page, render(ordered))):
        temporary = path.with_suffix(".part")
        temporary.write_text(text, "utf-8")
        temporary.replace(path)


def render(sections: Sequence[dict[str, Any]]) -> str:
    """Return the page: machine and versions once, of the newest section, and again below each that differs."""
    newest = max(sections, key=lambda section: str(section["date"]))
    lines = [_HEADER, _say_setting(newest), ""]
    aims = [[f"[{s['title']}](#{_anchor(s['title'])})", *Target(**_plain(one)).row()] for s in sections for one in s["targets"]]
    if aims:
        lines += ["## Aims", "", markdown_table(["section", "figure", "aim", "measured", ""], aims), ""]
    for section in sections:
        took = "put together from several runs" if section["seconds"] is None else f"took {section['seconds']} s"
        lines += [f"## {section['title']}", "", f"`{section['command']}` · {section['date']} · {took}", ""]
        if (section["machine"], section["versions"]) != (newest["machine"], newest["versions"]):
            lines += [_say_setting(section), ""]
        lines += [body(section), ""]
    return "\n".join(lines)


def body(section: dict[str, Any]) -> str:
    """Return a section's tables and notes, without its heading."""
    parts = [markdown_table(section["columns"], section["rows"])] if section["rows"] else []
    if section["targets"]:
        rows = [Target(**_plain(one)).row() for one in section["targets"]]
        parts.append(markdown_table(["figure", "aim", "measured", ""], rows))
    return "\n\n".join([*parts, *section["notes"]])


def _plain(target: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in target.items() if name != "met"}


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def _say_setting(section: dict[str, Any]) -> str:
    of = section["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    return f"{of['processor']}, {of['cores']} cores, {of['memory_gb']} GB. {libraries}."


def run(measure: Callable[..., Section], doc: str | None, **sizes: int) -> None:
    """Run one benchmark as a command: print its section; with ``--json`` write it down too.

    Parameters
    ----------
    measure : callable
        Takes whether to be quick, a folder, and the sizes by name.
    doc : str
        Of the module.
    **sizes
        Options with their defaults.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works, not to measure")
    parser.add_argument("--work", type=Path, help="a folder for images and caches, kept for other benchmarks  [default: none]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    for size, default in sizes.items():
        parser.add_argument(f"--{size}", type=int, default=default, help="[default: %(default)s]")
    chosen = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="featx-benchmark-") as temporary:
        work = (chosen.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        measured = measure(chosen.quick, work, **{size: getattr(chosen, size) for size in sizes})
    section = dated(measured.to_dict(), time.monotonic() - started)
    if chosen.json:
        chosen.json.write_text(json.dumps(section, default=lambda value: value.item()), "utf-8")  # NumPy's numbers
    print(f"{section['title']}\n\n{body(section)}\n\n{_say_setting(section)} Took {section['seconds']} s.")
