"""What is measured against what, one command each: ``python -m benchmarks.NAME``."""
