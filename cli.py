"""Run the command line from a checkout: ``python cli.py --help``."""

from featx.cli import run

if __name__ == "__main__":
    run()
