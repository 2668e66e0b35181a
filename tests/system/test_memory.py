"""What does not fit into memory is refused before it is tried, by those who need everything at once; others read in blocks."""

from pathlib import Path

import numpy as np
import pytest

import featx
import featx.system.memory
from featx.errors import HeadError
from featx.system.memory import check_memory, memory_at_hand


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files as Linux has them: 5,000 KB left, 4,000 bytes of a container's 1,000,000 taken."""
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemFree:   100 kB\nMemAvailable:   5000 kB\n")
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "current").write_text("4000\n")
    monkeypatch.setattr(featx.system.memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(featx.system.memory, "_LIMITS", ((tmp_path / "max", tmp_path / "current", tmp_path / "stat"),))
    return tmp_path


def test_what_is_left_is_the_least_of_machine_and_container(limits: Path) -> None:
    """The container's limit counts if there is one; where the system says nothing, nothing is known."""
    assert memory_at_hand() == 996_000
    (limits / "stat").write_text("anon 600\ninactive_file 300\nactive_file 50\n")  # cached files are given back
    assert memory_at_hand() == 996_350
    (limits / "max").write_text("max\n")
    assert memory_at_hand() == 5_120_000
    (limits / "meminfo").unlink()
    assert memory_at_hand() is None
    check_memory(10**18, "everything", "Do less.")


def test_this_machine_says_something() -> None:
    """On Linux the figure is there and sensible: more than a megabyte, less than a petabyte."""
    left = memory_at_hand()
    assert left is not None
    assert 10**6 < left < 10**15


def test_too_much_is_refused_with_both_figures(limits: Path) -> None:
    """The error says what is needed, what is left and what to do."""
    check_memory(996_000, "a head", "Use another.")
    with pytest.raises(HeadError, match=r"^a head needs 0.0 GB of memory, and 0.0 GB are left. Use another.$"):
        check_memory(996_001, "a head", "Use another.")


@pytest.mark.parametrize("head", ["logreg", "svm", "knn"])
def test_heads_that_need_everything_refuse_in_time(stub_cache: Path, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With little memory left they say so and name heads that do; those fit all the same, and read no more than asked."""
    monkeypatch.setattr(featx.system.memory, "memory_at_hand", lambda: 10)
    out = stub_cache / "model.featx"
    with pytest.raises(
        HeadError, match=rf"{head}: takes all features at once, and \d+ rows of \d+ needs.*--head ridge or --head d"
    ):
        featx.fit_head(stub_cache, head, out=out)
    assert not out.exists()
    for name in ("ridge", "dense"):
        assert np.isfinite(featx.fit_head(stub_cache, name, pooling="avg", out=out).seconds)


def test_a_search_refuses_in_time(stub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare says which head and pooling would not fit."""
    monkeypatch.setattr(featx.system.memory, "memory_at_hand", lambda: 10)
    with pytest.raises(HeadError, match=r"logreg with avg: a search holds all features, and"):
        featx.compare_heads(stub_cache, heads=["logreg"], poolings=["avg"])
