"""Images through decode and backbone into a cache, on Ray's workers.

Whoever runs the extract keeps what there is one of: listing, lock, recipe, catalog. Workers are handed lists of images, one
batch each, and publish shards of their own; rows in no shard yet are lost with their worker, and done again.
"""

import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from featx.errors import FeatxError, RayError
from featx.images import Views
from featx.models import Compute
from featx.store import CacheWriter
from featx.system.progress import Progress
from featx.system.version import __version__
from featx.verbs.extract.prepared import Prepared
from featx.verbs.extract.ray.cluster import Crew, connected, plan_crew
from featx.verbs.extract.ray.worker import Answer, ImageList, RayWorker, Task
from featx.verbs.extract.run import interrupted

# One list is in the backbone, one waits for it with its pixels, one is being decoded.
_LISTS_A_WORKER = 3

MOST_DEATHS = 4
"""A list that has cost so many workers ends the run: every image of it has one size, so it is not the images."""

_STOP_SECONDS = 120.0


@dataclasses.dataclass
class _List:
    """Positions in the rows asked for, and how many workers have died of them."""

    positions: Sequence[int]
    deaths: int = 0


class _Member:
    """One worker, as seen from the run."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.ready = False
        self.asked: dict[Any, _List | None] = {}  # by Ray's reference to the answer; None: to publish
        self.unkept: list[_List] = []
        self.counted = False


class RayRun:
    """The part of an extract that runs the backbone, on Ray's workers. Use it as a context manager.

    Parameters
    ----------
    prepared, writer, compute, progress
        As for ``LocalRun``, but that ``compute.workers`` is the number of Ray's workers.
    address : str
        ``local`` for a Ray of one's own, or as ``ray.init`` takes it.
    gpus_per_worker : float or None
        By default one where there are any, or a share of one where there are more workers than GPUs.

    Attributes
    ----------
    rate : float
        Images a second of all workers together, decoding included, each worker's first list left out.
    augmented : int
        Augmented views that were added to the cache.
    """

    def __init__(
        self,
        prepared: Prepared,
        writer: CacheWriter,
        compute: Compute,
        progress: Progress | None,
        address: str,
        gpus_per_worker: float | None = None,
    ) -> None:
        self.rate = 0.0
        self.augmented = 0
        self._prepared = prepared
        self._writer = writer
        self._compute = compute
        self._batch_size = compute.images_a_batch(prepared.recipe)  # one for all workers
        self._device = ""
        self._progress = progress
        self._address = address
        on_cpu = prepared.recipe.precision == "int8" or (compute.device or "").lower().startswith("cpu")
        self._gpus = 0.0 if gpus_per_worker is None and on_cpu else gpus_per_worker
        self._stack = contextlib.ExitStack()
        self._ray: Any = None
        self._crew = Crew(1, 1, 0)
        self._members: list[_Member] = []
        self._may_publish = False
        self._failed_starts = 0
        self._counted = 0
        self._since: float | None = None

    def __enter__(self) -> "RayRun":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            with contextlib.suppress(Exception):
                self._ray.kill(member.actor)
        self._stack.close()

    @property
    def device(self) -> str:
        """What the backbones ran on; empty if none did."""
        return self._device

    @property
    def extracted(self) -> int:
        """Images whose features were added to the cache."""
        return self._writer.added - self.augmented

    def extract(self, rows: list[int], numbers: list[int] | None = None) -> None:
        """Decode images, run the backbone, keep the features; with numbers, of that augmented view of each row."""
        if not rows:
            return
        before = self._writer.added
        part = _Part(self._prepared, rows, numbers)
        try:
            self._step(part, 0)
            self._connect()
            self._finish(part)
        except KeyboardInterrupt:
            self._keep(part)
            done = self._writer.added - before
            raise interrupted(self._prepared, self._writer, done, len(rows), views=bool(numbers)) from None
        except BaseException:
            self._keep(part)
            raise
        if numbers:
            self.augmented += self._writer.added - before

    def _connect(self) -> None:
        """Connect to Ray with the first images that there are: an extract without any need not start it."""
        if self._ray is None:
            wanted = self._compute.workers
            self._ray = self._stack.enter_context(connected(self._address, wanted))
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self._crew = plan_crew(nodes, wanted, self._gpus)

    def _hire(self) -> None:
        crew, prepared = self._crew, self._prepared
        actor = (
            self._ray.remote(RayWorker)
            .options(
                num_cpus=crew.cores,
                num_gpus=crew.gpus,
                max_restarts=0,
                max_concurrency=_LISTS_A_WORKER + 1,
                runtime_env={"env_vars": crew.environment()},
            )
            .remote()
        )
        task = Task(
            recipe=prepared.recipe,
            weights_file=prepared.weights_file,
            compute=dataclasses.replace(self._compute, workers=crew.cores, batch_size=self._batch_size),
            images=prepared.index.root.absolute(),
            folder=prepared.store.folder.absolute(),
            limits=self._writer.limits,
            quantized=self._prepared.quantized,
        )
        member = _Member(actor)
        member.asked[actor.start.remote(__version__, task)] = None
        self._members.append(member)

    def _finish(self, part: "_Part") -> None:
        """Hand out lists and take answers until every row is in a shard."""
        size = self._batch_size
        todo = deque(_List(range(start, min(start + size, len(part)))) for start in range(0, len(part), size))
        while True:
            for _ in range(min(self._crew.workers, len(todo) + len(self._members)) - len(self._members)):
                self._hire()
            for member in self._members:
                while todo and member.ready and len(member.asked) < _LISTS_A_WORKER:
                    chosen = todo.popleft()
                    member.asked[member.actor.extract.remote(part.images(chosen, self._may_publish))] = chosen
            if not todo and not any(any(member.asked.values()) for member in self._members):
                for member in self._members:
                    if member.unkept and not member.asked:
                        member.asked[member.actor.publish.remote()] = None
                if not any(member.unkept for member in self._members):
                    return
            todo.extendleft(self._wait(part))

    def _wait(self, part: "_Part") -> Iterator[_List]:
        """Take one answer; yield what is to be done again because its worker died."""
        owner = {reference: member for member in self._members for reference in member.asked}
        (reference,), _ = self._ray.wait(list(owner), num_returns=1)
        member = owner[reference]
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except errors.RayTaskError as error:
            raise self._explained(error, member) from error
        except (errors.RayActorError, errors.WorkerCrashedError, errors.OutOfMemoryError, errors.ObjectLostError) as error:
            yield from self._bury(member, part, error)
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
            part.note(chosen, answer)
            if not answer.kept:
                member.unkept.append(chosen)
            self._count(member, len(chosen.positions))
            self._step(part, len(chosen.positions))

    def _take(self, answer: Answer, member: _Member) -> None:
        """Take over what a worker has published, and get the cache ready for more once there is a row."""
        self._device = self._device or answer.device
        if answer.network and not self._may_publish:
            self._writer.record_network(answer.network | {"weights_file": str(self._prepared.weights_file or "")})
            self._writer.begin()
            self._may_publish = True
        if answer.shards:
            self._writer.adopt(answer.shards)
        if answer.kept:
            member.unkept.clear()

    def _bury(self, member: _Member, part: "_Part", error: Exception) -> Iterator[_List]:
        """Yield the lists that a dead worker leaves behind, without the rows that it had published."""
        self._members.remove(member)
        with contextlib.suppress(Exception):
            self._ray.kill(member.actor)  # it may merely be out of reach
        if not member.ready:
            self._failed_starts += 1
        answered, unanswered = member.unkept, [chosen for chosen in member.asked.values() if chosen]
        # It died of the one that came first; if of none, while it wrote what it had.
        for chosen in unanswered[:1] or answered:
            chosen.deaths += 1
        if self._failed_starts >= MOST_DEATHS or any(chosen.deaths >= MOST_DEATHS for chosen in [*unanswered, *answered]):
            raise RayError(
                f"--ray {self._address}: {MOST_DEATHS} workers died in the same place, the last one so: {_first_line(error)} "
                "What was finished is kept. If memory ran out, give fewer --workers or a smaller --batch-size."
            ) from error
        self._writer.adopt()  # what it had published and had no time to tell
        for chosen in answered:
            lost = part.absent(chosen)
            self._step(part, -len(lost))
            part.forget(lost)
            chosen.positions = lost
        for chosen in unanswered:
            lost = part.absent(chosen)
            self._step(part, len(chosen.positions) - len(lost))
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

    def _keep(self, part: "_Part") -> None:
        """Have what is finished published, whatever ended the run."""
        if not self._may_publish:
            return
        asked = [member.actor.publish.remote(True) for member in self._members if member.ready]
        with contextlib.suppress(self._ray.exceptions.RayError):
            answered, _ = self._ray.wait(asked, num_returns=len(asked), timeout=_STOP_SECONDS) if asked else ([], [])
            for reference in answered:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._ray.get(reference)
        self._writer.adopt()

    def _step(self, part: "_Part", newly: int) -> None:
        if self._progress:
            self._progress("augment" if part.numbers else "extract", newly, len(part))

    def _count(self, member: _Member, n_images: int) -> None:
        """Keep the rate up to date. A worker's first list pays for loading and compiling its network."""
        if self._since is None:
            self._since = time.monotonic()
        if member.counted:
            self._counted += n_images
            self.rate = self._counted / max(time.monotonic() - self._since, 1e-9)
        member.counted = True


