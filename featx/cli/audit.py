"""The command ``featx audit``."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.listing import task_options
from featx.cli.options import FOLDER, RESULT, json_option, layer_option, raw_csv_option, workers_option
from featx.cli.progress import progress_options, show_progress
from featx.cli.spelling import Several
from featx.cli.steps import open_option, open_page, say_next, say_open
from featx.cli.terminal import echo, echo_text, newest_cache, print_json
from featx.cli.values import Names
from featx.system.outputs import as_result_path


@main.command(epilog="Example: featx audit cache/photos --write-manifest clean.csv")
@click.argument("cache", type=FOLDER, required=False)
@click.option("--out", type=FOLDER, help="Folder of audit.csv and audit.html.  [default: reports/<cache>-audit]")
@click.option("--page/--no-page", default=True, help="Write audit.html, which shows the images.  [default: page]")
@layer_option()
@click.option("--measure", is_flag=True, help="Measure pictures from their files where an older featx did not.")
@click.option("--write-manifest", type=RESULT, help="A CSV manifest of the images without those flagged, for a next extract.")
@click.option(
    "--drop",
    type=Names(("duplicates", "labels", "outliers", "quality")),
    cls=Several,
    default="duplicates",
    show_default=True,
    help="What leaves an image out of that manifest, with commas.",
)
@open_option
@workers_option
@raw_csv_option
@progress_options
@json_option
def audit(
    cache: Path | None,
    out: Path | None,
    page: bool,
    write_manifest: str | None,
    drop: tuple[str, ...],
    open_: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Look for duplicates, wrong labels and bad pictures.

    Looks through the cached features of CACHE (by default the newest in cache/) for exact and near duplicates, labels that
    are likely to be wrong, outliers, classes too small or too alike, and pictures that are dark, bright, blank, blurred or
    tiny. Images and cache stay as they are.
    """
    from featx.report import audit_text, check_audit_folder, write_audit

    if open_ and not page:
        raise click.UsageError("--open opens the page: leave --no-page out.")
    cache = cache or newest_cache()
    name = Path(os.path.realpath(cache)).name  # which has nothing to say of a link to itself
    folder = out or Path("reports") / f"{name}-audit"
    check_audit_folder(folder)  # before the work, not after
    manifest = as_result_path("--write-manifest", write_manifest, f"{name}-clean.csv")
    if manifest:
        from featx.images import check_manifest_path

        check_manifest_path(manifest)
        if manifest.absolute().parent == folder.absolute() and manifest.name == "audit.csv":
            raise click.UsageError(f"{manifest}: cannot be both the table of findings and a manifest. Give another name.")
    with show_progress() as progress:
        audited = featx.audit_cache(cache, progress=progress, **options)
    with show_progress() as progress:
        files = write_audit(audited, folder, page=page, progress=progress)
    counts = None
    if manifest:
        from featx.verbs.audit import write_clean_manifest

        counts = write_clean_manifest(audited, manifest, drop)
    if open_:
        open_page(files.page)
    if as_json:
        written = {"table": files.table, "page": files.page, "manifest": manifest, "manifest_counts": counts}
        print_json(dataclasses.asdict(audited) | written)
        return
    echo_text(audit_text(audited))
    if counts:
        left = ", ".join(f"{name} {counts[name]:,}" for name in drop)
        echo(f"manifest {manifest}: {counts['kept']:,} images kept, {counts['left_out']:,} left out ({left})")
    echo(f"audit {folder}: " + ", ".join(path.name for path in (files.table, files.page) if path))
    if manifest:
        say_next("extract", manifest, *task_options(audited.task))
    else:
        say_open(files.page or files.table)
