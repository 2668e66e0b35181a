"""The images that an audit speaks of, by their positions among those with features."""

import numpy as np
from numpy.typing import NDArray

from featx.store import SPLITS, Catalog, said_of
from featx.verbs.audit.findings import ListedImage


class Listing:
    """The images with features, by position."""

    def __init__(self, catalog: Catalog, rows: NDArray[np.int64]) -> None:
        self.catalog = catalog
        self.rows = rows

    def __getitem__(self, position: int) -> ListedImage:
        row, catalog = self.rows[position], self.catalog
        return ListedImage(catalog.paths[row], said_of(catalog, int(row)), SPLITS[catalog.splits[row]])

    def __len__(self) -> int:
        return len(self.rows)
