"""``python -m featx`` is the command ``featx``."""

from featx.cli import run

if __name__ == "__main__":
    run()
