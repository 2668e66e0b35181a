"""The same tests on Keras' other backends: features, heads, fine-tuning and exports do not depend on what runs underneath."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent

# What touches Keras, and of the long files those tests that compare numbers.
NETWORKS = (
    "backbones/test_forward.py",
    "backbones/test_lite.py",
    "backbones/test_network.py",
    "backbones/test_tail.py",
    "verbs/export/test_network.py",
)
# Left out is a test of reading rows in blocks, which compares two trainings by how well they end, not by their numbers.
HEADS = (
    "heads/epochs/test_conv.py",
    "heads/epochs/test_dense.py",
    "heads/epochs/test_training.py",
    "-k",
    "not larger_than_memory",
)
FINE_TUNE = ("verbs/finetune/test_finetune.py", "-k", "steps_are or pixels or equals_keras or taken_up")
EXPORT = ("verbs/export/test_export.py", "-k", "each_head and keras")


@pytest.mark.skipif("KERAS_BACKEND" in os.environ, reason="a backend was chosen for this run already")
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("arguments", [NETWORKS, HEADS, FINE_TUNE, EXPORT], ids=["networks", "heads", "finetune", "export"])
def test_numbers_hold_on_another_backend(backend: str, arguments: tuple[str, ...]) -> None:
    """A test run of its own under ``KERAS_BACKEND``, since Keras chooses once for a process."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow", *arguments],
        cwd=ROOT / "tests",
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
