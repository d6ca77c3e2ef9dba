"""What differs between the runs that are compared? Of their sizes, settings and metadata, not of the results.

Columns of fewest values come first: they part the runs into the fewest sets. Those that most runs lack come
last, and what is the same for all is told once.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from rdmtools.results.words import is_missing, shown

MOST_TOLD = 8
RESULTS = (
    *("judgement", "largest_score", "events", "first_alarm_step", "largest_rise_decades"),
    *("largest_shc_step", "largest_shc", "total_variance_at_largest_shc", "pr_at_largest_shc"),
    *("first_mean_loss", "last_mean_loss"),
)
"""Columns of the table of runs that an analysis found: everything else was given."""

_MEASURES = frozenset({"rows", "samples", "first_step", "last_step", "threshold"})
"""What follows from how a run was made, told after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Columns of the table of runs, by whether they differ."""

    told: Sequence[str]
    """At most eight that differ, fewest values first."""
    left: Sequence[str]
    """More that differ."""
    same: Sequence[str]


def differences(runs: pd.DataFrame) -> Differences:
    """Of each column that was given, whether runs differ in it."""
    given = [str(name) for name in runs.columns if name != "run" and name not in RESULTS]
    told = {name: ["" if is_missing(value) else str(value) for value in runs[name]] for name in given}

    def rank(name: str) -> tuple[bool, int, bool]:
        return told[name].count("") > len(runs) / 2, len(set(told[name])), name in _MEASURES

    differ = sorted((name for name in given if len(set(told[name])) > 1), key=rank)
    same = [name for name in given if name not in differ and len(runs) > 1]
    return Differences(told=differ[:MOST_TOLD], left=differ[MOST_TOLD:], same=same)


def titled(name: str) -> str:
    """A column's name as a heading."""
    return shown(name, 40).replace("_", " ")
