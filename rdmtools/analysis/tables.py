"""What tables does an analysis have? What a row of each is, its columns with type and meaning, how many rows.

Long because it is a list. `TABLES` is the one place: tables are made with these types, also where they are
empty; what is saved is checked against it when it is read; and the docs have it from here. A new table is a
row here, its name in `format.names.ANALYSIS_TABLES`, and a field of `AnalysisTables`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from rdmtools.analysis.observables import OBSERVABLES
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.spans import map_lengths
from rdmtools.run.frames import Tables

# What this pandas makes of text that may be null: object before 3, str since.
TEXT = pd.Series(["text"]).dtype

MOST_EXPLAINING = 1_000
"""Columns and pairs, of one change: of sample tables that have more columns the first are asked."""

KINDS = ("int64", "Int64", "float64", "Float64", "bool", "text", "id")
"""Of columns: as pandas calls them ("Int64" and "Float64" may be null), text that may be null, and ids of
samples, which are integers or text as they are in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    kind: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What bounds the rows of tables: a file that has more is none of ours."""

    rows: int
    samples: int
    events: int
    draws: int
    """Steps with draws."""
    settings: AnalysisSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    row: str
    """What one row is of, in words: "one per event"."""
    columns: Mapping[str, Column]
    """In their order; a table may have more after them."""
    counts: Callable[[Size], range]
    """How many rows it may have."""
    more: str = ""
    """What columns come after these, in words."""


def typed(name: str, rows: pd.DataFrame | Sequence[Mapping[str, Any]], *, ids: Any = None) -> pd.DataFrame:
    """The table of that name, of its rows: columns in order, each of its type, also where there is no row.

    Parameters
    ----------
    ids
        Type of the samples' ids, for a table without rows.
    """
    columns = TABLES[name].columns
    if not len(rows) and not isinstance(rows, pd.DataFrame):
        return _without_rows(name, ids).copy()
    table = rows if isinstance(rows, pd.DataFrame) else _by_columns(columns, rows)
    types: dict[str, Any] = {column: _dtype(about.kind, ids) for column, about in columns.items()}
    if len(table):
        types = {column: dtype for column, dtype in types.items() if columns[column].kind != "id"}
    # pandas takes its time over columns that are what and where they should be.
    wanted = [*columns, *(other for other in table.columns if other not in columns)]
    if [*table.columns] != wanted:
        table = table.reindex(columns=wanted)
    found = table.dtypes.to_dict()
    changed = {column: dtype for column, dtype in types.items() if found[column] != dtype}
    return (table.astype(changed) if changed else table).reset_index(drop=True)


def _by_columns(columns: Mapping[str, Column], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of rows, null where one lacks a column; in half of the time that pandas takes for it."""
    names = dict.fromkeys(column for row in rows for column in row)
    values: dict[str, Any] = {column: [row.get(column) for row in rows] for column in names}
    kinds = {column: columns[column].kind for column in values if column in columns}
    nullable = {column: kind for column, kind in kinds.items() if kind in ("Int64", "Float64")}
    return pd.DataFrame(
        values | {column: pd.array(values[column], dtype=kind) for column, kind in nullable.items()}
    )


@lru_cache
def _without_rows(name: str, ids: Any) -> pd.DataFrame:
    columns = TABLES[name].columns
    empty = {column: pd.Series([], dtype=_dtype(about.kind, ids)) for column, about in columns.items()}
    return pd.DataFrame(empty)


def _dtype(kind: str, ids: Any) -> Any:
    if kind == "text":
        return TEXT
    return ("int64" if ids is None else ids) if kind == "id" else kind


def just(count: int) -> range:
    return range(count, count + 1)


def up_to(count: int) -> range:
    return range(count + 1)


