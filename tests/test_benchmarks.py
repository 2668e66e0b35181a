"""The benchmarks' own arithmetic and bookkeeping; what they measure, they measure when they are run."""

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.contenders import Contender, race
from benchmarks.demo import Clocks
from benchmarks.memory import resident_bytes
from benchmarks.sections import Section, Target, merge, ratio, spread
from benchmarks.tutorial import keras_seconds

FOLDER = Path(command.__file__).parent
SUPPORT = {
    *("__init__", "__main__", "contenders", "crashes", "forgery", "kills", "made", "planted", "readers", "replay", "scene"),
    *("sections", "strace", "targets", "tiny", "verbs", "victims"),
}


def made_section(name: str, value: str, date: str = "2026-01-01 12:00 UTC", processor: str = "this one") -> dict[str, Any]:
    """Return a section with one cell, as a benchmark hands it over."""
    section = Section(name, f"About {name}", f"python -m benchmarks.{name}", ("figure",), ((value,),))
    machine = {"processor": processor, "cores": 2, "memory_gb": 8}
    return section.to_dict() | {"date": date, "seconds": 1, "machine": machine, "versions": {"featx": "0.1.0"}}


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    """A round in which everything takes ten times as long changes nothing."""
    assert ratio([4, 40, 6, 4, 4], [2, 20, 2, 2, 2]) == 2
    assert ratio([2.0, 8.0], [1.0, 2.0]) == 3.0
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0])


def test_a_spread_shows_median_smallest_and_largest() -> None:
    """In that order."""
    assert spread([3, 1, 10], ".0f") == "3 (1 to 10)"


@pytest.mark.parametrize(
    ("aim", "found", "at_least", "met", "row"),
    [
        (3.8, 4.31, True, True, ["it", "≥ 3.8×", "4.31×", "met"]),
        (0.97, 0.969, True, False, ["it", "≥ 0.97×", "0.969×", "missed"]),
        (2.0, 1.97, False, True, ["it", "≤ 2×", "1.970×", "met"]),
        (1.05, 1.051, False, False, ["it", "≤ 1.05×", "1.051×", "missed"]),
        (12, None, True, None, ["it", "≥ 12×", "–", "not measured"]),
    ],
)
def test_an_aim_is_met_missed_or_not_measured(aim: float, found: float, at_least: bool, met: bool, row: list[str]) -> None:
    """Said plainly, with so many decimals that a miss never looks like the aim."""
    target = Target("it", aim, found, at_least)
    assert target.met is met
    assert target.row() == row


def test_sections_replace_their_own_and_keep_the_others(tmp_path: Path) -> None:
    """Each with its own date; the page holds what the JSON holds, in the order given."""
    order = ["first", "second", "third"]
    merge(tmp_path, [made_section("second", "old second"), made_section("first", "old first")], order)
    merge(tmp_path, [made_section("second", "new second", "2026-02-02 12:00 UTC")], order)
    page = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "old second" not in page
    assert page.index("| old first |") < page.index("| new second |")
    assert "2026-01-01" in page
    assert "2026-02-02" in page
    sections = json.loads((tmp_path / "RESULTS.json").read_text("utf-8"))["sections"]
    assert [(section["name"], section["rows"]) for section in sections] == [
        ("first", [["old first"]]),
        ("second", [["new second"]]),
    ]


def test_a_section_from_another_machine_says_so(tmp_path: Path) -> None:
    """The newest one's machine stands at the top; another's stands with its section alone."""
    there = made_section("gpu", "9", "2026-01-01 10:00 UTC", processor="another one")
    merge(tmp_path, [made_section("warm", "1"), there], ["warm", "gpu"])
    page = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert page.count("this one, 2 cores") == 1
    assert page.index("this one, 2 cores") < page.index("About warm")
    assert page.index("another one, 2 cores") > page.index("About gpu")


def test_a_file_that_is_not_of_benchmarks_is_left_alone(tmp_path: Path) -> None:
    """Somebody's own RESULTS.json is not replaced."""
    own = tmp_path / "RESULTS.json"
    own.write_text('{"mine": 1}')
    with pytest.raises(SystemExit, match="holds no results"):
        merge(tmp_path, [made_section("warm", "1")], ["warm"])
    assert own.read_text() == '{"mine": 1}'


def test_what_a_gpu_has_measured_stays_where_there_is_none(tmp_path: Path) -> None:
    """A section that says "not measured" may be replaced by one that says so again, figures may not."""
    merge(tmp_path, [command.not_measured("no GPU on this machine")], ["gpu"])
    assert "Not measured: no GPU on this machine." in (tmp_path / "RESULTS.md").read_text("utf-8")
    assert not command.held(tmp_path, "gpu")
    merge(tmp_path, [made_section("gpu", "1,000 images/s")], ["gpu"])
    assert command.held(tmp_path, "gpu")


