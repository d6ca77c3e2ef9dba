"""What was learned, kept and lost, by group and for the whole probe? And is each sample?

    histories -> means of the groups of each column, and of the probe -> states -> one row each
    histories -> states, splits -> one row per sample

Both look back over the whole run, and need no window.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rdmtools.analysis.groups import Grouping
from rdmtools.analysis.histories import Histories
from rdmtools.analysis.splits import Split, split
from rdmtools.analysis.states import (
    TRAILING_ROWS,
    States,
    fall_steps,
    rows_in_blocks,
    states,
    trailing_mean,
)
from rdmtools.analysis.tables import TABLES, typed
from rdmtools.run.run import Run

PROBE = "(all)"
"""What the whole probe is called, as a group of no column."""
LOGGED = "logged_"
"""Comes before the name of a column of the run that is one of the table's already."""

MOST_FALLEN = 1 / 3
"""Of the probe's fall: where more was over before the first full window, an analysis says so."""


def ledger_table(
    run: Run, histories: Histories, parts: Split, groups: Sequence[Grouping], *, known_at_start: bool = False
) -> pd.DataFrame:
    """One row for the whole probe, and one for each group of each column: what became of it.

    Statuses: `rdmtools.analysis.states`. `parts` is the split of each sample's history.
    """
    return typed("ledger", pd.concat([*_rows(run, histories, parts, groups, known_at_start)]))


def _rows(
    run: Run, histories: Histories, parts: Split, groups: Sequence[Grouping], known_at_start: bool
) -> Iterator[pd.DataFrame]:
    rho = parts.rho if histories.losses.shape[1] > 1 else 0.0
    probe = Grouping(column="", names=[PROBE], codes=np.zeros(histories.losses.shape[1], np.int64))
    for each in (probe, *groups):
        means = each.means(histories.losses)
        found = states(histories, means, known_at_start=known_at_start, least_rho=rho)
        t10, t50, t90 = fall_steps(histories, means, found)
        yield pd.DataFrame(
            {
                "column": each.column,
                "group": list(each.names),
                "samples": np.bincount(each.codes, minlength=len(each.names)),
                "first_step": run.steps[0],
                "last_step": run.steps[-1],
                **_levels(found),
                "t10_step": _steps(t10),
                "t50_step": _steps(t50),
                "t90_step": _steps(t90),
                **_loss(found),
                "lost_step": _steps(found.lost_step),
            }
        )


def _levels(found: States) -> dict[str, np.ndarray]:
    return {
        "status": found.status,
        "first_loss": found.first,
        "best_loss": found.best,
        "last_loss": found.now,
    }


def _loss(found: States) -> dict[str, np.ndarray]:
    return {"lost_ratio": found.lost_ratio, "lost_errors": found.lost_errors}


def _steps(values: np.ndarray) -> pd.Series:
    return pd.Series(values).astype("Int64")


def samples_table(
    run: Run, histories: Histories, parts: Split, factor: pd.Series, *, known_at_start: bool = False
) -> pd.DataFrame:
    """One row per sample: what became of it, when half of its largest lasting change was done; what is known.

    `half_step` is the split of its history, and null where one level is as good; `direction` is that of the
    change. `parts` is the split of each sample's history; `factor` is its factor, or null. A column of the
    run whose name is taken becomes ``logged_<name>``.
    """
    found = states(histories, histories.losses, known_at_start=known_at_start)
    direction = np.where(parts.after < parts.before, "falling", "rising").astype(object)
    direction[~parts.resolved] = "none"
    known = {
        "sample_id": run.samples["sample_id"].to_numpy(),
        **_levels(found),
        "half_step": _steps(parts.half_steps(histories.steps)),
        "direction": direction,
        **_loss(found),
        "factor": factor,
    }
    table = typed("samples", pd.DataFrame(known))
    logged = run.samples.drop(columns="sample_id").reset_index(drop=True)
    return pd.concat([table, logged.rename(columns=_free(logged.columns))], axis=1)


def _free(names: pd.Index) -> dict[str, str]:
    """New names of columns that would come twice."""
    taken = {*TABLES["samples"].columns, *map(str, names)}
    found: dict[str, str] = {}
    for name in names:
        if name in TABLES["samples"].columns:
            new = f"{LOGGED}{name}"
            while new in taken:
                new = f"{LOGGED}{new}"
            found[name] = new
            taken.add(new)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyFall:
    """How much of the probe's fall was over before the first full window."""

    share: float
    """Of the way from the mean's first value to its lowest; 0 where it never fell."""
    step: int
    """Of the first window's last row."""
    window: int

    @property
    def told(self) -> bool:
        """Whether it is so much that it should be said."""
        return self.share > MOST_FALLEN


def early_fall(histories: Histories, window: int) -> EarlyFall:
    """How much of the probe's fall, by its mean, was over when the first window of so many rows was full."""
    mean = histories.losses.mean(axis=1)
    block = int(np.searchsorted(histories.edges, window, side="left")) - 1
    best = float(trailing_mean(mean[:, None], rows_in_blocks(histories, TRAILING_ROWS)).min())
    fall = float(histories.first.mean()) - best
    gone = float(histories.first.mean()) - float(mean[block])
    resolved = bool(split(mean[:, None]).resolved[0])
    share = min(max(gone / fall, 0.0), 1.0) if fall > 0 and resolved else 0.0
    return EarlyFall(share=share, step=int(histories.steps[block]), window=window)
