"""The images that an audit speaks of, by their positions among those with features."""

import numpy as np
from numpy.typing import NDArray

from featx.store import SPLITS, Catalog
from featx.verbs.audit.findings import ListedImage


class Listing:
    """The images with features, by position."""

    def __init__(self, catalog: Catalog, rows: NDArray[np.int64]) -> None:
        self.catalog = catalog
        self.rows = rows

    def __getitem__(self, position: int) -> ListedImage:
        row, catalog = self.rows[position], self.catalog
        label = int(catalog.labels[row])
        name = catalog.class_names[label] if label >= 0 else ""
        return ListedImage(catalog.paths[row], name, SPLITS[catalog.splits[row]])

    def __len__(self) -> int:
        return len(self.rows)
