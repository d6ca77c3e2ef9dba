"""What was learned, kept and lost, in words: a line of the probe, one of the groups, one of the samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.states import (
    KEPT,
    LEARNED,
    LEARNING,
    LOST,
    NEVER,
    REGAINED,
    RISING,
    STATUSES,
    TOO_SHORT,
)
from rdmtools.results.words import listed, number, percent, shown
from rdmtools.run.quality import counted

_TOLD = 4
_WORDS = {
    LEARNED: "learned",
    LOST: "lost",
    LEARNING: "learning",
    KEPT: "kept",
    REGAINED: "lost and regained",
    NEVER: "unchanged",
    RISING: "rising",
    TOO_SHORT: "too short to judge",
}


def ledger_lines(findings: Findings) -> list[str]:
    """What became of the probe, of the groups of the first column, and of the samples."""
    ledger = findings.ledger
    lines = [_probe(findings, records(ledger.head(1))[0])]
    for column in findings.settings.by[:1]:
        if len(groups := records(ledger[ledger["column"] == column])) > 1:
            lines.append(_groups(column, groups))
    if len(findings.samples) > 1:
        lines.append(_samples(findings.samples))
    return [*lines, *early_lines(findings)]


def early_lines(findings: Findings) -> list[str]:
    """How much was over before the first full window, where that is much."""
    early = findings.early_fall
    if not early.told:
        return []
    return [
        f"{percent(early.share)} of the probe’s fall was over before the first full window of "
        f"{early.window} rows (step {early.step:,}), where no event can show; log more often at first"
        + (f", or choose window={early.window // 2}." if early.window >= 10 else ".")
    ]


def _probe(findings: Findings, row: Mapping[str, Any]) -> str:
    unit = f" {shown(findings.run.unit, 20)}" if findings.run.unit else ""
    went = f"{number(row['first_loss'])} to {number(row['last_loss'])}{unit}"
    half = "" if pd.isna(row["t50_step"]) else f", half-way at step {row['t50_step']:,}"
    told = _lost(row) if row["status"] == LOST else _WORDS[row["status"]]
    return f"The probe’s mean loss went from {went}: {told}{half}."


def _groups(column: str, groups: Sequence[Mapping[str, Any]]) -> str:
    parts: list[str] = []
    for status in (LOST, *(one for one in STATUSES if one != LOST)):
        rows = [row for row in groups if row["status"] == status]
        if not rows:
            continue
        names = [f"“{shown(row['group'], 40)}”" for row in rows]
        if status == LOST:
            parts += [f"{name} {_lost(row)}" for name, row in zip(names[:_TOLD], rows, strict=False)]
            parts += [f"{len(names) - _TOLD} more lost"] * (len(names) > _TOLD)
        else:
            parts.append(f"{_several(names)} {_WORDS[status]}")
    of_column = "" if column == "group" else f" of {shown(column, 40)}"
    return f"{counted(len(groups), 'group')}{of_column}: {'; '.join(parts)}."


def _lost(row: Mapping[str, Any]) -> str:
    return (
        f"lost ({number(row['last_loss'])} now, {number(row['lost_ratio'])} times its best, "
        f"from step {row['lost_step']:,} on)"
    )


def _several(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return listed([*names[:_TOLD], *([f"{more} more"] if more > 0 else [])])


def _samples(samples: pd.DataFrame) -> str:
    counts = samples["status"].value_counts()
    known = [(status, int(counts[status])) for status in STATUSES if status in counts]
    told = [f"{count:,} {_WORDS[status]}" for status, count in known]
    fell = samples.loc[samples["direction"] == "falling", "half_step"].to_numpy(np.float64)
    half = f"; half of those that fell had by step {np.median(fell):,.0f}" if len(fell) > 1 else ""
    return f"{counted(len(samples), 'sample')}: {', '.join(told)}{half}."
