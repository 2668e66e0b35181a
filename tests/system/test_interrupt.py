"""What Ctrl-C does, pressed once and pressed again."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from featx.system.interrupt import finishing_first, interrupted_once


def press() -> None:
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def presses() -> Iterator[list[int]]:
    """The presses that a handler of the test's own was given."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    yield seen
    signal.signal(signal.SIGINT, before)


def test_the_first_press_interrupts_and_those_after_it_do_not() -> None:
    """What is left to do on the way out is done, however often it is pressed; afterwards Ctrl-C is as before."""
    before = signal.getsignal(signal.SIGINT)
    done = []

    @interrupted_once()
    def work() -> None:
        try:
            press()
        finally:
            press()
            with finishing_first():
                press()
            done.append("kept")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["kept"]
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_generator_that_is_being_closed_is_not_interrupted() -> None:
    """Python could only print a KeyboardInterrupt there, and whoever pressed would see a traceback."""

    def numbers() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            press()

    @interrupted_once()
    def work() -> None:
        for _ in numbers():
            press()

    with pytest.raises(KeyboardInterrupt):
        work()


def test_what_the_block_holds_back_counts_as_pressed_once() -> None:
    """Presses during a write interrupt after it, once, inside such a block and outside."""
    done = []

    @finishing_first()
    def write() -> None:
        press()
        press()
        done.append("written")

    with pytest.raises(KeyboardInterrupt):
        interrupted_once()(write)()
    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == ["written"] * 2


def test_blocks_may_be_nested() -> None:
    """A verb inside a command: still one interruption of the whole."""
    done = []

    @interrupted_once()
    def command() -> None:
        try:
            interrupted_once()(press)()
        finally:
            press()
            done.append("kept")

    with pytest.raises(KeyboardInterrupt):
        command()
    assert done == ["kept"]


def test_a_handler_of_the_callers_own_stays_in_charge(presses: list[int]) -> None:
    """One that only notes presses is given every one of them, and nothing is interrupted."""
    with interrupted_once():
        press()
        press()
        with finishing_first():
            press()
            assert len(presses) == 2
    assert len(presses) == 3


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    """A shell starts what it puts into the background with Ctrl-C ignored."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from featx.system.interrupt import finishing_first, interrupted_once\n"
        "with interrupted_once(), finishing_first():\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "print('went on', signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("went on True\n", "", 0)


def test_in_another_thread_the_block_simply_runs() -> None:
    """Python lets the main thread alone handle signals."""
    done = []

    def work() -> None:
        with interrupted_once(), finishing_first():
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]


def test_an_ending_that_is_handled_is_held_back_too() -> None:
    """A write is not cut in half by SIGTERM either, where that interrupts as Ctrl-C does."""
    done = []

    @finishing_first()
    def write() -> None:
        signal.raise_signal(signal.SIGTERM)
        done.append("written")

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write()
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == ["written"]


@pytest.mark.parametrize("begin", ["end_as_by_ctrl_c()", "interrupt_once()"])
@pytest.mark.parametrize(
    "place",
    [
        "gc.callbacks.append(lambda phase, info: phase == 'start' and press()); gc.collect()",
        "type('Deleted', (), {'__del__': lambda self: press()})()",
        "weakref.finalize(something := type('Gone', (), {})(), press); del something",
    ],
)
def test_a_signal_that_comes_where_no_exception_goes_further_is_not_lost(begin: str, place: str) -> None:
    """In a callback of the garbage collector (JAX has one), or while an object is deleted, Python prints it and goes on."""
    program = (
        "import gc, signal, time, weakref\n"
        "from featx.system.interrupt import end_as_by_ctrl_c, interrupt_once\n"
        f"{begin}\n"
        "pressed = []\n"
        "def press():\n"
        "    if not pressed:\n"
        "        pressed.append(1)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "try:\n"
        f"    {place}\n"
        "    print('went on', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('ended')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50)
    assert (done.stdout, done.stderr, done.returncode) == ("went on\nended\n", "", 0)
