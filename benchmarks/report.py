"""How large a report is, how long it takes to make and to see: ``python -m benchmarks.report [IMAGES]``.

By default over 2,000 test images, JPEGs of 500 x 375 px made here, whose spectrum falls as that of photographs does, so that
their thumbnails take the bytes that a photograph's would. The first paint is measured where chromium, chromedriver and
selenium are installed.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import featx

CLASSES = 10
TRAIN_IMAGES = 10
HEIGHT, WIDTH = 375, 500


def make_image(path: Path, label: int, seed: int) -> None:
    """Write a JPEG whose amplitudes fall with the frequency, in a hue that leans to its class."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None] * HEIGHT, np.fft.rfftfreq(WIDTH)[None] * WIDTH)
    amplitude = 1 / np.maximum(frequency, 1) ** 1.1
    channels = []
    shared = np.exp(2j * np.pi * rng.random(amplitude.shape))
    for channel in range(3):
        own = np.exp(2j * np.pi * rng.random(amplitude.shape))
        values = np.fft.irfft2(amplitude * (0.85 * shared + 0.15 * own), s=(HEIGHT, WIDTH))
        lean = 14 * np.cos(2 * np.pi * (label / CLASSES + channel / 3))
        channels.append(128 + lean + 48 * values / values.std())
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)).save(path, quality=88)


def make_images(folder: Path, n_images: int) -> None:
    """Write a train/ of a few images and a test/ of ``n_images``."""
    for split, count in (("train", TRAIN_IMAGES * CLASSES), ("test", n_images)):
        for number in range(count):
            label = number % CLASSES
            make_image(folder / split / f"class {label}" / f"{number:05d}.jpg", label, seed=number + (split == "test") * 10**6)


def first_paint(page: Path) -> dict[str, float] | None:
    """Return when a fresh browser has shown the first content and when all is loaded [s]; None without one."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        return None
    if not (chromium and driver):
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        browser.get(page.as_uri())
        time.sleep(1)
        return {
            name: browser.execute_script(f"return {code}") / 1000
            for name, code in (
                ("first paint", "performance.getEntriesByName('first-contentful-paint')[0].startTime"),
                ("scripts done", "performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"),
            )
        }
    finally:
        browser.quit()


def main(n_images: int = 2000) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_images(root / "images", n_images)
        cache = featx.extract_features(root / "images", root / "cache", image_size=(64, 64)).cache
        model = featx.fit_head(cache, "logreg", out=root / "m.featx").model
        command = "from featx.cli import main; main()"
        for page in ("--no-page", "--page"):
            started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            arguments = ["evaluate", str(model), "--out", str(root / "report"), page]
            subprocess.run([sys.executable, "-c", command, *arguments], check=True, stdout=subprocess.DEVNULL, env=os.environ)
            seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"featx evaluate {page}, {n_images} images, start-up included: {seconds:.1f} s, {busy:.1f} s of CPU time")
        written = root / "report" / "report.html"
        print(f"report.html: {written.stat().st_size / 1e6:.1f} MB")
        for name, seconds in (first_paint(written) or {}).items():
            print(f"{name}: {seconds:.2f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
