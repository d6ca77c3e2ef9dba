"""Which group was half-way first, in words? One line, over the whole run; none where nobody was alone."""

from typing import Any

import pandas as pd

from rdmtools.analysis.arrivals import FIRST, LATER, UNRESOLVED
from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.results.words import listed, shown

_TOLD = 4


def arrival_lines(findings: Findings) -> list[str]:
    """Who was first and who came later; or who cannot be told from the first."""
    return arrivals_told(findings.arrivals)


def arrivals_told(arrivals: pd.DataFrame) -> list[str]:
    """The line, from the table of arrivals."""
    whole = arrivals[arrivals["event"].isna()]
    moved = records(whole[whole["outcome"].isin([FIRST, LATER, UNRESOLVED])].sort_values("half_step"))
    first = [row for row in moved if row["outcome"] == FIRST]
    if len(moved) < 2:
        return []
    if not first:
        rivals = [f"“{shown(row['group'], 40)}”" for row in moved if row["outcome"] == UNRESOLVED]
        told = listed([*rivals[:_TOLD], *(["others"] if rivals[_TOLD:] else [])])
        return [f"Who was half-way first is unresolved between {told}, about step {moved[0]['half_step']:,}."]
    (one,) = first
    others = [row for row in moved if row is not one]
    words = [f"“{shown(row['group'], 40)}”{_way(row, one)} at {row['half_step']:,}" for row in others[:_TOLD]]
    if others[_TOLD:]:
        words.append(f"{len(others) - _TOLD} more")
    fell = "fall" if one["loss_change"] < 0 else "rise"
    return [
        f"Half-way first in its {fell} was “{shown(one['group'], 40)}” at step {one['half_step']:,} "
        f"({one['low_step']:,} to {one['high_step']:,}); then {listed(words)}."
    ]


def _way(row: dict[str, Any], first: dict[str, Any]) -> str:
    """Which way it went, where that is the other."""
    if (row["loss_change"] < 0) == (first["loss_change"] < 0):
        return ""
    return " (falling)" if row["loss_change"] < 0 else " (rising)"
