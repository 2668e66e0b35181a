"""The files that a report may have."""

from featx.images import REPORT_PLOTS

PAGE_NAME = "report.html"

# A folder with the marker holds a report: what is in it under one of these names is featx's own, to replace and delete.
NAMES = (
    "metrics.json",
    "classification_report.csv",
    "confusion_matrix.csv",
    "labels.csv",
    "targets.csv",
    "predictions.csv",
    "history.csv",
    PAGE_NAME,
    *REPORT_PLOTS,
)
"""Every file that a report may have."""
