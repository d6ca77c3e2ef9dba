"""Which group was first, on the page."""

from rdmtools.analysis.findings import Findings
from rdmtools.report.section import Section, cells
from rdmtools.results.arrival_words import arrival_lines


def arrivals_section(findings: Findings) -> Section | None:
    """Which group was first."""
    table = findings.arrivals
    if table["half_step"].isna().all():
        return None
    return Section(
        title="Who was first",
        sentences=arrival_lines(findings),
        **cells(
            table,
            *(
                ">event",
                "group",
                ">samples",
                ">half_step",
                ">low_step",
                ">high_step",
                ">loss_change",
                "outcome",
            ),
        ),
        note="When the mean of each group was half-way from its first level to its second, over the "
        "whole run (–) and around each event; the interval holds it in about 97 of 100 planted worlds.",
    )
