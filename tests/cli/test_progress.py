"""How far a run is: lines in a log, a bar on a terminal, or nothing."""

import re
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from featx.cli import main
from featx.cli.progress import progress_options, show_epochs, show_progress


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time that the test set."""
        return self.now

    def time(self) -> float:
        """Return the time that the test set."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock that stands still into the module."""
    clock = Clock()
    monkeypatch.setattr("featx.cli.progress.time", clock)
    return clock


def run_steps(clock: Clock, steps: list[tuple[float, int]], total: int, *arguments: str) -> list[str]:
    """Return what is said on stderr of steps: seconds that each took, and how many it did."""

    @click.command()
    @progress_options
    def command() -> None:
        with show_progress() as progress:
            progress("extract", 0, total)
            for seconds, done in steps:
                clock.now += seconds
                progress("extract", done, total)

    result = CliRunner().invoke(command, list(arguments))
    assert result.exception is None
    assert result.stdout == ""
    return result.stderr.splitlines()


def test_a_line_a_minute_without_a_terminal_with_the_rate_and_what_is_left(clock: Clock) -> None:
    """What a log of a run of hours shows."""
    lines = run_steps(clock, [(20, 32)] + [(30, 1140)] * 4, 1_000_000)
    # The 20 s before the first batch are start-up: (2,312 - 32) / 60 s = 38, and 997,688 / 38 s = 7.3 h.
    assert lines == [
        "extract 2,312/1,000,000, 38 images/s, about 7 h left",
        "extract 4,592/1,000,000, 38 images/s, about 7 h left",
    ]


def test_a_line_every_5_percent_once_these_take_ten_seconds(clock: Clock) -> None:
    """A run of two minutes has some ten lines."""
    lines = run_steps(clock, [(1, 100)] * 100, 10_000)
    assert len(lines) == 10
    assert lines[0] == "extract 1,000/10,000, 100 images/s, about 2 min left"
    assert lines[-1] == "extract 10,000/10,000, 100 images/s, in 2 min"


def test_a_short_run_says_nothing(clock: Clock) -> None:
    """Five seconds need no line."""
    assert run_steps(clock, [(0.5, 50)] * 10, 500) == []


def test_no_rate_and_no_time_left_before_something_was_measured(clock: Clock) -> None:
    """The first batch alone has no rate: it took the start-up too."""
    (line,) = run_steps(clock, [(70, 8)], 100)
    assert line == "extract 8/100"


def test_what_was_said_to_be_going_on_is_ended_by_a_line(clock: Clock) -> None:
    """The last line has the whole time."""
    lines = run_steps(clock, [(10, 10), (55, 10), (1, 5)], 25)
    assert lines[-1] == "extract 25/25, 0.27 images/s, in 66 s"


@pytest.mark.parametrize("silent", [("--progress", "none"), ("-q",), ("--quiet",)])
def test_nothing_is_said_where_nothing_is_wanted(clock: Clock, silent: tuple[str, ...]) -> None:
    """Neither lines nor bars."""
    assert run_steps(clock, [(90, 10)] * 3, 100, *silent) == []


def test_quiet_with_lines_asked_for_says_them(clock: Clock) -> None:
    """The more exact option counts."""
    assert run_steps(clock, [(90, 10)], 100, "-q", "--progress", "lines") == ["extract 10/100"]


def test_a_bar_names_start_up_apart_and_has_no_rate_of_it() -> None:
    """The bar is there from the start, under another name until something is done."""

    @click.command()
    @progress_options
    def command() -> None:
        with show_progress() as progress:
            for seconds, done in [(0.0, 0), (1.0, 10), (0.25, 10), (0.25, 10)]:
                time.sleep(seconds)
                progress("extract", done, 100)

    said = CliRunner().invoke(command, ["--progress", "bar"]).stderr
    lines = [line for line in said.replace("\n", "\r").split("\r") if line.strip()]
    assert lines[0].startswith("extract: starting:   0%")
    assert not re.search(r"\d+\.\d+ images/s", lines[0])
    found = re.match(r"extract:  30%.* 30/100 .*?(\d+\.\d+) images/s", lines[-1])
    assert found
    # 20 images in half a second after the first ten; with the second before these it would be 20 a second.
    assert float(found[1]) > 21


def test_epochs_have_their_figures(clock: Clock) -> None:
    """The clock of epochs starts before the first of them."""

    @click.command()
    def command() -> None:
        with show_epochs() as on_epoch:
            for epoch in range(1, 4):
                clock.now += 61
                on_epoch(epoch, 50, {"loss": 1.0, "val_loss": 0.5 / epoch, "val_accuracy": 0.9})

    lines = CliRunner().invoke(command).stderr.splitlines()
    assert lines[0] == "epoch 1/50, val_loss 0.500, val_accuracy 0.900"
    assert lines[2] == "epoch 3/50, 0.016 epochs/s, about 48 min left, val_loss 0.167, val_accuracy 0.900"


