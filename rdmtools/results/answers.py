"""What happened to the model, in a line or two each: what was learned and lost, which samples, how early?

`ANSWERS` names who says so, in the order of the verdict. A new one is a function of the findings that gives
lines, none where there is nothing to say. They need no event.
"""

from collections.abc import Callable

from rdmtools.analysis.findings import Findings
from rdmtools.results.arrival_words import arrival_lines
from rdmtools.results.factor_words import factor_lines
from rdmtools.results.lead_words import lead_lines
from rdmtools.results.ledger_words import ledger_lines
from rdmtools.results.reference_words import reference_lines
from rdmtools.results.told_by import told_over_the_run

ANSWERS: list[Callable[[Findings], list[str]]] = [
    ledger_lines,
    factor_lines,
    arrival_lines,
    told_over_the_run,
    lead_lines,
    reference_lines,
]


def answers(findings: Findings) -> list[str]:
    """Every line."""
    return [line for told in ANSWERS for line in told(findings)]
