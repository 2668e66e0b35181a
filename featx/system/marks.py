"""How files that featx writes say that they are featx' own."""

PAGE = b"<!doctype html>\n<!-- featx page -->"
"""How every page begins."""

CHECKPOINT = b"featx checkpoint 1\n"
"""How every checkpoint of a fine-tuning begins."""

EXPORT = "featx_export"
"""A key in the JSON file beside every export."""
