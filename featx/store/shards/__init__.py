"""Feature rows on disk: immutable HDF5 shards, their chunks, and reading rows by key."""