class _Part:
    """Some rows of the listing, clean or as views, which lists are made of."""

    def __init__(self, prepared: Prepared, rows: list[int], numbers: list[int] | None) -> None:
        self.numbers = numbers
        self._prepared = prepared
        self._rows = rows
        self._keys = np.array((0, *prepared.options.view_keys), np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def images(self, chosen: _List, may_publish: bool) -> ImageList:
        """Return a list as a worker takes it."""
        options, numbers = self._prepared.options, self._numbers_of(chosen)
        views = Views(options.augmentation, options.seed, numbers) if numbers else None
        keys = self._keys[numbers].tolist() if numbers else 0
        paths = self._prepared.paths([self._rows[position] for position in chosen.positions])
        return ImageList([path.absolute() for path in paths], views, keys, may_publish)

    def note(self, chosen: _List, answer: Answer) -> None:
        """Take over reasons and digests."""
        self._prepared.note([self._rows[position] for position in chosen.positions], answer.batch)

    def forget(self, positions: Sequence[int]) -> None:
        """Let go of the reasons of images that are decoded again."""
        for position in positions:
            self._prepared.identities.reasons[self._rows[position]] = ""

    def absent(self, chosen: _List) -> list[int]:
        """Return those positions of a list that have no row in the cache."""
        digests = [self._prepared.identities.digests[self._rows[position]] for position in chosen.positions]
        numbers = self._numbers_of(chosen)
        present = self._prepared.store.has(digests, self._keys[numbers] if numbers else 0)
        return [position for position, there in zip(chosen.positions, present, strict=True) if not there]

    def _numbers_of(self, chosen: _List) -> list[int]:
        return [self.numbers[position] for position in chosen.positions] if self.numbers else []


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".") + "."


def _last_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[-1].rstrip(".") + "."
