"""How is a run's rank among reference runs told? A line for each window length, never below what they show.

Without reference runs a line says how the score stands beside the quiet runs that come with rdmtools: no p,
and no rate, for they are runs of other settings.
"""

from collections.abc import Iterator
from math import floor, log10
from typing import Any

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.reference import NONE, TOO_FEW, TOO_SHORT
from rdmtools.results.quiet_runs import quiet_runs
from rdmtools.run.quality import counted


def reference_lines(findings: Findings) -> list[str]:
    """The rank among reference runs, where some were given; else how many quiet runs score as much."""
    return rank_lines(findings) or [*_among_quiet_runs(records(findings.reference))]


def rank_lines(findings: Findings) -> list[str]:
    """The rank among reference runs; none where none were given."""
    rows = records(findings.reference)
    if not any(_given(row) for row in rows):
        return []
    several = len(rows) > 1
    return [_line(findings, row, f", windows of {row['window']} rows" if several else "") for row in rows]


def _given(row: dict[str, Any]) -> bool:
    return bool(row["status"] != NONE or row["unjudged"] or row["itself"])


def _line(findings: Findings, row: dict[str, Any], window: str) -> str:
    if row["status"] == NONE:
        told = f"No reference run counts{window}"
    elif row["status"] == TOO_SHORT:
        told = f"Too short to rank among {counted(row['runs'], 'reference run')}{window}"
    else:
        told = _ranked(row, window, findings.settings.false_alarms)
    return f"{'; '.join([told, *_remarks(findings, row)])}."


def _ranked(row: dict[str, Any], window: str, rate: float) -> str:
    runs, as_much, p = row["runs"], row["at_least"], p_text(row["at_least"], row["runs"])
    score = f"Largest score {row['largest_score']:.2f}{window}"
    if as_much:
        told = f"{score}: {as_much} of {counted(runs, 'reference run')} score{'s' * (as_much == 1)} no less"
    else:
        told = f"{score}: larger than in {'all ' * (runs > 1)}{counted(runs, 'reference run')}"
    made = "if this run was made as they were"
    if row["status"] != TOO_FEW:
        return f"{told}, p = {p} {made}"
    best, wanted = p_text(0, runs), f"needed {row['needed']} for {100 * rate:g}%"
    if as_much:
        return f"{told}, p = {p} {made} (p <= {best} at best with {runs}; {wanted})"
    return f"{told}, p <= {best} at best {made}; {wanted}"


def p_text(as_much: int, runs: int) -> str:
    """(1 + as_much) / (runs + 1) in two digits, rounded up: no less than the runs can show."""
    above, below = 1 + as_much, runs + 1
    places = max(1 - floor(log10(above / below)), 2)
    ceiling = -(-above * 10**places // below)
    if ceiling % 10 == 0 and places > 2:
        ceiling, places = ceiling // 10, places - 1
    return f"{ceiling / 10**places:.{places}f}" if above < below else "1"


def _remarks(findings: Findings, row: dict[str, Any]) -> Iterator[str]:
    rows = findings.run.shape[0]
    if row["rows"] < rows:
        yield f"ranked by its first {counted(row['rows'], 'row')}, for the shortest has no more"
    if row["other_samples"]:
        yield f"{row['other_samples']} of them with another number of samples"
    if row["unjudged"]:
        yield f"{row['unjudged']} more too short to judge"
    if row["itself"]:
        yield "this run itself, which was among them, is left out"
    if row["repeated"]:
        yield f"{row['repeated']} given twice, counted once"


def _among_quiet_runs(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Of the first window length for which there are any."""
    for row in rows:
        known = quiet_runs(row["window"])
        if not known or pd.isna(row["largest_score"]):
            continue
        scores = [score for of_setting in known.values() for score in of_setting]
        as_much = sum(score >= row["largest_score"] for score in scores)
        window = f", windows of {row['window']} rows" if len(rows) > 1 else ""
        settings = counted(len(known), "small setting")
        place = (
            f"as large as in {as_much} of {len(scores)} quiet runs"
            if as_much
            else f"larger than in all {len(scores)} quiet runs"
        )
        yield (
            f"Largest score {row['largest_score']:.2f}{window}: {place} of {settings} that come with "
            'rdmtools, which is no rate; reference="quiet/*.parquet" ranks it among runs of your own.'
        )
        return
