"""The command line as it is shown to others: what a shell takes, and no secrets."""

import pytest

from featx.system.command import running, shown_command


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], ""),
        (["featx", "evaluate", "my model.featx", "--split", "val"], "featx evaluate 'my model.featx' --split val"),
        (["featx", "--images", "https://ada:pw@host.example/x"], "featx --images https://host.example/x"),
        (["featx", "s3://key:secret@bucket/x?X-Amz-Signature=abc#f"], "featx 's3://bucket/x?…'"),
        (["featx", "--token", "abc", "--api-key=def", "--keep", "x"], "featx --token … '--api-key=…' --keep x"),
        (["featx", "--monkey", "x"], "featx --monkey x"),
        (["featx", "x" * 400], f"featx {'x' * 300}…"),
        (["featx", *"a" * 60], "featx " + "a " * 39 + "… and 21 more words"),
    ],
)
def test_a_command_is_shown_without_secrets(words: list[str], shown: str) -> None:
    """Users and passwords of addresses, signatures, values of options that are called so; of a long one the beginning."""
    with running(words):
        assert shown_command().replace("'…'", "…").replace("'x…'", "x…") == shown or shlexed(shown_command()) == shlexed(shown)
    assert shown_command() == ""


def shlexed(text: str) -> list[str]:
    """Return the words of a command."""
    import shlex

    return shlex.split(text)
