"""What is said of runs side by side? One sentence of all, and a few facts of each.

A run is told by its first alarm, in its first window length; a lead is of that alarm, never of a peak.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.leads import MISSED, NO_TRANSITION
from rdmtools.errors import ParameterError
from rdmtools.results.words import is_missing, shown
from rdmtools.run.quality import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Where a truth of a run went from 10 to 90 %."""

    name: str
    t10: int | None
    t50: int
    t90: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a comparison knows of one run, first window length."""

    alarms: Sequence[int]
    truths: Sequence[Timed]
    leads: Sequence[float]
    """Of the first alarm of each truth, in steps; negative where it was late."""
    asked: int
    """How many truths were looked for."""
    missed: int
    """How many of them changed without an alarm before."""
    who: str
    """Who moved at the first alarm; empty without one."""

    @property
    def lead(self) -> float | None:
        return median(self.leads) if self.leads else None


def facts(runs: pd.DataFrame, events: pd.DataFrame, transitions: pd.DataFrame) -> dict[str, Facts]:
    """Of each run by its name, from the tables of a comparison."""
    happened, timed = by_run(events), by_run(transitions)
    return {
        row["run"]: _facts(row, happened.get(row["run"], []), timed.get(row["run"], []))
        for row in records(runs[["run", "window", "samples"]])
    }


def need_runs(runs: pd.DataFrame) -> None:
    """Raise ParameterError where no run could be compared."""
    if not len(runs):
        raise ParameterError("no run could be compared; needed at least one; .failures says what is wrong")


def by_run(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table of each run."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in records(table):
        found.setdefault(row["run"], []).append(row)
    return found


def headline(facts: Mapping[str, Facts]) -> str:
    """All runs in one sentence."""
    alarmed = [fact for fact in facts.values() if fact.alarms]
    if not alarmed:
        told = f"{counted(len(facts), 'run')}: nothing stood out"
        return f"{told} in {'it' if len(facts) == 1 else 'any'}{_missed(facts)}."
    told = f"{counted(len(facts), 'run')}: something stood out in {len(alarmed):,}"
    leads = sorted(lead for fact in facts.values() for lead in fact.leads)
    if not any(fact.asked for fact in facts.values()):
        return f"{told}; name a scalar to measure how early."
    if not leads:
        return f"{told}, with no lead on the scalars that were named{_missed(facts)}."
    middle = median(leads)
    of = [f"{_steps(leads[0])} to {_steps(leads[-1])}"] if leads[0] != leads[-1] else []
    of.append(counted(len(leads), "change"))
    way = "before" if middle > 0 else "after"
    apart = f"{_steps(abs(middle))} steps {way}" if middle else "at the row where"
    typical = "in the median " if len(leads) > 1 else ""
    told += f", {typical}{apart} a named scalar was half-way ({', '.join(of)})"
    return f"{told}{_missed(facts)}."


def _missed(facts: Mapping[str, Facts]) -> str:
    missed = sum(fact.missed for fact in facts.values())
    return f"; {counted(missed, 'change')} had no alarm" if missed else ""


def _steps(steps: float) -> str:
    return f"{steps:,.0f}".replace("-", "−") if steps == int(steps) else f"{steps:,.1f}".replace("-", "−")


def _facts(run: Mapping[str, Any], events: list[dict[str, Any]], timed: list[dict[str, Any]]) -> Facts:
    here = sorted(
        (event for event in events if event["window"] == run["window"]), key=lambda row: row["alarm_step"]
    )
    truths = [
        Timed(name=shown(row["truth"], 40), t10=_step(row["t10"]), t50=int(row["t50"]), t90=_step(row["t90"]))
        for row in timed
        if not (is_missing(row["t50"]) or _no_change(row))
    ]
    leads = [
        row["lead_steps"] for row in timed if not (is_missing(row["lead_steps"]) or is_missing(row["t50"]))
    ]
    return Facts(
        alarms=[int(event["alarm_step"]) for event in here],
        truths=truths,
        leads=leads,
        asked=len(timed),
        missed=sum(row["outcome"] == MISSED for row in timed),
        who=_who(here[0], run["samples"]) if here else "",
    )


def _no_change(row: Mapping[str, Any]) -> bool:
    """Whether the scalar crept, or moved no more than its noise: halves of that are no time of anything."""
    return str(row["outcome"]).startswith(NO_TRANSITION)


def _who(event: Mapping[str, Any], samples: int) -> str:
    few = f"{event['samples_90']:,} of {samples:,}"
    if is_missing(event["top_group"]):
        return f"{few} samples, losses {event['direction']}"
    return f"“{shown(event['top_group'], 40)}”, {few} samples"


def _step(value: Any) -> int | None:
    return None if is_missing(value) else int(value)
