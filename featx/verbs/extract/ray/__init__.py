"""Extract on Ray: many workers publish one cache's shards."""
