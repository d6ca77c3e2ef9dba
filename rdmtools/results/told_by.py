"""Which column of the sample table tells a change, in words? The simplest that tells about as much as any.

Nothing where no column, and no pair of columns, is named in `explained`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.results.words import percent, shown


def told_over_the_run(findings: Findings) -> list[str]:
    """A line for the whole run."""
    told = explained_words(findings.explained, place="run")
    return [f"The change of each sample from the first row to the last is told by {told}."] if told else []


def explained_words(explained: pd.DataFrame, *, place: str, event: int | None = None) -> str:
    """The simplest column that tells a change, and what it explains; empty where none does."""
    of_event = explained if event is None else explained[explained["event"] == event]
    here = [row for row in records(of_event) if row["place"] == place]
    named = [row for row in here if row["named"]]
    single = next((row for row in named if pd.isna(row["with_column"])), None)
    pair = next((row for row in named if not pd.isna(row["with_column"])), None)
    told: list[str] = []
    if single is not None:
        beside = "" if single["column"] == "group" else _beside(here)
        share = percent(single["share"])
        told.append(f"“{shown(single['column'], 60)}” ({share} of its variance over samples{beside})")
    if pair is not None:
        both = " and ".join(f"“{shown(pair[name], 60)}”" for name in ("column", "with_column"))
        told.append(f"{both} together ({percent(pair['share'])})")
    return ", by ".join(told)


def _beside(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the groups explain, which one would look at first."""
    for row in rows:
        if row["column"] == "group" and pd.isna(row["with_column"]) and row["status"] == "usable":
            return f"; “group” {percent(max(float(row['share']), 0.0))}"
    return ""
