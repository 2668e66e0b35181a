"""Heads of several columns, fitted in one go: labels, of which an image may have any number, and numbers."""
