"""Checkpoints and int8 networks that somebody made up, with digests that fit: what is read, or one typed error."""

import collections
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.forgery import forgeries_of
from benchmarks.targets import TARGETS
from featx.errors import FeatxError

NETWORKS = """
import collections, dataclasses, json, random, sys
import numpy as np, openvino
from openvino import opset8 as ops
from benchmarks.forgery import graphs_like
from featx.backbones.quantized import QuantizedBackbone, QuantizedNetwork
from featx.errors import FeatxError
from featx.recipe import Recipe

given = ops.parameter([-1, 8, 8, 3], np.uint8)
weights = ops.constant(np.arange(6, dtype=np.float32).reshape(3, 2))
map_ = ops.relu(ops.matmul(ops.convert(given, "f32"), weights, False, False))
map_.set_friendly_name("layer")
openvino.save_model(openvino.Model([map_], [given]), sys.argv[1] + "/n.xml", compress_to_fp16=False)
graph, data = (open(f"{sys.argv[1]}/n.{end}", "rb").read() for end in ("xml", "bin"))
description = json.dumps({"parameters": 6, "layers": []}).encode()
recipe = Recipe(
    backbone="vgg16", weights="random:0", layers=("block1_pool",), image_size=(8, 8), preprocess="none", precision="int8",
    quantized="sha256:" + "0" * 64,
)
images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)

def run(graph):
    network = QuantizedNetwork(graph, data, description)
    network = QuantizedNetwork.from_arrays(network.arrays())
    (maps,) = QuantizedBackbone(dataclasses.replace(recipe, quantized=network.identity), network, 2)(images).values()
    return maps

wanted = np.maximum(images.astype(np.float64) @ np.arange(6).reshape(3, 2), 0)
np.testing.assert_allclose(run(graph), wanted, rtol=1e-6)
counts = collections.Counter()
forged = list(graphs_like(graph.decode()))
for what, text in random.Random(0).sample(forged, 150):
    print(what, file=sys.stderr, flush=True)
    try:
        run(text.encode("utf-8", "surrogatepass"))
        counts["read"] += 1
    except FeatxError:
        counts["refused"] += 1
print(json.dumps({"all": len(forged), **counts}))
"""


def test_each_checkpoint_with_a_digest_that_fits_is_read_or_refused(tmp_path: Path) -> None:
    """Every value of its document in every way, every array of another type, shape and value, each of them gone."""
    target = TARGETS["checkpoint"]
    sound = tmp_path / "sound"
    sound.write_bytes(target.sound())
    assert target.read(sound) is not None
    copy = tmp_path / "copy"
    counts: collections.Counter[str] = collections.Counter()
    for what, change in forgeries_of("checkpoint", sound):
        change(copy)
        try:
            counts["anew" if target.read(copy) is None else "read"] += 1
        except FeatxError:
            counts["refused"] += 1
        except Exception as error:
            raise AssertionError(what) from error
    assert counts.total() > 300
    assert counts["anew"] + counts["refused"] > counts["read"]


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_each_int8_graph_with_a_digest_that_fits_is_run_or_refused(tmp_path: Path) -> None:
    """In a process of its own, which must come to its end: OpenVINO parses what somebody may have written."""
    done = subprocess.run([sys.executable, "-c", NETWORKS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["read"] + counts["refused"] == 150
    assert counts["refused"] > 50
    assert counts["read"] > 5
