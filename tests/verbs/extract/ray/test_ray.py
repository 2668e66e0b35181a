"""Extracting on Ray: the same rows as in one process, whoever is killed, and nobody else is let in."""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
import featx.store.writer
import featx.verbs.extract.ray.cluster
import featx.verbs.extract.ray.run
from featx.errors import CacheWriteError, Interrupted, RayError
from featx.images import MEASURES
from featx.verbs.extract.ray.cluster import _temporary_folder, connected
from featx.verbs.extract.ray.crew import Crew, plan_crew
from featx.verbs.extract.ray.worker import Answer, ImageList, RayWorker
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.verbs.extract.test_extract import adds_up, rejects

Extract = Callable[..., featx.ExtractResult]

with_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'featx[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray of our own, which every extract of this process finds and leaves running."""
    with connected("local", workers=2) as ray:
        yield ray


@pytest.fixture
def on_ray(cluster: Any, extract: Extract, tmp_path: Path) -> Extract:
    """Extract on two of Ray's workers into ``tmp_path/ray``."""

    def run(images: Path, **options: Any) -> featx.ExtractResult:
        return extract(images, tmp_path / "ray", **{"ray": "local", "workers": 2} | options)

    return run


@pytest.fixture
def many(photos: Path) -> Path:
    """``photos`` with 60 more images of one class, so that every worker has several lists of 8 to do."""
    for number in range(60):
        write_image(photos / "red" / f"more{number}.png", COLOURS["red"], seed=5000 + number)
    return photos


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for temporary files with a short name, as Ray's sockets bear no long ones."""
    (tmp_path / "temporary").mkdir()
    short = Path("/tmp") / f"ft-{os.getpid()}"
    short.symlink_to(tmp_path / "temporary")
    yield short
    short.unlink()


def descendants(process: int) -> list[int]:
    """Return the processes that one has started, and those that they have."""
    found = []
    with contextlib.suppress(OSError):  # ended meanwhile
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def named(process: int) -> str:
    """Return what a process calls itself; nothing if it has ended meanwhile."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text().partition("\0")[0].partition(".")[0]
    return ""


def worker_processes() -> list[int]:
    """Return the processes of this one's Ray that run featx."""
    return [child for child in descendants(os.getpid()) if named(child) == "ray::RayWorker"]


def every_row(cache: Path, n_views: int = 1) -> dict[tuple[str, int], tuple[bytes, ...]]:
    """Read every row of a cache, each view of each image, maps and pooled features and pictures, keyed by path and view."""
    store = featx.FeatureCache.open(cache)
    catalog = store.catalog
    found = {}
    for view, key in enumerate((0, *catalog.view_keys)):
        rows = catalog.rows("train" if view else None)
        parts = [store.features(rows, views=key), store.features(rows, pooling="avgmax", views=key)]
        if not view:
            parts.append(store.pictures(rows, "measures", (len(MEASURES),), np.float32)[0])
        for place, row in enumerate(rows):
            found[catalog.paths[row], view] = tuple(part[place].tobytes() for part in parts)
    return found


@with_ray
def test_rows_views_and_rejects_are_those_of_one_process(many: Path, extract: Extract, on_ray: Extract) -> None:
    """Bit for bit; every image is counted once, and progress comes to the total."""
    (many / "red" / "bad.png").write_text("no image")
    one = extract(many, views=3)
    seen: dict[str, list[int]] = {}

    def step(stage: str, done: int, total: int) -> None:
        seen.setdefault(stage, [0, total])[0] += done

    ray = on_ray(many, views=3, progress=step)
    assert every_row(ray.cache) == every_row(one.cache)
    assert rejects(ray.cache) == rejects(one.cache) != []
    assert (ray.listed, ray.extracted, ray.rejected, ray.augmented) == (97, 96, 1, one.augmented)
    assert adds_up(ray)
    assert seen["extract"] == [97, 97]
    assert seen["augment"] == [one.augmented] * 2
    assert ray.images_per_second > 0
    assert featx.verify_cache(ray.cache).sound
    assert featx.FeatureCache.open(ray.cache).network == featx.FeatureCache.open(one.cache).network
    assert on_ray(many, views=3).extracted == 0


@with_ray
def test_vgg16_gives_the_same_bits_on_one_thread_of_a_worker(photos: Path, extract: Extract, on_ray: Extract) -> None:
    """A worker has fewer threads than this process, and its own copy of the network."""
    for path in photos.glob("*/1?.png"):
        path.unlink()
    options = {"backbone": "vgg16", "image_size": (32, 32), "batch_size": 4}
    assert every_row(on_ray(photos, workers=1, **options).cache) == every_row(extract(photos, **options).cache)


