"""Files: whole or absent, one writer at a time, known by their content."""

import contextlib
import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from featx.backbones import backbone_spec, resolve_weights
from featx.errors import CacheDamaged, CacheLocked, CacheWriteError, ModelNotFound, OutputError, WeightsError
from featx.models import load_model
from featx.system.files import (
    TEMPORARY_PREFIX,
    check_file,
    check_folder,
    content_digest,
    file_digest,
    keep_owner_and_mode,
    publish,
    reading_from,
    replacing,
    sweep_temporaries,
    temporary_sibling,
    writing_to,
)
from featx.system.lock_file import locked
from featx.system.regular import read_regular
from featx.verbs.finetune.checkpoint import load_checkpoint
from featx.verbs.sample import unpack_sample

HOLDER = """
import sys
from pathlib import Path
from featx.system.files import replacing
from featx.system.lock_file import locked
with {block}:
    print("ready", flush=True)
    sys.stdin.read()
"""
"""A process that stays inside a block until its stdin is closed."""

Start = Callable[[str, Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that is inside ``with <block>:``, where ``path`` is the path given; killed at the end."""
    processes = []

    def run(block: str, path: Path) -> "subprocess.Popen[str]":
        code = HOLDER.format(block=block.replace("path", f"Path({str(path)!r})"))
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def names_in(folder: Path) -> list[str]:
    """Return the names of everything in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def test_replaced_file_appears_whole_at_the_end(tmp_path: Path) -> None:
    """While the block writes, the old content stands; afterwards the new one, and nothing else is left."""
    path = tmp_path / "catalog.h5"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["catalog.h5"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755])
@pytest.mark.parametrize("linked", [False, True])
def test_a_replaced_file_keeps_its_mode_from_the_first_byte_on(tmp_path: Path, mode: int, linked: bool) -> None:
    """What nobody else could read, nobody else reads while it is written anew; one that is read-only is replaced, too."""
    path = tmp_path / "catalog.h5"
    path.write_text("old")
    path.chmod(mode)
    named = path
    if linked:
        (tmp_path / "link").symlink_to(path)
        named = tmp_path / "link"
    with replacing(named) as temporary:
        temporary.write_text("new")
        assert temporary.stat().st_mode & 0o777 == mode | 0o200
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root alone")
def test_a_replaced_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    """As where root writes into the cache of a user, who is to be able to go on with it."""
    path = tmp_path / "catalog.h5"
    path.write_text("old")
    os.chown(path, 1234, 2345)
    path.chmod(0o660)
    with replacing(path) as temporary:
        temporary.write_text("new")
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 2345, 0o660)


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root alone")
@pytest.mark.parametrize("target", ["mine.csv", "new.csv", "second"])
def test_another_users_link_in_a_shared_folder_is_not_followed(tmp_path: Path, target: str) -> None:
    """As in /tmp, where the kernel lets no program open one; renaming opens nothing, and replaced the file behind it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "mine.csv").write_text("precious")
    link = shared / "p.csv"
    for place, leads_to in (
        (shared / "second", tmp_path / "mine.csv"),
        (link, shared / target if target == "second" else tmp_path / target),
    ):
        place.symlink_to(leads_to)
        os.lchown(place, 1234, 1234)
    for refused in (lambda: check_file(link), lambda: replacing(link).__enter__()):
        with pytest.raises(PermissionError, match="another user's link in a folder that everybody may write"):
            refused()
    assert (tmp_path / "mine.csv").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "shared"]
    for owner, mode in ((0, 0o1777), (1234, 0o755)):  # one's own link, and a folder of few
        os.lchown(link, owner, owner)
        os.lchown(shared / "second", owner, owner)
        shared.chmod(mode)
        check_file(link)


def test_another_group_is_not_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the group cannot be kept, what it could do is no right of the new file's group."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "catalog.h5"
    path.write_text("old")
    path.chmod(0o664)
    before = path.stat()
    monkeypatch.setattr("featx.system.files.os.chown", refuse)
    keep_owner_and_mode(os.stat_result((before.st_mode, 0, 0, 1, 1, 54321, 0, 0, 0, 0)), path)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_a_lock_is_made_for_whom_the_umask_lets_in(tmp_path: Path, umask: int) -> None:
    """With 002, as groups that share a folder have it, a second user of the group can take the lock."""
    before = os.umask(umask)
    try:
        with locked(tmp_path / ".lock"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o666 & ~umask


AS_NOBODY = """
import os, sys
from pathlib import Path
from featx.errors import FeatxError
from featx.system.lock_file import locked
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(54321)
try:
    with locked(Path(sys.argv[1])):
        print("taken")
