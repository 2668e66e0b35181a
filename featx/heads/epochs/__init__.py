"""Heads that are trained by epochs: dense and conv."""
