"""Which images there are: folders, manifests, content digests, splits, parts."""