except FeatxError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("mode", "said"), [(0o664, "taken"), (0o644, "taken"), (0o640, "taken"), (0o600, "CacheWriteError ")])
def test_another_user_of_the_group_takes_a_lock_that_can_be_read(tmp_path: Path, mode: int, said: str) -> None:
    """Reading is enough for a lock. One that is closed names its owner and the command that opens it."""
    for folder in (tmp_path, *tmp_path.parents[:3]):  # one more under pytest-xdist
        folder.chmod(folder.stat().st_mode | 0o055)
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on elsewhere\n")
    os.chown(lock, 0, 23456)
    lock.chmod(mode)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, lock, "23456"], capture_output=True, text=True, check=True, cwd=tmp_path.anchor
    )
    assert done.stdout.startswith(said)
    if said != "taken\n" and mode == 0o600:
        assert "belongs to user root" in done.stdout
        assert f"chmod -R g+rwX {tmp_path}" in done.stdout


def test_what_killed_writers_left_goes_with_a_later_write_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day, unless its writer runs; names that are not ours, links and folders stay."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = (f".tmp-{dead.pid}-0123abcd.h5", f".tmp-{os.getpid()}-0123abcd.h5", ".tmp-mine.h5", f".tmp-{dead.pid}-0123abcd")
    left, at_work, mine, folder = (tmp_path / name for name in names)
    for path in (left, at_work, mine):
        path.write_bytes(b"rows")
    folder.mkdir()
    link = tmp_path / f".tmp-{dead.pid}-4567abcd.h5"
    link.symlink_to(mine)
    with replacing(tmp_path / "pack.h5") as temporary:
        temporary.write_bytes(b"whole")
    assert left.exists()
    tomorrow = time.time() + 90_000
    monkeypatch.setattr("featx.system.files.time.time", lambda: tomorrow)
    with replacing(tmp_path / "pack.h5") as temporary:
        temporary.write_bytes(b"whole")
    assert not left.exists()
    assert all(path.exists() for path in (at_work, mine, folder, link, tmp_path / "pack.h5"))


def test_new_file_is_absent_until_it_is_whole(tmp_path: Path) -> None:
    """There is no moment with a final name and half a content."""
    path = tmp_path / "recipe.json"
    with replacing(path) as temporary:
        temporary.write_text("{}")
        assert not path.exists()
    assert (path.read_text(), names_in(tmp_path)) == ("{}", ["recipe.json"])


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("written", ["half of the n", None])
def test_error_inside_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, error: type[BaseException], written: str | None
) -> None:
    """Also Ctrl-C, and also before anything was written."""
    path = tmp_path / "catalog.h5"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            if written is not None:
                temporary.write_text(written)
            raise error

    with pytest.raises(error):
        write()
    assert (path.read_text(), names_in(tmp_path)) == ("old", ["catalog.h5"])


def test_block_that_writes_nothing_leaves_the_old_file(tmp_path: Path) -> None:
    """Nothing to put in its place is an error, not an empty file."""
    path = tmp_path / "catalog.h5"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert (path.read_text(), names_in(tmp_path)) == ("old", ["catalog.h5"])


