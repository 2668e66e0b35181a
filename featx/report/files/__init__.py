"""Reports as files: JSON, CSV, plots, and the folder that they stand in."""
