"""The process that decodes image files for another process.

Image files come from anywhere, and decoders are C: a decoder that crashes, hangs or eats the memory must cost its image and
not the run. Requests come as lines of JSON on stdin; each answer on stdout is a line of JSON, then the pixels.
"""

import contextlib
import dataclasses
import faulthandler
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images.augment import Augmentation, augmented
from featx.images.decode import TOO_MUCH_MEMORY, decode_and_measure, read_image_file
from featx.images.header import read_header
from featx.images.picture import Picture
from featx.images.raster import MAX_PIXELS, Traits
from featx.recipe import Recipe
from featx.system.files import content_digest
from featx.system.memory import memory_at_hand

try:
    import resource
except ImportError:  # Windows, which does not limit a process's memory
    resource = None  # type: ignore[assignment]

NOTHING = np.empty(0, np.uint8)

LIMITS_MEMORY = resource is not None and sys.platform != "darwin"
"""Whether the system refuses memory past a limit; macOS takes the limit and gives all the same."""

READY = b"ready\n"
"""What the process writes once it can take requests."""

# A decoded image, its copy with alpha and its copy on the background take 12 bytes a pixel in Pillow, and a file may be as
# large again; whatever asks for more than this is damaged or hostile.
_BYTES_A_PIXEL = 24
_BASE_BYTES = 1 << 30

# The asking process ends this one after the seconds of the request; past a multiple of them it must be gone itself.
_PATIENCE = 2.0

_LIMIT_AT_START = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else 0

# For what was asked before the other side went; a decoder that hangs ends after it.
_GRACE_SECONDS = 2.0


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    answers.write(READY)
    answers.flush()
    for line in requests:
        request = json.loads(line)
        _limit_memory(request["max_pixels"])
        # Where the asking process is gone, this one ends, even if a decoder never gives Python's lock back.
        _end_after(request.get("seconds", 0) * _PATIENCE)
        head: dict[str, Any]
        try:
            if request.get("header"):
                head, images = {"digest": "", "header": read_header(Path(request["path"]), request["max_pixels"])}, NOTHING
            else:
                head, images = _answer(request)
        except ImageRejected as rejected:
            head, images = {"reason": rejected.reason}, NOTHING
        except MemoryError:
            head, images = {"reason": TOO_MUCH_MEMORY}, NOTHING
        except Exception:  # a mistake of featx's own must not pass for a damaged image
            head, images = {"fault": traceback.format_exc()}, NOTHING
        _end_after(0)
        answers.write(json.dumps(head).encode() + b"\n")
        answers.write(images.data)
        answers.flush()


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    digest, images, picture, traits = _decode(request)
    head: dict[str, Any] = {"digest": digest.hex(), "shape": images.shape}
    if traits != Traits():
        head["traits"] = dataclasses.astuple(traits)
    if picture:
        head |= {"size": picture[:2], "grey": picture.grey.tobytes().hex()}
    return head, images


def _decode(request: dict[str, Any]) -> tuple[bytes, NDArray[np.uint8], Picture | None, Traits]:
    """Return a file's content digest, the views asked for, (n_views, height, width, 3), and what picture and file are like."""
    data = read_image_file(Path(request["path"]))
    digest = content_digest(data)
    alone, longest = request["augment"] is None, request.get("longest")
    measure = alone and not longest  # of what the backbone sees, and once
    recipe = Recipe.from_dict(request["recipe"])
    clean, picture, traits = decode_and_measure(data, recipe, request["max_pixels"], longest, measure)
    if alone:
        return digest, clean[None], picture, traits
    augmentation = Augmentation.parse(request["augment"]) if request["augment"] else Augmentation()
    views = [augmented(clean, digest, augmentation, request["seed"], view) for view in request["views"]]
    return digest, np.stack(views), None, traits


def _end_after(seconds: float) -> None:
    """End this process after so many seconds; 0 cancels it."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
    elif seconds:  # a thread without Python's lock; starting it takes longer
        faulthandler.dump_traceback_later(seconds, exit=True, file=2)
    else:
        faulthandler.cancel_dump_traceback_later()


def _limit_memory(max_pixels: int) -> None:
    """Make the system refuse what no sound image needs, as an ordinary ``MemoryError``.

    Where more pixels than usual are allowed, no more memory is than the machine has left: the system would end this process,
    or another, without a word.
    """
    if resource is None:
        return
    wanted = _BYTES_A_PIXEL * max_pixels
    if max_pixels > MAX_PIXELS and (left := memory_at_hand()) is not None:
        wanted = min(wanted, max(left, 0))
    wanted += _BASE_BYTES
    with contextlib.suppress(OSError, ValueError):  # a lower limit that featx was started under stays
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        lowest = min(limit for limit in (wanted, _LIMIT_AT_START, hard) if limit != resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_AS, (lowest, hard))


def _end_with_the_other_side() -> None:
    """Wait until the other end of stdin is closed, even in the middle of an image, and end.

    Windows has no such call. There the process ends after that image, or when its time is over.
    """
    if not hasattr(select, "poll"):
        return
    watch = select.poll()
    watch.register(0, 0)  # reports no requests, only that there can be no more
    watch.poll()
    time.sleep(_GRACE_SECONDS)
    os._exit(0)


def main() -> None:
    """Serve on stdin and stdout; what libraries print goes nowhere, or it would be taken for pixels."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    threading.Thread(target=_end_with_the_other_side, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # the asking process is gone
        serve(sys.stdin.buffer, answers)
    # Not the usual way out: it would flush to pipes that are no longer read.
    os._exit(0)


if __name__ == "__main__":
    main()
