"""Reports: results as text tables, files and plots. Computes nothing."""

from featx.report.audit_files import AuditFiles, check_audit_folder, write_audit
from featx.report.audit_text import audit_text
from featx.report.backbone_text import backbones_text, finetune_text
from featx.report.files import ReportFiles, check_report_folder, write_report
from featx.report.merge_text import merge_text
from featx.report.predictions import check_prediction_page, write_prediction_page
from featx.report.text import (
    cache_text,
    comparison_text,
    evaluation_text,
    extract_text,
    fit_text,
    model_text,
    plan_text,
    verify_text,
)

__all__ = [
    "AuditFiles",
    "ReportFiles",
    "audit_text",
    "backbones_text",
    "cache_text",
    "check_audit_folder",
    "check_prediction_page",
    "check_report_folder",
    "comparison_text",
    "evaluation_text",
    "extract_text",
    "finetune_text",
    "fit_text",
    "merge_text",
    "model_text",
    "plan_text",
    "verify_text",
    "write_audit",
    "write_prediction_page",
    "write_report",
]
