"""Figures that a test measures, told when the run is over, whether or not what tests print is shown."""

from __future__ import annotations

import pytest

FIGURES = "figures"
"""The property of a test that holds a line of them; a test may have several."""


def tell_figures(reporter: pytest.TerminalReporter) -> None:
    """Write what tests recorded, test by test."""
    told = [
        (report.nodeid, [line for name, line in report.user_properties if name == FIGURES])
        for reports in (reporter.stats.get(how, []) for how in ("passed", "failed"))
        for report in reports
        if getattr(report, "when", None) == "call"
    ]
    for number, (test, lines) in enumerate((test, lines) for test, lines in told if lines):
        if number == 0:
            reporter.section("figures")
        reporter.write_line(test)
        for line in lines:
            reporter.write_line(f"  {line}")
