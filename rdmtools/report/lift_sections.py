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
        columns=["event", "group", ">floor", ">alarm", ">SHC peak", ">samples", ">lift", ">gain", ""],
        rows=[
            [
                str(row["event"]),
                shown(row["group"], 80),
                *(
                    percent(row[name])
                    for name in ("floor_share", "alarm_share", "peak_share", "sample_share")
                ),
                number(row["lift"]),
                number(row["gain"]),
                "resolved" if row["resolved"] else "",
            ]
            for row in records(leading)
        ],
        note="Shares of the top mode at the floor, the alarm and the peak of SHC, and of the samples. "
        "The lift is the alarm's share over the floor's. The gain is by how much the root of a group's part "
        "of all movement grew: an event is the group's that gained most, where that is resolved.",
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
        columns=["change", ">step", "column", ">levels", ">share", ">by chance", ""],
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
