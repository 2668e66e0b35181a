"""Signals in a program that uses featx: what the program decided holds, and no row is lost by it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from featx.errors import Interrupted
from featx.store.shards.shard import Shard
from featx.store.shards.shard_writer import ShardWriter


def test_a_program_decides_what_sigterm_does(
    photos: Path, tmp_path: Path, extract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Featx installs no handler for it; one that the program installed interrupts as Ctrl-C does, and rows are kept."""
    real, found = ShardWriter._extend, []

    def extend(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        found.append(signal.getsignal(signal.SIGTERM))
        if len(found) == 1 and before is not signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ShardWriter, "_extend", extend)
    outside = signal.getsignal(signal.SIGTERM)
    try:
        before: Any = signal.SIG_DFL
        signal.signal(signal.SIGTERM, before)
        extract(photos, cache=tmp_path / "one")
        assert set(found) == {signal.SIG_DFL}
        found.clear()
        before = signal.default_int_handler
        signal.signal(signal.SIGTERM, before)
        with pytest.raises(Interrupted, match="their features are kept"):
            extract(photos, cache=tmp_path / "two")
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, outside)
    assert sum(len(Shard(path)) for path in (tmp_path / "two" / "shards").iterdir()) >= 8
