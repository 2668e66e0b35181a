"""How a command shows its options in ``--help``: in groups, where there are many of them."""

from typing import Any

import click

from featx.cli.terminal import say_what_waits

GROUPS: dict[str, tuple[str, ...]] = {
    "Images": (
        *("null", "images", "split", "root", "path_column", "label_column", "split_column", "group_column", "group_from"),
        *("weight_column", "ext", "label_separator", "label_columns", "target", "ordinal", "val_fraction", "test_fraction"),
        *("image_size", "resize", "background", "exact_decode", "allow_truncated", "depth", "color_profile", "max_pixels"),
        *("augment", "views", "examples", "tta", "max_rejects", "yes", "measure"),
    ),
    "Network": ("backbone", "weights", "preprocess", "precision", "int8_from", "device", "engine", "start"),
    "Cache": ("cache", "layer", "pooling", "partial", "overwrite", "wait", "dry_run"),
    "Head": (
        *("head", "model", "hidden", "filters", "dropout", "activation", "loss", "optimizer", "learning_rate"),
        *("schedule", "momentum", "weight_decay", "epochs", "steps_per_epoch", "monitor", "patience", "min_delta"),
        *("label_smoothing", "class_weight", "C", "kernel", "epsilon", "alpha", "neighbors", "scale"),
        *("tune", "folds", "minutes"),
        *("flip", "depth_decay", "averaging"),
        *("calibrate", "calibration", "group_duplicates"),
    ),
    "Trust": (
        *("threshold", "positive", "top", "probabilities", "sets", "set_method", "unknown", "unknown_images", "withhold"),
        *("label", "against"),
    ),
    "Results": (
        *("out", "out_option", "report", "page", "open_", "map_", "min_confidence", "log", "write_manifest", "drop"),
        *("raw_csv", "as_json"),
    ),
    "Run": (
        "batch_size",
        "extract_batch_size",
        "workers",
        "ray",
        "gpus_per_worker",
        "part",
        "seed",
        "progress",
        "quiet",
        "verbose",
    ),
}
"""Options by what they are about, in the order of a session; the options of a group stay in the order of the command."""

FEW = 8
"""Up to so many options stand in one list."""

_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


class Command(click.Command):
    """A command whose options stand in groups."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, after what was kept for its beginning has been said."""
        say_what_waits(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a list for each group."""
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, "Other")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                own = parameter is self.get_help_option(ctx)  # click calls it by a name of its own
                rows["Run" if own else _GROUP_OF.get(parameter.name or "", "Other")].append(record)
        if sum(map(len, rows.values())) <= FEW:
            super().format_options(ctx, formatter)
            return
        for group, records in rows.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl(records)