def test_every_benchmark_is_listed_with_its_command() -> None:
    """A module is support, or the list names it, and its docstring's beginning gives the command that runs it."""
    modules = {path.stem for path in FOLDER.glob("*.py")} - SUPPORT
    assert modules == {parts[0] for parts in command.SPEED.values()} | set(command.OTHERS)
    listing = command.listing()
    for module in modules:
        doc = ast.get_docstring(ast.parse((FOLDER / f"{module}.py").read_text("utf-8"))) or ""
        assert f"python -m benchmarks.{module}" in doc.split("\n\n")[0] + doc.split("\n\n")[min(1, doc.count("\n\n"))], module
        assert f"  {module}" in listing or module in ("speed", "tutorial"), module


def test_epochs_that_were_not_run_are_computed_from_those_that_were() -> None:
    """From the later ones: the first compiles. The start-up and one look at the test images belong to every run."""
    assert keras_seconds(10, [30, 20, 22, 21, 20], [4, 3, 3], 5) == (10 + 113 + 3, False)
    assert keras_seconds(10, [30, 20, 22, 21, 20], [4, 3, 3], 7) == (10 + 113 + 2 * 20.5 + 3, True)
    assert keras_seconds(0, [30], [0], 2) == (60, True)


def test_the_error_of_a_paired_difference_is_that_of_the_images_it_changes() -> None:
    """No image classed otherwise: no error. Otherwise that of a mean of -1, 0 and 1 over the images."""
    from benchmarks.accuracy import paired_error  # here, not above: contenders import this module, and need no scikit-learn

    y = np.repeat([0, 1], 200)
    right = y.copy()
    assert paired_error(y, right[None], right[None]) == 0
    other = y.copy()
    other[::20] = 1 - other[::20]  # 1 in 20 wrong, in both classes alike
    expected = np.sqrt(0.05 * 0.95 / len(y))
    assert paired_error(y, right[None], other[None]) == pytest.approx(expected, rel=0.1)
    # Of two deals into folds, only one of which classes them otherwise, each such image changes by half.
    assert paired_error(y, np.array([right, right]), np.array([right, other])) == pytest.approx(expected / 2, rel=0.1)


def turns_of(start: int) -> Any:
    """Return a contender's turn that counts up from a number."""
    sys.stdout.write("a library that prints must not spoil the answers\n")
    values = iter(range(start, start + 100))
    return lambda: {"value": next(values)}


def failing() -> Any:
    """Fail as a contender does whose library is missing."""
    raise ImportError("no such library")


def test_contenders_take_turns_in_processes_of_their_own() -> None:
    """Each gets ready once and goes on where it stopped; another one begins each round."""
    order: list[str] = []
    with (
        Contender("tests.test_benchmarks:turns_of", start=10) as one,
        Contender("tests.test_benchmarks:turns_of", start=20) as two,
    ):

        def note(name: str, contender: Contender) -> Any:
            return lambda: order.append(name) or contender.go()

        found = race({"one": note("one", one), "two": note("two", two)}, rounds=2)
    assert [turn["value"] for turn in found["one"]] == [10, 11]
    assert [turn["value"] for turn in found["two"]] == [20, 21]
    assert all(turn["wall"] >= 0 for turn in found["one"])
    assert order == ["one", "two", "two", "one"]


def test_a_contender_that_fails_says_why() -> None:
    """Its traceback is in the error."""
    with pytest.raises(RuntimeError, match="no such library"):
        Contender("tests.test_benchmarks:failing")


def test_resident_memory_counts_the_processes_that_one_has_started() -> None:
    """Of this process, then with a contender beside it: the contender's memory is added."""
    alone = resident_bytes(os.getpid())
    assert alone > 10e6
    with Contender("tests.test_benchmarks:turns_of", start=0) as contender:
        both = resident_bytes(os.getpid())
        of_it = resident_bytes(contender._process.pid)
    assert of_it > 5e6
    assert both >= alone + 0.9 * of_it - 5e6


def test_a_clock_counts_a_part_without_the_parts_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes to the innermost part, and all of them together are all of it."""
    now = [0.0]
    monkeypatch.setattr("benchmarks.demo.time.monotonic", lambda: now[0])
    clocks = Clocks()
    now[0] = 1
    with clocks.part("outer"):
        now[0] = 3
        with clocks.part("inner"):
            now[0] = 7
        now[0] = 8
    now[0] = 10
    assert clocks.stop() == {"everything else": 3, "outer": 3, "inner": 4}
