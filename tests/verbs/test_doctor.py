"""What featx finds on this machine."""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.errors import BackboneError, FeatxError, WeightsError
from featx.recipe import Recipe
from featx.system import processor
from featx.verbs import doctor
from tests.conftest import Run, as_json

CPUINFO = """processor\t: 0
model name\t: Example 9000 @ 3.1 GHz
flags\t\t: fpu sse2 avx avx2 avx512f avx512_vnni

processor\t: 1
model name\t: Example 9000 @ 3.1 GHz
flags\t\t: fpu sse2 avx avx2 avx512f avx512_vnni
"""


@pytest.fixture
def loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Keras: loading it takes seconds."""
    monkeypatch.setattr(doctor, "list_devices", lambda: ("tensorflow", ["cpu:0"]))


def test_versions_and_machine_are_those_of_this_process(loads_nothing: None, run: Run) -> None:
    """Compared with what Python itself reports."""
    found = as_json(run("doctor", "--json"))
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["featx"] == featx.__version__
    assert 1 <= found["cores"] <= (os.cpu_count() or 1)
    assert platform.machine() in found["system"]
    assert found["problems"] == []


def test_processor_is_read_from_the_systems_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the instruction sets that networks use; a system without such a list names the architecture."""
    listing = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_INFO", listing)
    assert processor.processor_name() in (platform.processor(), platform.machine())
    assert (processor.processor_features(), processor.has_int8_products()) == ([], False)
    listing.write_text(CPUINFO)
    assert processor.processor_name() == "Example 9000 @ 3.1 GHz"
    assert processor.processor_features() == ["avx2", "avx512_vnni", "avx512f"]
    assert processor.has_int8_products()
    listing.write_text(CPUINFO.replace(" avx512_vnni", ""))
    assert not processor.has_int8_products()


def test_an_extra_names_what_of_it_is_missing(loads_nothing: None, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """And how it is installed; extras for those who work on featx are left out."""
    wanted = [
        "numpy>=2.1",
        'numpy>=1; extra == "here"',
        "no-such-library>=1.0; extra == 'gone'",
        'numpy>=1; extra == "gone"',
        'no-such-library; sys_platform == "linux" and extra == "gone"',
        'no-such-library; extra == "test"',
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: wanted)
    assert doctor.diagnose().extras == {"here": [], "gone": ["no-such-library", "no-such-library"]}
    text = run("doctor").stdout
    assert "  here     works\n" in text
    assert "  gone     missing no-such-library, no-such-library: pip install 'featx[gone]'\n" in text


def test_what_would_make_a_run_fail_is_a_problem_and_exit_code_1(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Keras that cannot be loaded, weights that are damaged, no place for temporary files; all of them, not the first."""

    def fail(error: Exception) -> Any:
        def failing(*_: object, **__: object) -> None:
            raise error

        return failing

    monkeypatch.setattr(doctor, "list_devices", fail(BackboneError("KERAS_BACKEND: there is no backend 'abacus'.")))
    monkeypatch.setattr(doctor, "find_weights", fail(WeightsError("vgg16.h5: has another digest.")))
    monkeypatch.setattr(tempfile, "TemporaryFile", fail(FileNotFoundError(2, "No such file or directory")))
    done = run("doctor")
    assert done.exit_code == 1
    assert "problem: Keras cannot be loaded: KERAS_BACKEND: there is no backend 'abacus'." in done.stdout
    assert "problem: vgg16.h5: has another digest." in done.stdout
    assert "problem: there is no folder for temporary files: No such file or directory." in done.stdout
    assert "no problem found" not in done.stdout


def test_variables_are_the_users_and_without_the_home_folder(
    loads_nothing: None, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """What featx sets for itself is none of them."""
    monkeypatch.setenv("KERAS_HOME", str(Path.home() / "keras"))
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    monkeypatch.setenv("SECRET", "hidden")
    text = run("doctor").stdout
    assert "  KERAS_HOME=~/keras\n" in text
    assert "TF_FORCE_GPU_ALLOW_GROWTH" not in text
    assert "SECRET" not in text
    assert doctor.diagnose().variables["KERAS_HOME"] == "~/keras"


def test_a_problem_does_not_name_the_home_folder(loads_nothing: None, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """As text and as JSON: what doctor says is put into a report of a problem."""

    def refuse(spec: object) -> None:
        raise FeatxError(f"{Path.home()}/weights.h5: is damaged.")

    monkeypatch.setattr(doctor, "_check_bundled", refuse)
    for options in ([], ["--json"]):
        said = run("doctor", *options).stdout
        assert "~/weights.h5: is damaged." in said
        assert str(Path.home()) not in said


def test_python_m_featx_is_the_command_and_all_names_show() -> None:
    """A process of its own; ``dir`` loads nothing."""
    done = subprocess.run([sys.executable, "-m", "featx", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"featx, version {featx.__version__}\n"
    script = "import sys, featx; print(*dir(featx)); assert 'featx.verbs' not in sys.modules and 'numpy' not in sys.modules"
    names = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(featx.__all__) <= set(names)
    assert [name for name in names if not name.startswith("__") and name not in featx.__all__] == ["errors"]


def test_engines_are_listed_and_what_is_missing_is_named(
    loads_nothing: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it; a variable that names no engine would make every extract fail."""
    assert as_json(run("doctor", "--json"))["engines"] == ["keras", "winograd"]
    assert "engines    keras, winograd\n" in run("doctor").stdout
    monkeypatch.setattr(doctor, "is_winograd_installed", lambda: False)
    assert "engines    keras: Winograd's, twice as fast, is missing ncnn: pip install ncnn\n" in run("doctor").stdout
    monkeypatch.setenv("FEATX_ENGINE", "fast")
    found = run("doctor")
    assert found.exit_code == 1
    assert "problem: the variable FEATX_ENGINE must be one of auto, keras, winograd. Received: 'fast'." in found.stdout


def test_rates_are_measured_where_they_are_asked_for(loads_nothing: None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each backbone with bundled weights; what takes seconds is not done unasked."""
    assert as_json(run("doctor", "--json"))["rates"] == {}
    asked = []

    def measured(recipe: Recipe) -> dict[str, float]:
        asked.append((recipe.backbone, recipe.image_size))
        return {"keras": 4.2, "winograd": 11.04}

    monkeypatch.setattr(doctor, "measure_engines", measured)
    found = as_json(run("doctor", "--rates", "--json"))
    assert asked == [("vgg16", (224, 224)), ("efficientnet-lite0", (224, 224))]
    assert found["rates"]["vgg16"] == {"keras": 4.2, "winograd": 11.04}
    text = run("doctor", "--rates").stdout
    assert "rates      images per second of the forward pass" in text
    assert "\n  vgg16: Keras 4.2, Winograd 11.0\n" in text


@pytest.mark.slow
def test_rates_are_those_of_this_machine(run: Run) -> None:
    """Measured in earnest: every engine that is installed, each faster than an image in ten seconds."""
    for rates in as_json(run("doctor", "--rates", "--json"))["rates"].values():
        assert list(rates) == ["keras", "winograd", "int8"]
        assert min(rates.values()) > 0.1
