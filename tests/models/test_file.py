"""A model file gives back the model that was saved, or a typed refusal; it can run nothing."""

import builtins
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import HeadError, ModelDamaged, ModelError, ModelNotFound, OutputError
from featx.heads import HEADS, make_head, rebuild_head
from featx.models.file import SCHEMA_VERSION, check_model_path, find_model, load_model, save_model
from featx.models.model import Model
from featx.recipe import Recipe
from featx.report.text.inspect import model_text
from featx.verbs.inspect import ModelSummary, inspect_path

CLASS_NAMES = ("cat", "dog", "étoile 🐱")
N_FEATURES = 4
X_NEW = np.random.default_rng(9).normal(0, 3, (20, N_FEATURES)).astype(np.float32)

Document = dict[str, Any]
Members = dict[str, bytes]


def digest_of(number: int) -> bytes:
    """Return the content digest of a made-up image."""
    return hashlib.sha256(str(number).encode()).digest()


def made_model(recipe: Recipe, name: str = "logreg") -> Model:
    """Return a model of three classes; the dense head has made-up weights, so that nothing waits for Keras."""
    rng = np.random.default_rng(0)
    if name == "dense":
        arrays = {"classes": np.arange(3), "kernel_0": rng.normal(0, 1, (N_FEATURES, 5)), "bias_0": rng.normal(0, 1, 5)}
        arrays |= {"kernel_1": rng.normal(0, 1, (5, 3)), "bias_1": rng.normal(0, 1, 3)}
        narrow = {key: array if key == "classes" else array.astype(np.float32) for key, array in arrays.items()}
        head = rebuild_head("dense", {"hidden": [5], "epochs": 7}, narrow)
    elif name == "conv":  # maps of 2 x 2 px and one channel
        shapes = {
            "kernel_0": (3, 3, 1, 2),
            "bias_0": (2,),
            "kernel_1": (3, 3, 2, 3),
            "bias_1": (3,),
            "kernel_2": (3, 3),
            "bias_2": (3,),
        }
        arrays = {key: rng.normal(0, 1, shape).astype(np.float32) for key, shape in shapes.items()}
        settings = {"map_shape": [2, 2, 1], "filters": [2, 3]}
        head = rebuild_head("conv", settings, {"classes": np.arange(3)} | arrays)
    else:
        y = np.arange(30) % 3
        head = make_head(name).fit(rng.normal(0, 1, (30, N_FEATURES)) + y[:, None], y)
    return Model(
        recipe=recipe,
        layer="cells",
        pooling="avg",
        head_name=name,
        head=head,
        class_names=CLASS_NAMES,
        history={"loss": [1.5, 0.7, 0.1], "val_loss": [1.0, 0.25, 0.5]},
        metrics={"train_images": 30, "val_accuracy": None},
        network={"parameters": 1000, "layers": []},
        source={"cache": "/été", "weights_file": ""},
        versions={"python": "3.11"},
        trained_on=np.frombuffer(b"".join(digest_of(number)[:8] for number in range(30)), np.uint8).reshape(30, 8),
    )


@pytest.fixture
def path(tmp_path: Path, stub_recipe: Recipe) -> Path:
    """A model file with a logistic regression."""
    save_model(made_model(stub_recipe), tmp_path / "model.featx")
    return tmp_path / "model.featx"


def read_zip(path: Path) -> Members:
    """Return the members as zipfile sees them."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, members: Members, **options: Any) -> None:
    """Write members as a zip."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def edit(path: Path, change: Callable[[Document, Members], object]) -> None:
    """Change document and arrays as a skilled attacker would: every digest is made to fit again."""
    members = read_zip(path)
    document = json.loads(members.pop("model.json"))
    change(document, members)
    document["members"] = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    if "sealed" in document:
        document["sealed"] = {name: digest_of_json(value) for name, value in document.items() if name in document["sealed"]}
    write_zip(path, members | {"model.json": json.dumps(document).encode()})


def digest_of_json(value: Any) -> str:
    """Return the digest of a field that predictions rest on, as the document has it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def npy(array: NDArray[Any], **options: Any) -> bytes:
    """Return an array as numpy itself writes it."""
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npy_declaring(shape: str, descr: str = "<f8", body: bytes = b"") -> bytes:
    """Return an npy file with a header made by hand."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def test_editing_nothing_still_loads(path: Path) -> None:
    """The tool that makes the hostile files below makes sound ones, too: what is refused is refused for the change."""
    edit(path, lambda document, members: None)
    assert load_model(path).class_names == CLASS_NAMES


