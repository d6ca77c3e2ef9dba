"""What do the charts of a page draw? Lines over training steps, their limits, and the marks on all of them.

Values that are drawn in decades are their log10 already. Limits never zoom in on noise: a chart in decades
spans one at least, any other a tenth of its values' size.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.observables import OBSERVABLES
from rdmtools.analysis.settings import RULES
from rdmtools.format.names import STEP
from rdmtools.report.palette import SERIES
from rdmtools.results.cards import alone, changes, leads_of
from rdmtools.results.words import is_missing, shown, with_unit
from rdmtools.run.quality import counted

_MOST_SCALARS = 12
_LARGEST = 1e300
_FLAT = 0.1
_MOST_MARKS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    label: str
    role: str
    """Of its colour."""
    values: Float64[np.ndarray, " steps"]
    kind: str = "solid"
    """solid, dashed or thin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over one row of steps."""

    key: str
    title: str
    steps: Int64[np.ndarray, " steps"]
    lines: Sequence[Line]
    decades: bool = False
    """Whether values are log10."""

    @property
    def limits(self) -> tuple[float, float]:
        return limits_of([line.values for line in self.lines], decades=self.decades)


def limits_of(lines: Sequence[Float64[np.ndarray, " steps"]], *, decades: bool) -> tuple[float, float]:
    """Limits around all finite values, with room; `decades` says that values are log10."""
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    least = 1.0 if decades else _FLAT * max(abs(low), abs(high)) or 1.0
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    room = 0.06 * (high - low)
    return low - room, high + room


def drawn_values(values: Float64[np.ndarray, " steps"], scale: str) -> Float64[np.ndarray, " steps"]:
    """Values as they are drawn: log10 on the scale "log", and none too large for arithmetic."""
    return _log(values) if scale == "log" else np.clip(values, -_LARGEST, _LARGEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Where a scalar that was named went from 10 to 90 %, and the alarm before it."""

    name: str
    t10: int | None
    t50: int
    t90: int | None
    alarm: int | None
    label: str
    """Of the bracket from the alarm to T50."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What stands on every chart."""

    alarms: Sequence[int]
    truths: Sequence[Truth]


def marks(findings: Findings) -> Marks:
    """The first alarm of each change, and the truths that were named."""
    told = changes(records(findings.events))[:_MOST_MARKS]
    rows = {row["truth"]: row for change in told for row in leads_of(findings, change)}
    rows |= {row["truth"]: row for row in alone(findings)}
    truths = [
        Truth(
            name=shown(row["truth"], 40),
            t10=_step(row["t10"]),
            t50=int(row["t50"]),
            t90=_step(row["t90"]),
            alarm=_step(row["alarm_step"]),
            label=_lead(row),
        )
        for row in list(rows.values())[:_MOST_MARKS]
        if not is_missing(row["t50"])
    ]
    return Marks(alarms=[int(change[0]["alarm_step"]) for change in told], truths=truths)


def _lead(row: dict[str, Any]) -> str:
    if is_missing(row["lead_steps"]):
        return ""
    steps = row["lead_steps"]
    return (
        f"{shown(row['truth'], 20)}: {counted(abs(steps), 'step')} {'early' if steps > 0 else 'late'}"
        if steps
        else "no lead"
    )


def watched_charts(findings: Findings) -> list[Chart]:
    """The rule's score with the threshold that fires, and SHC with the line that it had to cross.

    The score is the highest of several statistics of two signals, so that it is what crosses its line at an
    alarm, whichever of them fired. The rule of a fixed rise has SHC alone. Of several window lengths that of
    the first alarm, or the first one.
    """
    events = records(findings.events)
    window = changes(events)[0][0]["window"] if events else findings.settings.windows[0]
    table = findings.observables[findings.observables["window"] == window]
    shc = _shc(findings, table, window)
    if findings.settings.rule != RULES[0] or not np.isfinite(table["score"]).any():
        return [shc]
    judged = findings.judged
    threshold = float(judged.loc[judged["window"] == window, "threshold"].iloc[0])
    score = Chart(
        key="score",
        title=f"Score, {threshold:.2f} fires: rise of the strongest signal over its own past",
        steps=table[STEP].to_numpy(np.int64),
        lines=[
            *_of_control(findings, table, window, "score"),
            Line(label="score", role="ink", values=table["score"].to_numpy()),
            Line(label="fires", role="alarm", values=np.full(len(table), threshold), kind="dashed"),
        ],
    )
    return [score, shc]


def shc_chart(findings: Findings, window: int) -> Chart:
    """SHC of windows of one length, with the line that it had to cross."""
    table = findings.observables
    return _shc(findings, table[table["window"] == window], window)


