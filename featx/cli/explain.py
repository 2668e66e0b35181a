"""The command ``featx explain``."""

import dataclasses
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.given import given_paths, paths_argument, unlisted_keys
from featx.cli.group import main
from featx.cli.options import (
    FOLDER,
    RESULT,
    batch_option,
    device_option,
    json_option,
    max_pixels_option,
    weights_option,
    workers_option,
)
from featx.cli.progress import progress_options, show_progress
from featx.cli.steps import open_option, open_page, say_again, say_open
from featx.cli.terminal import echo, echo_text, print_json, show_note
from featx.errors import TooManyRejects
from featx.system.outputs import as_result_path


@main.command(epilog="Example: featx explain models/photos-logreg.featx new/ --out why.html")
@click.argument("model", type=FOLDER)
@paths_argument("images")
@click.option("--out", type=RESULT, help="A page (.html) that shows the cells over each image.")
@open_option
@click.option("--label", metavar="NAME", help="The class to explain.  [default: the most probable of each image]")
@click.option("--against", metavar="NAME", help="The class to hold it against.  [default: the most probable of the others]")
@weights_option()
@batch_option
@device_option
@workers_option
@max_pixels_option
@progress_options
@json_option
def explain(model: Path, images: list[Path | str], out: str | None, open_: bool, as_json: bool, **options: Any) -> None:
    """Show which part of an image spoke for its class.

    Divides the margin between the class and the runner-up among the cells of the map that the head starts from: exactly for
    linear heads, by taking each cell away in turn for the others but knn. Of PATH - the paths are read from stdin, one a
    line.
    """
    page = as_result_path("--out", out, "explanation.html")
    if open_ and not page:
        raise click.UsageError("--open opens the page: give --out too.")
    if page:
        from featx.report import check_explanation_page

        check_explanation_page(page)  # before minutes of work, not after
    given = given_paths(images)
    with show_progress() as progress:
        explanations = featx.explain_images(model, given, progress=progress, **options)
    if page:
        from featx.report import write_explanation_page

        with show_progress() as progress:
            write_explanation_page(explanations, page, model, progress=progress)
    if open_:
        open_page(page)
    rejected = sum(1 for one in explanations if one.error)
    explained = next((one for one in explanations if not one.error), None)
    from featx.verbs.explain import limits_of

    limits = []
    if explained and explained.cells is not None:
        limits = limits_of(featx.load_model(model), explained.method, explained.quantity, explained.cells.shape)
    if as_json:
        listed = [
            dataclasses.asdict(one) | {"cells": None if one.cells is None else one.cells.tolist()} for one in explanations
        ]
        print_json(
            {
                "explained": len(explanations) - rejected,
                "rejected": rejected,
                "limits": limits,
                "out": page,
                **unlisted_keys(explanations.passed_over),
                "explanations": listed,
            }
        )
    else:
        from featx.report import explanation_text

        echo_text(explanation_text(explanations))
        for sentence in limits:
            show_note(sentence)
        if page:
            echo(f"page {page}")
        if unlisted := str(explanations.passed_over):
            show_note(f"passed over: {unlisted}")
    if rejected == len(explanations):
        first = explanations[0]
        raise TooManyRejects(f"all {rejected} images were rejected; the first: {first.path}: {first.error}.")
    if as_json:
        return
    if page:
        say_open(page)
    else:
        say_again("--out", "explanation.html")
