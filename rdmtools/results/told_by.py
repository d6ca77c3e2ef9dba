"""Which column of the sample table tells a change, in words? The simplest that tells about as much as any.

Nothing where no column, and no pair of columns, is named in `explained`.
"""

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
    here = explained[(explained["place"] == place) & explained["named"]]
    rows = records(here if event is None else here[here["event"] == event])
    single = next((row for row in rows if pd.isna(row["with_column"])), None)
    pair = next((row for row in rows if not pd.isna(row["with_column"])), None)
    told: list[str] = []
    if single is not None:
        beside = "" if single["column"] == "group" else _beside(explained, place, event)
        share = percent(single["share"])
        told.append(f"“{shown(single['column'], 60)}” ({share} of its variance over samples{beside})")
    if pair is not None:
        both = " and ".join(f"“{shown(pair[name], 60)}”" for name in ("column", "with_column"))
        told.append(f"{both} together ({percent(pair['share'])})")
    return ", by ".join(told)


def _beside(explained: pd.DataFrame, place: str, event: int | None) -> str:
    """What the groups explain, which one would look at first."""
    rows = explained[
        (explained["place"] == place)
        & (explained["column"] == "group")
        & explained["with_column"].isna()
        & (explained["status"] == "usable")
    ]
    rows = rows if event is None else rows[rows["event"] == event]
    return "" if rows.empty else f"; “group” {percent(max(float(rows['share'].iloc[0]), 0.0))}"