@with_ray
def test_a_killed_worker_loses_nothing(
    many: Path, extract: Extract, on_ray: Extract, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it had not published is done again by another; progress still comes to the total, and nothing is printed."""
    whole = every_row(extract(many).cache)
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 1)
    killed: list[int] = []
    steps: list[int] = []

    def kill_in_passing(stage: str, done: int, total: int) -> None:
        if stage == "extract":
            steps.append(done)
        if stage == "extract" and sum(steps) > 16 * (len(killed) + 1) and len(killed) < 2:
            killed.append(worker_processes()[0])
            os.kill(killed[-1], signal.SIGKILL)

    result = on_ray(many, progress=kill_in_passing)
    assert len(killed) == 2
    time.sleep(1)  # Ray is slow to tell
    assert capfd.readouterr() == ("", "")
    assert every_row(result.cache) == whole
    assert (result.extracted, result.rejected, sum(steps)) == (96, 0, 96)


@with_ray
def test_what_a_worker_published_without_telling_is_found(many: Path, on_ray: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies between the shard and the answer: the rows count, and no row is made twice."""
    marker = many.parent / "died"

    class DiesUntold(RayWorker):
        def _publish(self) -> None:
            super()._publish()
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(featx.verbs.extract.ray.run, "RayWorker", DiesUntold)
    monkeypatch.setattr(featx.store.writer, "SHARD_BYTES", 1)
    steps: list[int] = []
    result = on_ray(many, workers=1, progress=lambda stage, done, total: steps.append(done * (stage == "extract")))
    assert marker.exists()
    assert (result.extracted, sum(steps), len(featx.FeatureCache.open(result.cache))) == (96, 96, 96)


@with_ray
def test_workers_that_die_again_and_again_are_an_error(
    many: Path, extract: Extract, on_ray: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not an endless loop, and no image is rejected for it."""

    class Deadly(RayWorker):
        def _decode(self, images: ImageList) -> Any:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(featx.verbs.extract.ray.run, "RayWorker", Deadly)
    monkeypatch.setattr(featx.verbs.extract.ray.run, "MOST_DEATHS", 2)
    with pytest.raises(RayError, match=r"2 workers died in the same place.*smaller --batch-size"):
        on_ray(many, workers=1)
    monkeypatch.undo()
    assert on_ray(many, ray=None).extracted == 96


@with_ray
def test_an_error_in_a_worker_is_raised_here_as_it_is(many: Path, on_ray: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk reads as it does in one process; and what the other worker had is kept."""
    marker = many.parent / "full"

    class FullDisk(RayWorker):
        def _run(self, images: ImageList, batch: Any) -> Answer:
            if images.may_publish and not marker.exists():
                marker.touch()
                raise CacheWriteError("/mnt/cache: cannot be written: No space left on device.")
            return super()._run(images, batch)

    monkeypatch.setattr(featx.verbs.extract.ray.run, "RayWorker", FullDisk)
    with pytest.raises(CacheWriteError, match=r"^/mnt/cache: cannot be written: No space left on device\.$"):
        on_ray(many)
    monkeypatch.undo()
    assert 0 < on_ray(many, ray=None).extracted < 96


@with_ray
def test_another_featx_on_a_worker_is_refused(photos: Path, on_ray: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines of a cluster are upgraded one after the other."""
    monkeypatch.setattr(featx.verbs.extract.ray.run, "__version__", "99.0")
    with pytest.raises(RayError, match=r"a worker has featx .*, this is featx 99\.0\. Install the same on every"):
        on_ray(photos, workers=1)


@with_ray
def test_ctrl_c_keeps_what_the_workers_did(many: Path, on_ray: Extract) -> None:
    """One sentence, and the next run does the rest."""
    steps: list[int] = []

    def press_ctrl_c(stage: str, done: int, total: int) -> None:
        steps.append(done * (stage == "extract"))
        if sum(steps) >= 16:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"stopped after \d+ of 96 images; their features are kept"):
        on_ray(many, progress=press_ctrl_c)
    kept = len(featx.FeatureCache.open(many.parent / "ray"))
    assert 16 <= kept < 96
    assert on_ray(many, ray=None).extracted == 96 - kept


@with_ray
def test_nobody_but_this_machine_is_listened_to(cluster: Any, on_ray: Extract, photos: Path) -> None:
    """Every port of every process of a Ray of one's own is on the loopback address, in IPv4 and IPv6."""
    listening: list[str] = []

    def look(stage: str, done: int, total: int) -> None:
        if stage == "extract" and done and not listening:
            listening.extend(listening_addresses([os.getpid(), *descendants(os.getpid())]))

    on_ray(photos, workers=1, progress=look)
    assert len(listening) >= 4  # Ray's own, and the worker's
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert set(listening) <= loopback
    end = time.monotonic() + 30  # a worker that is ended takes a moment to go
    while worker_processes() and time.monotonic() < end:
        time.sleep(0.1)
    assert worker_processes() == []


def listening_addresses(processes: list[int]) -> list[str]:
    """Return the local addresses, in hexadecimal, that some processes accept connections on."""
    sockets = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            with contextlib.suppress(OSError):  # closed meanwhile
                sockets.add(str(descriptor.readlink()))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1].rpartition(":")[0])
    return found


@with_ray
def test_a_killed_run_leaves_no_process_and_is_resumed(many: Path, extract: Extract, tmp_path: Path, temporary: Path) -> None:
    """Kill -9 on the command: its Ray and the workers end too, and what they published is used by the next run."""
    whole = every_row(extract(many, tmp_path / "whole").cache)
    cache = tmp_path / "killed"
    script = f"""
import featx, featx.store.writer, time
featx.store.writer.SHARD_BYTES = 1
featx.extract_features({str(many)!r}, {str(cache)!r}, backbone="stub", image_size=(64, 64), batch_size=2, ray="local",
                       workers=1, progress=lambda stage, done, total: time.sleep(0.05))
"""
    with subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(temporary)}) as process:
        while len(list(cache.glob("shards/[!.]*.h5"))) < 3:
            assert process.poll() is None, "the extract ended before it could be killed"
            time.sleep(0.01)
        # But for two of Ray's, which tell nobody of the end for a minute.
        started = {child: named(child) for child in descendants(process.pid) if not named(child).endswith("Agent")}
        process.kill()
    assert len(started) > 4
    assert any(name == "ray::RayWorker" for name in started.values())
    deadline = time.monotonic() + 20
    while left := [name for child, name in started.items() if alive(child)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    kept = sum(len(featx.store.shards.shard.Shard(path)) for path in cache.glob("shards/[!.]*.h5"))
    result = extract(many, cache)
    assert 0 < result.extracted == 96 - kept
    assert every_row(cache) == whole


def alive(process: int) -> bool:
    """Tell whether a process runs: not one that ended and that nobody has asked about."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@with_ray
def test_the_command_prints_its_json_alone_and_leaves_nothing_behind(photos: Path, tmp_path: Path, temporary: Path) -> None:
    """From a folder whose files are called like modules, with an empty home; what a killed run has left goes too."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    for name in ("json.py", "h5py.py", "uuid.py"):
        (elsewhere / name).write_text("raise SystemExit('the wrong module')")
    (temporary / "featx-ray-killed").mkdir()
    (temporary / "featx-ray-killed" / "lock").touch()
    program = "import sys; from featx.cli import main; sys.argv[0] = 'featx'; main()"
    options = ["--backbone=stub", "--image-size=64", "--cache=c", "--ray", "--workers=1", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "extract", os.path.relpath(photos, elsewhere), *options],
        cwd=elsewhere,
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        | {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(Path(featx.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["extracted"] == 36
    assert (elsewhere / "c" / "catalog.h5").exists()
    assert list(home.iterdir()) == list(temporary.iterdir()) == []


def test_what_others_put_into_the_shared_temporary_folder_is_left_alone(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is a link, a folder that is one, a lock without content, a pipe: nothing is written, made or deleted."""
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "secret").write_text("years of work")
    (mine / "lock").write_text("mine too")
    for name in ("linked", "nowhere", "pipe", "empty"):
        (temporary / f"featx-ray-{name}").mkdir()
    (temporary / "featx-ray-linked" / "lock").symlink_to(mine / "secret")
    (temporary / "featx-ray-nowhere" / "lock").symlink_to(mine / "new")
    os.mkfifo(temporary / "featx-ray-pipe" / "lock")
    (temporary / "featx-ray-folder").symlink_to(mine)
    before = sorted(map(str, [*temporary.rglob("*"), *mine.rglob("*")]))
    with _temporary_folder() as folder:
        assert Path(folder).parent.parent == temporary
        outside, inside = Path(folder).parent.stat(), len(str(Path(folder).relative_to(temporary)))
        assert (outside.st_mode & 0o777, outside.st_uid, inside) == (0o700, os.geteuid(), len("featx-ray-12345678/r"))
    assert sorted(map(str, [*temporary.rglob("*"), *mine.rglob("*")])) == before
    assert ((mine / "secret").read_text(), (mine / "lock").read_text()) == ("years of work", "mine too")


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root alone")
def test_what_another_user_has_left_is_no_leftover_of_ones_own(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder of theirs nor a lock of theirs in one's own; root could delete both."""
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name in ("theirs", "half", "own"):
        (temporary / f"featx-ray-{name}").mkdir()
        (temporary / f"featx-ray-{name}" / "lock").touch()
    os.chown(temporary / "featx-ray-theirs", 54321, 54321)
    os.chown(temporary / "featx-ray-half" / "lock", 54321, 54321)
    with _temporary_folder():
        pass
    assert sorted(path.name for path in temporary.iterdir()) == ["featx-ray-half", "featx-ray-theirs"]


def test_without_ray_the_message_says_what_to_install(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read; and without --ray nothing is missed."""
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ("extract", photos, "--backbone", "stub", "--cache", "c")
    failed = run(*command, "--ray")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr == "featx: --ray: Ray is not installed here. Install it with: pip install 'featx[ray]'\n"
    assert not Path("c").exists()
    assert as_json(run(*command, "--json"))["extracted"] == 36


@with_ray
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "--ray 127.0.0.1:1: nothing answers there: .*Give HOST:PORT of the cluster's head"),
        ("127.0.0.1:port", "--ray 127.0.0.1:port: nothing answers there"),
        ("ray://127.0.0.1:10001", "Run featx on one of its machines, with --ray=auto"),
    ],
)
def test_an_address_without_a_ray_is_said_at_once(photos: Path, run: Run, address: str, said: str) -> None:
    """Before the images are listed, and not after the minutes that Ray would try for."""
    result = run("extract", photos, "--backbone", "stub", "--cache", "c", "--ray", address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(said, result.stderr), result.stderr
    assert not Path("c").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ray", "photos"), "'photos' is no address: give --ray=auto or --ray=HOST:PORT, or --ray alone behind IMAGES"),
        (("photos", "--gpus-per-worker", "1"), "--gpus-per-worker goes with --ray"),
        (("photos", "--dry-run", "--ray"), "--dry-run tries a few batches in this process: leave --ray out"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """The folder of images taken for the address; GPUs for workers that there are none of."""
    result = run("extract", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "crew"),
    [
        ([{"CPU": 2}], None, None, Crew(1, 2, 0)),
        ([{"CPU": 2}], 2, None, Crew(2, 1, 0)),
        ([{"CPU": 16}], None, None, Crew(4, 4, 0)),
        ([{"CPU": 16}, {"CPU": 6}], None, None, Crew(5, 4, 0)),
        ([{"CPU": 6}, {"CPU": 6}], 3, None, Crew(3, 3, 0)),  # of four cores each there is room for two
        ([{"CPU": 1}], 3, None, Crew(3, 1, 0)),
        ([{"CPU": 16, "GPU": 4}], None, None, Crew(4, 4, 1)),
        ([{"CPU": 16, "GPU": 1}], 4, None, Crew(4, 4, 0.25)),
        ([{"CPU": 16, "GPU": 2}], 3, None, Crew(3, 5, 0.5)),  # of two thirds there is one on each, and none over both
        ([{"CPU": 16, "GPU": 1}], 3, None, Crew(3, 5, 0.3333)),  # a little less than a third, as Ray counts
        ([{"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 2}], 5, None, Crew(5, 2, 0.5)),
        ([{"CPU": 16, "GPU": 2}], 1, None, Crew(1, 16, 1)),
        ([{"CPU": 16, "GPU": 2}], None, 0.5, Crew(4, 4, 0.5)),
        ([{"CPU": 16, "GPU": 1}], None, 0.2, Crew(5, 3, 0.2)),  # 1 // 0.2 is 4
        ([{"CPU": 16, "GPU": 2}], None, 0, Crew(4, 4, 0)),
    ],
)
def test_workers_fit_into_the_machines(
    nodes: list[dict[str, float]], workers: int | None, gpus: float | None, crew: Crew
) -> None:
    """One for each GPU, else for each four cores; told otherwise, they share what there is."""
    assert plan_crew(nodes, workers, gpus) == crew


@pytest.mark.parametrize("gpus", range(1, 9))
def test_there_is_a_place_for_every_worker_on_the_gpus(gpus: int) -> None:
    """A worker cannot have parts of two GPUs: so many as fit on each must come to all of them."""
    for workers in range(1, 50):
        crew = plan_crew([{"CPU": 64, "GPU": gpus}], workers, None)
        assert gpus * (10_000 // round(crew.gpus * 10_000)) >= workers  # as Ray counts


@pytest.mark.parametrize("gpus", [float("nan"), 1.5, -1.0, float("inf")])
def test_share_of_gpus_that_ray_would_stumble_over_is_refused(gpus: float) -> None:
    """A part of one, or whole ones."""
    with pytest.raises(RayError, match=r"--gpus-per-worker must be from 0 to 1, or a whole number"):
        plan_crew([{"CPU": 8, "GPU": 4}], 2, gpus)


def test_gpus_that_no_machine_has_are_refused() -> None:
    """Ray would wait for such a machine for ever."""
    with pytest.raises(RayError, match=r"to have 1 GPUs, but no machine of the cluster has more than 0.*--gpus-per-worker"):
        plan_crew([{"CPU": 8}], 2, 1.0)
