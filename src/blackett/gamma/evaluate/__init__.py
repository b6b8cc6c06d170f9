"""Methods of identification side by side on the same spectra.

`plan` makes the suites of trials, `answers` puts them to methods, `metrics` compares, `report`
shows. Nothing here knows how a method works: each gives a score for every source.
"""

from __future__ import annotations

from blackett.gamma.evaluate.answers import METHODS, Answers, Files
from blackett.gamma.evaluate.plan import Plan, Suite, planned
from blackett.gamma.evaluate.report import evaluation_report
from blackett.gamma.evaluate.runs import run

__all__ = ["METHODS", "Answers", "Files", "Plan", "Suite", "evaluation_report", "planned", "run"]
