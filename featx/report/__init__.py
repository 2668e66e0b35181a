"""Reports: results as text tables, files and plots. Computes nothing."""

from featx.report.files.audit import AuditFiles, check_audit_folder, write_audit
from featx.report.files.columns import ColumnFiles, column_figures
from featx.report.files.evaluation import ReportFiles, check_report_folder, write_report
from featx.report.page.explain import check_explanation_page, write_explanation_page
from featx.report.page.look import check_look_page, write_look_page
from featx.report.page.predictions import check_prediction_page, write_prediction_page
from featx.report.text.audit import audit_text
from featx.report.text.backbones import backbones_text, network_text
from featx.report.text.compare import comparison_text
from featx.report.text.doctor import doctor_text
from featx.report.text.evaluate import evaluation_text, measured_text
from featx.report.text.explain import explanation_text
from featx.report.text.export import export_text
from featx.report.text.extract import extract_text, plan_text
from featx.report.text.finetune import finetune_text
from featx.report.text.fit import fit_text
from featx.report.text.inspect import cache_text, model_text
from featx.report.text.look import look_text
from featx.report.text.merge import merge_text
from featx.report.text.pack import pack_text
from featx.report.text.predict import predictions_text
from featx.report.text.sample import sample_text
from featx.report.text.shown import as_text
from featx.report.text.verify import verify_text


def as_html(result: object) -> str:
    """Return the HTML of a result, for a notebook; see ``featx.report.notebook.results``."""
    from featx.report.notebook.results import as_html as draw  # here, not above: it loads Jinja

    return draw(result)


__all__ = [
    "AuditFiles",
    "ColumnFiles",
    "ReportFiles",
    "as_html",
    "as_text",
    "audit_text",
    "backbones_text",
    "cache_text",
    "check_audit_folder",
    "check_explanation_page",
    "check_look_page",
    "check_prediction_page",
    "check_report_folder",
    "column_figures",
    "comparison_text",
    "doctor_text",
    "evaluation_text",
    "explanation_text",
    "export_text",
    "extract_text",
    "finetune_text",
    "fit_text",
    "look_text",
    "measured_text",
    "merge_text",
    "model_text",
    "network_text",
    "pack_text",
    "plan_text",
    "predictions_text",
    "sample_text",
    "verify_text",
    "write_audit",
    "write_explanation_page",
    "write_look_page",
    "write_prediction_page",
    "write_report",
]