@pytest.mark.parametrize("name", HEADS)
def test_a_saved_model_comes_back_exactly(tmp_path: Path, stub_recipe: Recipe, name: str) -> None:
    """Probabilities are bit-identical, and everything else that was known is known again."""
    saved = made_model(stub_recipe, name)
    save_model(saved, tmp_path / "new" / "folder" / "model.featx")
    loaded = load_model(str(tmp_path / "new" / "folder" / "model.featx"))
    assert loaded.head.predict_proba(X_NEW).tobytes() == saved.head.predict_proba(X_NEW).tobytes()
    for field in (
        "recipe",
        "layer",
        "pooling",
        "head_name",
        "class_names",
        "history",
        "metrics",
        "network",
        "source",
        "versions",
    ):
        assert getattr(loaded, field) == getattr(saved, field), field
    assert loaded.head.settings() == saved.head.settings()
    assert loaded.parameters == saved.parameters
    learned = 0 if name == "knn" else saved.head.n_parameters  # neighbours are rows, which nothing trains
    assert loaded.parameters["total"] == 1000 + learned
    np.testing.assert_array_equal(loaded.trained_on, saved.trained_on)


def test_the_best_epoch_is_the_one_of_least_validation_loss(path: Path) -> None:
    """Counted from 1; the last where nothing validated; 0 for a head without epochs."""
    assert load_model(path).best_epoch == 2
    edit(path, lambda document, members: document["history"].pop("val_loss"))
    assert load_model(path).best_epoch == 3
    edit(path, lambda document, members: document["history"].clear())
    assert load_model(path).best_epoch == 0


def test_training_images_are_recognised_by_content(path: Path) -> None:
    """Each digest is looked up, in the order asked; an image never seen is not."""
    model = load_model(path)
    assert model.saw_in_training([digest_of(0), digest_of(99), digest_of(29), b""]).tolist() == [True, False, True, False]
    assert model.saw_in_training([]).tolist() == []


