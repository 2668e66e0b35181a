"""The result of ``featx sample`` as text."""

from featx.verbs.sample import SampleResult


def sample_text(result: SampleResult) -> str:
    """Return a line: how many images of how many classes were written."""
    return f"{result.images} images in {result.classes} classes"
