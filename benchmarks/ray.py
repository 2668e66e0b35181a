"""Extracts on Ray: ``python -m benchmarks.ray [scaling|kills] [--n N]``. Exits with 1 if a row is lost or differs."""

import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import featx
import featx.store.writer
import featx.verbs.extract.ray.run
from benchmarks.images import make_photos
from benchmarks.scene import complain, extract, make_images, outcome_of, rows_of, run_child
from featx.errors import FeatxError
from featx.system.progress import Progress
from featx.verbs.extract.ray.cluster import connected
from featx.verbs.extract.ray.worker import Answer, ImageList, RayWorker

ROUNDS = 3
DRIVER_KILLS = 5
WORKER_KILLS = 20
ONE_THREAD = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def scaling(work: Path, n_images: int) -> bool:
    """Extract with VGG16 at 96 px in one process on one thread, and with two of Ray's workers on one thread each, in turn."""
    for path in make_photos(work / "made", n_images, (320, 240)):
        (work / "photos" / f"class {int(path.stem) % 2}").mkdir(parents=True, exist_ok=True)
        path.rename(work / "photos" / f"class {int(path.stem) % 2}" / path.name)
    rounds: dict[str, list[tuple[float, float]]] = {"one process": [], "two workers": []}
    whole: dict[str, dict[str, bytes]] = {}
    for number in range(ROUNDS):
        for name, extra in (("one process", ["--workers", "1"]), ("two workers", ["--ray", "--workers", "2"])):
            cache = work / f"{name} {number}"
            command = [sys.executable, "cli.py", "extract", work / "photos", "--cache", cache, "--image-size", "96"]
            # Small batches: at the end one worker waits for the other's last.
            command += ["--batch-size", "16", "--json", *extra]
            environment = os.environ | (dict.fromkeys(ONE_THREAD, "1") if name == "one process" else {})
            started = time.monotonic()
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            result: dict[str, Any] = json.loads(done.stdout)
            rounds[name].append((result["images_per_second"], n_images / (time.monotonic() - started)))
            whole[name] = rows_of(cache)
    medians = {name: [statistics.median(column) for column in zip(*pairs, strict=True)] for name, pairs in rounds.items()}
    for place, what in enumerate(("after start-up", "whole command")):
        one, two = (medians[name][place] for name in ("one process", "two workers"))
        ratios = ", ".join(
            f"{b[place] / a[place]:.2f}" for a, b in zip(rounds["one process"], rounds["two workers"], strict=True)
        )
        print(f"{what}: one process {one:.1f} images/s, two workers {two:.1f} images/s, {two / one:.2f} times ({ratios})")
    same = whole["one process"] == whole["two workers"]
    print(f"{n_images} rows, {'bit-identical' if same else 'DIFFERENT'}", flush=True)
    return same


class SlowWorker(RayWorker):
    """Takes its time, so that there is something to kill."""

    def _run(self, images: ImageList, batch: Any) -> Answer:
        time.sleep(0.05)
        return super()._run(images, batch)


def extract_on_ray(images: Path, cache: Path, progress: Progress | None = None) -> int:
    """Extract as ``scene.extract`` does, on two workers; return how many images."""
    featx.store.writer.SHARD_BYTES = 2_000
    featx.verbs.extract.ray.run.RayWorker = SlowWorker  # type: ignore[misc]
    options: dict[str, Any] = {"backbone": "stub", "image_size": (128, 128), "batch_size": 4}
    return featx.extract_features(images, cache, **options, ray="local", workers=2, progress=progress).extracted


def worker_processes() -> list[int]:
    """Return the processes of this machine's Ray workers that run featx."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes().startswith((b"ray::SlowWorker", b"ray::RayWorker")):
                found.append(int(entry.parent.name))
        except OSError:
            continue  # ended meanwhile
    return found


class Killer:
    """Shown the progress of an extract, kills a worker every few lists, whatever it is doing."""

    def __init__(self, rng: random.Random, most: int) -> None:
        self.kills = 0
        self._rng = rng
        self._most = most
        self._left = 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Count images; kill when it is time."""
        self._left -= done * (stage == "extract")
        if self._left <= 0 and self.kills < self._most and (processes := worker_processes()):
            time.sleep(self._rng.uniform(0, 0.1))
            os.kill(self._rng.choice(processes), signal.SIGKILL)
            self.kills += 1
            self._left = self._rng.randint(10, 60)


def kills(work: Path, n_images: int) -> bool:
    """Kill drivers, each then resumed, and workers; compare what comes out with an extract in one process."""
    images = make_images(work / "images", n_images)
    extract(images, work / "whole")
    whole = rows_of(work / "whole")
    rng = random.Random(n_images)
    counts = {"driver kills": 0, "worker kills": 0, "rows kept by killed drivers": 0, "rows lost": 0, "caches that differ": 0}

    def compare(cache: Path) -> None:
        try:
            rows = rows_of(cache)
        except FeatxError as error:
            complain(str(error))
            rows = {}
        counts["rows lost"] += len(whole.keys() - rows.keys())
        counts["caches that differ"] += rows != whole or not featx.verify_cache(cache).sound

    started = time.monotonic()
    while counts["driver kills"] < DRIVER_KILLS:
        cache = work / f"driver {counts['driver kills']}"
        child = run_child(lambda cache=cache: extract_on_ray(images, cache))  # type: ignore[misc]
        while not any(cache.glob("shards/[!.]*.h5")):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1))
        os.kill(child[0], signal.SIGKILL)
        if outcome_of(child)[0] == "killed":
            kept = sum(len(featx.store.shards.shard.Shard(path)) for path in cache.glob("shards/[!.]*.h5"))
            counts["driver kills"] += 1
            counts["rows kept by killed drivers"] += kept
            if extract(images, cache).extracted > n_images - kept:
                complain(f"{cache.name}: rows that were there were made again")
                counts["caches that differ"] += 1
            compare(cache)
    with connected("local", 2):
        number = 0
        while counts["worker kills"] < WORKER_KILLS:
            cache, number = work / f"workers {number}", number + 1
            killer = Killer(rng, WORKER_KILLS - counts["worker kills"])
            try:
                extract_on_ray(images, cache, killer)
            except FeatxError as error:
                complain(str(error))
            counts["worker kills"] += killer.kills
            compare(cache)
    print(", ".join(f"{count:,} {what}" for what, count in counts.items()), f"in {time.monotonic() - started:.0f} s")
    for name, cache in (("in one process", work / "whole"), ("on Ray", work / "workers 0")):
        digest = hashlib.sha256(repr(sorted(rows_of(cache).items())).encode()).hexdigest()
        print(f"SHA-256 of all {len(whole)} rows {name}: {digest[:16]}…", flush=True)
    return not counts["rows lost"] and not counts["caches that differ"]


def main() -> None:
    """Run one experiment or both."""
    experiments = {"scaling": (scaling, 960), "kills": (kills, 240)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="?", choices=experiments)
    parser.add_argument("--n", type=int, help="images; by default the full form")
    options = parser.parse_args()
    passed = True
    for name in [options.experiment] if options.experiment else experiments:
        experiment, full = experiments[name]
        with tempfile.TemporaryDirectory(prefix="featx-ray-benchmark-") as work:
            print(name, flush=True)
            passed &= experiment(Path(work).resolve(), options.n or full)
    if not passed:
        sys.exit(1)


if __name__ == "__main__":
    main()
