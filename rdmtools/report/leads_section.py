"""How early each alarm was, on the page."""

from rdmtools.analysis.findings import Findings
from rdmtools.report.section import Section
from rdmtools.results.lead_words import lead_lines
from rdmtools.results.words import shown

_MOST_ROWS = 100
_NAMES = (
    *("truth", "event", "window", "t10", "t50", "t90"),
    *("alarm_step", "lead_steps", "lead_rows", "outcome"),
)
_TEXTS = ("truth", "outcome")


def leads_section(findings: Findings) -> Section | None:
    """The table of leads; None where no truth was named."""
    if findings.leads.empty:
        return None
    table = findings.leads[list(_NAMES)].head(_MOST_ROWS)
    return Section(
        title="How early",
        sentences=lead_lines(findings),
        columns=[("" if name in _TEXTS else ">") + name.replace("_", " ") for name in _NAMES],
        rows=[[shown(value, 80) or "–" for value in row] for row in table.itertuples(index=False)],
        note="T10, T50 and T90 are the steps at which the scalar had gone 10, 50 and 90 % of its way; "
        "the lead is T50 less the alarm. The peak of SHC is no time of the transition.",
    )
