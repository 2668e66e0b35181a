"""A cache, a model, a report and exports that came with a container's image: below overlayfs' writable layer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import featx

SESSION = """
import sys
from pathlib import Path
import featx
from featx.cli import main
from featx.verbs.export.outputs import check_place, put_in_place, workshop

def export(text):
    check_place(Path("it"), ("it",), True)
    with workshop(Path("it")) as folder:
        (folder / "it").mkdir()
        (folder / "it" / "a").write_text(text)
        put_in_place(folder, Path("it"), ("it",), {})

def session():
    images = Path("photos")
    result = featx.extract_features(images, "cache", backbone="stub", image_size=(64, 64))
    featx.fit_head("cache", "ridge", out="m.featx")
    featx.write_report(featx.evaluate_model("m.featx"), "report", page=False)
    featx.export_model("m.featx", "m.joblib", overwrite=True)
    featx.pack_cache("cache", "packed.h5", overwrite=True)
    return result

if sys.argv[1] == "below":
    session()
    export("old")
else:
    for path in list(Path("photos").rglob("*.png"))[:3]:
        path.unlink()
    result = session()
    assert (result.extracted, result.reused) == (0, 33), result
    pruned = featx.verify_cache("cache", prune=True)
    assert (pruned.sound, pruned.rows, pruned.pruned > 0) == (True, 33, True), pruned
    victim = next(Path("cache/shards").iterdir())
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    assert featx.verify_cache("cache", repair=True).set_aside
    assert session().extracted > 0
    assert featx.verify_cache("cache").sound
    export("new")
    assert Path("it/a").read_text() == "new"
print("done")
"""


@pytest.mark.slow
def test_what_came_with_an_image_of_a_container_is_replaced_as_any(photos: Path, tmp_path: Path) -> None:
    """There a folder cannot be renamed in every case, and a file gets another inode when it is first written to."""
    place = tmp_path / "overlay"
    for name in ("below", "above", "work", "merged"):
        (place / name).mkdir(parents=True)
    shutil.move(photos, place / "below" / "photos")
    mount = f"mount -t overlay overlay -o lowerdir={place}/below,upperdir={place}/above,workdir={place}/work {place}/merged"
    own = ("unshare", "--mount", "sh", "-c")
    if not shutil.which("unshare") or subprocess.run([*own, mount], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount overlayfs")
    python = f"PYTHONPATH={Path(featx.__file__).parent.parent} {sys.executable} -"
    for where, script in (("below", f"cd {place}/below"), ("merged", f"{mount} && cd {place}/merged")):
        done = subprocess.run(
            [*own, f"{script} && {python} {where}"], input=SESSION, capture_output=True, text=True, check=False
        )
        assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    assert (place / "below" / "it" / "a").read_text() == "old"
