"""The rules of the design that a reader relies on, each held by a test."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import featx

PACKAGE = Path(featx.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the bottom up. A module may import modules of lower levels, and those of its own room.
NOUNS = ("images", "backbones", "store", "heads", "alike", "sample")
LEVELS: dict[str, int] = {
    **dict.fromkeys(("errors", "files", "recipe", "contents", "cores", "memory", "quiet", "interrupt", "progress"), 0),
    **dict.fromkeys(("checkpoint", "plain_layers", "outputs"), 0),
    **dict.fromkeys(NOUNS, 1),
    **dict.fromkeys(("model", "classify", "measured", "measures", "featuremap", "prepare", "search", "learning"), 2),
    **dict.fromkeys(("head_features", "another_layer", "tuning", "starting", "pictures", "misfits", "findings", "flaws"), 2),
    **dict.fromkeys(("local_run", "calibrating", "rejects", "repeats", "union", "ray_run", "ray_worker", "ray_cluster"), 2),
    **dict.fromkeys(("extract", "plan", "fit", "compare", "finetune", "evaluate", "predict", "inspect", "merge"), 3),
    **dict.fromkeys(("export", "verify", "pack", "estimators", "exhibit", "audit"), 3),
    "report": 4,
    "cli": 5,
}

# Within the two levels of several single modules, who may use whom.
BELOW_ALL = {
    *(("outputs", "errors"), ("outputs", "files")),
    ("contents", "files"),
    ("memory", "errors"),
    *(("files", "errors"), ("recipe", "errors"), ("checkpoint", "errors"), ("checkpoint", "files")),
    *((room, other) for room in ("classify", "measured") for other in ("model", "featuremap", "head_features")),
    *(("measured", "classify"), ("head_features", "model")),
    *(("starting", "learning"), ("starting", "model"), ("starting", "tuning")),
    *(("exhibit", verb) for verb in ("evaluate", "predict")),
    *(("flaws", "misfits"), ("flaws", "pictures")),
    ("local_run", "prepare"),
    ("prepare", "calibrating"),
    ("calibrating", "model"),
    ("union", "prepare"),
    *(("ray_run", other) for other in ("local_run", "prepare", "ray_worker", "ray_cluster")),
    ("ray_worker", "local_run"),
}


def room_of(path: Path) -> str:
    """Return the name directly below the package: a folder's or a module's."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Return every module that a file names in an import, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the project uses absolute ones"
            found.add(str(node.module))
    return found


def rooms_imported(path: Path) -> set[str]:
    """Return the featx rooms that a file imports from."""
    return {name.split(".")[1] for name in imported_modules(path) if name.startswith("featx.")}


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py" or p.parent != PACKAGE], ids=str)
def test_imports_go_down_only(path: Path) -> None:
    """Cli, report, verbs, model, nouns, then recipe, files and errors; never up, never sideways."""
    room = room_of(path)
    for other in rooms_imported(path) - {room}:
        allowed = LEVELS[other] < LEVELS[room] or (room, other) in BELOW_ALL
        assert allowed, f"{path.relative_to(PACKAGE)} (level {LEVELS[room]}) imports {other} (level {LEVELS[other]})"


def test_every_room_has_a_level() -> None:
    """A new module or folder must be given its place before it can be imported from."""
    assert {room_of(path) for path in MODULES} - {"__init__"} == set(LEVELS)


@pytest.mark.parametrize(
    ("libraries", "allowed"),
    [
        (("keras", "tensorflow", "jax", "torch"), ("backbones/", "heads/network.py")),
        (("onnx", "tf2onnx", "onnxruntime", "ai_edge_litert"), ("backbones/formats.py",)),
        (("openvino",), ("backbones/formats.py", "backbones/quantized.py", "backbones/quantize.py")),
        (("nncf",), ("backbones/quantize.py",)),
        # Weights files are HDF5, and which of their shapes differ only they can tell.
        (("h5py",), ("store/", "backbones/weights_file.py")),
        (("PIL",), ("images/",)),
        (("matplotlib", "jinja2", "markupsafe"), ("report/",)),
        (("click", "tqdm", "argparse"), ("cli/",)),
        (("ray",), ("ray_run.py", "ray_cluster.py")),
        (("joblib",), ("search.py", "heads/pipeline.py")),
        (("threadpoolctl",), ("search.py", "heads/steps.py", "alike/nearest.py")),
        (("pickle", "shelve", "marshal"), ()),
    ],
)
def test_a_library_is_used_in_its_room_alone(libraries: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Keras, h5py, Pillow and the terminal each have one room; nothing reads pickles."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] in libraries for name in imported_modules(path))
    }
    assert [user for user in users if not user.startswith(allowed or "-")] == []


def test_tensorflow_is_reached_through_keras_alone() -> None:
    """``KERAS_BACKEND`` can change what runs underneath: no module names tensorflow, jax or torch.

    But for two: formats.py runs a SavedModel and a .tflite file, TensorFlow's own formats, whose runtime is TensorFlow whatever
    Keras computes with; forward.py asks each for what Keras has no name for.
    """
    exempt = {PACKAGE / "backbones" / name for name in ("formats.py", "forward.py")}
    named = {name for path in MODULES if path not in exempt for name in imported_modules(path)}
    assert not {name for name in named if name.split(".")[0] in ("tensorflow", "jax", "torch")}


