"use strict";
// The page of predictions: what the cells of an image spoke for, in the dialog.
document.addEventListener("DOMContentLoaded", () => {
  const { cells, covered } = featx.data("predictions");
  const cover = cells && featx.cells(cells);
  featx.known = (place) => (cells?.letters[place] ? {
    covered: covered[place],
    cover: (picture) => cover(picture, cells.letters[place]),
  } : {});
});
