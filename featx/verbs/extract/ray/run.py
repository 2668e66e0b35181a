"""Images through decode and backbone into a cache, on Ray's workers.

The process that runs the extract keeps what exists once: listing, lock, recipe, catalog. Workers take lists of images, a
batch each, and publish shards of their own; rows in no shard yet are lost with their worker, and done again.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from featx.errors import FeatxError, RayError
from featx.models import Compute
from featx.store import CacheWriter
from featx.system.progress import Progress
from featx.system.version import __version__
from featx.verbs.extract.prepared import Prepared
from featx.verbs.extract.ray.cluster import Cluster
from featx.verbs.extract.ray.crew import OnRay
from featx.verbs.extract.ray.work import Work, WorkList
from featx.verbs.extract.ray.worker import Answer, RayWorker, Task
from featx.verbs.extract.run import Rate, interrupted

# A list is in the backbone, the next waits for it with its pixels, a third is being decoded.
_LISTS_A_WORKER = 3

MOST_DEATHS = 4
"""A list that has cost so many workers ends the run: every image of it has one size, so it is not the images."""

_STOP_SECONDS = 120.0


class _Member:
    """A worker, as seen from the run."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.ready = False
        self.asked: dict[Any, WorkList | None] = {}  # by Ray's reference to the answer; None: to publish
        self.unkept: list[WorkList] = []
        self.counted = False


