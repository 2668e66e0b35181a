"""A path that is not what was wanted: what stands there and what to do, word for word; inputs and messages of every kind."""

import contextlib
import gzip
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.errors import CacheNotFound, ImageListError, ModelDamaged, ModelNotFound
from tests.cli.test_mistakes import only_object
from tests.conftest import COLOURS, Run, write_image

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of two models and one cache, and beside it whatever a user may give by mistake."""
    root = tmp_path_factory.mktemp("advice")
    with contextlib.chdir(root):
        for label, (name, colour) in enumerate(COLOURS.items()):
            for number in range(6):
                write_image(Path("photos") / name / f"{number}.png", colour, seed=100 * label + number)
        featx.extract_features("photos", backbone="stub", image_size=(64, 64))
        featx.fit_head("cache/photos", "ridge", out="models/photos-ridge.featx")
        model = Path("models/photos-ridge.featx")
        featx.write_report(featx.evaluate_model(model), "report", map="none")
        featx.pack_cache("cache/photos", "packed.h5")
        Path("alone").mkdir()
        shutil.copytree("cache/photos", "alone/birds")
        for name, content in {
            "short.featx": model.read_bytes()[:-100],
            "empty.featx": b"",
            "pointer.featx": POINTER,
            "pointer.h5": POINTER,
            "pointer.csv": POINTER,
            "labels.json": b"{}",
            "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "list.csv": b"path,label\nphotos/red/0.png,red\n",
            "list.csv.gz": gzip.compress(b"path,label\n"),
            "f.featx.checkpoint": b"featx checkpoint 1\n",
        }.items():
            Path(name).write_bytes(content)
        np.save("X.npy", np.zeros((3, 4)))
        np.savez("X.npz", X=np.zeros(3))
        with zipfile.ZipFile("new.zip", "w") as archive:
            archive.write("photos/red/0.png")
            archive.write("photos/red/1.png")
        with zipfile.ZipFile("list.zip", "w") as archive:
            archive.write("list.csv")
        with zipfile.ZipFile("book.csv", "w") as archive:
            archive.writestr("xl/workbook.xml", "")
        with tarfile.open("new.tar.gz", "w:gz") as archive:
            archive.add("photos/red/0.png")
        Path("short.zip").write_bytes(Path("new.zip").read_bytes()[:-30])
        for number in range(4):
            pointer = Path("lfs") / "ab"[number % 2] / f"{number}.png"
            pointer.parent.mkdir(parents=True, exist_ok=True)
            pointer.write_bytes(POINTER)
    return root


MODEL = "models/photos-ridge.featx"
READS = "is an address, and featx reads this machine's disks; sources over the network are to come. Until then:"
WRITES = "is an address, and featx writes to this machine's disks."
LFS = "is a pointer of Git LFS, not the file itself. Fetch that: git lfs pull"

ADVICE = {
    # Where a model is wanted.
    "evaluate cache/photos": f"cache/photos: is a cache; models fitted on it: {MODEL}. Give one of them.",
    "evaluate alone/birds": "alone/birds: is a cache, and no model in models/ was fitted on it. "
    "Fit one: featx fit alone/birds --head dense",
    "evaluate models": f"models: is a folder of models. Give {MODEL}.",
    "evaluate report": f"report: is a report on the model {MODEL}. Give that.",
    "evaluate report/report.html": f"report/report.html: is a page of featx, not a model. Give {MODEL}.",
    "evaluate photos": f"photos: is a folder, not a model. Give {MODEL}.",
    "evaluate photos/red/0.png": f"photos/red/0.png: is an image (PNG), not a model. Give {MODEL}.",
    "evaluate packed.h5": f"packed.h5: is a packed file, for other programs, not a model. Give {MODEL}.",
    "evaluate X.npy": f"X.npy: is a NumPy array (.npy), not a model. Give {MODEL}.",
    "evaluate f.featx.checkpoint": "f.featx.checkpoint: is the checkpoint of a fine-tuning that was not finished. "
    "Run it again, and it goes on: featx finetune",
    "evaluate short.featx": "short.featx: is a model without its end: a copy or download of it was cut short. "
    "Copy it again, or fit the model again.",
    "evaluate empty.featx": "empty.featx: is empty: a copy or download of it was cut short. "
    "Copy it again, or fit the model again.",
    "evaluate pointer.featx": f"pointer.featx: {LFS}",
    "evaluate models/photos-rigde.featx": f"models/photos-rigde.featx: no such model file. Did you mean {MODEL}?",
    "evaluate model/photos-ridge.featx": f"model/photos-ridge.featx: no such model file. Did you mean {MODEL}?",
    "evaluate photos-ridge": f"photos-ridge: no such model file. Did you mean {MODEL}?",
    "evaluate nothing": "nothing: no such model file. Make one with: featx fit --out nothing",
    "predict cache/photos photos": f"cache/photos: is a cache; models fitted on it: {MODEL}. Give one of them.",
    "finetune cache/photos --model cache/photos": f"cache/photos: is a cache; models fitted on it: {MODEL}. Give one of them.",
    "inspect models": f"models: is a folder of models. Give {MODEL}.",
    "inspect models/photos-rigde.featx": f"models/photos-rigde.featx: no such model file. Did you mean {MODEL}?",
    "inspect cache/photo": "cache/photo: no feature cache there. Did you mean cache/photos?",
    # The right things, in the wrong order.
    f"predict photos {MODEL}": f"photos: is a folder, and {MODEL} is a model. The model comes first: {MODEL} photos",
    f"predict photos/red/0.png {MODEL}": f"photos/red/0.png: is an image (PNG), and {MODEL} is a model. "
    f"The model comes first: {MODEL} photos/red/0.png",
    f"predict new {MODEL}": f"new: is no file or folder, and {MODEL} is a model. The model comes first: {MODEL} new",
    f"explain photos {MODEL}": f"photos: is a folder, and {MODEL} is a model. The model comes first: {MODEL} photos",
    f"export a.onnx {MODEL}": f"a.onnx: is no file or folder, and {MODEL} is a model. The model comes first: {MODEL} a.onnx",
    "pack new.h5 cache/photos": "new.h5: is no file or folder, and cache/photos is a cache. "
    "The cache comes first: cache/photos new.h5",
    # Where a cache is wanted.
    f"fit {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"compare {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"audit {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"finetune {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"verify {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"merge cache/photos {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"pack {MODEL} p.h5": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    f"evaluate {MODEL} --cache {MODEL}": f"{MODEL}: is a model, fitted on the cache cache/photos. Give that.",
    "fit cache": "cache: is a folder of caches. Give cache/photos.",
    "fit photos": "photos: no feature cache there. Did you mean cache/photos?",
    "fit photso": "photso: no feature cache there. Did you mean cache/photos?",
    "fit cache/photso": "cache/photso: no feature cache there. Did you mean cache/photos?",
    "fit nothing": "nothing: no feature cache there, as there is no such folder. Make one with: featx extract IMAGES",
    "fit packed.h5": "packed.h5: is a packed file, for other programs. Give the cache that it was made of. Give cache/photos.",
    "fit X.npy": "X.npy: is a NumPy array (.npy). Heads are fitted on caches, which featx extract makes of images; "
    "on arrays in Python, by featx.HeadClassifier.",
    "fit X.npz": "X.npz: is a file of NumPy arrays (.npz). Heads are fitted on caches, which featx extract makes of images; "
    "on arrays in Python, by featx.HeadClassifier.",
    "fit list.csv": "list.csv: is a table, not a cache. If it lists images: featx extract list.csv, then give cache/list",
    "fit new.zip": "new.zip: is a zip archive, not a cache. If images are in it: unzip new.zip -d new, then featx extract new",
    "fit report": "report: is a report, not a cache. Give cache/photos.",
    "fit empty.featx": "empty.featx: is empty: a copy or download of it was cut short. Copy it again.",
    # Where images are wanted.
    f"extract {MODEL}": f"{MODEL}: is a model. To classify images with it: featx predict {MODEL} IMAGES",
    "extract cache/photos": "cache/photos: is a cache, of the images in photos. Give these.",
    "extract cache": "cache: is a folder of caches, and holds no images. Give the folder of the images.",
    "extract models": "models: is a folder of models, and holds no images. Give the folder of the images.",
    "extract report": "report: is a report, and holds no images. Give the folder of the images.",
    "extract packed.h5": "packed.h5: is a packed file, for other programs, and holds no images. Give the folder of the images.",
    "extract new.zip": "new.zip: is a zip archive. Unpack it: unzip new.zip -d new, then give new",
    "extract new.tar.gz": "new.tar.gz: is a tar archive. Unpack it: mkdir new && tar -xf new.tar.gz -C new, then give new",
    "extract short.zip": "short.zip: is a zip archive without its end: a copy or download of it was cut short. Copy it again.",
    "extract list.zip": "list.zip: is a zipped list. Unpack it: unzip list.zip, then give list.csv",
    "extract list.csv.gz": "list.csv.gz: is a gzip file. Unpack it: gunzip --keep list.csv.gz, then give list.csv",
    "extract old.xls": "old.xls: is a file of an old Office (.xls, .doc). "
    "Save a list of images as .xlsx or as CSV UTF-8, with the columns path,label.",
    "extract book.csv": "book.csv: is an Excel workbook. Give its name the ending .xlsx.",
    "extract labels.json": "labels.json: is a JSON file. Save a list of images as CSV, with the columns path,label.",
    "extract X.npy": "X.npy: is a NumPy array (.npy). Write each image into a file of its own, in a folder of its class.",
    "extract photos/red/0.png": "photos/red/0.png: is an image (PNG). Give a folder with one folder of images per class, or a "
    "manifest. To classify the image: featx predict MODEL photos/red/0.png",
    "extract pointer.csv": f"pointer.csv: {LFS}",
    "extract phots": "phots: no such file or folder. Did you mean photos?",
    "extract lits.csv": "lits.csv: no such file or folder. Did you mean list.csv?",
    f"evaluate {MODEL} --images cache/photos": "cache/photos: is a cache, of the images in photos. Give these.",
    f"evaluate {MODEL} --unknown-images cache/photos": "cache/photos: is a cache, of the images in photos. Give these.",
    f"predict {MODEL} cache/photos": "cache/photos: is a cache, of the images in photos. Give these.",
    f"predict {MODEL} {MODEL}": f"{MODEL}: is a model. To classify images with it: featx predict {MODEL} IMAGES",
    f"predict {MODEL} new.zip": "new.zip: is a zip archive. Unpack it: unzip new.zip -d new, then give new",
    f"predict {MODEL} report": "report: is a report, and holds no images. Give the folder of the images.",
    f"predict {MODEL} list.csv": "list.csv: is a table. Give image files, or folders with some. "
    "To measure a model on a list: featx evaluate MODEL --images list.csv",
    f"predict {MODEL} photso": "photso: no such file or folder. Did you mean photos?",
    f"explain {MODEL} cache/photos": "cache/photos: is a cache, of the images in photos. Give these.",
    f"look {MODEL}": f"{MODEL}: is a model. To classify images with it: featx predict {MODEL} IMAGES",
    "look cache/photos": "cache/photos: is a cache, of the images in photos. Give these.",
    "look phots": "phots: no such file or folder. Did you mean photos?",
    # Networks, and weights.
    "backbones pointer.h5": f"pointer.h5: {LFS}",
    f"backbones {MODEL}": f"{MODEL}: is a model. --backbone takes an ONNX file, or a whole Keras model as .keras or .h5.",
    "extract photos --backbone X.npy": "X.npy: is a NumPy array (.npy). "
    "--backbone takes an ONNX file, or a whole Keras model as .keras or .h5.",
    "extract photos --backbone packed.h6.h5": "packed.h6.h5: no such file. Did you mean packed.h5? "
    "--backbone takes an ONNX file, or a whole Keras model as .keras or .h5, or a name that featx backbones lists.",
    f"predict {MODEL} photos --weights pointr.h5": "pointr.h5: no such weights file. "
    "Give the one that the features were extracted with, or none. Did you mean pointer.h5?",
    "extract photos --cache c --weights pointer.h5": f"pointer.h5: {LFS}",
    "extract photos --cache c --weights empty.featx": "empty.featx: is empty. Copy or download it again.",
    "extract photos --cache c --weights imagnet": "imagnet: cannot be read as weights: No such file or directory. "
    "Give --weights imagenet, random or a weights file. Did you mean imagenet?",
}
ADDRESSES = {
    "extract s3://bucket/photos": f"s3://bucket/photos: {READS} aws s3 sync s3://bucket/photos photos, then give photos",
    "extract s3://bucket/a.csv": f"s3://bucket/a.csv: {READS} aws s3 cp s3://bucket/a.csv a.csv, then give a.csv",
    "extract gs://bucket/a": f"gs://bucket/a: {READS} gcloud storage rsync --recursive gs://bucket/a a, then give a",
    "extract https://x.org/a.zip": f"https://x.org/a.zip: {READS} curl --location --output a.zip https://x.org/a.zip, "
    "then give a.zip",
    "extract hf://datasets/me/birds": f"hf://datasets/me/birds: {READS} "
    "hf download me/birds --repo-type dataset --local-dir birds, then give birds",
    "extract az://box/birds": f"az://box/birds: {READS} copy it to this machine as birds, then give birds",
    "extract file:///data/birds": "file:///data/birds: is an address. Give the path: /data/birds",
    "evaluate s3://b/m.featx": f"s3://b/m.featx: {READS} aws s3 cp s3://b/m.featx m.featx, then give m.featx",
    f"evaluate {MODEL} --images s3://b/a": f"s3://b/a: {READS} aws s3 sync s3://b/a a, then give a",
    f"evaluate {MODEL} --cache s3://b/a": f"s3://b/a: {READS} aws s3 sync s3://b/a a, then give a",
    f"predict {MODEL} s3://b/new": f"s3://b/new: {READS} aws s3 sync s3://b/new new, then give new",
    "fit gs://b/cache": f"gs://b/cache: {READS} gcloud storage rsync --recursive gs://b/cache cache, then give cache",
    "verify s3://b/cache": f"s3://b/cache: {READS} aws s3 sync s3://b/cache cache, then give cache",
    "look s3://b/a": f"s3://b/a: {READS} aws s3 sync s3://b/a a, then give a",
    "look photos --out s3://b/l.html": f"s3://b/l.html: {WRITES} Give l.html, then copy it: aws s3 cp l.html s3://b/l.html",
    "backbones https://x.org/n.onnx": f"https://x.org/n.onnx: {READS} curl --location --output n.onnx https://x.org/n.onnx, "
    "then give n.onnx",
    f"predict {MODEL} photos --weights s3://b/w.h5": f"s3://b/w.h5: {READS} aws s3 cp s3://b/w.h5 w.h5, then give w.h5",
    "extract photos --weights s3://b/w.h5": f"s3://b/w.h5: {READS} aws s3 cp s3://b/w.h5 w.h5, then give w.h5",
    "extract photos --backbone stub --cache s3://b/c": f"s3://b/c: {WRITES} Give c, then copy it: aws s3 sync c s3://b/c",
    "fit cache/photos --head ridge --out s3://b/m.featx": f"s3://b/m.featx: {WRITES} "
    "Give m.featx, then copy it: aws s3 cp m.featx s3://b/m.featx",
    f"evaluate {MODEL} --out gs://b/r": f"gs://b/r: {WRITES} Give r, then copy it: gcloud storage rsync --recursive r gs://b/r",
    f"predict {MODEL} photos --out ftp://b/n.csv": f"ftp://b/n.csv: {WRITES} "
    "Give n.csv, then copy it: by the tool of that place",
    "pack cache/photos s3://b/p.h5": f"s3://b/p.h5: {WRITES} Give p.h5, then copy it: aws s3 cp p.h5 s3://b/p.h5",
    f"export {MODEL} s3://b/m.onnx": f"s3://b/m.onnx: {WRITES} Give m.onnx, then copy it: aws s3 cp m.onnx s3://b/m.onnx",
    "sample s3://b/s": f"s3://b/s: {WRITES} Give s, then copy it: aws s3 sync s s3://b/s",
}


@pytest.mark.parametrize("command", [*ADVICE, *ADDRESSES])
def test_a_mistake_is_answered_with_what_stands_there(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, on stderr; 1 for what is there, 2 for an address, which no path can be; nothing is written."""
    monkeypatch.chdir(folder)
    before = sorted(path for path in folder.rglob("*") if path.name != ".lock")
    done = CliRunner().invoke(main, command.split())
    said = ADVICE.get(command) or ADDRESSES[command]
    assert done.stderr == f"featx: {said}\n"
    assert (done.exit_code, done.stdout) == (2 if command in ADDRESSES else 1, "")
    assert sorted(path for path in folder.rglob("*") if path.name != ".lock") == before
    assert len(said) < 300