@pytest.mark.parametrize("name", ["pipe", "folder", "link to pipe", "/", ".", "..", ""])
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may replace even /dev/null: a pipe stands for it here. Nothing is written, and nothing is left."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("link to pipe").symlink_to("pipe")
    before = names_in(tmp_path)
    with pytest.raises(OSError, match="is not a regular file"), replacing(Path(name)):
        pytest.fail("the block began")
    with pytest.raises(OSError, match="is not a regular file"):
        check_file(Path(name))
    assert names_in(tmp_path) == before
    assert Path("pipe").is_fifo()


@pytest.mark.parametrize("present", [True, False])
def test_link_is_followed(tmp_path: Path, present: bool) -> None:
    """The file it leads to, in another folder, is replaced or made; the link stays, and no temporary anywhere."""
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "model.featx", tmp_path / "model.featx"
    link.symlink_to("disk/model.featx")
    if present:
        real.write_text("old")
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert (link.is_symlink(), real.read_text()) == (True, "new")
    assert (names_in(tmp_path), names_in(tmp_path / "disk")) == (["disk", "model.featx"], ["model.featx"])


def test_link_that_leads_to_itself_is_an_error(tmp_path: Path) -> None:
    """And it stays."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"), replacing(tmp_path / "loop"):
        pytest.fail("the block began")
    assert names_in(tmp_path) == ["loop"]


def test_checked_folder_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folders that are missing nor the file that was tried are there afterwards."""
    monkeypatch.chdir(tmp_path)
    check_folder(tmp_path)
    check_folder(Path("new/and/deeper"))
    check_file(Path("new/model.featx"))
    assert names_in(tmp_path) == []