def test_only_the_command_line_prints() -> None:
    """No ``print`` and no ``sys.stdout`` outside cli/; the library returns values and raises errors."""
    for path in MODULES:
        if room_of(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            is_stdout = isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdout"
            prints = is_print or is_stdout
            assert not prints, f"{path}:{node.lineno} prints"


def test_there_is_no_utils_module() -> None:
    """A name must say what is inside."""
    assert not [path for path in MODULES if path.stem in ("utils", "util", "helpers", "common", "misc")]


def modules_loaded_by(code: str, cwd: Path) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules it loaded."""
    script = f"import sys, json\n{code}\nprint('LOADED' + json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.split("LOADED")[1]))


def command(*arguments: object) -> str:
    """Return code that runs a featx command and goes on after it."""
    return f"from featx.cli import main\nmain({[str(a) for a in arguments]!r}, standalone_mode=False)"


@pytest.mark.parametrize("code", ["import featx", command("--help"), command("extract", "--help"), command("fit", "--help")])
def test_help_loads_no_heavy_module(code: str, tmp_path: Path) -> None:
    """``import featx`` and ``--help`` answer at once: not even NumPy is loaded."""
    heavy = {"tensorflow", "keras", "sklearn", "scipy", "numpy", "h5py", "PIL", "matplotlib", "tqdm", "joblib", "ray"}
    assert modules_loaded_by(code, tmp_path) & heavy == set()


@pytest.mark.parametrize("head", ["logreg", "svm", "ridge", "knn"])
def test_fitting_a_classical_head_never_loads_tensorflow(head: str, stub_cache: Path, tmp_path: Path) -> None:
    """``fit --head logreg`` and evaluating it need neither TensorFlow nor Keras."""
    model = tmp_path / "m.featx"
    code = command("fit", stub_cache, "--head", head, "--out", model)
    code += "\n" + command("evaluate", model, "--out", tmp_path / "report")
    assert modules_loaded_by(code, tmp_path) & {"tensorflow", "keras", "jax", "torch"} == set()


def test_extract_on_a_complete_cache_never_loads_tensorflow(photos: Path, tmp_path: Path) -> None:
    """With VGG16 too: nothing is missing, so nothing is loaded. The rows are made beforehand without running it."""
    cache = tmp_path / "cache"
    fill = f"""
import numpy as np
import featx.verbs.extract.local
class Ready:
    network, device = {{"parameters": 0, "layers": []}}, "cpu:0"
    def __call__(self, images):
        return {{"block5_pool": np.ones((len(images), 1, 1, 512), np.float32)}}
featx.verbs.extract.local.load_backbone = lambda *a, **k: Ready()
featx.extract_features({str(photos)!r}, {str(cache)!r}, image_size=(32, 32))
featx.verbs.extract.local.load_backbone = None
"""
    again = f"result = featx.extract_features({str(photos)!r}, {str(cache)!r}, image_size=(32, 32))\nassert result.reused == 36"
    assert modules_loaded_by(fill + again, tmp_path) & {"tensorflow", "keras", "sklearn", "matplotlib", "ray"} == set()


def test_the_public_names_are_exactly_these() -> None:
    """What ``import featx`` offers is a promise: a change here is a change of the interface."""
    assert sorted(featx.__all__) == sorted(
        [
            "Audit",
            "Comparison",
            "Evaluation",
            "ExportResult",
            "ExtractPlan",
            "ExtractResult",
            "FeatureCache",
            "FeatureExtractor",
            "FineTuneResult",
            "FitResult",
            "HeadClassifier",
            "MergeResult",
            "Model",
            "Prediction",
            "Recipe",
            "audit_cache",
            "compare_heads",
            "evaluate_model",
            "export_model",
            "extract_features",
            "fine_tune",
            "fit_head",
            "inspect_path",
            "load_model",
            "merge_caches",
            "open_cache",
            "pack_cache",
            "plan_extract",
            "predict_images",
            "unpack_sample",
            "verify_cache",
            "write_clean_manifest",
            "write_report",
        ]
    )
    for name in featx.__all__:
        assert getattr(featx, name).__doc__, name


def test_the_written_exception_tree_is_the_real_one() -> None:
    """The tree at the top of errors.py names every class below its parent, and nothing else."""
    import featx.errors

    tree = str(featx.errors.__doc__)
    classes = [value for value in vars(featx.errors).values() if isinstance(value, type)]
    parent_at: dict[int, str] = {}
    written = {}
    for line in tree.splitlines():
        stripped = line.lstrip("│├└─ ")
        name = stripped.split(" ")[0]
        if name in {c.__name__ for c in classes}:
            depth = len(line) - len(stripped)
            parent_at[depth] = name
            above = [d for d in parent_at if d < depth]
            written[name] = parent_at[max(above)] if above else "Exception"
    assert written == {c.__name__: c.__base__.__name__ for c in classes if c.__base__}
