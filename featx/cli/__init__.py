"""The command line: the only place with argument parsing, print and exit codes.

Nothing heavy is imported at the top: ``featx --help`` must answer at once, and a command pays only for what it uses.
"""

from featx.cli import (  # each adds its command to the group
    audit,
    backbones,
    compare,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    extract,
    finetune,
    fit,
    inspect,
    look,
    merge,
    pack,
    predict,
    sample,
    verify,
)
from featx.cli.group import main, run

__all__ = [
    "audit",
    "backbones",
    "compare",
    "demo",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "extract",
    "finetune",
    "fit",
    "inspect",
    "look",
    "main",
    "merge",
    "pack",
    "predict",
    "run",
    "sample",
    "verify",
]
