"""The report: one static HTML page with its figures and tables, computed from scores."""

from clt_ray.html_report.build import Heading, ReportData, build_report

__all__ = ["Heading", "ReportData", "build_report"]
