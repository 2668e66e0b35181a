"""Decoding processes: whatever a file does to one costs that file alone, and none is left behind."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featx.errors import DecoderError, ImageRejected
from featx.images import MAX_PIXELS, decoder, load_batches
from featx.images.decode import TOO_MUCH_MEMORY
from featx.images.decoder import decode_file
from featx.images.turns import Turns
from featx.recipe import Recipe

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(6, 5), preprocess="none")

DEADLINE = 20.0
"""How long a test waits for what should take no time [s]."""

# As decoder's own, but with ``LINES`` run before each image is decoded. Images tell what to do by their last bytes.
PROGRAM = """
import sys, json
sys.path[:] = json.loads(sys.argv[1])
import os, resource, signal, time
from pathlib import Path
from featx.images import worker
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
real = worker.decode_and_measure
def decode_and_measure(data, *rest):
LINES
    return real(data, *rest)
worker.decode_and_measure = decode_and_measure
worker.main()
"""


@pytest.fixture(autouse=True)
def _decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Decoders of this test alone, and as many at a time as it likes."""
    decoder.end_idle_decoders()
    monkeypatch.setattr(decoder, "_turns", Turns())
    yield
    decoder.end_idle_decoders()


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The decoders' program with some lines run before each image is decoded."""

    def use(lines: str) -> None:
        indented = "\n".join(f"    {line}" for line in lines.splitlines())
        monkeypatch.setattr(decoder, "_PROGRAM", PROGRAM.replace("LINES", indented))

    return use


def colour_of(number: int) -> list[int]:
    """Return a colour that tells the number."""
    return [number, 255 - number, 7]


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes an image of the number's colour; ``tag`` stands after the picture, where nobody looks."""

    def write(number: int, tag: bytes = b"", name: str = "") -> Path:
        path = tmp_path / (name or f"{number}.png")
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 9), tuple(colour_of(number))).save(path, "PNG")
        with path.open("ab") as file:
            file.write(tag)
        return path

    return write


def decode(path: Path, max_pixels: int = MAX_PIXELS) -> list[int]:
    """Return the colour of an image, decoded in another process."""
    _, (pixels,), *_ = decoder.decode_file(
        path, recipe=RECIPE.to_dict(), max_pixels=max_pixels, augment=None, seed=0, views=[0]
    )
    assert pixels.shape == (6, 5, 3)
    assert (pixels == pixels[0, 0]).all()
    colour: list[int] = pixels[0, 0].tolist()
    return colour


def reason_of(path: Path, max_pixels: int = MAX_PIXELS) -> str:
    """Return why a file is rejected."""
    with pytest.raises(ImageRejected) as rejected:
        decode(path, max_pixels)
    return rejected.value.reason


def idle_pids() -> list[int]:
    """Return the numbers of the processes that wait for work."""
    return [waiting.pid for waiting in decoder._idle]


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone; one that only its new parent has not asked after yet is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return state[0] == "Z" and int(state[1]) != os.getpid()
    return False


