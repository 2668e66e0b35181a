"""Decoding in other processes: started when needed, kept for the next batch, replaced when they die."""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import DecoderError, ImageRejected
from featx.images.decode import TOO_MUCH_MEMORY
from featx.images.header import Header
from featx.images.picture import SIDE, Picture
from featx.images.raster import TOO_LARGE, Traits
from featx.images.turns import Turns
from featx.images.waiting import Waiting
from featx.images.worker import LIMITS_MEMORY, READY
from featx.system.elsewhere import calling, command, stderr

KNOWN_PIXELS = 1 << 32
"""No larger image has been decoded before, whoever says so: a cache may be somebody else's [px]."""

DECODE_SECONDS = 60.0
"""An image that takes longer is rejected: the largest sound images take some ten seconds."""

# The wait is counted in parts, so that a time in which the machine or the run was stopped counts for no more than a part.
_WAITS = 60

_START_SECONDS = 120.0

_END_SECONDS = 10.0

_PROGRAM = calling("featx.images.worker:main")


OUT_OF_MEMORY = "the system ended its decoder, most likely for want of memory"
"""Reason of an image whose decoder was killed, though no other was at work beside it. The next run tries it again."""

# SIGKILL, which Windows does not name.
_KILLED = -9


def decoder_notes() -> list[str]:
    """Say what this system cannot hold against a hostile image: Windows and macOS do not limit a process's memory."""
    if LIMITS_MEMORY:
        return []
    return ["this system does not limit a decoder's memory: a damaged or hostile image may take all there is"]


class DecoderDied(Exception):
    """The process ended in the middle of an image.

    Parameters
    ----------
    killed : bool
        Whether by somebody else, as the system does where memory runs out, and not by what it was doing.
    """

    def __init__(self, killed: bool) -> None:
        super().__init__()
        self.killed = killed


class Decoded(NamedTuple):
    """A decoded file.

    Parameters
    ----------
    digest : bytes
        Of the file's content.
    images : ndarray of shape (n_views, height, width, 3), uint8
        The views asked for.
    picture : Picture or None
        What the clean image is like; None where views were asked for.
    traits : Traits
        Further properties of the file.
    header : Header or None
        What its header says, where that alone was asked for.
    """

    digest: bytes
    images: NDArray[np.uint8]
    picture: Picture | None
    traits: Traits = Traits()
    header: Header | None = None


