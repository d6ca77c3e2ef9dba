"""Which group moved at each event, and which columns tell the samples' changes apart, on the page."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.report.section import MOST_ROWS, Section
from rdmtools.results.words import is_missing, number, percent, shown

_GROUPS_TOLD, _COLUMNS_TOLD = 4, 3
"""Of each event, of each change."""


def lift_section(findings: Findings) -> Section | None:
    """Which group's share of the top mode rose."""
    lift = findings.lift.sort_values(["event", "rank"])
    if lift.empty or not (lift["rank"] > 1).any():
        return None
    leading = lift.groupby("event").head(_GROUPS_TOLD).head(MOST_ROWS)
    return Section(
        title="Which group moved",
        part="folded",
        columns=[
            *("event", "group", ">floor", ">alarm", ">samples", ">gain", "told"),
            *(">mode at floor", ">alarm", ">SHC peak", ">lift"),
        ],
        rows=[
            [
                str(row["event"]),
                shown(row["group"], 80),
                *(percent(row[name]) for name in ("floor_movement", "alarm_movement", "sample_share")),
                number(row["gain"]),
                "resolved" if row["resolved"] else "",
                *(percent(row[name]) for name in ("floor_share", "alarm_share", "peak_share")),
                number(row["lift"]),
            ]
            for row in records(leading)
        ],
        note="A group’s part of all movement in the windows at floor and alarm, and of the samples; the gain "
        "is by how much the root of the part grew: an event is the group’s that gained most, where that is "
        "resolved. Then its share of the top mode, and the lift, the alarm’s over the floor’s, which decide "
        "nothing.",
    )


def explained_section(findings: Findings) -> Section | None:
    """Which columns of the sample table tell the changes."""
    table = findings.explained
    usable = table[table["status"] == "usable"].dropna(subset=["share"])
    if usable.empty:
        return None
    keys = ["event", "place", "step"]
    ordered = usable.assign(change=usable.groupby(keys, dropna=False, sort=False).ngroup())
    ordered = ordered.sort_values("share", ascending=False, kind="stable")
    alone = ordered["with_column"].isna()
    best = [ordered[alone].groupby("change").head(_COLUMNS_TOLD), ordered[~alone].groupby("change").head(1)]
    leading = pd.concat(best).sort_values("change", kind="stable").head(MOST_ROWS)
    return Section(
        title="What tells the samples' changes apart",
        columns=["change", ">step", "column", ">levels", ">share", ">by chance", "told"],
        rows=[
            [
                row["place"] if is_missing(row["event"]) else f"event {row['event']}, {row['place']}",
                shown(row["step"]),
                " and ".join(
                    name for name in (shown(row["column"], 60), shown(row["with_column"], 60)) if name
                ),
                str(row["levels"]),
                percent(max(row["share"], 0.0)),
                percent(row["by_chance"]),
                "named" if row["named"] else "",
            ]
            for row in records(leading)
        ],
        note="Share of the variance of the loss change over samples that each column, or pair of columns, "
        "explains, and what the best of shuffled columns explains in 1 of 100 shuffles.",
    )
