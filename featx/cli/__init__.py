"""The command line: the only place with argument parsing, print and exit codes.

Nothing heavy is imported at the top: ``featx --help`` must answer at once, and a command pays only for what it uses.
"""

from featx.cli import audits, caches, exports, heads, models, samples  # each adds its commands to the group
from featx.cli.group import main, run

__all__ = ["audits", "caches", "exports", "heads", "main", "models", "run", "samples"]