class RayRun:
    """The stage of an extract that runs the backbone, on Ray's workers. Use it as a context manager.

    Parameters
    ----------
    prepared, writer, compute, progress
        As for ``LocalRun``, but that ``compute.workers`` is the number of Ray's workers.
    on_ray : OnRay
        Which Ray, and how many GPUs a worker has.

    Attributes
    ----------
    rate : Rate
        Images a second of all workers together, each worker's first list left out.
    augmented : int
        Augmented views that were added to the cache.
    """

    def __init__(
        self, prepared: Prepared, writer: CacheWriter, compute: Compute, progress: Progress | None, on_ray: OnRay
    ) -> None:
        self.rate = Rate()
        self.augmented = 0
        self._prepared = prepared
        self._writer = writer
        self._compute = compute.settled(prepared.recipe)  # the same for all workers
        self._progress = progress
        self._address = on_ray.address
        named_cpu = (compute.device or "").lower().startswith("cpu")
        on_cpu = named_cpu or prepared.recipe.precision == "int8" or compute.engine == "winograd"
        if on_cpu and on_ray.gpus_per_worker is None:
            on_ray = dataclasses.replace(on_ray, gpus_per_worker=0.0)
        self._cluster = Cluster(on_ray, compute.workers)
        self._members: list[_Member] = []
        self._device = self._engine = ""
        self._may_publish = False
        self._failed_starts = 0

    def __enter__(self) -> "RayRun":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            self._cluster.dismiss(member.actor)
        self._cluster.close()

    @property
    def device(self) -> str:
        """What the backbones ran on; empty if none did."""
        return self._device

    @property
    def engine(self) -> str:
        """What computed; empty if no backbone ran."""
        return self._engine

    @property
    def extracted(self) -> int:
        """Images whose features were added to the cache."""
        return self._writer.added - self.augmented

    def extract(self, rows: list[int], numbers: list[int] | None = None) -> None:
        """Decode images, run the backbone, keep the features; with numbers, of that augmented view of each row."""
        if not rows:
            return
        before = self._writer.added
        work = Work(self._prepared, rows, numbers)
        try:
            self._step(work, 0)
            self._cluster.connect()  # not earlier: an extract without any images need not start Ray
            self._finish(work)
        except KeyboardInterrupt:
            self._keep()
            done = self._writer.added - before
            raise interrupted(self._prepared, self._writer, done, len(rows), views=bool(numbers)) from None
        except BaseException:
            self._keep()
            raise
        if numbers:
            self.augmented += self._writer.added - before

    def _hire(self) -> None:
        prepared = self._prepared
        task = Task(
            engine=prepared.engine,
            compute=dataclasses.replace(self._compute, workers=self._cluster.crew.cores),
            images=prepared.index.root.absolute(),
            folder=prepared.store.folder.absolute(),
            limits=self._writer.limits,
        )
        member = _Member(self._cluster.hire(RayWorker, _LISTS_A_WORKER + 1))
        member.asked[member.actor.start.remote(__version__, task)] = None
        self._members.append(member)

    def _finish(self, work: Work) -> None:
        """Hand out lists and take answers until every row is in a shard."""
        todo = work.lists(self._compute.images_a_batch(self._prepared.recipe))
        while True:
            for _ in range(min(self._cluster.crew.workers, len(todo) + len(self._members)) - len(self._members)):
                self._hire()
            for member in self._members:
                while todo and member.ready and len(member.asked) < _LISTS_A_WORKER:
                    chosen = todo.popleft()
                    member.asked[member.actor.extract.remote(work.images(chosen, self._may_publish))] = chosen
            if not todo and not any(any(member.asked.values()) for member in self._members):
                for member in self._members:
                    if member.unkept and not member.asked:
                        member.asked[member.actor.publish.remote()] = None
                if not any(member.unkept for member in self._members):
                    return
            todo.extendleft(self._wait(work))

    def _wait(self, work: Work) -> Iterator[WorkList]:
        """Take an answer; yield what is to be done again because its worker died."""
        owner = {reference: member for member in self._members for reference in member.asked}
        (reference,), _ = self._cluster.ray.wait(list(owner), num_returns=1)
        member = owner[reference]
        errors = self._cluster.ray.exceptions
        try:
            answer = self._cluster.ray.get(reference)
        except errors.RayTaskError as error:
            raise self._explained(error, member) from error
        except (errors.RayActorError, errors.WorkerCrashedError, errors.OutOfMemoryError, errors.ObjectLostError) as error:
            yield from self._bury(member, work, error)
            return
        except errors.RayError as error:
            raise RayError(f"--ray {self._address}: {_first_line(error)}") from error
        chosen = member.asked.pop(reference)
        self._failed_starts = 0
        if answer is None:
            member.ready = True
            return
        self._take(answer, member)
        if chosen:
            work.note(chosen, answer)
            if not answer.kept:
                member.unkept.append(chosen)
            self.rate.count(len(chosen.positions), first=not member.counted)
            member.counted = True
            self._step(work, len(chosen.positions))

    def _take(self, answer: Answer, member: _Member) -> None:
        """Take over what a worker has published, and get the cache ready for more once there is a row."""
        self._device, self._engine = self._device or answer.device, self._engine or answer.engine
        if answer.network and not self._may_publish:
            self._writer.record_network(answer.network)
            self._writer.begin()
            self._may_publish = True
        if answer.shards:
            self._writer.adopt(answer.shards)
        if answer.kept:
            member.unkept.clear()

    def _bury(self, member: _Member, work: Work, error: Exception) -> Iterator[WorkList]:
        """Yield the lists that a dead worker leaves behind, without the rows that it had published."""
        self._members.remove(member)
        self._cluster.dismiss(member.actor)  # it may merely be out of reach
        if not member.ready:
            self._failed_starts += 1
        answered, unanswered = member.unkept, [chosen for chosen in member.asked.values() if chosen]
        # It died of the list that came first; if there was none, while it wrote what it had.
        for chosen in unanswered[:1] or answered:
            chosen.deaths += 1
        if self._failed_starts >= MOST_DEATHS or any(chosen.deaths >= MOST_DEATHS for chosen in [*unanswered, *answered]):
            raise RayError(
                f"--ray {self._address}: {MOST_DEATHS} workers died in the same place, the last one so: {_first_line(error)} "
                "What was finished is kept. If memory ran out, give fewer --workers or a smaller --batch-size."
            ) from error
        self._writer.adopt()  # what it had published and had no time to report
        for chosen in answered:
            lost = work.absent(chosen)
            self._step(work, -len(lost))
            work.forget(lost)
            chosen.positions = lost
        for chosen in unanswered:
            lost = work.absent(chosen)
            self._step(work, len(chosen.positions) - len(lost))
            chosen.positions = lost
        yield from (chosen for chosen in [*answered, *unanswered] if chosen.positions)

    def _explained(self, error: Any, member: _Member) -> BaseException:
        """Return what a worker raised, as it would have been raised here."""
        cause: BaseException = error.cause
        if isinstance(cause, FeatxError | OSError | MemoryError) or member.ready:
            return cause
        return RayError(
            f"--ray {self._address}: a worker cannot start: {_last_line(cause)} "
            f"Install featx {__version__} on every machine of the cluster."
        )

    def _keep(self) -> None:
        """Have what is finished published, whatever ended the run."""
        if not self._may_publish:
            return
        asked = [member.actor.publish.remote(True) for member in self._members if member.ready]
        with contextlib.suppress(self._cluster.ray.exceptions.RayError):
            answered, _ = self._cluster.ray.wait(asked, num_returns=len(asked), timeout=_STOP_SECONDS) if asked else ([], [])
            for reference in answered:
                with contextlib.suppress(self._cluster.ray.exceptions.RayError):
                    self._cluster.ray.get(reference)
        self._writer.adopt()

    def _step(self, work: Work, newly: int) -> None:
        if self._progress:
            self._progress("augment" if work.numbers else "extract", newly, len(work))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".") + "."


def _last_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[-1].rstrip(".") + "."
