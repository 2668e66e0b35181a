"""Caches that somebody made up: whatever a file of one holds, each verb answers, or gives one typed error."""

import random
from pathlib import Path

from benchmarks.fuzz import ask, made_cache, mutations_of, wrong_answers

MUTATIONS = 60
"""Of many hundred, which ``benchmarks.fuzz`` applies."""

FOUND = ("network.json: layers = 'x'", "network.json: layers[0].parameters = {}", "head: source = 'a\\x00b'")
"""Changes that were answered with a traceback once."""


def test_made_up_caches_give_an_answer_or_a_typed_error(tmp_path: Path) -> None:
    """Types, ranks, shapes, attributes, names and values of everything in a cache: a sample, and what was wrong once."""
    cache = made_cache(tmp_path)
    assert ask(cache, tmp_path) == []
    every = list(mutations_of(cache))
    known = [mutation for mutation in every if mutation[0] in FOUND]
    assert len(known) == len(FOUND)
    n, wrong = wrong_answers(cache, tmp_path, [*known, *random.Random(0).sample(every, MUTATIONS)])
    assert n > MUTATIONS // 2
    assert wrong == {}
