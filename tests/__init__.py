"""Tests of featx; the folders mirror the package."""
