"""The Ray that a run uses: one of its own on this machine, or one that is there already."""

import contextlib
import importlib.util
import logging
import os
import secrets
import signal
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from featx.errors import CacheLocked, RayError
from featx.system.cores import available_cores
from featx.system.durable import discard, make_folder
from featx.system.lock_file import locked, taking
from featx.system.regular import is_own
from featx.verbs.extract.ray.crew import Crew, OnRay, plan_crew

LOCAL = "local"
"""In place of an address: a Ray of one's own, on this machine alone."""

# What there is no use for, as no pixels pass through Ray; the least it takes.
_STORE_BYTES = 80 * 2**20

# Ray's sockets are in this folder, and the system allows their paths 107 bytes; Ray adds up to 64.
_LONGEST_TEMPORARY = 43
_PREFIX, _INNER = "featx-ray-", "r"

_ANSWER_SECONDS = 10.0

_LOOPBACK = "127.0.0.1"

_token = secrets.token_hex(32)
"""What processes of a Ray of one's own know each other by; Ray reads it once a process."""

_token_mode: list[str] = []  # its name, once Ray has been imported with it


def check_ray(address: str) -> None:
    """Make sure, without loading Ray, that it is installed and that something answers at an address.

    Parameters
    ----------
    address : str
        As for ``connected``.

    Raises
    ------
    RayError
        If not.
    """
    try:
        installed = importlib.util.find_spec("ray") is not None
    except ValueError:  # something that calls itself ray and has no place
        installed = False
    if not installed:
        raise RayError("--ray: Ray is not installed here. Install it with: pip install 'featx[ray]'")
    if "://" in address:
        raise RayError(
            f"--ray {address}: images and cache must be on the disks of the cluster. Run featx on one of its machines, with "
            "--ray=auto or --ray=HOST:PORT."
        )
    host, _, port = address.rpartition(":")
    if host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
        except (OSError, ValueError, OverflowError) as error:
            # Ray itself would try for minutes.
            raise RayError(f"--ray {address}: nothing answers there: {error}. Give HOST:PORT of the cluster's head.") from None


@contextlib.contextmanager
def connected(address: str, workers: int | None) -> Iterator[Any]:
    """Yield the module ``ray``, connected; a Ray of one's own is ended with the block, and so is a connection made here.

    A process that is connected already stays so.

    Parameters
    ----------
    address : str
        ``local`` for a Ray of one's own, or as ``ray.init`` takes it: ``auto``, ``HOST:PORT``.
    workers : int or None
        How many there will be, if that is known.

    Raises
    ------
    RayError
        If Ray is not installed, cannot be started or cannot be reached.
    """
    check_ray(address)
    with contextlib.ExitStack() as stack:
        if address == LOCAL:
            # From before the import: Ray reads its setting of tokens just then.
            stack.enter_context(_environment(_own_settings()))
        import ray

        if ray.is_initialized():
            yield ray
            return
        try:
            # Ray puts the folder it is called from before all others that its workers import from: there the user's own
            # files are, and any of them may be called like a module.
            folder = stack.enter_context(_temporary_folder())
            stack.callback(ray.shutdown)
            # Ray prints on stdout that a worker has died, whatever the log level; there a command writes its result.
            stack.enter_context(_replaced(ray._private.worker, "print_to_stdstream", _print_nothing))
            with contextlib.chdir(folder), _signals_kept():
                if address == LOCAL:
                    _start(ray, folder, workers)
                else:
                    ray.init(address=address, namespace="featx", log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError, AssertionError, ray.exceptions.RayError) as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            what = "cannot be started on this machine" if address == LOCAL else "cannot be reached"
            raise RayError(f"--ray {address}: Ray {what}: {reason}") from error
        yield ray


