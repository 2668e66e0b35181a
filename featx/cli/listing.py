"""Options that say how a list of images is read: which columns, what is to be learned, which images belong together."""

from typing import Any

import click

from featx.cli.options import FOLDER
from featx.cli.spelling import Several
from featx.cli.values import Names
from featx.task import Task


def manifest_options(command: Any) -> Any:
    """Add the options that say how a manifest is to be read."""
    options = [
        click.option("--root", type=FOLDER, help="Manifest: folder that its paths are relative to.  [default: its own folder]"),
        click.option("--path-column", metavar="NAME", help="Manifest: column of the paths.  [default: path, filename …]"),
        click.option("--label-column", metavar="NAME", help="Manifest: column of the classes.  [default: label, class …]"),
        click.option("--split-column", metavar="NAME", help="Manifest: column of the splits.  [default: split, set …]"),
        click.option("--group-column", metavar="NAME", help="Manifest: column of the groups.  [default: group, patient …]"),
        click.option("--weight-column", metavar="NAME", help="Manifest: how much each image counts.  [default: weight …]"),
        click.option("--ext", metavar="SUFFIX", help="Manifest: added to paths that do not end in it, such as .png."),
        click.option(
            "--label-separator",
            metavar="TEXT",
            help="Manifest: an image has several labels, with this between them in the label column, such as ';'.",
        ),
        click.option(
            "--label-columns",
            type=Names(),
            cls=Several,
            metavar="NAMES",
            help="Manifest: an image has several labels, a column each: 1, 0, or empty for not known.",
        ),
        click.option(
            "--target",
            type=Names(),
            cls=Several,
            metavar="NAMES",
            help="Manifest: a column of numbers that are to be predicted, or several with commas.",
        ),
        click.option(
            "--ordinal", type=Names(), cls=Several, metavar="GRADES", help="The classes are grades, in this order: 0,1,2,3."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


group_from_option = click.option(
    "--group-from",
    metavar="SOURCE",
    help="Which images show the same thing and stay together: parent (the folder that they lie in), exif:camera, "
    "exif:time<60s (taken within a minute of each other), or a regular expression that finds the group in a path. none: none.  "
    "[default: the manifest's column]",
)


def task_options(task: Task) -> list[str]:
    """Return the options that read a table, with a column for each label or number, for the same task again."""
    option = {"labels": "--label-columns", "numbers": "--target", "grades": "--ordinal"}.get(task.kind)
    return [option, ",".join(task.names)] if option else []
