"""The command ``featx`` itself: its help, and how errors become messages and exit codes."""

import atexit
import gc
import itertools
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import featx
from featx.cli.defaults import FILE, PREFIX, forget_refused_variables, read_defaults
from featx.cli.help import Command
from featx.cli.spelling import variable_of
from featx.cli.steps import note_words
from featx.cli.terminal import echo, expect_json, print_error, printable, say_later, show_replaced
from featx.errors import FeatxError, Interrupted, TooManyRejects
from featx.system.bars import no_bars_by_default
from featx.system.command import running
from featx.system.interrupt import end_as_by_ctrl_c, exit_code_of_interrupt
from featx.system.names import did_you_mean
from featx.system.outputs import telling
from featx.system.quiet import LOG_LEVEL

_EXIT_CODES: dict[type[FeatxError], int] = {Interrupted: 130, TooManyRejects: 3}
_NO_THREAD = "can't start new thread"  # Python has no type for it
_FEWER = "Allow more, or give --workers 1 where the command has it."
_SESSION = (
    *("look", "extract", "audit", "fit", "compare", "finetune", "evaluate", "predict", "explain", "export"),
    *("inspect", "verify", "merge", "pack", "backbones", "doctor", "sample", "demo"),
)


class Failure(click.ClickException):
    """An error for the user: a message on stderr, an exit code, and the name of its kind for ``--json``."""

    def __init__(self, message: str, exit_code: int, kind: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click declares it on the class, and reads it from the instance
        self.kind = kind

    def show(self, file: Any = None) -> None:
        """Print the message, without click's "Error: "."""
        echo(f"featx: {self.message}", file=file, err=file is None)


class Commands(click.Group):
    """Turns featx's errors, and Ctrl-C, into messages and exit codes."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the words for next steps and for pages, and whether JSON is wanted, before anything can be wrong."""
        note_words(ctx, args)
        ctx.with_resource(running(["featx", *args]))
        expect_json(ctx, "--json" in itertools.takewhile(lambda word: word != "--", args))
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of a path in its place, say which command takes it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            name = args[0]
            hint = did_you_mean(name, self.commands, most=3)
            if os.path.lexists(name) and (takes := _what_takes(Path(name))):
                hint = f"To use what stands there: featx {takes}"
            raise click.UsageError(f"No such command {name!r}. {hint}".rstrip(), ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what goes wrong in it is one JSON object too, where JSON is wanted."""
        try:
            return self._invoke(ctx)
        except click.ClickException as error:
            print_error(error.format_message(), getattr(error, "kind", type(error).__name__))
            raise

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            with telling(show_replaced), no_bars_by_default():  # of the library's: a command shows what --progress says
                return super().invoke(ctx)
        except click.UsageError as error:
            raise click.UsageError(printable(error.format_message() + _whence(error)), error.ctx) from error
        except FeatxError as error:
            code = exit_code_of_interrupt() if isinstance(error, Interrupted) else _EXIT_CODES.get(type(error), 1)
            raise Failure(str(error), 2 if error.wrong_value else code, type(error).__name__) from error
        except KeyboardInterrupt:
            raise Failure("interrupted.", exit_code_of_interrupt(), Interrupted.__name__) from None
        except BrokenPipeError:
            raise  # the reader (head, less) has seen enough; click ends quietly
        except (OSError, MemoryError, RecursionError) as error:
            # What the system refuses is no mistake of featx's, and a traceback would be of no help.
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            raise Failure(f"{where}{reason}. Nothing half-written was kept.", 1, type(error).__name__) from error
        except RuntimeError as error:
            if _NO_THREAD not in str(error):
                raise
            text = f"{error}: the system allows no more threads or processes (ulimit -u). {_FEWER}"
            raise Failure(text, 1, type(error).__name__) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of a session, not of the alphabet."""
        return sorted(self.commands, key=_SESSION.index)


def _whence(error: click.UsageError) -> str:
    """Return a sentence on where a wrong value comes from, if nobody typed it; else nothing."""
    option, context = getattr(error, "param", None), error.ctx
    if context is None or not isinstance(option, click.Option):
        return ""
    source = context.get_parameter_source(option.name or "")
    if source is ParameterSource.DEFAULT_MAP:
        return f" It stands in {FILE}."
    return f" It stands in the variable {variable_of(option, context)}." if source is ParameterSource.ENVIRONMENT else ""


def _what_takes(path: Path) -> str:
    """Return a command for a path, as it is typed; nothing where none takes it."""
    from featx.models import kind_at  # here, not above: --help loads nothing

    quoted = shlex.quote(str(path))
    commands = {"model": f"predict {quoted} IMAGES", "cache": f"fit {quoted} --head dense"}
    commands |= dict.fromkeys(("folder", "table", "workbook", "list"), f"extract {quoted}")
    return commands.get(kind_at(path), "")


def run() -> None:
    """Be the program ``featx``: a process of its own, which Ctrl-C, SIGTERM or SIGHUP interrupt once, up to its end."""
    _open_closed_streams()
    end_as_by_ctrl_c()
    main()


def _open_closed_streams() -> None:
    """Point descriptors 0 to 2 that the caller has closed at nowhere: a file opened next would get their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this descriptor, as all below are open. Processes that featx starts inherit it.
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": PREFIX}


@click.group(cls=Commands, context_settings=_SETTINGS)
@click.version_option(featx.__version__, prog_name="featx", allow_from_autoenv=False)  # FEATX_VERSION is often set
@click.pass_context
def main(context: click.Context) -> None:
    """Turn a folder of labelled images into a working classifier.

    A frozen VGG16 runs once over all images, its features are cached, and a head learns from them in seconds:

    \b
        featx extract photos        photos/<class>/<image>
        featx fit --head dense      or logreg, or svm
        featx evaluate              accuracy on images that no head has seen
        featx predict MODEL new/    class and confidence of new images

    Without images at hand: featx demo
    """  # noqa: D301 - click wants the real control character, which keeps the lines apart
    forget_refused_variables()
    if Path(FILE).is_file():
        context.default_map = read_defaults(main.commands, Path(FILE))
        if context.default_map.get(str(context.invoked_subcommand)):
            say_later(context, f"using defaults of {FILE}")
    # TensorFlow's C++ side writes a page of notices to stderr while it loads. Set before anything imports it.
    os.environ.setdefault(LOG_LEVEL, "3")
    # As it ends, Python would look for garbage among all that TensorFlow has loaded: a second, to free what ends anyway.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice on retracing is for authors of networks
    for stream in (sys.stdout, sys.stderr):
        # A file name need not be UTF-8; printing one must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
