"""Reports: numbers, tables and pictures as one self-contained HTML page and one JSON file.

report = Report("Resolution", {"command": "blackett ..."})
report.section("All events")
report.table(["method", "FWHM / mm"], [["helix", Estimate(14.1, 13.9, 14.3)]])
report.figure(figure, "Residuals of z.")
report.numbers("methods", {"helix": {"fwhm_mm": Estimate(14.1, 13.9, 14.3)}})
write(report, "DIR")  # DIR/report.html, DIR/report.json
"""

from __future__ import annotations

from blackett.report.document import Cell, Report
from blackett.report.estimates import LEVEL, Estimate, bootstrap, bootstrap_all
from blackett.report.writing import write

__all__ = ["LEVEL", "Cell", "Estimate", "Report", "bootstrap", "bootstrap_all", "write"]