def wait_until(condition: Callable[[], object], seconds: float = DEADLINE) -> bool:
    """Wait for a condition, but not for ever; return whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_process_is_used_again(image: Callable[..., Path]) -> None:
    """One image after the other needs one process, which stays for the next call."""
    assert decode(image(1)) == colour_of(1)
    (pid,) = idle_pids()
    assert [decode(image(number)) for number in range(2, 6)] == [colour_of(number) for number in range(2, 6)]
    assert idle_pids() == [pid]


def test_batches_share_the_processes_of_earlier_batches(image: Callable[..., Path]) -> None:
    """Never more processes than workers, however often batches are loaded."""
    paths = [image(number) for number in range(12)]
    pids: set[int] = set()
    for _ in range(3):
        assert sum(len(batch.images) for batch in load_batches(paths, RECIPE, 4, workers=2)) == 12
        pids |= set(idle_pids())
    assert len(pids) <= 2


def test_idle_processes_are_ended_on_request(image: Callable[..., Path]) -> None:
    """They are gone at once, not even zombies, and the next image starts a new one."""
    decode(image(1))
    (pid,) = idle_pids()
    decoder.end_idle_decoders()
    assert has_ended(pid)
    assert idle_pids() == []
    assert decode(image(2)) == colour_of(2)
    assert idle_pids() != [pid]


@pytest.mark.parametrize("wait", [True, False])
def test_process_killed_while_idle_costs_nothing(image: Callable[..., Path], wait: bool) -> None:
    """The next image is decoded by another one, whether the system has already told of the death or not."""
    decode(image(1))
    (pid,) = idle_pids()
    (killed,) = decoder._idle
    os.kill(pid, signal.SIGKILL)
    assert not wait or wait_until(lambda: not killed.alive)
    assert decode(image(2)) == colour_of(2)
    assert idle_pids() != [pid]
    assert has_ended(pid)


def test_all_processes_killed_while_idle_cost_nothing(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Several may be killed at once, for want of memory say; that none is known to be dead yet changes nothing."""
    monkeypatch.setattr(decoder.Decoder, "alive", property(lambda self: not self._requests.closed))
    decoder._idle += [decoder.Decoder() for _ in range(3)]
    pids = idle_pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert decode(image(1)) == colour_of(1)
    decoder.end_idle_decoders()
    assert all(map(has_ended, pids))


def test_process_killed_in_the_middle_of_an_image_costs_nothing(
    image: Callable[..., Path], program: Callable[[str], None], tmp_path: Path
) -> None:
    """Its image is decoded by another process, its neighbours are where they belong."""
    begun = tmp_path / "pid"
    program(f"""
if data.endswith(b"slow") and not os.path.exists({str(begun)!r}):
    Path({str(begun)!r} + "~").write_text(str(os.getpid()))
    os.rename({str(begun)!r} + "~", {str(begun)!r})
    time.sleep(600)
""")
    paths = [image(number, b"slow" if number == 3 else b"") for number in range(8)]

    def kill() -> None:
        wait_until(begun.exists)
        os.kill(int(begun.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    batches = list(load_batches(paths, RECIPE, 4, workers=2))
    killer.join()
    assert [batch.rejected for batch in batches] == [{}, {}]
    assert [image[0, 0].tolist() for batch in batches for image in batch.images] == [colour_of(n) for n in range(8)]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os.kill(os.getpid(), 9)", decoder.OUT_OF_MEMORY),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashes the decoder"),
        ("os.abort()", "crashes the decoder"),
        ("os._exit(0)", "crashes the decoder"),
        ("raise SystemExit", "crashes the decoder"),
    ],
)
def test_file_that_ends_the_process_each_time_is_rejected(
    image: Callable[..., Path], program: Callable[[str], None], end: str, reason: str
) -> None:
    """However the process ends, the file has its reason and its neighbours are decoded; being killed is no crash."""
    program(f"if data.endswith(b'crash'): {end}")
    paths = [image(number, b"crash" if number in (2, 7) else b"") for number in range(8)]
    batches = list(load_batches(paths, RECIPE, 4, workers=2))
    assert [batch.rejected for batch in batches] == [
        {2: reason},
        {7: reason},
    ]
    colours = [image[0, 0].tolist() for batch in batches for image in batch.images]
    assert colours == [colour_of(number) for number in (0, 1, 3, 4, 5, 6)]


def test_where_memory_runs_out_images_are_decoded_one_at_a_time(
    image: Callable[..., Path], program: Callable[[str], None], tmp_path: Path
) -> None:
    """The system kills whichever decodes beside another; alone each image is sound, and from then on fewer are at work."""
    held, kills = tmp_path / "held", tmp_path / "kills"
    kills.touch()
    program(f"""
try:
    os.mkdir({str(held)!r})
except FileExistsError:  # somebody else has the memory
    with open({str(kills)!r}, "a") as file:
        print("x", file=file)
    os.kill(os.getpid(), 9)
time.sleep(0.1)
os.rmdir({str(held)!r})
""")
    paths = [image(number) for number in range(16)]
    batches = list(load_batches(paths, RECIPE, 8, workers=4))
    assert [batch.rejected for batch in batches] == [{}, {}]
    assert [image[0, 0].tolist() for batch in batches for image in batch.images] == [colour_of(n) for n in range(16)]
    assert 1 <= len(kills.read_text().splitlines()) <= 8