def test_folder_that_cannot_be_made_or_written_is_an_error(tmp_path: Path) -> None:
    """A file above it, a link to nowhere, and a file system that takes no files from anybody, not even from root."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "link", Path("/proc/featx")):
        with pytest.raises(OSError, match=r"\[Errno"):
            check_folder(folder)
    assert names_in(tmp_path) == ["file", "link"]


def test_sample_that_meets_a_full_disk_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written until then is whole images under their own names."""

    def write(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OutputError, match="No space left on device"):
        unpack_sample(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_writer_killed_inside_leaves_the_old_file(tmp_path: Path, start: Start) -> None:
    """SIGKILL gives no chance to tidy up: the old file is whole, and the leftover can be told by its name and swept."""
    path = tmp_path / "catalog.h5"
    path.write_text("old")
    process = start("replacing(path) as temporary, temporary.open('w')", path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.read_text() == "old"
    assert len(names_in(tmp_path)) == 2
    sweep_temporaries(tmp_path)
    assert names_in(tmp_path) == ["catalog.h5"]


def test_sweep_deletes_temporaries_alone(tmp_path: Path) -> None:
    """Other files stay, also hidden ones, those with "tmp" elsewhere in the name, and those in folders below."""
    path = tmp_path / "shard.h5"
    below = tmp_path / "maps"
    below.mkdir()
    kept = [path, tmp_path / ".lock", tmp_path / "shard.tmp-1.h5", tmp_path / ".tmp", temporary_sibling(below / "other.h5")]
    for file in [*kept, temporary_sibling(path), temporary_sibling(tmp_path / "catalog")]:
        file.write_text("x")
    sweep_temporaries(tmp_path)
    assert sorted(file for file in tmp_path.rglob("*") if file.is_file()) == sorted(kept)


def test_temporary_names_are_different_beside_the_file_and_keep_the_suffix(tmp_path: Path) -> None:
    """On the same file system, so that the rename is atomic; libraries that look at the suffix find it."""
    names = {temporary_sibling(tmp_path / "shard.h5") for _ in range(100)}
    assert len(names) == 100
    assert {(name.parent, name.suffix) for name in names} == {(tmp_path, ".h5")}


def test_publish_replaces_a_file_that_is_open(tmp_path: Path) -> None:
    """A reader that has the old file open goes on reading the old content."""
    path, temporary = tmp_path / "a", tmp_path / "b"
    path.write_text("old")
    temporary.write_text("new")
    with path.open() as reader:
        publish(temporary, path)
        assert reader.read() == "old"
    assert (path.read_text(), names_in(tmp_path)) == ("new", ["a"])


def test_lock_held_by_another_process_names_the_holder(tmp_path: Path, start: Start) -> None:
    """The error says which folder, which process, and what to do."""
    process = start("locked(path)", tmp_path / ".lock")
    with pytest.raises(CacheLocked) as error, locked(tmp_path / ".lock"):
        pytest.fail("two writers at a time")
    message = str(error.value)
    assert message.startswith(f"{tmp_path}: is being written by process {process.pid} on {os.uname().nodename} since 20")
    assert "--wait" in message


def test_lock_is_free_after_its_block(tmp_path: Path) -> None:
    """One after the other, in one process; an error inside frees it too."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(tmp_path / ".lock"):
            raise ZeroDivisionError


def test_refused_lock_leaves_the_holders_name(tmp_path: Path, start: Start) -> None:
    """A second refusal names the holder as the first did."""
    start("locked(path)", tmp_path / ".lock")
    messages = []
    for _ in range(2):
        with pytest.raises(CacheLocked) as error, locked(tmp_path / ".lock"):
            pytest.fail("two writers at a time")
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_lock_is_dropped_when_its_holder_is_killed(tmp_path: Path, start: Start) -> None:
    """SIGKILL leaves the lock's file, and no lock; the next refusal names the new holder."""
    process = start("locked(path)", tmp_path / ".lock")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (
        locked(tmp_path / ".lock"),
        pytest.raises(CacheLocked, match=f"written by process {os.getpid()} on"),
        locked(tmp_path / ".lock"),
    ):
        pytest.fail("two writers at a time")


def test_shorter_holder_does_not_keep_the_rest_of_a_longer_one(tmp_path: Path) -> None:
    """What an earlier holder wrote is gone."""
    (tmp_path / ".lock").write_text("process 123456789 " + "x" * 150)
    with locked(tmp_path / ".lock"):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
        assert "x" * 150 not in (tmp_path / ".lock").read_text()


def test_waiting_lock_gets_in_when_the_holder_leaves(tmp_path: Path, start: Start) -> None:
    """With ``wait`` nothing is raised: the block begins after the holder's has ended."""
    process = start("locked(path)", tmp_path / ".lock")
    inside = threading.Event()

    def wait_and_enter() -> None:
        with locked(tmp_path / ".lock", wait=True):
            inside.set()

    waiter = threading.Thread(target=wait_and_enter, daemon=True)
    waiter.start()
    assert not inside.wait(0.3)
    process.communicate()
    assert inside.wait(20)
    waiter.join()


def test_locks_of_other_files_are_no_obstacle(tmp_path: Path, start: Start) -> None:
    """Two caches can be written at once."""
    start("locked(path)", tmp_path / "one")
    with locked(tmp_path / "two"):
        assert names_in(tmp_path) == ["one", "two"]


def test_a_shared_lock_lets_in_those_who_share_it_alone(tmp_path: Path, start: Start) -> None:
    """Another process that shares it is no obstacle; who wants it alone is told what all the holders are."""
    process = start('locked(path, shared_by="three painters")', tmp_path / ".lock")
    with pytest.raises(CacheLocked, match=rf"being written by three painters, .* process {process.pid} on ") as error:
        locked(tmp_path / ".lock").__enter__()
    assert "\n" not in str(error.value)
    with locked(tmp_path / ".lock", shared_by="three painters"):
        process.communicate()
        with pytest.raises(CacheLocked, match=f"process {os.getpid()} on "), locked(tmp_path / ".lock"):
            pytest.fail("the other holder left, this one did not")
    with locked(tmp_path / ".lock"), pytest.raises(CacheLocked), locked(tmp_path / ".lock", shared_by="painters"):
        pytest.fail("somebody holds it alone")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_in_the_file_system_only_sharers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As some network file systems are mounted: who would need it alone is refused, with what to do."""

    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("featx.system.locks.fcntl.flock", refuse)
    with locked(tmp_path / ".lock", shared_by="painters"):
        pass
    with pytest.raises(CacheWriteError, match=r"its file system has no locks .*featx merge"), locked(tmp_path / ".lock"):
        pytest.fail("nothing would keep another writer out")


@pytest.mark.parametrize(("code", "goes_on"), [(errno.EINVAL, True), (errno.EOPNOTSUPP, True), (errno.EIO, False)])
def test_a_folder_that_cannot_be_forced_to_disk_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, goes_on: bool
) -> None:
    """Where the file system has no such thing; a disk that fails is an error all the same, and so is a file that cannot be."""
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with (
        contextlib.nullcontext() if goes_on else pytest.raises(OSError, match="Input/output"),
        replacing(tmp_path / "x") as new,
    ):
        new.write_text("whole")
    assert (tmp_path / "x").read_text() == "whole"
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    with pytest.raises(OSError, match=r"Errno"), replacing(tmp_path / "y") as new:
        new.write_text("whole")


def test_a_folder_called_like_a_leftover_is_left_alone(tmp_path: Path) -> None:
    """It keeps nobody from sweeping the rest: links, also to folders, and files."""
    (tmp_path / f"{TEMPORARY_PREFIX}mine").mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}file").touch()
    (tmp_path / f"{TEMPORARY_PREFIX}link").symlink_to(tmp_path)
    sweep_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{TEMPORARY_PREFIX}mine"]


# FIPS 180-2, appendix B, and the empty message.
KNOWN_DIGESTS = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
]


@pytest.mark.parametrize(("data", "hexadecimal"), KNOWN_DIGESTS, ids=["empty", "abc", "million"])
def test_digest_is_sha256_of_the_content(tmp_path: Path, data: bytes, hexadecimal: str) -> None:
    """The same for bytes and for a file, as hashlib and the standard's examples have it."""
    path = tmp_path / "file"
    path.write_bytes(data)
    assert content_digest(data).hex() == file_digest(path).hex() == hashlib.sha256(data).hexdigest() == hexadecimal


def test_digest_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """And never the digest of nothing."""
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "/dev/zero"])
def test_what_never_ends_is_not_read(tmp_path: Path, kind: str) -> None:
    """Weights, checkpoints, the sample: a pipe would block, a device fill the memory."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a pipe").symlink_to("pipe")
    path = tmp_path / kind
    for read in (file_digest, read_regular):
        with pytest.raises(OSError, match=r"is a (pipe|device), not a regular file"):
            read(path)
    with pytest.raises(WeightsError, match="cannot be read as weights: is a"):
        resolve_weights(backbone_spec("vgg16"), str(path), ("block5_pool",))
    assert load_checkpoint(path, "") is None
    with pytest.raises(ModelNotFound):
        load_model(path)


def test_a_pipe_among_the_samples_images_is_refused(tmp_path: Path) -> None:
    """With its name; and it stays."""
    unpack_sample(tmp_path / "sample")
    image = next((tmp_path / "sample").rglob("*.png"))
    image.unlink()
    os.mkfifo(image)
    with pytest.raises(OutputError, match=rf"{image}: cannot be written: is a pipe"):
        unpack_sample(tmp_path / "sample")
    assert image.is_fifo()


def test_a_refusal_of_the_system_becomes_the_error_of_whoever_writes_or_reads(tmp_path: Path) -> None:
    """One sentence in every place: which path, the system's reason, what to do; other errors pass."""
    with (
        pytest.raises(OutputError, match=r"out\.csv: cannot be written: Is a directory\. Give another --out\.$") as caught,
        writing_to(tmp_path / "out.csv", "Give another --out."),
    ):
        tmp_path.write_bytes(b"")
    assert isinstance(caught.value.__cause__, OSError)
    with (
        pytest.raises(CacheDamaged, match=r"cannot be read: full of holes\. Mend that\.$"),
        reading_from(tmp_path, "Mend that.", CacheDamaged),
    ):
        raise OSError("full of holes")  # without a number, and so without the system's text for it
    with pytest.raises(OutputError, match=r"^exists$"), writing_to(tmp_path, "Give another --out."):
        raise OutputError("exists")
