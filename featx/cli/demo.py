"""Commands that need no images of the user's: sample, demo."""

import time
from pathlib import Path

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option
from featx.cli.terminal import print_json, show_epochs, show_progress


@main.command()
@click.argument("folder", type=FOLDER, default=Path("featx-demo"), required=False)
@json_option
def demo(folder: Path, as_json: bool) -> None:
    """Run a whole session on the sample.

    Offline, in about a minute, into FOLDER (by default featx-demo/).
    """
    from featx.report import evaluation_text, extract_text, fit_text
    from featx.verbs.sample import IMAGE_SIZE

    def say(text: str) -> None:
        if not as_json:
            click.echo(text)

    started = time.monotonic()
    height, width = IMAGE_SIZE
    images, cache, report = folder / "images", folder / "cache", folder / "report"
    say(f"$ featx sample {images}")
    unpacked = featx.unpack_sample(images)
    say(f"{unpacked.images} images in {unpacked.classes} classes\n")
    say(f"$ featx extract {images} --cache {cache} --image-size {height}")
    with show_progress() as progress:
        say(extract_text(featx.extract_features(images, cache, image_size=(height, width), progress=progress)) + "\n")
    accuracies: dict[str, float] = {}
    page = None
    for head in ("dense", "logreg", "svm"):
        model = folder / f"{head}.featx"
        say(f"$ featx fit {cache} --head {head} --out {model}")
        with show_epochs() as on_epoch:
            say(fit_text(featx.fit_head(cache, head, out=model, on_epoch=on_epoch)) + "\n")
        evaluation = featx.evaluate_model(model)
        accuracies[head] = evaluation.accuracy
        if head == "dense":
            say(f"$ featx evaluate {model} --out {report}")
            say(evaluation_text(evaluation) + "\n")
            page = featx.write_report(evaluation, report).page
    seconds = time.monotonic() - started
    if as_json:
        print_json({"accuracy": accuracies["dense"], "report": report, "page": page, "heads": accuracies, "seconds": seconds})
        return
    per_head = ", ".join(f"{head} {accuracy:.3f}" for head, accuracy in accuracies.items())
    say(f"test accuracy from the same cached features: {per_head}")
    say(f"report {page}, {seconds:.0f} s in all")
