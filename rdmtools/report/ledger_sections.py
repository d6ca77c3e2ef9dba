"""What was learned, kept and lost, on the page: the ledger by group, and the samples that changed most."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.tables import TABLES
from rdmtools.report.section import Section
from rdmtools.results.ledger_words import ledger_lines
from rdmtools.results.words import number, shown

_MOST_GROUPS = 60
_MOST_SAMPLES = 400
_MOST_COLUMNS = 6
_TEXT_BUDGET = 120_000  # characters of what is known of them
_SHORTEST_CELL, _LONGEST_CELL = 24, 400


def ledger_section(findings: Findings) -> Section | None:
    """The ledger: by column, then as the groups come."""
    rows = records(findings.ledger.head(_MOST_GROUPS))
    more = len(findings.ledger) - len(rows)
    columns = [
        "group",
        ">samples",
        "status",
        ">first",
        ">best",
        ">now",
        ">now / best",
        ">10 %",
        ">50 %",
        ">90 %",
    ]
    several = findings.ledger["column"].nunique() > 2
    return Section(
        title="Learned, kept, lost",
        sentences=ledger_lines(findings),
        columns=columns,
        rows=[
            [
                (f"{shown(row['column'], 30)}: " if several and row["column"] else "")
                + shown(row["group"], 60),
                f"{row['samples']:,}",
                row["status"],
                *(number(row[name]) for name in ("first_loss", "best_loss", "last_loss", "lost_ratio")),
                *(_step(row[name]) for name in ("t10_step", "t50_step", "t90_step")),
            ]
            for row in rows
        ],
        note="Of each group’s mean loss, over the whole run: best is its lowest mean of 20 rows, now its "
        "last; 10, 50 and 90 % are the steps at which so much of its fall was gone."
        + (f" {more:,} more in ledger.parquet." if more else ""),
    )


def samples_section(findings: Findings) -> Section | None:
    """The samples whose level changed most, and what is known of them."""
    samples = findings.samples
    change = (samples["last_loss"] - samples["first_loss"]).abs()
    top = samples.loc[change.sort_values(ascending=False, kind="stable").index[:_MOST_SAMPLES]]
    logged = [name for name in samples.columns if name not in TABLES["samples"].columns][:_MOST_COLUMNS]
    limit = _TEXT_BUDGET // (len(top) * max(len(logged), 1))
    limit = min(max(limit, _SHORTEST_CELL), _LONGEST_CELL)
    left = len(samples) - len(top)
    return Section(
        title="Samples",
        part="folded",
        columns=[
            "sample",
            *(shown(name, 30) for name in logged),
            "status",
            ">first",
            ">best",
            ">now",
            ">half by",
        ],
        rows=[
            [
                shown(row["sample_id"], 60),
                *(shown(row[name], limit) for name in logged),
                row["status"],
                *(number(row[name]) for name in ("first_loss", "best_loss", "last_loss")),
                _step(row["half_step"]),
            ]
            for row in records(top)
        ],
        note=(f"Those that changed most; {left:,} more in samples.parquet. " if left else "")
        + "Half by: where a history splits best into two levels; "
        "nothing where one level tells it as well.",
    )


def _step(value: Any) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f}"
