"""Loading TensorFlow without its page of notices, and without collecting garbage meanwhile."""

import contextlib
import contextvars
import gc
import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from featx.errors import BackboneError

GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""TensorFlow's and JAX' own switches, unless the user has set them."""

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow's own switch; the command line sets it to 3, errors only, unless the user has set it."""

# How the lines begin that TensorFlow, and what it is made of, write before it reads its level.
_NOTICE = re.compile(
    rb"WARNING: All log messages before absl|To enable the following instructions|"
    rb"[IWE]\d{4} \d\d:\d\d:\d\d|[IWE]0000 00:00:\d|\d{4}-\d\d-\d\d [\d:.]+: [IWE] "
)

# Whether it is featx that runs a network: TensorFlow's advice is for whoever wrote the code that does.
_runs_network = contextvars.ContextVar("featx_runs_network", default=False)


class _NoAdvice(logging.Filter):
    """Keeps back what TensorFlow advises about featx's own calls; what it says of anybody else's passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be shown."""
        return not (_runs_network.get() and "tf.function retracing" in record.getMessage())


_NO_ADVICE = _NoAdvice()

# Garbage collection and descriptor 2 are the whole process': of two threads that load, the second waits for the first.
_one_at_a_time = threading.RLock()

_loaded_by: int | None = None
"""The process that has loaded a network's libraries."""


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage while a large library is loaded: there is none, and looking takes a fifth of the time."""
    if "keras" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Hold back what native code writes to stderr while it loads, if only errors were asked for.

    TensorFlow writes some notices before it reads its own log level, so nothing but the file descriptor stops them. They
    are shown after all if the block fails. And let GPUs' memory grow as it is needed: TensorFlow would take all of it at
    once, JAX three quarters.

    In a program of a user's, who has set no level and not loaded TensorFlow, its notices alone are dropped: whatever else is
    written meanwhile, by another thread, comes afterwards. The variable is gone again; TensorFlow has read it by then.

    Raises
    ------
    BackboneError
        If Keras is set to a backend that there is not, or this process was forked from a process that had loaded it.
    """
    global _loaded_by
    check_not_forked()
    for name, value in GROWTH.items():
        os.environ.setdefault(name, value)
    with _one_at_a_time:
        try:
            with _uncollected(), _errors_alone() as notices_alone, _held_back(notices_alone):
                yield
        except (ValueError, ImportError) as error:
            if (refusal := _backend_refused(error)) is None:
                raise
            raise BackboneError(refusal) from error
        _loaded_by = os.getpid()


@contextlib.contextmanager
def without_advice() -> Iterator[None]:
    """Run a network without TensorFlow's advice to compile less often: a batch of another size is compiled once."""
    logging.getLogger("tensorflow").addFilter(_NO_ADVICE)  # once, however often it is asked for
    token = _runs_network.set(True)
    try:
        yield
    finally:
        _runs_network.reset(token)


def check_not_forked() -> None:
    """Refuse to compute in a process that was forked from another that had loaded a network.

    The threads that compute stayed behind in that process: the first operation would wait for them for ever.

    Raises
    ------
    BackboneError
        If it was.
    """
    if _loaded_by not in (None, os.getpid()):
        raise BackboneError(
            f"process {os.getpid()} was forked from process {_loaded_by} after that had loaded a network: its threads are not "
            "here, and computing would hang. Start processes with multiprocessing.get_context('spawn'), or fork before the "
            "first extract, fit or predict."
        )


def _backend_refused(error: Exception) -> str | None:
    """Return the message for an error with which Keras refused the backend that it is set to; None for any other."""
    named = re.search(r"[Uu]nable to import backend ?: ?(\w+)", str(error))
    missing = getattr(error, "name", None)
    backend = named[1] if named else missing if missing in ("tensorflow", "jax", "torch") else None
    if backend is None:
        return None
    if "KERAS_BACKEND" in os.environ:
        where = "the variable KERAS_BACKEND"
    else:
        home = os.environ.get("KERAS_HOME")
        where = str((Path(home) if home else Path("~/.keras")) / "keras.json")
    return (
        f"Keras cannot load its backend {backend!r}, which {where} names. "
        "Set it to tensorflow, or to jax or torch where that is installed."
    )


def _temporary_file() -> IO[bytes] | None:
    """Return an open file without a name; None where there is no folder for one: notices are better than an error."""
    with contextlib.suppress(OSError):
        return tempfile.TemporaryFile()
    return None


@contextlib.contextmanager
def _errors_alone() -> Iterator[bool]:
    """Ask TensorFlow for errors alone where nobody has said otherwise; yield whether that was so."""
    if "tensorflow" in sys.modules or LOG_LEVEL in os.environ:
        yield False
        return
    os.environ[LOG_LEVEL] = "3"
    try:
        yield True
    finally:
        os.environ.pop(LOG_LEVEL, None)


@contextlib.contextmanager
def _held_back(notices_alone: bool) -> Iterator[None]:
    if os.environ.get(LOG_LEVEL) != "3" or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    file = _temporary_file()
    if file is None:
        yield
        return
    with file as held:
        before, failed = os.dup(2), False
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # not Ctrl-C: that needs no explanation
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            held.seek(0)
            os.write(before, b"".join(line for line in held if failed or (notices_alone and not _NOTICE.match(line))))
            os.close(before)
