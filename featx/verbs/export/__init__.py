"""The verb export: a model for other runtimes."""

from featx.verbs.export.export import ExportResult, export_model

__all__ = [
    "ExportResult",
    "export_model",
]
