"""Addresses such as ``s3://bucket/photos`` where a path is wanted: featx reads and writes this machine's disks."""

import os
import re
import shlex
from pathlib import Path, PurePosixPath

# Two letters at least: one is a drive of Windows.
_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/+(.*)", re.DOTALL)


def address_of(path: str | Path) -> str:
    """Return the address that stands in a path's place, ``s3://bucket/photos``; empty where a path stands.

    A path has lost one of the two slashes, as ``Path`` writes it. Where there is a folder of that name, it is a path.
    """
    found = _ADDRESS.fullmatch(str(path))
    if not found or os.path.lexists(f"{found[1]}:"):
        return ""
    scheme = found[1].lower()
    return f"{scheme}://{'/' if scheme == 'file' else ''}{found[2]}"


def how_to_read(address: str) -> str:
    """Say how what an address names can be read today, in sentences that follow the address."""
    scheme, _, place = address.partition("://")
    if scheme == "file":
        return f"is an address. Give the path: {shlex.quote('/' + place.lstrip('/'))}"
    name = PurePosixPath(place).name or "files"
    here = shlex.quote(name)
    is_file = bool(PurePosixPath(name).suffix)
    return (
        "is an address, and featx reads this machine's disks; sources over the network are to come. "
        f"Until then: {_download(scheme, address, place, here, is_file)}, then give {here}"
    )


def how_to_write(address: str) -> str:
    """Say how a result comes to an address today, in sentences that follow the address."""
    scheme, _, place = address.partition("://")
    if scheme == "file":
        return f"is an address. Give the path: {shlex.quote('/' + place.lstrip('/'))}"
    name = PurePosixPath(place).name or "result"
    here, there, is_file = shlex.quote(name), shlex.quote(address), bool(PurePosixPath(name).suffix)
    upload = {
        "s3": f"aws s3 {'cp' if is_file else 'sync'} {here} {there}",
        "gs": f"gcloud storage {'cp' if is_file else 'rsync --recursive'} {here} {there}",
    }
    return (
        "is an address, and featx writes to this machine's disks. "
        f"Give {here}, then copy it: {upload.get(scheme, 'by the tool of that place')}"
    )


def _download(scheme: str, address: str, place: str, here: str, is_file: bool) -> str:
    quoted = shlex.quote(address)
    if scheme == "s3":
        return f"aws s3 {'cp' if is_file else 'sync'} {quoted} {here}"
    if scheme == "gs":
        return f"gcloud storage {'cp' if is_file else 'rsync --recursive'} {quoted} {here}"
    if scheme in ("http", "https"):
        return f"curl --location --output {here} {quoted}"
    if scheme == "hf":
        return _from_hugging_face(place, here)
    return f"copy it to this machine as {here}"


def _from_hugging_face(place: str, here: str) -> str:
    parts = place.strip("/").split("/")
    kind = parts.pop(0).rstrip("s") if parts[0] in ("datasets", "models", "spaces") else "model"
    of = "" if kind == "model" else f" --repo-type {kind}"
    return f"hf download {shlex.quote('/'.join(parts[:2]))}{of} --local-dir {here}"
