"""The result of ``featx verify`` as text."""

from featx.report.text.words import join_lines, number_of, size_text
from featx.verbs.verify import VerifyResult


def _unlisted_why(result: VerifyResult) -> str:
    if result.unfinished:
        return "an extract was not finished; run it again, nothing of this is lost"
    return "their images are gone from the folder, or they are views of another --augment; --prune drops them"


def verify_text(result: VerifyResult) -> str:
    """Report what is wrong with a cache, or that nothing is."""
    lines = [
        f"cache {result.cache}: {number_of(result.shards, 'shard')}, {number_of(result.rows, 'row')}, {size_text(result.bytes)}"
    ]
    lines += [f"  damaged  {damage.problem}" for damage in result.damages]
    lines += [f"  unread   {one.problem}" for one in result.unreadable]
    if result.missing:
        lines.append(f"  missing  {number_of(result.missing, 'listed image')} without a row: featx extract redoes just those")
    if result.unlisted:
        lines.append(f"  unlisted {number_of(result.unlisted, 'row')}: {_unlisted_why(result)}")
    if result.repeated:
        lines.append(f"  repeated {number_of(result.repeated, 'row')}: extracted twice, read once; --prune drops them")
    if result.foreign:
        lines.append(f"  foreign  {number_of(result.foreign, 'shard')} of another recipe, never used")
    if result.leftovers:
        lines.append(f"  unfinished files of dead writers: {result.leftovers}; the next extract sweeps them")
    lines += [f"  set aside {path}" for path in result.set_aside]
    lines += [f"  restored {path}" for path in result.restored]
    if result.pruned:
        lines.append(f"  pruned   {number_of(result.pruned, 'row')}")
    if result.not_pruned:
        lines.append(f"  not pruned: {result.not_pruned}")
    if result.sound:
        lines.append("  every checksum holds; catalog and shards agree" if not result.set_aside else "  the rest is sound")
    return join_lines(lines)
