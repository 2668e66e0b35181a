"""The verb demo: a whole session on the bundled sample, step by step as a user would type it."""

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path

from featx.models import check_model_path
from featx.system.progress import OnEpoch, Progress
from featx.verbs.evaluate import Evaluation, evaluate_model
from featx.verbs.extract import ExtractResult, extract_features
from featx.verbs.fit import FitResult, fit_head
from featx.verbs.sample import IMAGE_SIZE, SampleResult, unpack_sample

HEADS = ("dense", "logreg", "svm")
"""The heads of the session; the report is of the first head."""

StepResult = SampleResult | ExtractResult | FitResult | Evaluation


@dataclasses.dataclass(frozen=True)
class Step:
    """A command of the session.

    Parameters
    ----------
    command : str
        As a user would type it.
    run : callable
        Called with a progress callback and a callback for each epoch, it does what the command does.
    head : str
        The head that is fitted or evaluated; empty before the first.
    """

    command: str
    run: Callable[[Progress, OnEpoch], StepResult]
    head: str = ""


def demo_steps(folder: Path) -> list[Step]:
    """Return the session: sample, extract, then fit and evaluate of each head.

    Parameters
    ----------
    folder : Path
        Everything is written below it.
    """
    height, width = IMAGE_SIZE
    images, cache, report = folder / "images", folder / "cache", folder / "report"
    steps = [
        Step(_typed("sample", images), lambda progress, on_epoch: unpack_sample(images)),
        Step(
            _typed("extract", images, "--cache", cache, "--image-size", height),
            lambda progress, on_epoch: extract_features(images, cache, image_size=(height, width), progress=progress),
        ),
    ]
    for head in HEADS:
        steps += _fit_and_evaluate(head, cache, _model_path(folder, head), report)
    return steps


def check_models(folder: Path) -> None:
    """Make sure that the models of a session can be written; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If one cannot be, or another file stands there.
    """
    for head in HEADS:
        check_model_path(_model_path(folder, head))


def _typed(*words: object) -> str:
    """Return a command as a shell takes it."""
    return shlex.join(["featx", *map(str, words)])


def _model_path(folder: Path, head: str) -> Path:
    return folder / f"{head}.featx"


def _fit_and_evaluate(head: str, cache: Path, model: Path, report: Path) -> list[Step]:
    return [
        Step(
            _typed("fit", cache, "--head", head, "--out", model),
            lambda progress, on_epoch: fit_head(cache, head, out=model, on_epoch=on_epoch),
            head,
        ),
        Step(_typed("evaluate", model, "--out", report), lambda progress, on_epoch: evaluate_model(model), head),
    ]
