"""How early each alarm was, on the page."""

from rdmtools.analysis.findings import Findings
from rdmtools.report.section import Section, cells
from rdmtools.results.lead_words import lead_lines


def leads_section(findings: Findings) -> Section | None:
    """How early each alarm was."""
    if findings.leads.empty:
        return None
    return Section(
        title="How early",
        sentences=lead_lines(findings),
        **cells(
            findings.leads,
            *(
                "truth",
                ">event",
                ">window",
                ">t10",
                ">t50",
                ">t90",
                ">alarm_step",
                ">lead_steps",
                ">lead_rows",
            ),
            "outcome",
        ),
        note="T10, T50 and T90 are the steps at which the scalar had gone 10, 50 and 90 % of its way; "
        "the lead is T50 less the alarm. The peak of SHC is no time of the transition.",
    )