def test_every_command_with_long_work_has_the_options() -> None:
    """By their names."""
    for name in ("extract", "fit", "evaluate", "predict", "compare", "finetune", "audit", "merge", "pack", "demo"):
        options = {option for parameter in main.commands[name].params for option in parameter.opts}
        assert {"--progress", "-q", "--quiet", "-v", "--verbose"} <= options, name


def test_quiet_leaves_out_which_cache_was_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("featx.store.find_cache", lambda folder: Path("cache/none"))
    said = [CliRunner().invoke(main, ["fit", *quiet]).stderr for quiet in ([], ["-q"])]
    assert said[0].startswith("using cache cache/none\nfeatx: ")
    assert said[1].startswith("featx: cache/none")


def test_verbose_says_versions_and_seconds(clock: Clock) -> None:
    """Before the run, and after it."""
    lines = run_steps(clock, [(3, 10)], 10, "-v")
    assert "numpy " in lines[0]
    assert lines[1:] == ["extract: 3.0 s"]


def bars_of(calls: list[tuple[float, str, int, int]]) -> list[str]:
    """Return what a bar shows, refresh by refresh: seconds before each call of (stage, done, total)."""

    @click.command()
    @progress_options
    def command() -> None:
        with show_progress() as progress:
            for seconds, *call in calls:
                time.sleep(seconds)
                progress(*call)

    said = CliRunner().invoke(command, ["--progress", "bar"]).stderr
    return [line.rstrip() for line in said.replace("\n", "\r").split("\r") if line.strip()]


def test_a_bar_has_neither_rate_nor_time_left_before_a_second_batch() -> None:
    """The first alone took the start-up too; but its phase is over, and it counts."""
    lines = bars_of([(0, "extract", 0, 100), (0.2, "extract", 10, 100)])
    assert lines[0].startswith("extract: starting:   0%")
    assert lines[1].startswith("extract:  10%")
    for line in lines:
        assert re.search(r"<\?, \? ?images/s\]$", line), line


@pytest.mark.parametrize(
    ("stage", "unit"),
    [
        *(("extract", "images"), ("augment", "views"), ("predict", "images"), ("predict views", "views"), ("merge", "rows")),
        *(
            ("cross-validate", "candidates"),
            ("first look", "candidates"),
            ("withhold", "fits"),
            ("duplicates", "comparisons"),
            ("pack features", "images"),
        ),
    ],
)
def test_a_stage_counts_what_it_does(stage: str, unit: str) -> None:
    """Images where it does not say otherwise."""
    assert f"? {unit}/s]" in bars_of([(0, stage, 0, 10)])[0]


def test_a_stage_that_comes_again_is_counted_anew() -> None:
    """A search in two steps, the second of other candidates: no bar is past its end."""
    steps = [(0.0, "cross-validate", done, total) for total in (2, 5) for done in (0, *[1] * total)]
    lines = bars_of([*steps, (0, "extract", 0, 3), (0, "extract", 3, 3), (0, "extract", 0, 3), (0, "extract", 1, 3)])
    counts = [(int(a), int(b)) for line in lines for a, b in re.findall(r"(\d+)/(\d+) \[", line)]
    assert all(done <= total for done, total in counts)
    assert {(2, 2), (5, 5), (3, 3), (1, 3)} <= set(counts)


def test_nothing_done_within_a_stage_does_not_begin_it_anew(clock: Clock) -> None:
    """A worker of Ray's that died may have done nothing, or less than it had said."""

    @click.command()
    @progress_options
    def command() -> None:
        with show_progress() as progress:
            for done in (0, 10, 0, -5, 20):
                clock.now += 61
                progress("extract", done, 100)

    lines = CliRunner().invoke(command, []).stderr.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"extract {n}/100" for n in (10, 10, 5, 25)]


def test_a_search_counts_each_candidate_once(stub_cache: Path, tmp_path: Path) -> None:
    """``fit --tune`` looks twice; both times as many are done as there are."""
    import featx

    seen: list[tuple[str, int, int]] = []
    featx.fit_head(stub_cache, "ridge", tune=True, folds=2, out=tmp_path / "m.featx", progress=lambda *call: seen.append(call))
    runs: list[list[int]] = []
    for stage, done, total in seen:
        assert stage == "cross-validate"
        if not done:
            runs.append([0, total])
        runs[-1][0] += done
    assert all(done == total for done, total in runs)
