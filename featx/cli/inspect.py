"""The command ``featx inspect``."""

import dataclasses
from pathlib import Path

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option
from featx.cli.progress import quiet_option
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, newest_cache, print_json


@main.command(epilog="Example: featx inspect models/photos-dense.featx --json")
@click.argument("path", type=FOLDER, required=False)
@quiet_option
@json_option
def inspect(path: Path | None, as_json: bool) -> None:
    """Show what is in a cache or a model.

    PATH is a cache's folder or a .featx file; by default the newest cache in cache/.
    """
    summary = featx.inspect_path(path or newest_cache())
    from featx.report import cache_text, model_text
    from featx.verbs.inspect import CacheSummary

    if isinstance(summary, CacheSummary):
        shown = dataclasses.asdict(summary) | {"fingerprint": summary.recipe.fingerprint}
        if as_json:
            print_json(shown)
            return
        echo_text(cache_text(summary))
        if (summary.path / "catalog.h5").exists():
            say_next("fit", summary.path, "--head", "dense")
        return
    model = summary.model
    if as_json:
        print_json(
            {
                "path": summary.path,
                "head": model.head_name,
                "settings": model.head.settings(),
                "layer": model.layer,
                "pooling": model.pooling,
                "finetuned_from": model.tail.start if model.tail else None,
                "class_names": model.class_names,
                "task": model.task.to_dict(),
                "recipe": model.recipe.to_dict(),
                "fingerprint": model.recipe.fingerprint,
                "parameters": model.parameters,
                "layers": summary.layers,
                "metrics": model.metrics,
                "history": model.history,
                "tuning": model.tuning,
                "versions": model.versions,
            }
        )
    else:
        echo_text(model_text(summary))
        say_next("evaluate", summary.path)