class Cluster:
    """A Ray, connected when it is first needed, and the workers that fit into it.

    Parameters
    ----------
    on_ray : OnRay
        Which Ray.
    workers : int or None
        How many are wanted; by default as many as fit.

    Attributes
    ----------
    ray : module
        Ray; None before it is connected.
    crew : Crew
        How many workers, and what each has.
    """

    def __init__(self, on_ray: OnRay, workers: int | None) -> None:
        self.ray: Any = None
        self.crew = Crew(1, 1, 0)
        self._on_ray = on_ray
        self._workers = workers
        self._stack = contextlib.ExitStack()

    def connect(self) -> None:
        """Connect to Ray, unless that is done; errors as for ``connected`` and ``plan_crew``."""
        if self.ray is None:
            self.ray = self._stack.enter_context(connected(self._on_ray.address, self._workers))
            nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
            self.crew = plan_crew(nodes, self._workers, self._on_ray.gpus_per_worker)

    def hire(self, kind: type, calls_at_a_time: int) -> Any:
        """Start a worker; return Ray's handle of it."""
        options = self.ray.remote(kind).options(
            num_cpus=self.crew.cores,
            num_gpus=self.crew.gpus,
            max_restarts=0,
            max_concurrency=calls_at_a_time,
            runtime_env={"env_vars": self.crew.environment()},
        )
        return options.remote()

    def dismiss(self, actor: Any) -> None:
        """End a worker; a worker that is out of reach already is left alone."""
        with contextlib.suppress(Exception):
            self.ray.kill(actor)

    def close(self) -> None:
        """End the connection, and a Ray of one's own with it."""
        self._stack.close()


def _start(ray: Any, folder: str, workers: int | None) -> None:
    """Start a Ray that only this user's processes on this machine can talk to."""
    with _loopback_alone(ray):
        ray.init(
            address=LOCAL,
            num_cpus=max(available_cores(), workers or 1),
            include_dashboard=False,
            namespace="featx",
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_STORE_BYTES,
            _node_ip_address=_LOOPBACK,
            _temp_dir=folder,
            # No workers beside those asked for, and these with the priority that an extract without Ray has.
            _system_config={"enable_worker_prestart": False, "prestart_worker_first_driver": False, "worker_niceness": 0},
        )
    if ray.util.get_node_ip_address() != _LOOPBACK:
        raise RuntimeError("it would listen to other machines, which this featx does not want")


def _own_settings() -> dict[str, str]:
    """Return what a Ray of one's own is to find in the environment."""
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        # Other users of this machine can reach the loopback address too. Left to itself, Ray puts a token into the home folder.
        settings["RAY_AUTH_TOKEN"] = _token
        if "ray" not in sys.modules:
            _token_mode.append("token")
        if _token_mode:  # else other code has imported Ray, and it is too late to choose
            settings["RAY_AUTH_MODE"] = _token_mode[0]
    return settings


@contextlib.contextmanager
def _loopback_alone(ray: Any) -> Iterator[None]:
    """Let Ray take the loopback address it is given.

    On Linux it takes the machine's outer address in its place, and accepts connections from any machine, as if every Ray were
    to grow into a cluster; this is its own switch for systems on which it does not.
    """
    with _replaced(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False):
        yield


@contextlib.contextmanager
def _replaced(where: Any, name: str, value: object) -> Iterator[None]:
    """Replace what Ray has under a name for as long as the block runs. These names are its own affair; tests watch them."""
    before = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)


def _print_nothing(*_: object, **__: object) -> None:
    pass


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Add to the environment for as long as the block runs, and undo what Ray adds to it itself."""
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", *settings)}
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo what Ray does to the handling of SIGTERM."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if main and before is not None:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    """Yield a folder for Ray's sockets and logs; delete it afterwards, and those of processes that were killed."""
    above = _short_folder()
    for left in Path(above).glob(f"{_PREFIX}*"):
        # Anybody may have made it, and made its lock a link to a file of this user's.
        with contextlib.suppress(CacheLocked, OSError):
            if _is_own_folder(left):
                with taking(left / "lock"):
                    discard(left)
    made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=above, ignore_cleanup_errors=True)
    with made as folder, locked(Path(folder) / "lock"):
        # Ray opens the folder it is given to everybody; the one around it is this user's alone.
        inner = Path(folder) / _INNER
        make_folder(inner)
        yield str(inner)


def _is_own_folder(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and is_own(status)


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) + len(f"/{_PREFIX}12345678/{_INNER}") <= _LONGEST_TEMPORARY else "/tmp"
