"""An export that the disk has no room for: one error that names the file, and nothing left."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

import featx
import featx.verbs.export.export
from featx.errors import OutputError


def test_a_full_disk_names_the_export(stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file itself is written, by joblib or a network's format, not only around it."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    model = featx.fit_head(stub_cache, "ridge", out=tmp_path / "m.featx").model
    monkeypatch.setattr(featx.verbs.export.export, "save_pipeline", refuse)
    folder = tmp_path / "exports"
    folder.mkdir()
    with pytest.raises(OutputError, match=r"it\.joblib: cannot be written: No space left on device\. Give another OUT"):
        featx.export_model(model, folder / "it.joblib")
    assert list(folder.iterdir()) == []
