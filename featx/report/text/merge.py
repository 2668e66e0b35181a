"""A merge as text for a terminal."""

from featx.report.text.words import in_conflict, join_lines, near_duplicate_lines, number_of, size_text, some_of
from featx.system.counts import is_or_are
from featx.verbs.merge import MergeResult


def merge_text(result: MergeResult) -> str:
    """Report what a merge did."""
    lines = [
        f"{number_of(result.listed, 'image')} {'in' if result.task.has_classes else 'with'} "
        f"{number_of(result.classes, result.task.noun)} from "
        f"{number_of(len(result.caches), 'cache')}: {result.with_features:,} with features, {result.rejected:,} rejected"
    ]
    if result.missing:
        lines.append(f"  note: {number_of(result.missing, 'image')} {is_or_are(result.missing)} in parts that are not here")
    if result.duplicates:
        lines.append(f"  {number_of(result.duplicates, 'exact duplicate')}, each read from one row")
    if result.differing:
        lines.append(
            f"  note: listed with another {result.task.noun}, split or content elsewhere, the first stands: "
            f"{some_of(result.differing)}"
        )
    if result.conflicts:
        lines.append(f"  note: the same image stands {in_conflict(result.task)}: {some_of(result.conflicts)}")
    if result.across_splits:
        lines.append(
            f"  note: stands in an earlier split too, and flatters the accuracy there: {some_of(result.across_splits)}"
        )
    lines += near_duplicate_lines(result.near_duplicates_across_splits)
    lines += [f"  {count:,} rejected: {reason}" for reason, count in result.reasons.items()]
    if result.rejected:
        lines.append(f"  each is named in {result.rejects}")
    lines.append("  " + ", ".join(f"{split} {count:,}" for split, count in result.splits.items()))
    shards = f"{result.linked:,} linked, {result.copied:,} copied, {result.present:,} there before"
    lines.append(f"cache {result.cache}: {size_text(result.bytes)}, shards: {shards}, {result.seconds:.1f} s")
    return join_lines(lines)