def test_turns_grow_again_after_memory_had_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine lacked for a minute does not slow down the rest of a long run."""
    monkeypatch.setattr("featx.images.turns._IMAGES_UNTIL_MORE", 3)
    turns = Turns()
    turns.fewer()
    with turns.one(alone=False):
        assert not turns._may_begin(alone=False)
    for _ in range(2):
        with turns.one(alone=True):
            assert not turns._may_begin(alone=True)
    with turns.one(alone=False):
        assert turns._may_begin(alone=False)


@pytest.mark.parametrize("begun", [b'{"digest": "00", "shape": [1, 6, 5, 3]}\n' + bytes(7), b'{"digest": "0', b""])
def test_process_that_ends_in_the_middle_of_its_answer_is_replaced(
    image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: bytes
) -> None:
    """Half of the pixels are not taken for all of them, nor half of a line for an answer."""
    mark = tmp_path / "begun"
    ends_once = f"""
import os, pathlib, sys
if not os.path.exists({str(mark)!r}):
    pathlib.Path({str(mark)!r}).touch()
    os.write(1, b"ready\\n")
    sys.stdin.readline()
    os.write(1, {begun!r})
    os._exit(0)
"""
    monkeypatch.setattr(decoder, "_PROGRAM", ends_once + decoder._PROGRAM)
    assert decode(image(4)) == colour_of(4)
    assert mark.exists()


def test_crashes_leak_neither_processes_nor_open_files(image: Callable[..., Path], program: Callable[[str], None]) -> None:
    """Files that crash leave as many open files as none."""
    program("if data.endswith(b'crash'): os._exit(1)")
    sound, crash = image(1), image(2, b"crash")
    decode(sound)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        assert reason_of(crash) == "crashes the decoder"
    decode(sound)
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert len(idle_pids()) == 1


@pytest.fixture
def hang(program: Callable[[str], None], tmp_path: Path) -> Path:
    """A file with the number of the process that an image with the tag ``hang`` stopped."""
    pid = tmp_path / "hanging"
    program(f"""
if data.endswith(b"hang"):
    Path({str(pid)!r}).write_text(str(os.getpid()))
    time.sleep(600)
""")
    return pid


def test_hang_is_ended_and_rejected(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, hang: Path) -> None:
    """After the time that is allowed the file has its reason, and the process is gone."""
    monkeypatch.setattr(decoder, "DECODE_SECONDS", 2.0)
    paths = [image(number, b"hang" if number == 1 else b"") for number in range(4)]
    batches = list(load_batches(paths, RECIPE, 2, workers=1))
    assert [batch.rejected for batch in batches] == [{1: "takes longer than 2 s to read and decode"}, {}]
    assert [image[0, 0].tolist() for batch in batches for image in batch.images] == [colour_of(n) for n in (0, 2, 3)]
    assert has_ended(int(hang.read_text()))


def test_process_that_stands_still_is_ended(
    image: Callable[..., Path], program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was stopped by a signal would not even notice an ordinary request to end."""
    program("if data.endswith(b'stop'): os.kill(os.getpid(), signal.SIGSTOP)")
    monkeypatch.setattr(decoder, "DECODE_SECONDS", 1.0)
    decode(image(1))
    (pid,) = idle_pids()
    assert reason_of(image(2, b"stop")) == "takes longer than 1 s to read and decode"
    assert has_ended(pid)


