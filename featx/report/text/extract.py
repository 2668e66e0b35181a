"""The result of ``featx extract``, and of its dry run, as text."""

from featx.images import Noticed, PassedOver
from featx.models import MOST_COMPARED, describe_blank
from featx.report.text.words import (
    _MOST_CLASSES,
    _MOST_CLASSES_IN_LINE,
    _MOST_NAMES,
    _time_text,
    in_conflict,
    join_lines,
    near_duplicate_lines,
    number_of,
    plural_of,
    size_text,
    some_of,
    table,
)
from featx.verbs.extract import ExtractPlan, ExtractResult


def extract_text(result: ExtractResult) -> str:
    """Report what an extract did."""
    parts = [f"{result.extracted:,} extracted", f"{result.reused:,} reused", f"{result.rejected:,} rejected"]
    lines = [f"{_listed(result)}: {', '.join(parts)}"]
    shown = [f"{name} {count:,}" for name, count in list(result.images_of_class.items())[:_MOST_CLASSES_IN_LINE]]
    more = f", and {result.classes - len(shown):,} more" if result.classes > len(shown) else ""
    lines.append(f"  {plural_of(result.task.noun)}: {', '.join(shown)}{more}")
    lines += _listing_lines(result)
    if result.rejected:
        lines.append(f"  each is named in {result.rejects}")
    if result.shard:
        lines.append(
            f"  part {result.shard} of {number_of(result.whole, 'image')}; train, val and test are drawn from all parts"
        )
    else:
        lines.append("  " + ", ".join(f"{split} {count:,}" for split, count in result.splits.items()))
    lines += _near_duplicate_lines(result)
    if result.views > 1:
        lines.append(f"  {result.views} views of each training image, {result.augmented:,} extracted now")
    rate = f", {result.images_per_second:.1f} images/s after start-up" if result.images_per_second else ""
    if rate and result.engine == "winograd":
        rate += " by Winograd's algorithm"
    lines.append(f"cache {result.cache}: {size_text(result.bytes)}, {result.seconds:.1f} s{rate}")
    if result.calibration_seconds:
        lines[-1] += f"; {result.calibration_seconds:.1f} s of it to make the int8 network"
    if result.int8_seconds is not None:
        took = (result.extracted + result.augmented) / result.images_per_second
        lines.append(
            f"  --precision int8 would have taken about {_time_text(result.int8_seconds)} instead of {_time_text(took)} here "
            "(pip install 'featx[int8]')"
        )
    return join_lines(lines)


def _listed(result: ExtractResult | ExtractPlan) -> str:
    within = "in" if result.task.has_classes else "with"
    return f"{number_of(result.listed, 'image')} {within} {number_of(result.classes, result.task.noun)}"


def _near_duplicate_lines(result: ExtractResult) -> list[str]:
    near = result.near_duplicates_across_splits
    if near is None and result.extracted and result.listed > MOST_COMPARED and not result.shard:
        return [f"  near duplicates across splits are looked for among up to {MOST_COMPARED:,} images; featx audit finds them"]
    return near_duplicate_lines(near)


def plan_text(plan: ExtractPlan) -> str:
    """Report what an extract would do."""
    parts = [f"{plan.to_extract:,} to extract", f"{plan.reused:,} to reuse", f"{plan.rejected:,} to reject"]
    lines = [f"{_listed(plan)}: {', '.join(parts)}", ""]
    rows = [(name, *(f"{count:,}" for count in counts.values())) for name, counts in plan.counts.items()][:_MOST_CLASSES]
    if plan.classes > _MOST_CLASSES:
        rows.append((f"… and {plan.classes - _MOST_CLASSES} more", *("" for _ in plan.splits)))
    rows.append(("all", *(f"{count:,}" for count in plan.splits.values())))
    lines += [*table((plan.task.noun, *plan.splits), rows), ""]
    lines += _listing_lines(plan)
    named = [f"    {path}: {reason}" for path, reason in list(plan.rejects.items())[:_MOST_NAMES]]
    lines += named + ([f"    … and {plan.rejected - _MOST_NAMES:,} more, all in --json"] if plan.rejected > _MOST_NAMES else [])
    if plan.shard:
        lines.append(
            f"  part {plan.shard} of {number_of(plan.whole, 'image')}; the splits above are a guess, drawn from it alone"
        )
    if plan.views > 1:
        lines.append(f"  {plan.views} views of each training image, {plan.to_augment:,} to extract")
    rate = f", at {plan.images_per_second:.1f} images/s" if plan.images_per_second else ""
    lines.append(f"cache {plan.cache}: would take {size_text(plan.bytes)}, about {_time_text(plan.seconds)}{rate}")
    lines.append("dry run: nothing was written")
    return join_lines(lines)


def _listing_lines(result: ExtractResult | ExtractPlan) -> list[str]:
    """Return the lines about the images that matter to a user, whether extracted already or not."""
    lines = []
    if result.duplicates:
        lines.append(f"  {number_of(result.duplicates, 'exact duplicate')}, stored once")
    if result.conflicts:
        lines.append(f"  note: the same image stands {in_conflict(result.task)}: {some_of(result.conflicts)}")
    if result.across_splits:
        stands, flatters = ("stands", "flatters") if len(result.across_splits) == 1 else ("stand", "flatter")
        lines.append(f"  note: {number_of(len(result.across_splits), 'val or test image')} {stands} in an earlier split too, ")
        lines[-1] += f"and {flatters} the accuracy there: {some_of(result.across_splits)}"
    if result.unlearnable and (result.classes > 1 or result.task.has_targets):
        lines.append(f"  note: no training image, so that it cannot be learned: {some_of(result.unlearnable)}")
    lines += [f"  {count:,} rejected: {reason}" for reason, count in result.reasons.items()]
    if unlisted := str(PassedOver(result.skipped, result.passed_over, result.hidden)):
        lines.append(f"  passed over: {unlisted}")
    return lines + [f"  note: {note}" for note in _noticed(result.noticed)]


def _noticed(noticed: Noticed) -> list[str]:
    """Return notes on files whose pixels may not be what their owner expects."""
    notes = _depth_notes(noticed) if noticed.depth.isdigit() else []
    if noticed.stacks == 1:
        notes.append(f"1 file has {noticed.most_frames:,} frames: the first is used")
    elif noticed.stacks:
        notes.append(f"{noticed.stacks:,} files have up to {noticed.most_frames:,} frames: the first of each is used")
    return notes + describe_blank(noticed.blank, noticed.decoded, "decoded")


def _depth_notes(noticed: Noticed) -> list[str]:
    """Return notes on files of 16 bits that hold fewer than the recipe takes them to hold, or more."""
    depth, notes = int(noticed.depth), []
    fewer = {int(bits): count for bits, count in noticed.bits.items() if int(bits) < depth}
    if fewer:
        images, widest = sum(fewer.values()), max(fewer)
        levels = 2 ** (8 - depth + widest)
        notes.append(
            f"{number_of(images, 'image')} {'has' if images == 1 else 'have'} 16 bits but no value above {2**widest - 1:,}: "
            f"{levels} of 256 levels {'is' if levels == 1 else 'are'} left. Give --depth {widest}"
        )
    if more := sum(count for bits, count in noticed.bits.items() if int(bits) > depth):
        notes.append(
            f"{number_of(more, 'image')} {'has' if more == 1 else 'have'} values above {2**depth - 1:,}, which --depth {depth} "
            "makes white. Give --depth auto or a larger one"
        )
    return notes
