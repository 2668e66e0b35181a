"""The catalog of the listed images, the listings of parts, and what is computed from them."""