class Decoder:
    """A process that decodes image files, one at a time.

    Raises
    ------
    DecoderError
        If it cannot be started.
    """

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                command(_PROGRAM),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr(),
                # NumPy would start a thread for each core, and memory for each, to multiply nothing.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                # Ctrl-C is for the run, which then ends this process itself. Each system ignores the other's word for it.
                process_group=0,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            raise DecoderError(f"{sys.executable}: no process to decode images can be started: {error.strerror}.") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._in_the_middle = False
        self._wait = Waiting(self._answers)
        if not self._wait(_START_SECONDS) or self._answers.readline() != READY:
            self.close()
            raise DecoderError(
                f"{sys.executable}: the process that decodes images ended as soon as it was started. "
                "Try: python -m featx.images.worker </dev/null"
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def decode(self, request: dict[str, Any]) -> Decoded:
        """Decode one file.

        Parameters
        ----------
        request : dict
            As ``worker`` takes it.

        Returns
        -------
        decoded : Decoded
            The views asked for, and what they are of.

        Raises
        ------
        ImageRejected
            If the file gives no pixels, or takes too long.
        DecoderDied
            If the process ended. After this, and after a file that took too long, it is of no more use.
        """
        self._in_the_middle = True
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            if not self._wait_for_answer():
                raise ImageRejected(f"takes longer than {DECODE_SECONDS:.0f} s to read and decode")
            line = self._answers.readline()
            if not line.endswith(b"\n"):
                raise self._death()
            head = json.loads(line)
            images = np.empty(head.get("shape", (0,)), np.uint8)
            if self._answers.readinto(images.data.cast("B")) != images.size:  # type: ignore[attr-defined] # a buffered pipe has it
                raise self._death()
        except OSError as error:
            raise self._death() from error
        self._in_the_middle = False
        if "reason" in head:
            raise ImageRejected(head["reason"])
        if "fault" in head:
            raise RuntimeError(f"in the process that decodes images:\n{head['fault']}")
        header = Header(*head["header"]) if "header" in head else None
        return Decoded(bytes.fromhex(head["digest"]), images, _picture_of(head), Traits(*head.get("traits", ())), header)

    def _death(self) -> DecoderDied:
        with contextlib.suppress(subprocess.TimeoutExpired):  # its pipes are closed, so it has ended but for its memory
            self._process.wait(_END_SECONDS)
        return DecoderDied(self._process.returncode == _KILLED)

    def _wait_for_answer(self) -> bool:
        return any(self._wait(DECODE_SECONDS / _WAITS) for _ in range(_WAITS)) or self._wait(0)

    @property
    def alive(self) -> bool:
        """Whether it can take another request: not after a request whose answer was not read to its end, whatever the cause."""
        return not self._in_the_middle and not self._requests.closed and self._process.poll() is None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._wait.close()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # a request that was never read
                pipe.close()
        self._process.wait()


def _picture_of(head: dict[str, Any]) -> Picture | None:
    if "grey" not in head:
        return None
    grey = np.frombuffer(bytes.fromhex(head["grey"]), np.uint8).reshape(SIDE, SIDE)
    height, width = head["size"]
    return Picture(height, width, grey)


_turns = Turns()
_idle: list[Decoder] = []
_guard = threading.Lock()
_one_large = threading.Lock()


@contextlib.contextmanager
def _borrowed(new: bool) -> Iterator[Decoder]:
    """Yield a decoder for this caller alone, an idle or a new one; put it back if it is still of use."""
    with _guard:
        decoder = _idle.pop() if _idle and not new else None
    if decoder is not None and not decoder.alive:
        decoder.close()
        decoder = None
    decoder = decoder or Decoder()
    try:
        yield decoder
    finally:
        if decoder.alive:
            with _guard:
                _idle.append(decoder)
        else:
            decoder.close()


def decode_file(path: Path, *, known: bool = False, **request: Any) -> Decoded:
    """Decode one file in another process; see ``Decoder.decode`` for what it gives.

    Parameters
    ----------
    path : Path
        The file.
    known : bool
        Whether its content is listed as decoded before: then it may have up to ``KNOWN_PIXELS``, if memory allows. Larger
        images than ``max_pixels`` are decoded one at a time, since each may take all the memory that is left.
    **request
        As ``worker`` takes it.

    Raises
    ------
    ImageRejected
        Also if the process dies of it, twice; or is killed although no other is at work, as where memory runs out.
    DecoderError
        If no process can be started.
    """
    # The process may have been started in another folder. Not resolved: a link is for the system to follow.
    request |= {"path": str(path.absolute()), "seconds": DECODE_SECONDS}
    try:
        return _decode(request)
    except ImageRejected as rejected:
        if not (known and rejected.reason.startswith((TOO_LARGE, TOO_MUCH_MEMORY))):
            raise
    with _one_large:
        return _decode(request | {"max_pixels": max(KNOWN_PIXELS, request["max_pixels"])})


def _decode(request: dict[str, Any]) -> Decoded:
    # An idle process may have been killed long ago. Two new processes that die do so of this image, or for want of memory: then
    # the next try has all of it.
    killed = False
    for new in (False, True, True):
        try:
            with _turns.one(alone=killed):
                if killed:
                    end_idle_decoders()
                with _borrowed(new) as decoder:
                    return decoder.decode(request)
        except DecoderDied as death:
            killed = death.killed
            if killed:
                _turns.fewer()  # its own turn has ended: those that are left are one less
    raise ImageRejected(OUT_OF_MEMORY if killed else "crashes the decoder")


@atexit.register
def end_idle_decoders() -> None:
    """End the processes that wait for work; the next image starts a new one."""
    with _guard:
        while _idle:
            _idle.pop().close()


def _forget_in_a_fork() -> None:
    """A forked process must not share its parent's pipes: both would read the other's pixels."""
    global _guard, _turns, _one_large
    _guard, _turns, _one_large = threading.Lock(), Turns(), threading.Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_a_fork)
