"""How early was it, in words? One line a truth, of its first alarm; and what to name where none was."""

from collections.abc import Mapping, Sequence
from typing import Any

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.leads import BEFORE_T10, LATE, MISSED, UNRESOLVED
from rdmtools.results.words import is_missing, shown
from rdmtools.run.quality import counted

NAME_ONE = 'How early is not said: name a scalar, truth="NAME", to measure the lead.'
_TOLD = 12


def lead_lines(findings: Findings) -> list[str]:
    """A line for each truth that was named."""
    return leads_told(records(findings.leads), events=len(findings.events))


def leads_told(leads: Sequence[Mapping[str, Any]], *, events: int) -> list[str]:
    """Lines from rows of the table of leads; of several windows the first is told."""
    if not leads:
        return [NAME_ONE] if events else []
    first = {row["truth"]: row for row in reversed(leads) if row["window"] == leads[0]["window"]}
    rows = [first[truth] for truth in dict.fromkeys(row["truth"] for row in leads)]
    lines = [f"{_line(row)}." for row in rows[:_TOLD]]
    return [*lines, *([f"{len(rows) - _TOLD} further truths in the table of leads."] if rows[_TOLD:] else [])]


def _line(row: Mapping[str, Any]) -> str:
    name, outcome = shown(row["truth"], 60), shown(row["outcome"], 120)
    if is_missing(row["t50"]):
        return f"{name}: {outcome}"
    level = is_missing(row["t10"])
    place = f"{name} {'reached' if level else 'half-way'} at {row['t50']:,}"
    if outcome == MISSED:
        return f"{place}: missed, no alarm"
    if is_missing(row["alarm_step"]):
        return f"{place}: {outcome}"
    alarm = f"alarm {row['alarm_step']:,}, {place}"
    if outcome == UNRESOLVED:
        return f"No lead above the logging interval: {alarm}"
    if outcome == LATE:
        return f"{counted(-row['lead_steps'], 'step')} late: {alarm}"
    moved = "before" if outcome == BEFORE_T10 else "after"
    told = f"{counted(row['lead_steps'], 'step')} early: {alarm}"
    return told if level else f"{told}, {moved} it had moved 10 %"
