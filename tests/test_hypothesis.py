"""Made-up bytes for each reader of foreign files; many more with ``python -m benchmarks.fuzz --examples N``."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.targets import CORPUS, TARGETS, try_target

EXAMPLES = int(os.environ.get("FEATX_FUZZ_EXAMPLES", "25"))


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_give_an_answer_or_a_typed_error(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sound files of its kind with pieces cut out, changed and put in; and noise."""
    folder = tmp_path_factory.mktemp(name)
    sound = TARGETS[name].sound()
    places = st.integers(0, max(0, len(sound) - 1))
    edits = st.lists(st.tuples(places, st.integers(0, 16), st.binary(max_size=16)), max_size=4)

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(edits, st.one_of(st.none(), st.binary(max_size=64)))
    def run(changes: list[tuple[int, int, bytes]], noise: bytes | None) -> None:
        data = sound if noise is None else noise
        for at, length, new in changes:
            data = data[:at] + new + data[at + length :]
        try_target(name, data, folder)

    run()


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*")), ids=lambda path: path.name)
def test_the_corpus_gives_answers_or_typed_errors(path: Path, tmp_path: Path) -> None:
    """Odd beginnings of files, and whatever a long run finds; their names begin with the reader's."""
    try_target(path.name.split("-")[0], path.read_bytes(), tmp_path)