def test_stopping_and_continuing_a_run_rejects_nothing(image: Callable[..., Path]) -> None:
    """Ctrl-Z and fg: the time that the run itself stood still is not the image's."""
    code = SCRIPT.format(
        lines="""
decoder.DECODE_SECONDS = 2.0
decoder._PROGRAM = sys.argv.pop(1)
list(load_batches(paths[:1], RECIPE, 1))
print("ready", flush=True)
print([batch.rejected for batch in load_batches(paths, RECIPE, 1, workers=1)])
"""
    )
    slow = PROGRAM.replace("LINES", "    if data.endswith(b'slow'): time.sleep(0.7)")
    paths = [image(1), image(2, b"slow")]
    with subprocess.Popen([sys.executable, "-c", code, slow, *map(str, paths)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        time.sleep(0.3)
        run.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        run.send_signal(signal.SIGCONT)
        out, _ = run.communicate(timeout=DEADLINE)
    assert out == "[{}, {}]\n"


def test_fault_of_featx_is_raised_with_its_traceback(image: Callable[..., Path], program: Callable[[str], None]) -> None:
    """A mistake in the program is no damaged image: it stops the run, says where it is, and the process goes on."""
    program("if data.endswith(b'fault'): 1 / 0")
    with pytest.raises(
        RuntimeError, match=r"(?s)in the process that decodes images:\nTraceback .*ZeroDivisionError: division by"
    ):
        list(load_batches([image(1), image(2, b"fault")], RECIPE, 2, workers=1))
    (pid,) = idle_pids()
    assert decode(image(3)) == colour_of(3)
    assert idle_pids() == [pid]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's address space")
def test_file_that_takes_too_much_memory_is_rejected(image: Callable[..., Path], program: Callable[[str], None]) -> None:
    """What is refused is an ordinary rejection, and the process goes on; the limit grows with the pixels allowed."""
    program("if data.endswith(b'greedy'): import numpy; numpy.empty(3 << 29, 'u1')")
    greedy = image(1, b"greedy")
    assert reason_of(greedy, max_pixels=1000) == TOO_MUCH_MEMORY
    (pid,) = idle_pids()
    assert decode(image(2), max_pixels=1000) == colour_of(2)
    assert decode(greedy, max_pixels=100_000_000) == colour_of(1)
    assert reason_of(greedy, max_pixels=1000) == TOO_MUCH_MEMORY
    assert idle_pids() == [pid]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's address space")
@pytest.mark.parametrize("known", [False, True])
def test_more_pixels_allowed_are_never_more_memory_than_there_is(
    known: bool, image: Callable[..., Path], program: Callable[[str], None]
) -> None:
    """Neither a large limit nor a list that says "decoded before" lets an image take the machine's memory."""
    program("if data.endswith(b'greedy'): import numpy; numpy.empty(3 << 29, 'u1')\nworker.memory_at_hand = lambda: 1 << 20")
    wanted: dict[str, Any] = {"recipe": RECIPE.to_dict(), "augment": None, "seed": 0, "views": [0], "known": known}
    decode_file(image(2), max_pixels=71 if known else 1 << 40, **wanted)  # which sets the process's limit
    with pytest.raises(ImageRejected, match=TOO_MUCH_MEMORY):
        decode_file(image(1, b"greedy"), max_pixels=71 if known else 1 << 40, **wanted)
    assert len(idle_pids()) == 1


def test_content_decoded_before_has_a_larger_limit_and_no_endless_one(
    image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's limit is no matter to it; whoever says that it was decoded before may be wrong."""
    wanted: dict[str, Any] = {"recipe": RECIPE.to_dict(), "augment": None, "seed": 0, "views": [0]}
    assert decode_file(image(1), known=True, max_pixels=71, **wanted).images.shape == (1, 6, 5, 3)
    with pytest.raises(ImageRejected, match=r"too large \(over 71 pixels\)"):
        decode_file(image(1), max_pixels=71, **wanted)
    monkeypatch.setattr(decoder, "KNOWN_PIXELS", 60)
    with pytest.raises(ImageRejected, match=r"too large \(over 71 pixels\)"):
        decode_file(image(1), known=True, max_pixels=71, **wanted)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's address space")
def test_file_larger_than_the_memory_allowed_is_rejected(image: Callable[..., Path]) -> None:
    """Gigabytes under an image's name are never read into memory."""
    path = image(1)
    os.truncate(path, 4 << 30)  # a hole, which takes no disk
    assert reason_of(path, max_pixels=1000) == TOO_MUCH_MEMORY
    assert decode(image(2)) == colour_of(2)
    assert len(idle_pids()) == 1


@pytest.mark.parametrize("text", ["raise SystemExit(1)", "print('not what is wanted', flush=True)", "import no_such_module"])
def test_process_that_cannot_start_is_an_error(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is no rejected image: the message says which Python it was and what to try."""
    monkeypatch.setattr(decoder, "_PROGRAM", text)
    with pytest.raises(DecoderError, match=r"the process that decodes images ended .* Try: ") as raised:
        list(load_batches([image(number) for number in range(6)], RECIPE, 2, workers=2))
    assert str(raised.value).startswith(f"{sys.executable}: ")
    assert idle_pids() == []


def test_missing_python_is_an_error(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The system's own reason is in the message."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(DecoderError, match=r"no-python: no process .* can be started: No such file or directory\."):
        decode(image(1))


def test_process_that_never_gets_ready_is_ended(
    image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that hangs while it starts is an error after a while, and gone."""
    pid = tmp_path / "pid"
    hanging = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(decoder, "_PROGRAM", hanging)
    monkeypatch.setattr(decoder, "_START_SECONDS", 2.0)
    with pytest.raises(DecoderError):
        decode(image(1))
    assert has_ended(int(pid.read_text()))


def test_what_libraries_print_is_not_taken_for_pixels(
    image: Callable[..., Path], program: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    """C libraries write to stdout and stderr as they please: it gets neither into the answers nor onto the terminal."""
    program("os.write(1, b'noise\\n' * 9); os.write(2, b'noise\\n'); print('noise', flush=True)")
    assert [decode(image(number)) for number in range(3)] == [colour_of(number) for number in range(3)]
    assert reason_of(image(3, name="empty").parent / "nowhere.png") == "cannot be read: No such file or directory"
    assert capfd.readouterr() == ("", "")


def test_digest_is_of_the_bytes_that_were_decoded(
    image: Callable[..., Path], program: Callable[[str], None], tmp_path: Path
) -> None:
    """A file that changes while it is decoded cannot give one version's digest and the other one's pixels."""
    path, other = image(1), image(2)
    old = path.read_bytes()
    program(f"os.replace({str(other)!r}, {str(path)!r})")
    (batch,) = load_batches([path], RECIPE, 1)
    assert batch.digests == [hashlib.sha256(old).digest()]
    assert batch.images[0, 0, 0].tolist() == colour_of(1)


def test_interrupted_request_does_not_give_its_pixels_to_the_next(
    image: Callable[..., Path], program: Callable[[str], None]
) -> None:
    """An exception while an answer is waited for (Ctrl-C in a notebook) must not leave that answer in the pipe."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    program("if data.endswith(b'slow'): time.sleep(1)")
    decode(image(1))
    slow, next_one = image(2, b"slow"), image(3)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            decode(slow)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert decode(next_one) == colour_of(3)


def test_pixels_that_find_no_room_are_not_left_in_the_pipe(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that runs out here, after the answer's first line was read, does not confuse the next image."""

    def no_room(*_: object) -> np.ndarray:
        raise MemoryError

    decode(image(1))
    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", no_room)
        with pytest.raises(MemoryError):
            decode(image(2))
    assert decode(image(3)) == colour_of(3)


def test_relative_path_is_of_the_callers_current_folder(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started in another folder still finds the file that was meant."""
    here, there = image(1, name="here/1.png"), image(2, name="there/1.png")
    monkeypatch.chdir(here.parent)
    assert decode(Path("1.png")) == colour_of(1)
    pids = idle_pids()
    monkeypatch.chdir(there.parent)
    assert decode(Path("1.png")) == colour_of(2)
    assert decode(Path("../here/1.png")) == colour_of(1)
    assert idle_pids() == pids


def test_files_are_found_from_a_folder_that_is_gone(
    image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An absolute path needs no current folder, neither for a process that waits nor for a new one."""
    path = image(1)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert decode(path) == colour_of(1)
    assert decode(path) == colour_of(1)


def test_path_through_a_link_and_back_is_what_the_system_makes_of_it(image: Callable[..., Path], tmp_path: Path) -> None:
    """``link/../1.png`` lies beside the folder that the link leads to, not beside the link."""
    image(1, name="1.png")
    there = image(2, name="there/1.png")
    (there.parent / "deep").mkdir()
    (tmp_path / "link").symlink_to(there.parent / "deep")
    path = tmp_path / "link" / ".." / "1.png"
    with Image.open(path) as opened:
        assert opened.getpixel((0, 0)) == tuple(colour_of(2))
    assert decode(path) == colour_of(2)


@pytest.mark.parametrize("name", [b"two\nlines.png", b"\xff\xe9.png", "ö €.png".encode(), b'"quoted" \\.png'])
def test_any_file_name_reaches_the_process(image: Callable[..., Path], name: bytes) -> None:
    """Names are whatever the system allows: line breaks and bytes that are no text as well."""
    try:
        path = image(1, name=os.fsdecode(name))
    except OSError:
        pytest.skip("this file system does not take such a name")
    assert decode(path) == colour_of(1)


def test_files_in_the_current_folder_are_not_imported(
    image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A ``json.py`` beside the user's images is neither run nor in the way."""
    path = image(1)
    (tmp_path / "json.py").write_text("from pathlib import Path\nPath('was-run').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert decode(path) == colour_of(1)
    assert not (tmp_path / "was-run").exists()


def test_large_answers_come_whole(image: Callable[..., Path]) -> None:
    """Many more pixels than a pipe holds, twice over the same one."""
    recipe = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(1000, 700), preprocess="none")
    request: dict[str, Any] = {"recipe": recipe.to_dict(), "max_pixels": MAX_PIXELS, "augment": "flip", "seed": 0}
    for number in (1, 2):
        _, images, *_ = decoder.decode_file(image(number), **request, views=[0, 1, 2])
        assert images.shape == (3, 1000, 700, 3)
        assert (images == colour_of(number)).all()


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from featx.images import MAX_PIXELS, decoder, load_batches
from featx.recipe import Recipe

RECIPE = Recipe("stub", "none", ("cells",), (6, 5), "none")
paths = [Path(name) for name in sys.argv[1:] if name.endswith(".png")]
started = []
start = decoder.Decoder.__init__

def start_and_note(self):
    start(self)
    started.append(self.pid)

def decode(path):
    request = dict(recipe=RECIPE.to_dict(), max_pixels=MAX_PIXELS, augment=None, seed=0, views=[0])
    return decoder.decode_file(path, **request)[1][0, 0, 0].tolist()

decoder.Decoder.__init__ = start_and_note
{lines}
"""


def run_script(lines: str, *arguments: object) -> tuple[int, list[str]]:
    """Run a program that uses featx; return its exit status and what it printed, line by line."""
    command = [sys.executable, "-c", SCRIPT.format(lines=lines), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.splitlines()


ENDINGS = {
    "after the last batch": ("list(batches)", 0),
    "with batches left": ("pass", 0),
    "by an exception": ("raise RuntimeError", 1),
    "by Ctrl-C": ("signal.raise_signal(signal.SIGINT)", -signal.SIGINT),
    "terminated": ("signal.raise_signal(signal.SIGTERM)", -signal.SIGTERM),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
}


@pytest.mark.parametrize(("end", "status"), ENDINGS.values(), ids=ENDINGS)
def test_no_process_outlives_the_program(image: Callable[..., Path], end: str, status: int) -> None:
    """However a program ends that loads batches, its decoders end with it."""
    lines = f"""
batches = load_batches(paths, RECIPE, 2, workers=2)
next(batches)
while len(started) < 2:
    time.sleep(0.01)
print(*started, flush=True)
{end}
"""
    returncode, (pids,) = run_script(lines, *(image(number) for number in range(12)))
    assert returncode == status
    assert wait_until(lambda: all(has_ended(int(pid)) for pid in pids.split()))


@pytest.mark.parametrize("hang", ["time.sleep(600)", "import ctypes; ctypes.PyDLL(None).sleep(600)"], ids=["Python", "C"])
def test_hanging_process_does_not_outlive_a_killed_program(image: Callable[..., Path], hang: str) -> None:
    """Nobody is left to end a decoder that never comes back, so that it ends by itself, even if it holds Python's lock."""
    lines = """
import threading
decoder.DECODE_SECONDS = 1.0
decoder._PROGRAM = sys.argv[1]
threading.Thread(target=decode, args=(paths[0],), daemon=True).start()
while not Path(sys.argv[2]).exists():
    time.sleep(0.01)
print(*started, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = image(1)
    begun = path.with_name("begun")
    forever = PROGRAM.replace("LINES", f"    Path({str(begun)!r}).touch(); {hang}")
    _, (pid,) = run_script(lines, forever, begun, path)
    try:
        assert wait_until(lambda: has_ended(int(pid)), 8)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_neither_zombies_nor_processes_are_left_in_a_program_that_goes_on(image: Callable[..., Path]) -> None:
    """Crashes and a hang included, a program has no child once its idle decoders are ended."""
    lines = """
decoder._PROGRAM = sys.argv.pop(1)
list(load_batches(paths[:1], RECIPE, 1))
decoder.DECODE_SECONDS = 2.0
print([sorted(batch.rejected) for batch in load_batches(paths, RECIPE, 3, workers=2)])
decoder.end_idle_decoders()
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
"""
    harm = "    if data.endswith(b'crash'): os._exit(1)\n    if data.endswith(b'hang'): time.sleep(600)"
    paths = [image(0), image(1, b"crash"), image(2), image(3, b"hang"), image(4)]
    assert run_script(lines, PROGRAM.replace("LINES", harm), *paths) == (0, ["[[1], [3]]", "no child"])


def test_forked_process_starts_decoders_of_its_own(image: Callable[..., Path]) -> None:
    """Parent and child decode at the same time, and neither gets the other's pixels."""
    lines = """
mine, theirs = paths
assert decode(mine) == decode(mine)
child = os.fork()
path = mine if child else theirs
colours = {tuple(decode(path)) for _ in range(200)}
if not child:
    print("child", *colours, len(started), flush=True)
    decoder.end_idle_decoders()
    os._exit(0)
os.waitpid(child, 0)
print("parent", *colours, len(started), decode(mine))
"""
    returncode, said = run_script(lines, image(1), image(2))
    assert (returncode, said) == (0, ["child (2, 253, 7) 2", "parent (1, 254, 7) 1 [1, 254, 7]"])


def test_end_of_a_forked_process_leaves_its_parents_decoders(image: Callable[..., Path]) -> None:
    """A child that ends in the usual way, with all that Python does then, takes nothing from its parent."""
    lines = """
decode(paths[0])
before = [waiting.pid for waiting in decoder._idle]
if not os.fork():
    sys.exit()
os.wait()
print(decode(paths[0]), before == started == [waiting.pid for waiting in decoder._idle])
"""
    assert run_script(lines, image(1)) == (0, ["[1, 254, 7] True"])


def test_interrupt_from_the_terminal_does_not_reach_the_processes(image: Callable[..., Path]) -> None:
    """Ctrl-C goes to all processes in the foreground; decoders are not there, and a run that goes on still has them."""
    lines = """
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
decode(paths[0])
print(*started, flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.2)
print(decode(paths[0]), *started, flush=True)
"""
    command = [sys.executable, "-c", SCRIPT.format(lines=lines), str(image(1))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        pid = run.stdout.readline().strip()
        assert os.getpgid(int(pid)) != os.getpgid(run.pid)
        os.killpg(run.pid, signal.SIGINT)
        out, _ = run.communicate(timeout=DEADLINE)
    assert out == f"[1, 254, 7] {pid}\n"


def test_module_on_its_own_does_what_the_message_of_a_failed_start_promises() -> None:
    """``python -m featx.images.worker </dev/null`` says that it is ready and ends; a broken start would show here."""
    command = [sys.executable, "-m", "featx.images.worker"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"ready\n")


def test_answer_is_a_line_of_json_and_the_pixels(image: Callable[..., Path]) -> None:
    """What the process says, byte for byte, for a sound file and one that is none."""
    request: dict[str, Any] = {"recipe": RECIPE.to_dict(), "max_pixels": 72, "augment": None, "seed": 0, "views": [0]}
    path = image(5)
    requests = [request | {"path": str(path)}, request | {"path": str(path), "max_pixels": 71}]
    level = Image.new("RGB", (1, 1), tuple(colour_of(5))).convert("L").getpixel((0, 0))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    head = {"digest": digest, "shape": [1, 6, 5, 3], "size": [9, 8], "grey": f"{level:02x}" * 64 * 64}
    wanted = b"ready\n" + json.dumps(head).encode() + b"\n" + bytes(colour_of(5)) * 30
    wanted += b'{"reason": "too large (over 71 pixels)"}\n'
    command = [sys.executable, "-m", "featx.images.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in requests:
            process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.read(len(wanted)) == wanted
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders of a system that waits for sockets alone, as Windows does."""
    monkeypatch.setattr("featx.images.waiting._SELECTS_PIPES", False)


@pytest.mark.usefixtures("in_a_thread")
def test_a_thread_waits_where_the_system_does_not(image: Callable[..., Path], program: Callable[[str], None]) -> None:
    """Images are decoded, a crash costs its image alone, and no thread is left."""
    program("if data.endswith(b'crash'): os._exit(1)")
    paths = [image(number, b"crash" if number == 2 else b"") for number in range(6)]
    batches = list(load_batches(paths, RECIPE, 3, workers=2))
    assert [batch.rejected for batch in batches] == [{2: "crashes the decoder"}, {}]
    assert [i[0, 0].tolist() for batch in batches for i in batch.images] == [colour_of(n) for n in (0, 1, 3, 4, 5)]
    decoder.end_idle_decoders()
    assert "featx-decoder" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("in_a_thread")
def test_a_hang_is_ended_where_a_thread_waits(image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, hang: Path) -> None:
    """The thread does not stand in the way of ending the process that it waits for."""
    monkeypatch.setattr(decoder, "DECODE_SECONDS", 2.0)
    assert reason_of(image(1, b"hang")) == "takes longer than 2 s to read and decode"
    assert has_ended(int(hang.read_text()))
    assert decode(image(2)) == colour_of(2)


@pytest.mark.parametrize(("cancelled", "wanted"), [(False, (1, "")), (True, (0, "alive\n"))])
def test_time_is_over_without_a_timer_of_the_system(cancelled: bool, wanted: tuple[int, str]) -> None:
    """Without ``setitimer`` too: a decoder ends by itself where nobody is left to end it, but not when it has answered."""
    program = f"""
import signal, time
del signal.setitimer
from featx.images.worker import _end_after
_end_after(0.5)
if {cancelled}:
    _end_after(0)
time.sleep(1.5)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=DEADLINE * 3)
    assert (done.returncode, done.stdout) == wanted


def test_a_system_without_limits_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note, where a hostile image could take all memory."""
    monkeypatch.setattr(decoder, "LIMITS_MEMORY", True)
    assert decoder.decoder_notes() == []
    monkeypatch.setattr(decoder, "LIMITS_MEMORY", False)
    (note,) = decoder.decoder_notes()
    assert "does not limit a decoder's memory" in note
