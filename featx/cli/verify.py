"""The command ``featx verify``."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option
from featx.cli.progress import quiet_option
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, newest_cache, print_json
from featx.errors import CacheDamaged


@main.command(epilog="Example: featx verify cache/photos --repair")
@click.argument("cache", type=FOLDER, required=False)
@click.option("--repair", is_flag=True, help="Move damaged files aside, so that the next extract redoes just their rows.")
@click.option("--restore", is_flag=True, help="Bring back what was moved aside and is sound.")
@click.option("--prune", is_flag=True, help="Delete the features of images that are gone from the folder.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@quiet_option
@json_option
def verify(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Check every byte of a cache.

    Opens every shard of CACHE (by default the newest in cache/), reads every checksum, and holds catalog and shards
    against each other. Exits with 1 if anything is damaged or missing.
    """
    result = featx.verify_cache(cache or newest_cache(), **options)
    if as_json:
        print_json(dataclasses.asdict(result) | {"sound": result.sound})
    else:
        from featx.report import verify_text

        echo_text(verify_text(result))
        if result.sound:
            say_next("fit", result.cache, "--head", "dense")
    if not result.sound:
        raise CacheDamaged(f"{result.cache}: {_remedy(result)}")


def _remedy(result: Any) -> str:
    from featx.backbones import RESTORE
    from featx.verbs.verify import is_network

    if result.damages and all(is_network(damage.path) for damage in result.damages):
        return f"the network of its int8 features is lost or damaged. {RESTORE}"
    if result.unreadable:
        return "files in it cannot be read. Nothing shows that they are damaged: mend that, then try again."
    if result.damages:
        cache = shlex.quote(str(result.cache))
        return f"damaged. Run featx verify {cache} --repair, then featx extract again: it redoes just those rows."
    return f"{result.missing} rows are missing. Run featx extract again: it redoes just those."
