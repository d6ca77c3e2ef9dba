"""Which plain sections does the page have? Each a title, sentences and a table, from the findings.

`SECTIONS` names them in their order on the page. A new one is a function of the findings, None where there
is nothing to show, and its name here. Words of the user's pass through `shown`, and the template escapes all.
"""

from collections.abc import Callable

from rdmtools.analysis.findings import Findings
from rdmtools.report.arrivals_section import arrivals_section
from rdmtools.report.factors_section import factors_section
from rdmtools.report.leads_section import leads_section
from rdmtools.report.ledger_sections import ledger_section, samples_section
from rdmtools.report.lift_sections import explained_section, lift_section
from rdmtools.report.order_section import order_section
from rdmtools.report.section import Section
from rdmtools.report.warning_section import (
    alarms_section,
    control_section,
    judged_section,
    marks_section,
    reference_section,
)

SECTIONS: list[Callable[[Findings], Section | None]] = [
    ledger_section,
    leads_section,
    factors_section,
    explained_section,
    arrivals_section,
    judged_section,
    reference_section,
    control_section,
    alarms_section,
    marks_section,
    lift_section,
    order_section,
    samples_section,
]


def sections(findings: Findings) -> list[Section]:
    """Those that have something to show."""
    return [section for make in SECTIONS if (section := make(findings)) is not None]
