"""The command ``featx demo``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from featx.cli.group import main
from featx.cli.options import FOLDER, json_option, output_argument
from featx.cli.progress import progress_options, show_epochs, show_progress
from featx.cli.steps import open_option, open_page, say_open
from featx.cli.terminal import echo_text, print_json

if TYPE_CHECKING:
    from featx.verbs.demo import StepResult


@main.command(epilog="Example: featx demo featx-demo")
@output_argument(FOLDER, default=Path("featx-demo"))
@open_option
@progress_options
@json_option
def demo(out: Path, open_: bool, as_json: bool) -> None:
    """Run a whole session on the sample.

    Offline, in about a minute, into OUT (by default featx-demo/).
    """
    from featx.report import check_report_folder, write_report
    from featx.verbs.demo import HEADS, check_models, demo_steps
    from featx.verbs.evaluate import Evaluation

    def say(text: str) -> None:
        if not as_json:
            echo_text(text)

    started = time.monotonic()
    accuracies: dict[str, float] = {}
    report, page = out / "report", None
    check_report_folder(report)  # before a minute of work, not after
    check_models(out)
    for step in demo_steps(out):
        # The report is of the first head; of the others the accuracy alone is wanted.
        shown = not (step.head and step.head != HEADS[0] and step.command.startswith("featx evaluate"))
        if shown:
            say(f"$ {step.command}")
        with show_progress() as progress, show_epochs() as on_epoch:
            result = step.run(progress, on_epoch)
        if isinstance(result, Evaluation):
            accuracies[step.head] = result.accuracy
        if shown:
            say(_text(result) + "\n")
            page = write_report(result, report).page if isinstance(result, Evaluation) else page
    seconds = time.monotonic() - started
    if as_json:
        print_json({"accuracy": accuracies[HEADS[0]], "report": report, "page": page, "heads": accuracies, "seconds": seconds})
    per_head = ", ".join(f"{head} {accuracy:.3f}" for head, accuracy in accuracies.items())
    say(f"test accuracy from the same cached features: {per_head}")
    say(f"report {page}, {seconds:.0f} s in all")
    if page and not as_json:
        say_open(page)
    if open_:
        open_page(page)


def _text(result: "StepResult") -> str:
    from featx.report import evaluation_text, extract_text, fit_text, sample_text
    from featx.verbs.extract import ExtractResult
    from featx.verbs.fit import FitResult
    from featx.verbs.sample import SampleResult

    if isinstance(result, SampleResult):
        return sample_text(result)
    if isinstance(result, ExtractResult):
        return extract_text(result)
    return fit_text(result) if isinstance(result, FitResult) else evaluation_text(result)
