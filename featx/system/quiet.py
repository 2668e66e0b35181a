"""Loading TensorFlow without its page of notices, and without collecting garbage meanwhile."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator

GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""TensorFlow's and JAX' own switches, unless the user has set them."""

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow's own switch; the command line sets it to 3, errors only, unless the user has set it."""


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
    """
    for name, value in GROWTH.items():
        os.environ.setdefault(name, value)
    with _uncollected(), _held_back():
        yield


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    if os.environ.get(LOG_LEVEL) != "3":
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # not Ctrl-C: that needs no explanation
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