def _shc(findings: Findings, table: pd.DataFrame, window: int) -> Chart:
    lines = [
        *_of_control(findings, table, window, "shc"),
        Line(label="SHC", role="ink", values=_log(table["shc"].to_numpy())),
    ]
    if findings.settings.rule == RULES[0]:
        lines.append(Line(label="as watched", role="muted", values=table["shc_value"].to_numpy()))
    lines.append(Line(label="alarm line", role="alarm", values=table["shc_line"].to_numpy(), kind="dashed"))
    some = [line for line in lines if np.isfinite(line.values).any()]
    return Chart(
        key="watched_shc",
        title=with_unit("SHC", "loss⁴", shown(findings.run.unit, 20)) + f", windows of {window} rows",
        steps=table[STEP].to_numpy(np.int64),
        lines=some or lines[-1:],
        decades=True,
    )


def _of_control(findings: Findings, table: pd.DataFrame, window: int, column: str) -> list[Line]:
    """The control's value at each of the table's steps: that of its last window so far."""
    control = findings.control[findings.control["window"] == window]
    if control.empty:
        return []
    values = control[column].to_numpy(np.float64)
    steps = table[STEP].to_numpy(np.int64)
    last = np.searchsorted(control[STEP].to_numpy(np.int64), steps, side="right") - 1
    shown_values = np.where((last >= 0) & (steps <= control[STEP].iloc[-1]), values[last], np.nan)
    name = f"control {shown(control['run'].iloc[0], 30)}"
    return [Line(label=name, role="control", values=_log(shown_values) if column == "shc" else shown_values)]


def observable_charts(findings: Findings) -> list[Chart]:
    """Each observable that has a title, a line per window length; SHC of one length is shown already."""
    charts: list[Chart] = []
    windows = findings.settings.windows[: 2 * len(SERIES)]
    table = findings.observables
    of = {window: table[table["window"] == window] for window in windows}
    steps = np.unique(np.concatenate([few[STEP].to_numpy(np.int64) for few in of.values()]))
    for row in OBSERVABLES.values():
        if not row.title or (row.name == "shc" and len(windows) == 1):
            continue
        lines: list[Line] = []
        for number, (window, few) in enumerate(of.items()):
            values = np.full(len(steps), np.nan)
            values[np.searchsorted(steps, few[STEP].to_numpy(np.int64))] = few[row.name].to_numpy()
            lines.append(
                Line(
                    label=f"{window} rows",
                    role=SERIES[number % len(SERIES)],
                    values=drawn_values(values, row.scale),
                    kind="solid" if number < len(SERIES) else "dashed",
                )
            )
        title = with_unit(row.title, row.unit, shown(findings.run.unit, 20))
        charts.append(Chart(key=row.name, title=title, steps=steps, lines=lines, decades=row.scale == "log"))
    return charts


def scalar_charts(findings: Findings) -> tuple[list[Chart], int]:
    """A chart for each scalar, those that were named first; and how many have none."""
    scalars = findings.run.scalars
    truths = [text for text in findings.settings.truth]
    names = [str(name) for name in scalars.columns if name != STEP]
    names.sort(key=lambda name: not any(text.startswith(name) for text in truths))
    charts: list[Chart] = []
    drawn = 0
    for number, name in enumerate(names):
        values = pd.to_numeric(scalars[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        there = np.isfinite(values)
        if not there.any():
            continue
        drawn += 1
        if len(charts) < _MOST_SCALARS:
            line = Line(
                label=shown(name, 40), role="series-1", values=np.clip(values[there], -_LARGEST, _LARGEST)
            )
            steps = scalars[STEP].to_numpy(np.int64)[there]
            charts.append(Chart(key=f"scalar_{number}", title=shown(name, 60), steps=steps, lines=[line]))
    return charts, drawn - len(charts)


def gaussian_charts(findings: Findings) -> list[Chart]:
    """SHC and total variance over draws of the weights, where some step has a value."""
    table = findings.gaussian
    if not np.isfinite(table["shc"]).any():
        return []
    steps, unit = table[STEP].to_numpy(np.int64), shown(findings.run.unit, 20)
    return [
        Chart(
            key=f"gaussian_{name}",
            title=with_unit(f"Gaussian 2RDM: {title} over weight draws", power, unit),
            steps=steps,
            lines=[Line(label=title, role="series-1", values=_log(table[name].to_numpy(np.float64)))],
            decades=True,
        )
        for name, title, power in (("shc", "SHC", "loss⁴"), ("total_variance", "total variance", "loss²"))
    ]


def _log(values: Float64[np.ndarray, " steps"]) -> Float64[np.ndarray, " steps"]:
    """log10, NaN where there is none."""
    logs = np.full(len(values), np.nan)
    there = np.isfinite(values) & (values > 0)
    logs[there] = np.log10(values[there])
    return logs


def _step(value: object) -> int | None:
    return None if is_missing(value) else int(value)  # pyright: ignore[reportArgumentType]
