"""The report: one static HTML page with its figures and tables, from scores."""

from clt_ray.report.build import build_report

__all__ = ["build_report"]
