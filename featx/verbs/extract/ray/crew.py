"""How the workers of a run fit into the machines of a Ray."""

import dataclasses
import itertools
import math
import os
from pathlib import Path

import featx.system
from featx.errors import RayError
from featx.system.quiet import LOG_LEVEL

CORES_PER_WORKER = 4
"""Cores of a worker where there is no GPU and no number of workers is given: more cores share one copy of the backbone."""

# Ray counts in these.
_SHARES_OF_A_GPU = 10_000

# What each library takes the number of its threads from.
_THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")


@dataclasses.dataclass(frozen=True)
class OnRay:
    """Which Ray, and what its workers take of it.

    Parameters
    ----------
    address : str
        ``local`` for a Ray of one's own, or as ``ray.init`` takes it: ``auto``, ``HOST:PORT``.
    gpus_per_worker : float or None
        By default one where there are any, or a share of one where there are more workers than GPUs.
    """

    address: str
    gpus_per_worker: float | None = None


@dataclasses.dataclass(frozen=True)
class Crew:
    """How many workers, and what each has.

    Parameters
    ----------
    workers : int
        How many.
    cores : int
        Cores of each: threads of its backbone, and decoding processes.
    gpus : float
        GPUs of each; several may share one.
    """

    workers: int
    cores: int
    gpus: float

    def environment(self) -> dict[str, str]:
        """Return the environment variables that a worker starts with."""
        variables = dict.fromkeys(_THREADS, str(self.cores)) | {"TF_NUM_INTEROP_THREADS": "1"}
        if self.gpus:
            # Workers that share a GPU take what memory they need, not all of it.
            variables |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        else:
            variables["CUDA_VISIBLE_DEVICES"] = ""
        variables |= {name: os.environ[name] for name in ("KERAS_BACKEND", "KERAS_HOME", LOG_LEVEL) if name in os.environ}
        home = Path(featx.system.__file__).parents[2]
        if home.name not in ("site-packages", "dist-packages"):  # a checkout; where it is not on a machine, that is ignored
            variables["PYTHONPATH"] = os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])])
        return variables


def plan_crew(nodes: list[dict[str, float]], workers: int | None, gpus_per_worker: float | None) -> Crew:
    """Fit workers into what the machines of a cluster have.

    Parameters
    ----------
    nodes : list of dict of str to float
        ``CPU`` and ``GPU`` of each machine.
    workers : int or None
        How many; by default one for each GPU, or where there is none, for each four cores.
    gpus_per_worker : float or None
        By default one, or a share of one where there are more workers than GPUs.

    Raises
    ------
    RayError
        If no machine has as many GPUs as a worker is to have.
    """
    share = gpus_per_worker
    if share is not None and not (math.isfinite(share) and share >= 0 and (share <= 1 or share == int(share))):
        raise RayError(f"--gpus-per-worker must be from 0 to 1, or a whole number. Received: {share}.", wrong_value=True)
    gpus = [node.get("GPU", 0.0) for node in nodes]
    cores = [node.get("CPU", 0.0) for node in nodes]
    if gpus_per_worker is None:
        gpus_per_worker = _share_of_gpus(gpus, workers)
    if gpus_per_worker and max(gpus, default=0) < gpus_per_worker:
        raise RayError(
            f"a worker is to have {gpus_per_worker:g} GPUs, but no machine of the cluster has more than "
            f"{max(gpus, default=0):g}. Give a smaller --gpus-per-worker; 0 for none."
        )
    if workers is None:
        share = round(gpus_per_worker * _SHARES_OF_A_GPU)
        places = sum(int(n * _SHARES_OF_A_GPU) // share for n in gpus) if share else sum(cores) // CORES_PER_WORKER
        workers = max(1, int(places))
    share = max(1, int(sum(cores) // workers))
    while share > 1 and sum(n // share for n in cores) < workers:
        share -= 1
    return Crew(workers, share, gpus_per_worker)


def _share_of_gpus(gpus: list[float], workers: int | None) -> float:
    """Return the largest share that lets every worker be placed, of which none can have parts of two GPUs.

    Of two GPUs three workers have a half each: with two thirds, only two of them would find a place.
    """
    if not sum(gpus):
        return 0.0
    if workers is None:
        return 1.0
    sharing = next(count for count in itertools.count(1) if sum(int(n * count) for n in gpus) >= workers)
    return math.floor(_SHARES_OF_A_GPU / sharing) / _SHARES_OF_A_GPU