def test_with_json_the_advice_is_the_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the kind is the exception that there would have been without it."""
    monkeypatch.chdir(folder)
    for command, kind in {
        "evaluate cache/photos": "ModelNotFound",
        "evaluate short.featx": "ModelDamaged",
        f"fit {MODEL}": "CacheNotFound",
        "extract new.zip": "ImageListError",
    }.items():
        found = only_object(CliRunner().invoke(main, [*command.split(), "--json"]).stdout)
        assert found == {"error": ADVICE[command], "kind": kind}


def test_python_gives_the_same_advice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the types that there were before."""
    monkeypatch.chdir(folder)
    for call, error, command in [
        (lambda: featx.evaluate_model("cache/photos"), ModelNotFound, "evaluate cache/photos"),
        (lambda: featx.load_model("empty.featx"), ModelDamaged, "evaluate empty.featx"),
        (lambda: featx.fit_head(MODEL), CacheNotFound, f"fit {MODEL}"),
        (lambda: featx.extract_features("new.zip"), ImageListError, "extract new.zip"),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == ADVICE[command]


def test_pointers_of_git_lfs_among_images_have_a_reason_of_their_own(folder: Path, run: Run) -> None:
    """In the table of rejected images, and where all are."""
    shutil.copytree(folder / "photos", "some")
    shutil.copy(folder / "pointer.csv", "some/red/9.png")
    done = run("extract", "some", "--backbone", "stub", "--image-size", "64")
    assert "1 rejected: a pointer of Git LFS, not the image itself (git lfs pull)" in done.stdout
    done = run("extract", folder / "lfs", "--backbone", "stub", "--image-size", "64", "--yes")
    assert "most often (4): a pointer of Git LFS, not the image itself (git lfs pull)." in done.stderr


def test_some_files_that_are_no_images_are_rejected_one_by_one(folder: Path, run: Run) -> None:
    """As before: only where all that was given is of another kind it is a slip."""
    done = run("predict", folder / MODEL, folder / "X.npy", folder / "photos" / "red" / "0.png")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("extrct photos", "No such command 'extrct'. Did you mean extract or export?"),
        ("predcit m new", "No such command 'predcit'. Did you mean predict?"),
        ("train photos", "No such command 'train'."),
        ("photos", "No such command 'photos'. To use what stands there: featx extract photos"),
        ("list.csv", "No such command 'list.csv'. To use what stands there: featx extract list.csv"),
        (MODEL, f"No such command '{MODEL}'. To use what stands there: featx predict {MODEL} IMAGES"),
        ("cache/photos", "No such command 'cache/photos'. To use what stands there: featx fit cache/photos --head dense"),
        ("fit --hed dense", "No such option '--hed'."),
        ("fit --haed dense", "--head"),
    ],
)
def test_a_misspelt_command_is_answered_with_those_like_it(
    words: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of a path in its place, which command takes it."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert said in done.stderr.splitlines()[-1]


def test_names_are_quoted_for_a_shell_and_long_lists_cut(folder: Path, run: Run) -> None:
    """So that the command can be copied; and an archive is not unpacked over a folder that is there."""
    shutil.copy(folder / "new.zip", "my photos.zip")
    assert run("extract", "my photos.zip").stderr == (
        "featx: my photos.zip: is a zip archive. Unpack it: unzip 'my photos.zip' -d 'my photos', then give 'my photos'\n"
    )
    Path("my photos").mkdir()
    assert "-d 'my photos-unpacked', then give 'my photos-unpacked'" in run("extract", "my photos.zip").stderr
    Path("models").mkdir()
    for number in range(8):
        shutil.copy(folder / MODEL, f"models/{number}.featx")
    said = run("evaluate", "models").stderr
    assert said.count(".featx") == 5
    assert said.endswith(" ….\n")


def test_what_is_no_file_and_no_folder_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not advised as the path that was meant; a ~ that the shell has left as it is is its own hint."""
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere")
    for command in ("extract", "look", "fit", "audit", "evaluate", "inspect", "predict m.featx", "explain m.featx"):
        for path, said in (
            ("pipe", "pipe: is a pipe. Give a file or a folder"),
            ("loop", "loop: is a link to loop, and no file or folder is there"),
            ("dangling", "dangling: is a link to nowhere, and no file or folder is there"),
        ):
            done = run(*command.split(), path)
            if not command.endswith(".featx"):  # whose model is missing too
                assert done.exit_code == 1, (command, done.stderr)
                assert said in done.stderr, (command, done.stderr)
    monkeypatch.setenv("HOME", str(Path("home").resolve()))
    (Path("home") / "photos").mkdir(parents=True)
    assert f"~/photos: no such file or folder. Did you mean {Path('home').resolve()}/photos?" in run("look", "~/photos").stderr


def test_commands_in_messages_can_be_copied_whatever_the_name(run: Run) -> None:
    """As a shell takes them."""
    Path("my photos").mkdir()
    assert "run: featx extract 'my photos', then give 'cache/my photos'" in run("fit", "my photos").stderr
    assert "featx fit --out 'my model.featx'" in run("evaluate", "my model.featx").stderr
    from featx.verbs.demo import demo_steps

    assert [step.command for step in demo_steps(Path("my demo"))][:2] == [
        "featx sample 'my demo/images'",
        "featx extract 'my demo/images' --cache 'my demo/cache' --image-size 96",
    ]