def test_members_are_one_document_and_plain_arrays_uncompressed(path: Path) -> None:
    """``model.json`` and ``.npy`` files that numpy reads without pickle, with the digests that the document says."""
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None
    members = read_zip(path)
    document = json.loads(members.pop("model.json"))
    assert set(members) == {"trained_on.npy"} | {
        f"head/{name}.npy" for name in ("classes", "mean", "scale", "coef", "intercept")
    }
    assert document["members"] == {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    arrays = {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in members.items()}
    wanted = load_model(path).head.arrays()
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[f"head/{name}.npy"], array)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, stub_recipe: Recipe) -> None:
    """No clock gets into the file."""
    for name in ("a", "b"):
        save_model(made_model(stub_recipe), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_saving_replaces_the_whole_file(path: Path, stub_recipe: Recipe) -> None:
    """A model saved over another leaves that model and nothing beside it."""
    save_model(made_model(stub_recipe, "svm"), path)
    assert load_model(path).head_name == "svm"
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_a_typed_error(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(OutputError, match="--out"):
        save_model(made_model(stub_recipe), tmp_path / "file" / "model.featx")
    assert (tmp_path / "file").read_bytes() == b"mine"


def made_zip(member: str) -> bytes:
    """Return a zip with one empty member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, b"")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"a thesis", made_zip("thesis.txt"), b"PK\3\4" * 9], ids=["empty", "text", "zip", "PK"]
)
def test_a_file_that_is_no_model_is_not_replaced(tmp_path: Path, stub_recipe: Recipe, content: bytes) -> None:
    """``fit --out thesis.docx`` must not cost the thesis; the check before the work says the same as the saving."""
    path = tmp_path / "thesis.docx"
    path.write_bytes(content)
    for attempt in (lambda: check_model_path(path), lambda: save_model(made_model(stub_recipe), path)):
        with pytest.raises(OutputError, match=r"thesis\.docx: exists and is not a featx model.*--out"):
            attempt()
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_of_another_schema_or_damaged_may_be_replaced(path: Path, stub_recipe: Recipe) -> None:
    """Fitting again is what the messages about such a model advise."""
    write_zip(path, {"model.json": b"{}"})
    check_model_path(path)
    save_model(made_model(stub_recipe), path)
    assert load_model(path).class_names == CLASS_NAMES


@pytest.mark.parametrize("name", ["/", "", ".", "folder", "pipe", "file/model.featx"])
def test_a_place_that_can_hold_no_model_is_refused_before_the_work(
    tmp_path: Path, stub_recipe: Recipe, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders, pipes, and folders that are files; nothing is made or changed."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("mine")
    os.mkfifo("pipe")
    for attempt in (lambda: check_model_path(Path(name)), lambda: save_model(made_model(stub_recipe), Path(name))):
        with pytest.raises(OutputError, match="--out"):
            attempt()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]


def test_a_place_in_a_folder_to_be_made_passes_and_is_not_made(tmp_path: Path) -> None:
    """The check before the work leaves nothing behind."""
    check_model_path(tmp_path / "models" / "m.featx")
    assert list(tmp_path.iterdir()) == []


def test_the_newest_model_is_found_among_what_is_none(path: Path) -> None:
    """Hidden files, that a killed fit may leave, folders, pipes and links to nowhere are no models, however new."""
    folder = path.parent
    assert find_model(folder) == path
    assert find_model(folder / "nowhere") is None
    (folder / ".tmp-1-2.featx").write_bytes(path.read_bytes())
    (folder / "folder.featx").mkdir()
    (folder / "gone.featx").symlink_to("nowhere")
    (folder / "loop.featx").symlink_to("loop.featx")
    os.mkfifo(folder / "pipe.featx")
    later = path.stat().st_mtime_ns + 10**10
    for name in (".tmp-1-2.featx", "folder.featx", "pipe.featx"):
        os.utime(folder / name, ns=(later, later))
    assert find_model(folder) == path


@pytest.mark.parametrize("name", ["nothing.featx", "."])
def test_no_model_file_is_said_with_the_command_that_makes_it(tmp_path: Path, name: str) -> None:
    """A missing file, or a folder."""
    with pytest.raises(ModelNotFound, match=r"Make one.*: featx fit"):
        load_model(tmp_path / name)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 1000, b"PK\5\6" + b"\0" * 18, b"PK\3\4 and so on", b'{"schema": 1}', b"\x89HDF\r\n\x1a\n"], ids=repr
)
def test_what_is_no_model_is_refused(path: Path, data: bytes) -> None:
    """Empty, zeros, an empty zip, half a zip, JSON, HDF5."""
    path.write_bytes(data)
    with pytest.raises(ModelDamaged, match=r"model\.featx.*([Ff]it the model again|Make one: featx fit)"):
        load_model(path)


def test_a_truncated_model_is_refused(path: Path) -> None:
    """Cut off anywhere."""
    data = path.read_bytes()
    for length in {*np.linspace(0, len(data) - 1, 60, dtype=int).tolist(), len(data) - 1, len(data) - 22, 4, 30}:
        path.write_bytes(data[:length])
        with pytest.raises(ModelDamaged):
            load_model(path)


def told(model: Model) -> tuple[Any, ...]:
    """Return everything a model has to say."""
    return (
        model.head.predict_proba(X_NEW).tobytes(),
        *(model.recipe, model.layer, model.pooling, model.class_names, model.head.settings()),
        *(model.history, model.metrics, model.network, model.source, model.versions, model.trained_on.tobytes()),
    )


@pytest.mark.parametrize("part", ["anywhere", "directory"])
def test_a_flipped_bit_is_refused_or_changes_nothing(path: Path, part: str) -> None:
    """Every bit of the members counts; a bit of the zip's own book-keeping may be refused or, like a date, mean nothing."""
    data = bytearray(path.read_bytes())
    wanted = told(load_model(path))
    (directory,) = struct.unpack("<I", data[-6:-2])
    start = 0 if part == "anywhere" else directory
    rng = np.random.default_rng(4)
    refused = 0
    for byte, bit in zip(rng.integers(start, len(data), 200), rng.integers(0, 8, 200), strict=True):
        data[byte] ^= 1 << int(bit)
        path.write_bytes(data)
        data[byte] ^= 1 << int(bit)
        try:
            assert told(load_model(path)) == wanted, f"byte {byte}, bit {bit}"
        except ModelDamaged:
            refused += 1
    assert refused > (150 if part == "anywhere" else 50)


def test_every_flipped_bit_of_a_member_is_refused(path: Path) -> None:
    """Document or array: not one bit may differ."""
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(5)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    for info in infos:
        start = info.header_offset + 30 + len(info.filename.encode())
        for byte, bit in zip(rng.integers(start, start + info.file_size, 50), rng.integers(0, 8, 50), strict=True):
            data[byte] ^= 1 << int(bit)
            path.write_bytes(data)
            data[byte] ^= 1 << int(bit)
            with pytest.raises(ModelDamaged):
                load_model(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_member_is_refused(path: Path, method: int) -> None:
    """A member could then be far larger than the file: a bomb."""
    write_zip(path, read_zip(path), compression=method)
    with pytest.raises(ModelDamaged, match="compressed"):
        load_model(path)


def test_a_member_twice_is_refused(path: Path) -> None:
    """Two readers could see two different models."""
    members = read_zip(path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # zipfile warns of just this
        archive.writestr("model.json", members["model.json"])
    with pytest.raises(ModelDamaged, match="twice"):
        load_model(path)


def test_a_crowd_of_members_is_refused(path: Path) -> None:
    """Thousands of members are no model."""
    write_zip(path, read_zip(path) | {f"head/{number}.npy": b"" for number in range(5001)})
    with pytest.raises(ModelDamaged, match="too many members"):
        load_model(path)


@pytest.mark.parametrize("name", ["evil.py", "head/extra.npy", "../outside.npy", "/etc/outside.npy"])
@pytest.mark.parametrize("listed", [False, True], ids=["not listed", "listed"])
def test_an_additional_member_is_refused_and_written_nowhere(path: Path, name: str, listed: bool) -> None:
    """Whether or not the document lists it."""
    if listed:
        edit(path, lambda document, members: members.update({name: npy(np.zeros(3))}))
    else:
        write_zip(path, read_zip(path) | {name: npy(np.zeros(3))})
    with pytest.raises(ModelDamaged):
        load_model(path)
    assert list(path.parent.rglob("*")) == [path]
    assert not (path.parent.parent / "outside.npy").exists()


@pytest.mark.parametrize("name", ["model.json", "trained_on.npy", "head/classes.npy", "head/coef.npy", "head/scale.npy"])
def test_a_missing_member_is_refused(path: Path, name: str) -> None:
    """Each one is needed."""
    members = read_zip(path)
    write_zip(path, {other: data for other, data in members.items() if other != name})
    with pytest.raises(ModelDamaged):
        load_model(path)
    write_zip(path, members)
    if name != "model.json":
        edit(path, lambda document, members: members.pop(name))
        with pytest.raises(ModelDamaged):
            load_model(path)


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return builtins.open, (str(self.target), "w")


@pytest.mark.parametrize("name", ["trained_on.npy", "head/coef.npy", "head/classes.npy"])
@pytest.mark.parametrize("form", ["npy", "pickle"])
def test_a_hostile_file_runs_nothing(path: Path, name: str, form: str) -> None:
    """An array of objects, whose unpickling would create a file, is refused unread; so is a bare pickle."""
    target = path.parent / "created by the trap"
    hostile = npy(np.array([Trap(target)] * 3, object), allow_pickle=True)
    pickled = hostile[hostile.index(b"\n") + 1 :]
    edit(path, lambda document, members: members.update({name: hostile if form == "npy" else pickled}))
    with pytest.raises(ModelDamaged):
        load_model(path)
    assert not target.exists()
    np.load(io.BytesIO(hostile), allow_pickle=True)[0].close()
    assert target.exists()  # the trap works


@pytest.mark.parametrize(
    "data",
    [
        npy_declaring("(1000000000000,)"),
        npy_declaring("(1000000, 1000000)"),
        npy_declaring("(4294967296, 4294967296)"),
        npy_declaring("(-1,)"),
        npy_declaring("(-1, -8)", body=b"\0" * 64),
        npy_declaring("(3,)", body=b"\0" * 23),
        npy_declaring("(3,)", body=b"\0" * 25),
        npy_declaring("(3,)", "|O", b"\0" * 24),
        npy_declaring("(3,)", "<U2", b"\0" * 24),
        npy_declaring("(3,)", "|V8", b"\0" * 24),
        npy_declaring("(3,)", "<M8[s]", b"\0" * 24),
        npy_declaring("(3,)", "<c16", b"\0" * 48),
        npy_declaring("(3,)", "nonsense", b"\0" * 24),
        npy_declaring("3", body=b"\0" * 24),
        npy_declaring("(__import__('os').getpid(),)"),
        npy(np.zeros((3, N_FEATURES), order="F")),
        npy(np.zeros((3, N_FEATURES)))[:-8],
        npy(np.zeros((3, N_FEATURES + 1))),
        npy(np.zeros((2, N_FEATURES))),
        npy(np.zeros(3)).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x07"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f",
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
        b"\x93NUMPY\x01\x00\x00\x20" + b"[" * 8191 + b"\n",
        b"",
        b"\x93NUM",
    ],
    ids=lambda data: f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:4]}",
)
def test_an_array_that_is_not_what_it_declares_is_refused(path: Path, data: bytes) -> None:
    """Bombs, other types, other sizes, broken headers: refused before anything is made of them."""
    edit(path, lambda document, members: members.update({"head/coef.npy": data}))
    with pytest.raises(ModelDamaged):
        load_model(path)


@pytest.mark.parametrize("schema", [SCHEMA_VERSION + 1, 10**9])
def test_a_newer_schema_is_refused_with_advice(path: Path, schema: int) -> None:
    """A file of a later featx is not damaged: the message says which schema it has and to upgrade."""
    edit(path, lambda document, members: document.update(schema=schema, members_of_the_future=[]))
    with pytest.raises(ModelDamaged, match=rf"schema {schema}.*up to {SCHEMA_VERSION}.*Upgrade featx"):
        load_model(path)


def put(*keys: str, value: Any) -> Callable[[Document, Members], None]:
    """Return a change of one value of the document."""

    def change(document: Document, members: Members) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


EDITS: dict[str, Callable[[Document, Members], object]] = {
    "a class less": put("class_names", value=["cat", "dog"]),
    "a class more": put("class_names", value=["cat", "dog", "fox", "owl"]),
    "no classes": put("class_names", value=[]),
    "a class twice": put("class_names", value=["cat", "dog", "dog"]),
    "classes are a number": put("class_names", value=3),
    "classes are one text": put("class_names", value="abc"),
    "image size of the recipe": put("recipe", "image_size", value=[32, 32]),
    "preprocess of the recipe": put("recipe", "preprocess", value="caffe"),
    "recipe setting unknown": put("recipe", "evil", value=1),
    "recipe is null": put("recipe", value=None),
    "fingerprint": put("fingerprint", value="0" * 64),
    "layer not in the recipe": put("layer", value="block5_pool"),
    "layer is a list": put("layer", value=["cells"]),
    "pooling unknown": put("pooling", value="median"),
    "pooling is a list": put("pooling", value=["avg"]),
    "head unknown": put("head", "name", value="resnet"),
    "head is a module": put("head", "name", value="os.system"),
    "head is a list": put("head", "name", value=["logreg"]),
    "head of another kind": put("head", "name", value="svm"),
    "head setting unknown": put("head", "settings", value={"momentum": 1}),
    "head setting outside its range": put("head", "settings", "C", value=-1),
    "head setting of another type": put("head", "settings", "C", value="1"),
    "head settings are a list": put("head", "settings", value=[1]),
    "head settings are an attribute": put("head", "settings", value={"__class__": "x"}),
    "history is a list": put("history", value=[]),
    "metrics is null": put("metrics", value=None),
    "network is a text": put("network", value="x"),
    "source is a number": put("source", value=1),
    "versions is a list": put("versions", value=[]),
    "schema is a text": put("schema", value="1"),
    "schema is null": put("schema", value=None),
    "no schema": lambda document, members: document.pop("schema"),
    "no head": lambda document, members: document.pop("head"),
    "nothing": lambda document, members: document.clear(),
    "labels not from 0": lambda document, members: members.update({"head/classes.npy": npy(np.array([1, 2, 3]))}),
    "labels in another order": lambda document, members: members.update({"head/classes.npy": npy(np.array([0, 2, 1]))}),
    "training list of another width": lambda document, members: members.update(
        {"trained_on.npy": npy(np.zeros((3, 9), np.uint8))}
    ),
    "training list of another type": lambda document, members: members.update({"trained_on.npy": npy(np.zeros((3, 8)))}),
}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS.keys())
def test_an_edited_document_is_refused(path: Path, change: Callable[[Document, Members], object]) -> None:
    """What does not fit together is refused, with every digest made to fit."""
    edit(path, change)
    with pytest.raises(ModelDamaged, match=r"model\.featx"):
        load_model(path)


HOSTILE_DOCUMENTS = [b"", b"null", b"[]", b"1", b'"text"', b"{", b"\xff\xfe\x00", b"[" * 200_000]
HOSTILE_DOCUMENTS += [b'{"schema": ' + b"9" * 5000 + b"}"]


@pytest.mark.parametrize("document", HOSTILE_DOCUMENTS, ids=lambda document: f"{document[:12]!r}")
def test_what_is_no_document_is_refused(path: Path, document: bytes) -> None:
    """Other JSON, no JSON, JSON nested to exhaust the stack."""
    write_zip(path, read_zip(path) | {"model.json": document})
    with pytest.raises(ModelDamaged):
        load_model(path)


def test_an_older_digest_list_is_not_believed(path: Path) -> None:
    """An array replaced without its digest is named."""
    members = read_zip(path)
    coef = np.load(io.BytesIO(members["head/coef.npy"]))
    write_zip(path, members | {"head/coef.npy": npy(coef + 1)})
    with pytest.raises(ModelDamaged, match=r"head/coef\.npy is not what was written"):
        load_model(path)


def numbers_in(document: Any, *keys: Any) -> list[tuple[Any, ...]]:
    """Return the way to every number of a document."""
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        return [way for key, value in items for way in numbers_in(value, *keys, key)]
    return [keys] if isinstance(document, int | float) else []


ABSURD: list[Any] = [-1, 0.5, -(10**9), 10**7, 10**9, 10**18, 2**63, 10**400, 1e308, -1e308]
ABSURD += [float("nan"), float("inf"), None, True, "9" * 400, [], [10**9] * 3, {"a": 1}]


def mutated(data: bytes, members: Members, way: str, rng: np.random.Generator) -> bytes:
    """Return a model file with one thing changed, as a disk, a cable or a careless tool would do it."""
    at = int(rng.integers(len(data)))
    if way == "flipped byte":
        return data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :]
    if way == "truncated":
        return data[:at]
    if way == "zeroed":
        return data[:at] + bytes(min(32, len(data) - at)) + data[at + 32 :]
    if way == "moved":
        to = int(rng.integers(len(data)))
        return (data[:at] + data[at + 40 :])[:to] + data[at : at + 40] + (data[:at] + data[at + 40 :])[to:]
    if way == "longer":
        return data[:at] + rng.bytes(int(rng.integers(1, 50))) + data[at:]
    buffer, changed = io.BytesIO(), dict(members)
    if way == "swapped members":
        one, other = rng.choice(sorted(set(members) - {"model.json"}), 2, replace=False)
        changed[one], changed[other] = members[other], members[one]
    if way == "absurd number":
        document = json.loads(members["model.json"])
        places = numbers_in(document)
        *keys, last = places[int(rng.integers(len(places)))]
        place = document
        for key in keys:
            place = place[key]
        place[last] = ABSURD[int(rng.integers(len(ABSURD)))]
        changed["model.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in changed.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WAYS = ("flipped byte", "flipped byte", "truncated", "zeroed", "moved", "longer", "swapped members", *["absurd number"] * 3)


@pytest.mark.parametrize("name", HEADS)
def test_mutated_files_predict_the_same_or_are_refused(path: Path, stub_recipe: Recipe, name: str) -> None:
    """340 of each head: the very same predictions or an error of featx, in little memory; never other predictions."""
    model = dataclasses.replace(
        made_model(stub_recipe, name),
        tuning=[{"pooling": "avg", "settings": {"C": 0.1}, "accuracy": 0.5, "log_loss": 1.0, "seconds": 1.0}],
    )
    save_model(model, path)
    data, members = path.read_bytes(), read_zip(path)
    wanted = model.head.predict_proba(X_NEW).tobytes()
    rng = np.random.default_rng(list(HEADS).index(name))
    outcomes = {way: {"refused": 0, "same": 0} for way in WAYS}
    tracemalloc.start()
    try:
        for number in range(340):
            way = WAYS[number % len(WAYS)]
            path.write_bytes(mutated(data, members, way, rng))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                found = load_model(path).head.predict_proba(X_NEW)
                assert found.tobytes() == wanted, f"{way}, mutation {number}"
                outcomes[way]["same"] += 1
            except (ModelDamaged, HeadError):  # the second where the features are of another width
                outcomes[way]["refused"] += 1
            assert tracemalloc.get_traced_memory()[1] - before < 5_000_000, f"{way}, mutation {number}"
    finally:
        tracemalloc.stop()
    assert outcomes["swapped members"]["same"] == outcomes["truncated"]["same"] == 0
    assert outcomes["absurd number"]["refused"] > 90
    assert outcomes["absurd number"]["same"] < 10  # a number that stays what it was, as 1 and true


@pytest.mark.parametrize("field", ["stored size", "size", "directory"])
def test_a_size_that_the_file_cannot_hold_takes_no_memory(path: Path, field: str) -> None:
    """The zip's own book-keeping may declare 2 GB; the file of some KB is read or refused without making room for them."""
    data = bytearray(path.read_bytes())
    if field == "directory":
        data[-10:-6] = b"\xff\xff\xff\x7f"
    else:
        entry = data.rindex(b"PK\1\2")
        at = entry + (20 if field == "stored size" else 24)
        data[at : at + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with contextlib.suppress(ModelDamaged):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


ABSURD_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *(("dense", {"hidden": value}) for value in ([10**9], [65536], [5, 65536], [5] * 11, [], None, "5", [5.0], [True])),
    *(("dense", {"dropout": value}) for value in (10**9, float("nan"), None)),
    *(("dense", {name: 10**9}) for name in ("epochs", "batch_size", "steps_per_epoch", "patience", "learning_rate")),
    *(("conv", {"filters": value}) for value in ([10**9], [10**9, 3], [2048, 2048], [2, 3, 4], [], [2], None)),
    *(("conv", {"map_shape": value}) for value in ([10**9] * 3, [65536, 65536, 1], [65536] * 3, [0, 0, 1], [-2, -2, 1])),
    *(("conv", {"map_shape": value}) for value in ([2, 2], [2, 2, 1, 1], [4, 4, 1], [2, 2, 2], [float("inf"), 2, 1], None)),
    *(("knn", {"neighbors": value}) for value in (10**9, -1, 0, 2.5, float("nan"), "5", None, True)),
    *((name, {"scale": value}) for name in ("logreg", "svm", "ridge", "knn") for value in (10**9, None, "minmax")),
    *((name, {"C": value}) for name in ("logreg", "svm") for value in (10**400, float("nan"), float("inf"), -1)),
    ("svm", {"kernel": "rbf"}),
    ("svm", {"kernel": "precomputed"}),
    ("ridge", {"alpha": float("nan")}),
    *((name, {"seed": value}) for name in HEADS for value in (10**18, -1, float("nan"), None)),
]


@pytest.mark.parametrize(("name", "settings"), ABSURD_SETTINGS, ids=lambda value: str(value)[:40])
def test_absurd_settings_are_refused_without_making_anything_of_them(
    path: Path, stub_recipe: Recipe, name: str, settings: dict[str, Any]
) -> None:
    """With every digest made to fit: at the latest the first prediction says so, and no memory was taken."""
    save_model(made_model(stub_recipe, name), path)
    edit(path, lambda document, members: document["head"]["settings"].update(settings))
    tracemalloc.start()
    try:
        with pytest.raises((ModelDamaged, HeadError)):
            load_model(path).head.predict_proba(X_NEW)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize("name", HEADS)
def test_arrays_of_no_numbers_are_refused(path: Path, stub_recipe: Recipe, name: str, value: float) -> None:
    """One value that no fit gives, in each array of each head in turn, with every digest made to fit."""
    save_model(made_model(stub_recipe, name), path)
    whole = path.read_bytes()
    arrays = {member for member in read_zip(path) if member.startswith("head/")} - {"head/classes.npy", "head/labels.npy"}
    for member in sorted(arrays):

        def spoil(document: Document, members: Members, member: str = member) -> None:
            array = np.load(io.BytesIO(members[member]))
            array.flat[-1] = value
            members[member] = npy(array)

        path.write_bytes(whole)
        edit(path, spoil)
        with pytest.raises(ModelDamaged):
            load_model(path)


@pytest.mark.parametrize("name", HEADS)
def test_arrays_of_another_type_are_refused(path: Path, stub_recipe: Recipe, name: str) -> None:
    """Whole numbers and truth values where a fit gives floating ones."""
    save_model(made_model(stub_recipe, name), path)
    whole = path.read_bytes()
    for member in sorted({member for member in read_zip(path) if member.startswith("head/")}):
        if member in ("head/classes.npy", "head/labels.npy"):
            continue

        def spoil(document: Document, members: Members, member: str = member) -> None:
            members[member] = npy(np.ones(np.load(io.BytesIO(members[member])).shape, np.bool_))

        path.write_bytes(whole)
        edit(path, spoil)
        with pytest.raises(ModelDamaged):
            load_model(path)


FIRST_SETTINGS: dict[str, dict[str, Any]] = {
    "logreg": {"C": 0.01, "seed": 0},
    "svm": {"C": 0.001, "seed": 0},
    "dense": {
        "hidden": [5],
        "dropout": 0.0,
        "learning_rate": 0.001,
        "epochs": 50,
        "batch_size": 32,
        "patience": 5,
        "seed": 0,
    },
}


@pytest.mark.parametrize("name", FIRST_SETTINGS)
def test_a_model_of_the_first_release_still_loads(path: Path, stub_recipe: Recipe, name: str) -> None:
    """It knows of fewer settings, no views and no search: the same predictions, to the last bit."""
    model = made_model(stub_recipe, name)
    save_model(model, path)

    def make_old(document: Document, members: Members) -> None:
        del document["views"], document["tuning"]
        document["head"]["settings"] = FIRST_SETTINGS[name]

    edit(path, make_old)
    loaded = load_model(path)
    assert loaded.head.predict_proba(X_NEW).tobytes() == model.head.predict_proba(X_NEW).tobytes()
    assert loaded.views == {"augment": "", "seed": 0, "count": 1}
    assert loaded.tuning == []
    assert loaded.best_epoch == 2
    save_model(loaded, path)
    assert load_model(path).head.settings().items() >= FIRST_SETTINGS[name].items()


def test_the_table_of_a_search_comes_back(path: Path, stub_recipe: Recipe) -> None:
    """Every row and figure, to the last bit, the best first; lists for whatever sequence a setting was given as."""
    tuning = [
        {"pooling": "avg", "settings": {"hidden": (3, 4), "dropout": 0.1}, "accuracy": 2 / 3, "log_loss": 0.1, "seconds": 0.3},
        {"pooling": "max", "settings": {"hidden": (), "scale": None}, "accuracy": 1 / 3, "log_loss": 0.7, "seconds": 1e-9},
    ]
    save_model(dataclasses.replace(made_model(stub_recipe), tuning=tuning), path)
    loaded = load_model(path)
    assert loaded.tuning == json.loads(json.dumps(tuning))
    save_model(loaded, path)
    assert load_model(path).tuning == loaded.tuning


@pytest.mark.parametrize("tuning", [{}, "x", 1, None, [1], [[]], [{}, None]], ids=str)
def test_a_search_that_is_no_table_is_refused(path: Path, tuning: Any) -> None:
    """A list of objects, or nothing."""
    edit(path, put("tuning", value=tuning))
    with pytest.raises(ModelDamaged, match="tuning"):
        load_model(path)


def test_the_best_epoch_follows_what_was_monitored(path: Path, stub_recipe: Recipe) -> None:
    """The highest accuracy where that was watched, of equals the one of least loss; else the least loss."""
    history = {"loss": [3.0, 2.0, 1.0, 0.5], "val_loss": [0.4, 0.9, 0.6, 0.7], "val_accuracy": [0.5, 0.8, 0.8, 0.7]}
    save_model(dataclasses.replace(made_model(stub_recipe, "dense"), history=history), path)
    assert load_model(path).best_epoch == 1
    edit(path, put("head", "settings", "monitor", value="val_accuracy"))
    assert load_model(path).best_epoch == 3


FIGURES: dict[str, Callable[[Document, Members], object]] = {
    "tuning settings are a text": put("tuning", value=[{"settings": "x"}]),
    "tuning accuracy is a text": put("tuning", value=[{"settings": {}, "accuracy": "x"}]),
    "tuning accuracy is null": put("tuning", value=[{"settings": {}, "accuracy": None}]),
    "loss is a number": put("history", "loss", value=5),
    "validation loss is a text": put("history", "val_loss", value=["a", "b", "c"]),
    "parameters are a text": put("network", "parameters", value="many"),
    "parameters are no number": put("network", "parameters", value=float("nan")),
    "layers are numbers": put("network", "layers", value=[1, 2]),
    "layers are empty objects": put("network", "layers", value=[{}]),
    "validation accuracy is a text": put("metrics", "val_accuracy", value="all"),
    "notes are a number": put("metrics", "notes", value=5),
}


@pytest.mark.parametrize("change", FIGURES.values(), ids=FIGURES.keys())
def test_figures_of_another_kind_are_refused_or_shown(path: Path, change: Callable[[Document, Members], object]) -> None:
    """What a file tells of its fit may be nonsense: to show it ends with an error of featx, or as text."""
    edit(path, change)
    try:
        summary = inspect_path(path)
        assert isinstance(summary, ModelSummary)
        assert model_text(summary).startswith("model ")
    except ModelError:
        pass
