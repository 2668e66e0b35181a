"""The rules of the design that a reader relies on, each held by a test."""

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import featx
from featx.cli import main

PACKAGE = Path(featx.__file__).parent
ROOT = PACKAGE.parent

# From the bottom up. A module imports what stands on a lower floor, and its own room; nothing of its own floor beside it.
FLOORS = (
    ("errors",),
    ("system", "recipe", "task"),
    ("images", "backbones", "store", "heads"),
    ("models",),
    ("verbs",),
    ("report", "estimators"),
    ("featx",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Which verb may use which others, and why. Everything else that two verbs share is a noun of its own, or stands in models/.
AMONG_VERBS: dict[str, set[str]] = {
    "merge": {"extract"},  # joined listings get their splits by the draw of an extract
    "fit": {"compare"},  # --tune searches as compare does
    "finetune": {"fit", "compare"},  # it starts from a head that a fit makes, which compare has chosen
    "look": {"extract"},  # it shows what an extract with these options would see
    "predict": {"explain"},  # its page shows what the cells spoke for, from the same forward pass
    "export": {"sample"},  # an export is tried on pictures
    "demo": {"sample", "extract", "fit", "evaluate"},  # it is the session of these, one after the other
}

# These two take networks and heads apart; everybody else enters a room by its face.
INTO_NETWORKS = {"featx.verbs.export", "featx.verbs.finetune"}

# Each library and the rooms that use it.
LIBRARIES = {
    ("keras", "tensorflow", "jax", "torch"): ("backbones/", "heads/epochs/network.py", "verbs/export/"),
    # Formats that are exported to; and a backbone that is an ONNX file is read, checked and run where all backbones are.
    ("onnx", "onnxruntime"): ("verbs/export/", "backbones/imported/"),
    ("tf2onnx", "ai_edge_litert"): ("verbs/export/",),
    ("openvino",): ("backbones/", "verbs/export/"),
    ("nncf",): ("backbones/",),
    ("ncnn",): ("backbones/winograd.py",),
    # Weights files, and whole models in files, are HDF5 too.
    ("h5py",): ("store/", "backbones/weights_file.py", "backbones/weights_check.py", "backbones/imported/keras_file.py"),
    ("PIL",): ("images/",),
    ("simplejpeg",): ("images/",),
    ("openpyxl", "pyarrow"): ("images/listing/tables.py",),
    ("matplotlib", "jinja2", "markupsafe"): ("report/",),
    # Types of documents that come from elsewhere.
    ("msgspec",): ("models/schema.py", "store/network.py", "verbs/finetune/checkpoint.py"),
    ("fcntl", "filelock", "sqlite3"): ("system/locks.py",),
    ("click", "argparse"): ("cli/",),
    ("tqdm",): ("system/bars.py",),  # the library shows bars too
    ("pandas",): ("system/frames.py",),
    ("ray",): ("verbs/extract/ray/",),
    # Heads and a curve learn by it, a comparison cuts folds, an evaluation measures, an export is made of it; estimators are
    # its own.
    ("sklearn",): (
        *("heads/classical/linear.py", "heads/classical/left_out.py", "heads/classical/machines.py", "heads/isotonic.py"),
        *("heads/columns/machines.py", "heads/columns/regression.py"),
        *("verbs/compare/folds.py", "verbs/compare/scoring.py", "verbs/evaluate/", "verbs/export/", "estimators/"),
    ),
    # One thing each: a root, LAPACK's Cholesky, a graph's connected parts.
    ("scipy",): ("heads/temperature.py", "heads/classical/positive.py", "verbs/evaluate/resamples.py", "system/linked.py"),
    ("isal",): ("store/shards/chunks.py",),
    ("joblib",): ("system/cores.py", "verbs/compare/search.py", "verbs/export/"),
    ("threadpoolctl",): ("verbs/compare/validate.py", "heads/epochs/steps.py", "models/alike/"),
    ("pickle", "shelve", "marshal"): (),
}

# A module past this many lines is asking to be two.
LONG = 300


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
FACES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def imported_by(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, at the top, inside a function or for type checking."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the project uses absolute ones"
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                yield longer if longer in MODULES else str(node.module)


def named_by(path: Path) -> Iterator[str]:
    """Yield every module that a file names in a text, as HEADS, _PUBLIC and resources.files do, to be imported later."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value and node.value in MODULES:
            yield node.value


IMPORTS = {name: set(imported_by(path)) | set(named_by(path)) for name, path in MODULES.items()}
# Folders whose __init__ is a docstring alone: nobody is led anywhere by importing them.
EMPTY = {name for name in FACES if len(ast.parse(MODULES[name].read_text("utf-8")).body) == 1}
# Folders inside a room that have a face all the same: several modules of their room use them as one thing.
INNER_FACES = {"featx.models.alike"}
OWN_IMPORTS = {name: {other for other in found if other.split(".")[0] == "featx"} for name, found in IMPORTS.items()}


def top_room(module: str) -> str:
    """Return the name directly below the package; ``featx`` for the package itself."""
    return module.split(".")[1] if "." in module else module


def room(module: str) -> str:
    """Return the folder that a module belongs to as others see it: a noun, models, report, or one verb."""
    parts = module.split(".")
    is_verb = parts[1:2] == ["verbs"] and len(parts) > 2
    return ".".join(parts[: 3 if is_verb else 2])


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    """Command line, reports, verbs, models, nouns, then system, recipe and errors; never up, never sideways."""
    mine = top_room(module)
    for other in OWN_IMPORTS[module]:
        theirs = top_room(other)
        assert mine in FLOOR, f"{module}: {mine} has no floor"
        assert theirs == mine or FLOOR[theirs] < FLOOR[mine], f"{module} imports {other}, which is not below it"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("featx.verbs.")])
def test_verbs_use_the_verbs_they_may(module: str) -> None:
    """A verb stands for itself but for a few, each with its reason."""
    mine = module.split(".")[2]
    for other in OWN_IMPORTS[module]:
        if other.startswith("featx.verbs.") and (theirs := other.split(".")[2]) != mine:
            assert theirs in AMONG_VERBS.get(mine, set()), f"{module} imports {other}"


@pytest.mark.parametrize("module", MODULES)
def test_a_room_is_entered_by_its_face(module: str) -> None:
    """What stands in a room's ``__init__`` is for others; what does not is the room's own business."""
    for other in OWN_IMPORTS[module]:
        theirs = room(other)
        if theirs == room(module) or theirs not in FACES or theirs == "featx.system":
            continue  # the room itself, a single module, or system: a shelf of modules, each entered by its name
        taken_apart = room(module) in INTO_NETWORKS and theirs in ("featx.heads", "featx.backbones")
        assert other == theirs or taken_apart, f"{module} imports {other}, past the face of {theirs}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nobody_imports_their_own_face(module: str) -> None:
    """Inside a room a definition is imported from where it stands: the face imports them all, and would import in a circle.

    Commands are written against featx itself, as a program of a user's is. A page finds its template in the folder it is in,
    whose ``__init__`` holds a docstring alone.
    """
    above = {module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)} - EMPTY
    if top_room(module) == "cli":
        above -= {"featx"}
    assert not OWN_IMPORTS[module] & above


def test_only_rooms_have_faces() -> None:
    """Nouns, models, report, verbs and the command line: a folder inside a room groups files, and its ``__init__`` is empty."""
    rooms = {room(name) for name in FACES}
    assert {name for name in FACES - EMPTY if name not in rooms} == INNER_FACES


def test_public_names_come_from_faces() -> None:
    """``featx`` offers what a room's face, or a module that is a room by itself, offers; and no more than ``__all__`` says."""
    for name, module in featx._PUBLIC.items():
        assert module == room(module), f"{name} is taken from inside {room(module)}"
    assert {*featx._PUBLIC, "open_cache"} == set(featx.__all__)


def test_every_room_has_a_floor() -> None:
    """A new module or folder gets its floor before it can be imported from, and a floor has no room that is gone."""
    assert {top_room(name) for name in MODULES} == set(FLOOR)


def test_no_module_imports_in_a_circle() -> None:
    """Not for type checking either."""
    try:
        list(graphlib.TopologicalSorter({name: others - {name} for name, others in OWN_IMPORTS.items()}).static_order())
    except graphlib.CycleError as error:
        pytest.fail("circle: " + " -> ".join(error.args[1]))


@pytest.mark.parametrize(("libraries", "rooms"), LIBRARIES.items(), ids=lambda value: "-".join(value)[:40] or "nobody")
def test_a_library_is_used_in_its_room_alone(libraries: tuple[str, ...], rooms: tuple[str, ...]) -> None:
    """Keras, h5py, Pillow, the terminal and the rest have their rooms; nothing reads pickles."""
    for name, path in MODULES.items():
        if any(other.split(".")[0] in libraries for other in IMPORTS[name]):
            assert path.relative_to(PACKAGE).as_posix().startswith(rooms or "-"), f"{name} uses {libraries}"


def test_each_command_has_its_files() -> None:
    """``featx verify`` is ``cli/verify.py`` and ``verbs/verify.py``, or a folder of that name."""
    for name in main.commands:
        assert f"featx.cli.{name}" in MODULES, name
        assert f"featx.verbs.{name}" in MODULES, name
    beside = {
        "group",
        "options",
        "values",
        "terminal",
        "progress",
        "help",
        "listing",
        "defaults",
        "complete",
        "spelling",
        "given",
        "steps",
    }
    assert {path.stem for path in (PACKAGE / "cli").glob("*.py")} - beside - {"__init__"} == set(main.commands)
    verbs = {path.stem for path in (PACKAGE / "verbs").iterdir() if not path.name.startswith("__")}
    assert verbs == set(main.commands)


def test_the_names_at_the_top_are_these() -> None:
    """New work finds its room; a new room at the top is a change of the design."""
    found = {path.name for path in PACKAGE.iterdir() if not path.name.startswith((".", "__py"))}
    assert found == {
        *("__init__.py", "__main__.py", "errors.py", "recipe.py", "task.py", "py.typed"),
        *("system", "images", "backbones", "store", "heads", "models", "verbs", "report", "estimators", "cli"),
    }


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_long(module: str) -> None:
    """What has more lines than fit into a reader's head is two things: cut it."""
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= LONG


def test_tensorflow_is_reached_through_keras_alone() -> None:
    """``KERAS_BACKEND`` can change what runs underneath: a backend is named where Keras has no name for what is asked of it.

    ``forward`` asks each backend for its own; ``formats`` runs TensorFlow's own formats, whose runtime is TensorFlow whatever
    Keras computes with.
    """
    users = {name for name, found in IMPORTS.items() if {one.split(".")[0] for one in found} & {"tensorflow", "jax", "torch"}}
    assert users == {"featx.backbones.forward", "featx.verbs.export.formats"}


def test_only_the_command_line_prints() -> None:
    """Nothing outside cli/ writes to the terminal, by whichever way; the library returns values and raises errors."""
    # What TensorFlow wrote while it loaded is shown after all where loading failed: it is TensorFlow's text, not featx'.
    shown_late = {"featx.system.quiet": ["os.write"]}
    for name, path in MODULES.items():
        if top_room(name) != "cli":
            assert list(printed_by(ast.parse(path.read_text("utf-8")))) == shown_late.get(name, []), path


@pytest.mark.parametrize(
    "line",
    [
        "print(1)",
        "sys.stdout.flush()",
        "file = sys.__stdout__",
        "sys.stderr.write('x')",
        "print('x', file=sys.stderr)",
        "from sys import stdout as out",
        "from sys import stderr",
        "os.write(2, b'x')",
        "from os import write",
    ],
)
def test_each_way_to_print_is_found(line: str) -> None:
    """The test above can fail."""
    assert list(printed_by(ast.parse(line)))
    assert not list(printed_by(ast.parse("file.write('x')\nsys.stderr.flush()\nfrom os import path\nmain.print(1)")))


def printed_by(tree: ast.AST) -> Iterator[str]:
    """Yield what in a module writes to the terminal, or takes hold of stdout."""
    calls = {"print", "os.write", "sys.stderr.write", "sys.stderr.writelines", "sys.__stderr__.write"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in calls:
            yield called
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.__stdout__"):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module in ("sys", "os"):
            wanted = {"stdout", "stderr", "__stdout__", "__stderr__", "write"}
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name in wanted)


def test_names_on_the_disk_are_changed_in_system_alone() -> None:
    """Made, renamed, linked and deleted by one protocol, which forces each change to the disk; never by a call beside it."""
    changes = {"unlink", "rename", "renames", "mkdir", "makedirs", "rmdir", "rmtree", "touch", "removedirs", "symlink_to"}
    of_modules = {("os", "remove"), ("os", "replace"), ("os", "link"), ("os", "symlink"), ("shutil", "move")}
    found = []
    for name, path in MODULES.items():
        if name.startswith("featx.system"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            # Of a text, replace takes two things; of a path, one.
            of_path = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
            if node.func.attr in changes or (owner, node.func.attr) in of_modules or of_path:
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
    assert found == []


def test_there_is_no_utils_module() -> None:
    """A name must say what is inside."""
    assert not [path for path in MODULES.values() if path.stem in ("utils", "util", "helpers", "common", "misc")]


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
    heavy = {
        "tensorflow",
        "keras",
        "sklearn",
        "scipy",
        "numpy",
        "h5py",
        "PIL",
        "matplotlib",
        "tqdm",
        "joblib",
        "ray",
        "msgspec",
        "ncnn",
    }
    assert modules_loaded_by(code, tmp_path) & heavy == set()


@pytest.mark.parametrize("head", ["logreg", *(pytest.param(name, marks=pytest.mark.slow) for name in ("svm", "ridge", "knn"))])
def test_fitting_a_classical_head_never_loads_tensorflow(head: str, stub_cache: Path, tmp_path: Path) -> None:
    """``fit --head logreg`` and evaluating it need neither TensorFlow nor Keras."""
    model = tmp_path / "m.featx"
    code = command("fit", stub_cache, "--head", head, "--out", model)
    code += "\n" + command("evaluate", model, "--out", tmp_path / "report")
    assert modules_loaded_by(code, tmp_path) & {"tensorflow", "keras", "jax", "torch", "ncnn"} == set()


def test_extract_and_predict_with_bundled_weights_never_load_tensorflow(photos: Path, tmp_path: Path) -> None:
    """On a processor the Winograd engine computes them: from a folder of images to a prediction without Keras."""
    model, image = tmp_path / "m.featx", photos / "red" / "0.png"
    options = ("--backbone", "efficientnet-lite0", "--image-size", "32", "--device", "cpu", "--workers", "1")
    code = command("extract", photos, "--cache", tmp_path / "c", *options)
    code += "\n" + command("fit", tmp_path / "c", "--head", "ridge", "--out", model)
    code += "\n" + command("predict", model, image, "--device", "cpu", "--workers", "1")
    assert modules_loaded_by(code, tmp_path) & {"tensorflow", "keras", "jax", "torch", "ncnn"} == {"ncnn"}


def test_extract_on_a_complete_cache_never_loads_tensorflow(photos: Path, tmp_path: Path) -> None:
    """With VGG16 too: nothing is missing, so nothing is loaded. The rows are made beforehand without running it."""
    cache = tmp_path / "cache"
    fill = f"""
import numpy as np
import featx.models.compute
class Ready:
    network, device, engine = {{"parameters": 0, "layers": []}}, "cpu:0", "keras"
    def __call__(self, images):
        return {{"block5_pool": np.ones((len(images), 1, 1, 512), np.float32)}}
featx.models.compute.load_backbone = lambda *a, **k: Ready()
featx.extract_features({str(photos)!r}, {str(cache)!r}, image_size=(32, 32))
featx.models.compute.load_backbone = None
"""
    again = f"result = featx.extract_features({str(photos)!r}, {str(cache)!r}, image_size=(32, 32))\nassert result.reused == 36"
    assert modules_loaded_by(fill + again, tmp_path) & {"tensorflow", "keras", "ncnn", "sklearn", "matplotlib", "ray"} == set()


def test_the_public_names_are_exactly_these() -> None:
    """What ``import featx`` offers is a promise: a change here is a change of the interface."""
    assert sorted(featx.__all__) == sorted(
        [
            "Audit",
            "ColumnPredictions",
            "Comparison",
            "Evaluation",
            "Explanation",
            "Explanations",
            "ExportResult",
            "ExtractKeywords",
            "ExtractPlan",
            "ExtractResult",
            "FeatureCache",
            "FeatureExtractor",
            "FineTuneResult",
            "FitResult",
            "HeadClassifier",
            "HeadSettings",
            "LabelsEvaluation",
            "LabelsPrediction",
            "Look",
            "LookKeywords",
            "ManifestKeywords",
            "MergeResult",
            "Model",
            "NumbersEvaluation",
            "NumbersPrediction",
            "Prediction",
            "Predictions",
            "Recipe",
            "Task",
            "TuningKeywords",
            "audit_cache",
            "compare_heads",
            "evaluate_model",
            "explain_images",
            "export_model",
            "extract_features",
            "fine_tune",
            "fit_head",
            "inspect_path",
            "load_model",
            "look_at_images",
            "merge_caches",
            "open_cache",
            "pack_cache",
            "plan_extract",
            "predict_images",
            "unpack_sample",
            "verify_cache",
            "write_clean_manifest",
            "write_look_page",
            "write_report",
        ]
    )
    for name in featx.__all__:
        assert getattr(featx, name).__doc__, name


def test_the_written_exception_tree_is_the_real_one() -> None:
    """The tree at the top of errors.py names every class below its parent, and nothing else."""
    import featx.errors

    tree = str(featx.errors.__doc__)
    values = vars(featx.errors).values()
    classes = [value for value in values if isinstance(value, type) and issubclass(value, Exception)]
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
