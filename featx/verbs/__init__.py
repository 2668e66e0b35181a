"""The verbs a user types, a file or a folder each."""
