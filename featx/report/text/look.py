"""The result of ``featx look`` as text."""

from featx.images import PassedOver
from featx.report.text.words import _MOST_CLASSES_IN_LINE, _MOST_NAMES, join_lines, number_of, plural_of, some_of
from featx.verbs.look import Look

_MOST_KINDS = 5


def look_text(look: Look) -> str:
    """Report what was found: counts, sizes, depths, what cannot be used, what looks like a slip."""
    within = "in" if look.task.has_classes else "with"
    lines = [f"{number_of(look.listed, 'image')} {within} {number_of(look.classes, look.task.noun)}: {look.source}"]
    largest = sorted(look.images_of_class.items(), key=lambda pair: -pair[1])
    shown = [f"{name} {count:,}" for name, count in largest[:_MOST_CLASSES_IN_LINE]]
    more = f", and {look.classes - len(shown):,} more, down to {largest[-1][1]:,}" if look.classes > len(shown) else ""
    lines.append(f"  {plural_of(look.task.noun)}: {', '.join(shown)}{more}")
    if look.splits:
        lines.append("  given splits: " + ", ".join(f"{split} {count:,}" for split, count in look.splits.items()))
    lines += size_lines(look)
    if look.duplicates:
        pairs = [" = ".join(group[:2]) for group in look.copies or ()]
        lines.append(f"  {number_of(look.duplicates, 'exact duplicate')}: {some_of(pairs)}")
    lines += [f"  {count:,} rejected: {reason}" for reason, count in look.reasons.items()]
    lines += [f"    {path}: {reason}" for path, reason in list(look.rejects.items())[:_MOST_NAMES]]
    if look.rejected > _MOST_NAMES:
        lines.append(f"    … and {look.rejected - _MOST_NAMES:,} more, all in --json")
    lines.append(f"  {decoded_text(look)}")
    if unlisted := str(PassedOver(look.skipped, look.passed_over, look.hidden)):
        lines.append(f"  passed over: {unlisted}")
    lines += [f"  note: {note}" for note in look.notes]
    return join_lines(lines)


def size_lines(look: Look) -> list[str]:
    """Say how large and deep the files are, and what resizing does to them."""
    if look.shape is None:
        return []
    heights, widths, aspects = look.shape.height, look.shape.width, look.shape.aspect
    height, width = look.settings["image_size"]
    size = f"{heights[0]:,} x {widths[0]:,} px"
    if (heights[0], widths[0]) != (heights[-1], widths[-1]):
        spans = [f"{name} {_span(sides)}" for name, sides in (("height", heights), ("width", widths))]
        size = f"{', '.join(spans)}, width/height {aspects[0]:g} to {aspects[-1]:g}"
    kinds = [*list(look.formats.items())[:_MOST_KINDS], *list(look.depths.items())[:_MOST_KINDS]]
    lines = [f"  sizes: {size}", "  files: " + ", ".join(f"{count:,} {name}" for name, count in kinds)]
    resize = look.settings["resize"]
    found = [_are(look.smaller, "enlarged")] if look.smaller else []
    found += [_are(look.reshaped, _RESIZED[resize])] if look.reshaped else []
    return [*lines, f"  the network sees {height} x {width} px ({resize}){': ' if found else ''}{', '.join(found)}"]


def _span(sides: tuple[int, ...]) -> str:
    return f"{sides[0]:,} to {sides[-1]:,} px (median {sides[2]:,})"


def _are(count: int, what: str) -> str:
    return f"{number_of(count, 'image')} {'is' if count == 1 else 'are'} {what}"


_RESIZED = {
    "stretch": "stretched by more than a quarter (--resize crop or pad keeps the shape)",
    "crop": "cut by more than a fifth",
    "pad": "padded by more than a fifth",
}


def decoded_text(look: Look) -> str:
    """Say how many images were decoded: of the others nobody knows yet whether they can be."""
    if look.decoded >= look.listed:
        return "all were decoded"
    return f"{look.decoded:,} of {look.listed:,} were decoded; featx extract --dry-run decodes all"