def _windows(size: Size) -> range:
    lengths, stride = size.settings.windows, size.settings.stride
    return just(sum(-(-(size.rows - length + 1) // stride) for length in lengths))


def _observable_columns(*, of_draws: bool) -> dict[str, Column]:
    return {
        name: Column(
            kind="float64", meaning=f"{row.meaning}, in {row.unit}" if row.unit != "1" else row.meaning
        )
        for name, row in OBSERVABLES.items()
        if row.of_draws or not of_draws
    }


JUDGED = {
    "score": Column(
        kind="float64",
        meaning="of the warning rule, the highest of its signals; an alarm where it reaches the `threshold` "
        "of the table `judged`; NaN where none is judged",
    )
} | {
    f"{signal}_{column}": Column(kind="float64", meaning=f"{meaning}, in decades of loss⁴")
    for signal, about in {"shc": "SHC", "mean_slope": "the mean slope"}.items()
    for column, meaning in {
        "value": f"what the rule watches of {about}, NaN where it is not judged",
        "level": f"the lowest of `{signal}_value` since the rule was armed",
        "scatter": f"the run's own scatter of {about}",
        "line": f"what `{signal}_value` had to reach",
    }.items()
}
_EVENT = Column(kind="int64", meaning="number of the event")
_MODE = Column(kind="int64", meaning="number of the mode, from 1, the largest eigenvalue's first")
_SAMPLE = Column(kind="id", meaning="of the sample")
_STATE = {
    "status": Column(kind="text", meaning="learned, kept, lost, ... at the last row ([how](answers.md))"),
    "first_loss": Column(kind="float64", meaning="level at the start"),
    "best_loss": Column(kind="float64", meaning="lowest mean of 20 rows"),
    "last_loss": Column(kind="float64", meaning="mean of the last 20 rows"),
}
_LOSS = {
    "lost_ratio": Column(kind="float64", meaning="last over best"),
    "lost_errors": Column(
        kind="float64", meaning="rise since it was low, in standard errors; falls are negative"
    ),
}
_GROUP = {
    "group": Column(kind="text", meaning="name of the group"),
    "samples": Column(kind="int64", meaning="how many it has"),
    "sample_share": Column(kind="float64", meaning="its share of the samples"),
}
_SHARE = {
    "mode_share": Column(kind="float64", meaning="its share of the mode: squared loadings"),
    "loss_change": Column(kind="float64", meaning="mean over its samples, in loss"),
}
_FACTOR = Column(kind="int64", meaning="number of the factor")
_EIGENVALUES = "with `spectrum`: `top_share`, `effective_rank` and the leading eigenvalues"

TABLES: dict[str, Table] = {
    "observables": Table(
        row="one per window length and window",
        columns={
            "step": Column(kind="int64", meaning="of the window's last row"),
            "first_step": Column(kind="int64", meaning="of its first row"),
            "window": Column(kind="int64", meaning="its length in rows"),
            **_observable_columns(of_draws=False),
            **JUDGED,
        },
        counts=_windows,
        more=_EIGENVALUES,
    ),
    "events": Table(
        row="one per event",
        columns={
            "event": Column(kind="int64", meaning="its number, in the order of windows and alarms"),
            "signal": Column(kind="text", meaning="what fired first: `shc` or `mean_slope`"),
            "window": Column(kind="int64", meaning="length of the window in rows"),
            "floor_step": Column(kind="int64", meaning="where that signal had its running minimum"),
            "alarm_step": Column(kind="int64", meaning="where the rule fired; uses nothing after it"),
            "shc_peak_step": Column(kind="int64", meaning="where SHC was largest: no time of a transition"),
            "end_step": Column(kind="Int64", meaning="where it was over; null while it lasts"),
            "score": Column(kind="float64", meaning="at the alarm"),
            "threshold": Column(kind="float64", meaning="score that fires"),
            "rise_decades": Column(kind="float64", meaning="log10 SHC at its peak less that at the floor"),
            "p_value": Column(
                kind="Float64",
                meaning="of the run up to the alarm, ranked among reference runs; null without them",
            ),
            "pr_at_floor": Column(kind="float64", meaning="participation ratio at the floor"),
            "pr_at_alarm": Column(kind="float64", meaning="at the alarm"),
            "pr_at_peak": Column(kind="float64", meaning="participation ratio where SHC peaks"),
            "top_group": Column(
                kind="text", meaning="group whose part of all movement grew most; null unless resolved"
            ),
            "group_status": Column(kind="text", meaning="`resolved`, `unresolved`, or `no groups`"),
            "top_group_share": Column(kind="float64", meaning="its share of the top mode at the alarm"),
            "top_group_sample_share": Column(kind="float64", meaning="its share of the samples"),
            "direction": Column(
                kind="text", meaning="falling, rising or mixed, of losses along the top mode"
            ),
            "drift_share": Column(kind="float64", meaning="at the alarm"),
            "kind": Column(
                kind="text", meaning="`drift`, `fluctuation` or `unresolved`, at the alarm ([how](method.md))"
            ),
            "movement": Column(kind="text", meaning="`amplitude`, `new direction` or `unresolved`"),
            "overlap": Column(
                kind="float64", meaning="part of the top mode at the alarm in the floor's three leading modes"
            ),
            "past_overlap": Column(kind="float64", meaning="median of the same before the floor"),
            "samples_90": Column(kind="int64", meaning="fewest samples that carry 90 % of the top mode"),
            "one_row": Column(kind="bool", meaning="whether there is no event without one of its rows"),
            "loud_step": Column(kind="Int64", meaning="step of that row; else null"),
        },
        counts=lambda size: just(size.events),
    ),
    "alarms": Table(
        row="one per event and signal that fired in it",
        columns={
            "event": _EVENT,
            "window": Column(kind="int64", meaning="length of the window in rows"),
            "signal": Column(kind="text", meaning="what fired"),
            "statistic": Column(
                kind="text", meaning="of it: `mean` or `ramp`; `level` of the rule without a rate"
            ),
            "floor_step": Column(kind="int64", meaning="where it was lowest"),
            "alarm_step": Column(kind="int64", meaning="where it fired"),
            "end_step": Column(kind="Int64", meaning="where it had come down; null while it has not"),
            "score": Column(kind="float64", meaning="at the alarm"),
            "scatter": Column(kind="float64", meaning="of the signal itself, in decades"),
            "needed": Column(kind="float64", meaning="rise that fires at that scatter, in decades"),
        },
        counts=lambda size: up_to(size.events * size.rows),
    ),
    "baselines": Table(
        row="one per window length and alarm of a baseline, each a rule of its own with the same stated rate",
        columns={
            "window": Column(kind="int64", meaning="length of the window in rows"),
            "baseline": Column(
                kind="text",
                meaning="`total_variance`, `drift_energy`, `mean_slope` or `mean_loss_variance`",
            ),
            "floor_step": Column(kind="int64", meaning="where it was lowest"),
            "alarm_step": Column(kind="int64", meaning="where it fired"),
            "end_step": Column(kind="Int64", meaning="where it had come down; null while it has not"),
            "score": Column(kind="float64", meaning="at the alarm"),
            "event": Column(
                kind="Int64", meaning="during which, or at most two windows before which, it fired; else null"
            ),
            "lead_rows": Column(kind="Int64", meaning="rows before the alarm of that event; negative: after"),
        },
        counts=lambda size: up_to(4 * size.rows * len(size.settings.windows)),
    ),
    "judged": Table(
        row="one per window length: what the rule could have seen",
        columns={
            "window": Column(kind="int64", meaning="length in rows"),
            "rule": Column(kind="text", meaning="`self_normalised` or `decades`"),
            "false_alarms": Column(kind="Float64", meaning="rate stated: share of runs; null where none is"),
            "horizon": Column(kind="Float64", meaning="windows for which it is stated"),
            "rate_checked": Column(
                kind="bool", meaning="whether it is stated, and judged with windows of that length"
            ),
            "threshold": Column(kind="float64", meaning="score that fires"),
            "first_step": Column(kind="Int64", meaning="first that is judged; null of a run too short"),
            "own_step": Column(kind="Int64", meaning="first at which the run's own scatter counts"),
            "outside_step": Column(
                kind="Int64",
                meaning="first from which the run is outside what the rate was checked for; else null",
            ),
            "judged_share": Column(kind="float64", meaning="of all rows"),
            "needed_first": Column(
                kind="float64", meaning="least rise of a signal that fires at the first judged row, decades"
            ),
            "needed_last": Column(kind="float64", meaning="the same at the last"),
            "largest_score": Column(kind="float64", meaning="anywhere; NaN of a run too short"),
            "largest_score_step": Column(kind="Int64", meaning="of it"),
            "status": Column(kind="text", meaning="`judged`, `only large rises` or `too short to judge`"),
        },
        counts=lambda size: just(len(size.settings.windows)),
    ),
    "marks": Table(
        row="one per event and mark: whether the alarm holds in other analyses of the run",
        columns={
            "event": _EVENT,
            "mark": Column(
                kind="text",
                meaning="`half of the probe`, `half the window`, `twice the window`, `every second row`, "
                "`without loud row`",
            ),
            "tried": Column(kind="int64", meaning="how many analyses could judge: 20 of halves of the probe"),
            "held": Column(kind="int64", meaning="in how many of them an event opens there"),
            "alarm_step": Column(kind="Int64", meaning="median of their alarms; null where none is"),
            "status": Column(kind="text", meaning="`asked`, `too short to judge` or `too large to ask`"),
        },
        counts=lambda size: up_to(size.events * 5),
    ),
    "reference": Table(
        row="one per window length: the run among its reference runs, if some were given",
        columns={
            "window": Column(kind="int64", meaning="length in rows"),
            "runs": Column(kind="int64", meaning="reference runs that count"),
            "at_least": Column(kind="Int64", meaning="how many of them score at least as much"),
            "p_value": Column(
                kind="Float64", meaning="(1 + at least as much) / (runs + 1); null where nothing is ranked"
            ),
            "needed": Column(
                kind="Int64", meaning="runs that could show a p as low as the rate asked; null without one"
            ),
            "largest_score": Column(
                kind="float64", meaning="what is ranked: of a rule that never fires; NaN of a run too short"
            ),
            "rows": Column(
                kind="int64", meaning="of this run that are ranked: no more than the shortest reference has"
            ),
            "other_samples": Column(kind="int64", meaning="of the runs, with another number of samples"),
            "unjudged": Column(kind="int64", meaning="reference runs too short to judge, not counted"),
            "repeated": Column(kind="int64", meaning="given more than once, counted once"),
            "itself": Column(kind="bool", meaning="whether this run was among them, and is left out"),
            "status": Column(
                kind="text",
                meaning="`ranked`, `too few reference runs` for the rate, `too short to judge` or "
                "`no reference runs`",
            ),
        },
        counts=lambda size: just(len(size.settings.windows)),
    ),
    "control": Table(
        row="one per window length and window of the control, if one was named",
        columns={
            "run": Column(kind="text", meaning="name of the control"),
            "window": Column(kind="int64", meaning="length in rows"),
            "step": Column(kind="int64", meaning="of the window's last row, in the control"),
            "shc": Column(kind="float64", meaning="spectral heat capacity, in loss**4"),
            "score": Column(kind="float64", meaning="the rule's score; NaN where nothing is judged"),
            "alarm": Column(kind="bool", meaning="whether an event's alarm is there"),
        },
        counts=lambda _: up_to(10**8),
    ),
    "modes": Table(
        row="one per event, mode and sample, of the window in which SHC peaks",
        columns={
            "event": _EVENT,
            "mode": _MODE,
            "sample_id": _SAMPLE,
            "group": Column(kind="text", meaning="of the sample; null where it has none"),
            "label": Column(kind="text", meaning="of the sample; null where it has none"),
            "loading": Column(
                kind="float64", meaning="of the unit eigenvector; its sign says who moves alike"
            ),
            "loss_change": Column(kind="float64", meaning="over the window along the mode, in loss"),
        },
        counts=lambda size: up_to(size.events * size.settings.modes * size.samples),
    ),
    "groups": Table(
        row="one per event, mode and group, of the window in which SHC peaks",
        columns={
            "event": _EVENT,
            "mode": _MODE,
            **_GROUP,
            **_SHARE,
        },
        counts=lambda size: up_to(size.events * size.settings.modes * size.samples),
    ),
    "lift": Table(
        row="one per event and group: its share of the top mode, and of all that moves",
        columns={
            "event": _EVENT,
            **_GROUP,
            "floor_share": Column(kind="float64", meaning="of the mode at the floor"),
            "alarm_share": Column(kind="float64", meaning="of the mode at the alarm"),
            "peak_share": Column(kind="float64", meaning="of the mode where SHC peaks"),
            "lift": Column(
                kind="float64",
                meaning="the alarm's share over the floor's, 0.001 added to each; told, and decides nothing",
            ),
            "floor_movement": Column(
                kind="float64", meaning="its samples' part of the variance of the window at the floor"
            ),
            "alarm_movement": Column(kind="float64", meaning="the same at the alarm"),
            "gain": Column(
                kind="float64", meaning="square root of `alarm_movement` less that of `floor_movement`"
            ),
            "margin": Column(
                kind="float64", meaning="gain less the largest other group's; NaN of a sole group"
            ),
            "chance": Column(
                kind="float64",
                meaning="share of shuffles in which some group stands out as far; NaN but for rank 1",
            ),
            "rank": Column(kind="int64", meaning="1 for the largest gain"),
            "resolved": Column(kind="bool", meaning="whether the event is this group's"),
        },
        counts=lambda size: up_to(size.events * size.samples),
    ),
    "explained": Table(
        row="one per change (alarm and peak of each event, the whole run, draws) and column or pair",
        columns={
            "event": Column(kind="Int64", meaning="number of the event; null of the run, and of draws"),
            "place": Column(kind="text", meaning="`alarm`, `peak`, `run` or `draws`"),
            "step": Column(kind="Int64", meaning="of it; null of the run"),
            "column": Column(kind="text", meaning="of the sample table"),
            "with_column": Column(kind="text", meaning="the other of a pair; else null"),
            "levels": Column(kind="int64", meaning="how many values, or bins of ranks, it cuts samples into"),
            "share": Column(
                kind="float64",
                meaning="of the variance of the change over samples, less a shuffled column's; NaN unusable",
            ),
            "by_chance": Column(kind="float64", meaning="share that 1 in 100 shuffles reaches at their best"),
            "p_value": Column(
                kind="float64", meaning="part of the shuffles whose best column or pair is as good"
            ),
            "named": Column(kind="bool", meaning="whether it is the simplest that tells about as much"),
            "status": Column(kind="text", meaning="`usable`, `one value` or `nearly unique`"),
        },
        counts=lambda size: up_to((2 * size.events + 1 + size.draws) * MOST_EXPLAINING),
    ),
    "spectra": Table(
        row="one per event and eigenvalue, of the window in which SHC peaks",
        columns={
            "event": _EVENT,
            "eigenvalue_index": Column(kind="int64", meaning="from 1, the largest first"),
            "eigenvalue": Column(kind="float64", meaning="in loss²"),
            "share": Column(kind="float64", meaning="of the total variance"),
        },
        counts=lambda size: up_to(size.events * max(size.settings.windows)),
    ),
    "gaussian": Table(
        row="one per step with draws of the weights: the Gaussian 2RDM",
        columns={
            "step": Column(kind="int64", meaning="of the draws"),
            "draws": Column(kind="int64", meaning="how many there are"),
            "nonfinite": Column(kind="int64", meaning="losses that are NaN or infinite"),
            **_observable_columns(of_draws=True),
        },
        counts=lambda size: just(size.draws),
        more=_EIGENVALUES,
    ),
    "gaussian_modes": Table(
        row="one per step with draws, mode and sample",
        columns={
            "step": Column(kind="int64", meaning="of the draws"),
            "mode": _MODE,
            "sample_id": _SAMPLE,
            "loading": Column(
                kind="float64", meaning="of the unit eigenvector; its sign says who moves alike"
            ),
            "loss_change": Column(
                kind="float64",
                meaning="by one standard deviation along the mode, in loss; draws go both ways",
            ),
        },
        counts=lambda size: up_to(size.draws * size.settings.modes * size.samples),
    ),
    "gaussian_groups": Table(
        row="one per step with draws, mode and group",
        columns={
            "step": Column(kind="int64", meaning="of the draws"),
            "mode": _MODE,
            **_GROUP,
            **_SHARE,
        },
        counts=lambda size: up_to(size.draws * size.settings.modes * size.samples),
    ),
    "shc_map": Table(
        row="one per window length and step of the map",
        columns={
            "window": Column(kind="int64", meaning="length in rows"),
            "step": Column(kind="int64", meaning="of the window's last row"),
            "shc": Column(kind="float64", meaning="spectral heat capacity, in loss⁴"),
        },
        counts=lambda size: up_to(size.rows * len(map_lengths(size.settings))),
    ),
    "leads": Table(
        row="one per truth, window length and event that belongs to it, or one where none does",
        columns={
            "truth": Column(kind="text", meaning="scalar, as it was named in the settings"),
            "event": Column(kind="Int64", meaning="number of the event; null where none belongs to it"),
            "window": Column(kind="int64", meaning="length in rows of the windows that were to warn of it"),
            "t10": Column(kind="Int64", meaning="first step at 10 % of its rise; null where it is a level"),
            "t50": Column(kind="Int64", meaning="first step at 50 %, or at the level"),
            "t90": Column(kind="Int64", meaning="first step at 90 %"),
            "alarm_step": Column(kind="Int64", meaning="of the event"),
            "lead_steps": Column(kind="Int64", meaning="T50 less the alarm; 0 below the logging interval"),
            "lead_rows": Column(kind="Int64", meaning="the same in logged rows"),
            "lead_windows": Column(kind="float64", meaning="the same in windows"),
            "lead_share": Column(kind="float64", meaning="of the steps from the first row to T50"),
            "outcome": Column(
                kind="text",
                meaning="before T10, before T50, unresolved, late, missed, not covered: ..., "
                "no transition: ...",
            ),
        },
        counts=lambda size: up_to(
            len(size.settings.truth) * max(size.events + len(size.settings.windows), 1)
        ),
    ),
    "ledger": Table(
        row="one for the whole probe, and one per group of each column asked for and per factor: what became "
        "of it",
        columns={
            "column": Column(
                kind="text", meaning="of the samples; empty for the whole probe, `(factor)` for factors"
            ),
            "group": Column(kind="text", meaning="value of that column; `(all)` for the whole probe"),
            "samples": Column(kind="int64", meaning="how many it has"),
            "first_step": Column(kind="int64", meaning="first that was looked at"),
            "last_step": Column(kind="int64", meaning="last that was looked at"),
            **_STATE,
            "t10_step": Column(kind="Int64", meaning="where its mean had gone a tenth of its fall"),
            "t50_step": Column(kind="Int64", meaning="half of it"),
            "t90_step": Column(kind="Int64", meaning="nine tenths"),
            **_LOSS,
            "lost_step": Column(kind="Int64", meaning="where lost: from when on its mean stayed doubled"),
        },
        counts=lambda size: range(1, 1 + size.samples * (len(size.settings.by) + 1) + 1),
    ),
    "samples": Table(
        row="one per sample: what became of it",
        columns={
            "sample_id": _SAMPLE,
            **_STATE,
            "half_step": Column(
                kind="Int64", meaning="when its level changed; null where one is as good as two"
            ),
            "direction": Column(kind="text", meaning="of that change: falling, rising or none"),
            **_LOSS,
            "factor": Column(kind="Int64", meaning="the factor that it is in; null for none"),
        },
        counts=lambda size: just(size.samples),
        more="what was logged of the samples; a name that is taken gets `logged_` before it",
    ),
    "arrivals": Table(
        row="one per group (of the first column asked for, else per factor) over the whole run, and per "
        "event and group in the rows around it; two where samples of a group go both ways",
        columns={
            "event": Column(kind="Int64", meaning="number of the event; null over the whole run"),
            "group": Column(kind="text", meaning="name of the group"),
            "samples": Column(kind="int64", meaning="how many of its samples the row is about"),
            "half_step": Column(
                kind="Int64", meaning="where its mean was half-way; null where it did not move"
            ),
            "low_step": Column(kind="Int64", meaning="where the interval of `half_step` begins"),
            "high_step": Column(kind="Int64", meaning="where it ends"),
            "loss_change": Column(kind="float64", meaning="second level of its mean less the first, in loss"),
            "outcome": Column(
                kind="text",
                meaning="first; later; unresolved, where it cannot be told from the first; hardly moved, by "
                "less than a tenth of the largest change; did not move; too short to judge",
            ),
        },
        counts=lambda size: up_to((size.events + 1) * 2 * size.samples),
    ),
    "order": Table(
        row="one per event: which changed first, SHC or PR",
        columns={
            "event": _EVENT,
            "shc_half_step": Column(kind="float64", meaning="where log SHC was half-way in its rise"),
            "pr_half_step": Column(
                kind="float64", meaning="where log PR was half-way in its change; NaN where it did not change"
            ),
            "lag_steps": Column(kind="float64", meaning="the second less the first"),
            "lag_low": Column(kind="float64", meaning="lower end of its interval, of samples drawn again"),
            "lag_high": Column(kind="float64", meaning="upper end"),
            "outcome": Column(kind="text", meaning="unresolved: no rule was found that can be relied on"),
        },
        counts=lambda size: just(size.events),
    ),
    "factors": Table(
        row="one per group of samples that move together over the whole run, found without labels",
        columns={
            "factor": Column(kind="int64", meaning="its number, in the order in which they appear"),
            "samples": Column(kind="int64", meaning="how many it has"),
            "appears_step": Column(kind="int64", meaning="before which 5 % of its movement lie"),
            "half_step": Column(kind="int64", meaning="before which half of its movement lies"),
            "ends_step": Column(kind="Int64", meaning="before which 95 % lie; null where it still moves"),
            "variance_share": Column(
                kind="float64", meaning="of all movement about the mean, along its course"
            ),
            "loss_change": Column(kind="float64", meaning="mean over its samples from start to end, in loss"),
            "direction": Column(kind="text", meaning="falling, rising or mixed, of its samples' losses"),
            "apart": Column(
                kind="float64",
                meaning="mean silhouette: near 1 far from other factors, below .6 where it runs into one",
            ),
            "column": Column(kind="text", meaning="column of the samples that explains it; null for none"),
            "value": Column(
                kind="text", meaning="value of that column that its samples share more than by chance"
            ),
            "value_inside": Column(kind="Int64", meaning="how many of its samples have that value"),
            "value_samples": Column(kind="Int64", meaning="how many samples have it"),
            "nearest": Column(kind="text", meaning="ids of the three samples that move most as it does"),
            "events": Column(
                kind="text",
                meaning="that alarm or peak meanwhile, with most of their top mode in it; null for none",
            ),
        },
        counts=lambda size: up_to(size.samples),
    ),
    "factor_samples": Table(
        row="one per factor and sample of it",
        columns={
            "factor": _FACTOR,
            "sample_id": _SAMPLE,
            "membership": Column(
                kind="float64", meaning="correlation of its movement with the factor's; below 0 against it"
            ),
            "loss_change": Column(kind="float64", meaning="from the first block to the last, in loss"),
        },
        counts=lambda size: up_to(size.samples),
    ),
    "factor_courses": Table(
        row="one per factor and block of rows, at most 128 blocks",
        columns={
            "factor": _FACTOR,
            "step": Column(kind="int64", meaning="of the block's last row"),
            "loss": Column(
                kind="float64", meaning="mean over its samples; those that move against it are mirrored"
            ),
            "activity": Column(kind="float64", meaning="share of its movement that came in this block"),
        },
        counts=lambda size: up_to(128 * size.samples),
    ),
    "mode_tracks": Table(
        row="one per mode that keeps its samples from one window to the next, of windows that do not overlap",
        columns={
            "track": Column(kind="int64", meaning="its number, in the order in which they begin"),
            "first_step": Column(kind="int64", meaning="of the last row of its first window"),
            "last_step": Column(kind="int64", meaning="of the last row of its last window"),
            "best_step": Column(kind="int64", meaning="of the window in which its eigenvalue is largest"),
            "windows": Column(kind="int64", meaning="how many it lasts"),
            "share": Column(kind="float64", meaning="of the variance of the best window"),
            "overlap": Column(kind="float64", meaning="mean of |v . v'| from window to window"),
            "factor": Column(
                kind="Int64", meaning="that has more than half of its squared loadings; or null"
            ),
            "factor_share": Column(kind="Float64", meaning="how much that is"),
        },
        counts=lambda size: up_to(128 * size.settings.modes),
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalysisTables(Tables):
    """The tables of an analysis, made now or read back; what a row and a column is, `TABLES` says."""

    observables: pd.DataFrame
    """One row per window length and window; `step` is the window's last row."""
    events: pd.DataFrame
    """One row per event, in the order of windows and alarms."""
    alarms: pd.DataFrame
    """One row per event and signal that fired in it: what was needed, and when."""
    baselines: pd.DataFrame
    """One row per alarm of a baseline that is a rule of its own with the same rate: what SHC has to beat."""
    judged: pd.DataFrame
    """One row per window length: the rate stated, from which step on the rule judges, the largest score."""
    marks: pd.DataFrame
    """One row per event and mark: whether the alarm holds with half of the probe, or with other windows."""
    reference: pd.DataFrame
    """One row per window length: the run's largest score among those of its reference runs."""
    control: pd.DataFrame
    """One row per window length and window of the control, which stands beside the run; empty without one."""
    modes: pd.DataFrame
    """One row per event, mode and sample: `loading`, `loss_change`, of the window that ends at the peak."""
    groups: pd.DataFrame
    """One row per event, mode and group of samples; empty where the samples have no groups."""
    lift: pd.DataFrame
    """One row per event and group: its shares at floor, alarm and peak, and what it gained."""
    explained: pd.DataFrame
    """One row per change, of an event, the run or draws, and column, or pair of columns, of the sample table:
    how much of the change's variance over samples it explains. Of the run it looks back over all of it."""
    spectra: pd.DataFrame
    """One row per event and eigenvalue of the window that ends at the peak."""
    gaussian: pd.DataFrame
    """The Gaussian 2RDM: one row per step for which losses under draws of the weights were logged."""
    gaussian_modes: pd.DataFrame
    """The leading modes of the Gaussian 2RDM: one row per step with draws, mode and sample."""
    gaussian_groups: pd.DataFrame
    """One row per step with draws, mode and group of samples; empty where the samples have no groups."""
    shc_map: pd.DataFrame
    """SHC by `window` and `step`: lengths from 4 rows to the longest asked for, by factors of sqrt(2), and at
    most 512 steps of the run (every row, or every second, fourth, ...). One row per length and step."""
    leads: pd.DataFrame
    """One row per truth and event that belongs to it, or one without: how early the alarm was."""
    ledger: pd.DataFrame
    """One row for the whole probe and one for each group: what was learned, kept, lost."""
    samples: pd.DataFrame
    """One row per sample: what became of it, when half of its largest change was done, what is known."""
    arrivals: pd.DataFrame
    """One row per group over the whole run, and per event and group around it: when it was half-way."""
    order: pd.DataFrame
    """One row per event: the lag of PR's change behind SHC's rise; unresolved always."""
    factors: pd.DataFrame
    """Groups of samples that move together over the whole run, found without labels: one row per factor."""
    factor_samples: pd.DataFrame
    """One row per factor and sample of it."""
    factor_courses: pd.DataFrame
    """What the losses of each factor's samples did: one row per factor and block of rows."""
    mode_tracks: pd.DataFrame
    """Modes followed through windows that do not overlap: one row per track."""
