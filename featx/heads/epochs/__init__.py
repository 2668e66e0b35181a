"""Epochs."""
