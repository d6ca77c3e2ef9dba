"""Which panels has the overview? Each function of PANELS gives some: titles, height, scale, lines, marks.

A lane of events for each window length, the observables that are drawn, SHC by window length, the Gaussian
2RDM where draws were logged, scalars.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.analysis.observables import OBSERVABLES, Observable
from rdmtools.format.names import STEP
from rdmtools.report.heat_map import heat_map
from rdmtools.report.heat_map_panel import HEIGHT_IN, draw_heat_map
from rdmtools.report.scale import SCALES, Scale, linear_scale, log_scale
from rdmtools.report.stack import PANEL_IN, Line, Panel, Sheet
from rdmtools.report.style import (
    TEXT_PT,
    Title,
    colour,
    draw_line,
    is_dashed,
    series_colour,
    series_title,
    text_in,
)
from rdmtools.results.words import shown, with_unit
from rdmtools.run.quality import counted

_MOST_MARKED = 60
_MOST_SCALARS = 8
_MOST_SCALAR_PANELS = 4
_LANE_IN = 0.2
_NUMBER_PT = TEXT_PT - 1
_GAUSSIAN_IN = 0.7
_MOST_DOTS = 60


# Events


def event_lanes(findings: Findings) -> list[Panel]:
    """The run's name, and for each window length a lane with its events."""
    windows = findings.settings.windows
    scale = Scale(
        low=len(windows) - 0.5,  # from top to bottom
        high=-0.75,
        places=[float(lane) for lane in range(len(windows))],
        labels=[f"{'╌ ' if is_dashed(lane) else ''}{window} rows" for lane, window in enumerate(windows)],
        logarithmic=False,
    )

    def titles(sheet: Sheet) -> list[Title]:
        name = shown(findings.run.name, round(12 * sheet.width_in))
        return [(name, "ink"), *((words, "muted") for words in _event_titles(findings, sheet))]

    draw = partial(_draw_lanes, findings)
    return [Panel(titles=titles, height_in=_LANE_IN * len(windows) + 0.06, scale=scale, draw=draw)]


def _event_titles(findings: Findings, sheet: Sheet) -> list[str]:
    """What the marks in the lanes mean, a line each."""
    if not len(findings.events):
        return ["no event"]
    few = len(findings.events) <= _MOST_MARKED
    which = "events" if few else f"the {_MOST_MARKED} largest events"
    titles = [f"{which}: │ alarm  ● peak  ▬ until over"]
    if len(_numbered(findings, sheet)) < len(_marked(findings)):
        titles.append("of numbers that would overlap, the first is shown")
    return titles


def _marked(findings: Findings) -> pd.DataFrame:
    """The events that are drawn: all, or the largest of very many."""
    events = findings.events
    return events if len(events) <= _MOST_MARKED else events.nlargest(_MOST_MARKED, "rise_decades")


def _numbered(findings: Findings, sheet: Sheet) -> set[int]:
    """The events whose numbers have room: in each lane, those that begin right of the last number drawn."""
    first, last = step_range(findings)
    inch = sheet.plot_in / (last - first)
    kept: set[int] = set()
    for _, lane in _marked(findings).sort_values("alarm_step").groupby("window"):
        free = 0.0
        for event, alarm in zip(lane["event"].tolist(), lane["alarm_step"].tolist(), strict=True):
            left = float(alarm - first) * inch
            if left >= free:
                kept.add(event)
                free = left + text_in(f"{event} ", _NUMBER_PT)
    return kept


def _draw_lanes(findings: Findings, axes: Axes, sheet: Sheet) -> None:
    """For each window length a lane with a bar from each alarm to the event's end."""
    windows, events, numbered = findings.settings.windows, _marked(findings), _numbered(findings, sheet)
    last = float(findings.run.steps[-1])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    for lane, window in enumerate(windows):
        ink = series_colour(lane) if len(windows) > 1 else colour("alarm")
        axes.axhline(lane, color=colour("rule"), linewidth=0.5, zorder=0)
        if len(windows) > 1:
            axes.get_yticklabels()[lane].set_color(ink)
        for event in records(events[events["window"] == window]):
            end = last if pd.isna(event["end_step"]) else event["end_step"]
            alarm, peak = event["alarm_step"], event["shc_peak_step"]
            axes.plot([event["floor_step"], alarm], [lane, lane], color=ink, linewidth=0.8, linestyle=":")
            axes.plot([alarm, end], [lane, lane], color=ink, linewidth=2.5, solid_capstyle="butt")
            axes.plot([alarm], [lane], "|", color=ink, markersize=7, markeredgewidth=1.4)
            axes.plot([peak], [lane], "o", color=ink, markersize=4)
            if event["event"] in numbered:
                axes.annotate(
                    str(event["event"]),
                    (alarm, lane),
                    xytext=(1, 4),  # above the marks, which stand closer than numbers do
                    textcoords="offset points",
                    color=ink,
                    size=_NUMBER_PT,
                    annotation_clip=False,
                )


def _mark_alarms(findings: Findings, axes: Axes, _: Sheet | None = None) -> None:
    """Alarms as lines; of a single window length also what lasted, shaded, and peaks as dotted lines."""
    windows = findings.settings.windows
    last = float(findings.run.steps[-1])
    for event in records(_marked(findings)):
        alone = len(windows) == 1
        ink = colour("alarm") if alone else series_colour(windows.index(event["window"]))
        axes.axvline(event["alarm_step"], color=ink, linewidth=0.9, zorder=1.5)
        if alone:
            end = last if pd.isna(event["end_step"]) else event["end_step"]
            axes.axvspan(event["alarm_step"], end, color=colour("span"), linewidth=0, zorder=0)
            axes.axvline(event["shc_peak_step"], color=ink, linewidth=0.8, linestyle=":", zorder=1.5)


def _mark_watched(findings: Findings, axes: Axes, _: Sheet) -> None:
    """Alarms, and where SHC stood lowest before each and highest in each event."""
    _mark_alarms(findings, axes)
    table = findings.observables.set_index(["window", STEP])["shc"]
    windows = findings.settings.windows
    for event in records(_marked(findings)):
        ink = colour("alarm") if len(windows) == 1 else series_colour(windows.index(event["window"]))
        for name, fill in (("floor_step", "none"), ("shc_peak_step", ink)):
            place = (event["window"], event[name])
            if place in table.index:  # not where a stride left the window out
                axes.plot(
                    [event[name]],
                    [float(table.loc[place])],
                    "o",
                    markersize=4,
                    color=ink,
                    markerfacecolor=fill,
                )


# Observables


def observable_panels(findings: Findings) -> list[Panel]:
    """Each observable that is drawn, a line for each window length, with the events marked."""
    table = findings.observables
    tables = [table[table["window"] == window] for window in findings.settings.windows]
    return [
        observable_panel(
            observable,
            tables,
            titles=[(_title(findings, observable.title, observable.name), "ink")],
            draw=partial(_mark_watched if observable.name == "shc" else _mark_alarms, findings),
        )
        for observable in OBSERVABLES.values()
        if observable.title
    ]


def observable_panel(
    observable: Observable,
    tables: Sequence[pd.DataFrame],
    *,
    titles: Sequence[Title],
    draw: Callable[[Axes, Sheet], None] | None = None,
    height_in: float = PANEL_IN,
) -> Panel:
    """A line for each table of observables; SHC, in which events are looked for, stands higher."""
    lines = [(table[STEP].to_numpy(), table[observable.name].to_numpy(np.float64)) for table in tables]
    return Panel(
        titles=titles,
        height_in=height_in * (1.4 if observable.name == "shc" else 1),
        scale=SCALES[observable.scale]([values for _, values in lines]),
        lines=lines,
        draw=draw,
    )


def shc_map_panel(findings: Findings) -> list[Panel]:
    """SHC by window length; none where it adds nothing."""
    drawn = heat_map(findings.shc_map)
    if drawn is None:
        return []

    def draw(axes: Axes, _: Sheet) -> None:
        draw_heat_map(axes, drawn, _marked(findings))

    title = _title(findings, "SHC by window length in rows", "shc")
    return [Panel(titles=[(title, "ink"), (drawn.legend, "muted")], height_in=HEIGHT_IN, draw=draw)]


def _title(findings: Findings, title: str, name: str) -> str:
    return with_unit(title, OBSERVABLES[name].unit, shown(findings.run.unit, 12))


# The Gaussian 2RDM


def has_gaussian(findings: Findings) -> bool:
    """Whether the Gaussian 2RDM has panels: a value at any step."""
    return bool(np.isfinite(findings.gaussian["shc"]).any())


def step_range(findings: Findings) -> tuple[float, float]:
    """First and last step of the run, or of its draws: they may have been logged before and after."""
    steps = findings.run.steps[[0, -1]].tolist()
    if has_gaussian(findings):
        steps += findings.gaussian[STEP].tolist()
    return float(min(steps)), float(max(steps))


def gaussian_panels(findings: Findings) -> list[Panel]:
    """SHC and total variance over draws of the weights; none without values."""
    if not has_gaussian(findings):
        return []

    def panel(name: str, title: str) -> Panel:
        steps = findings.gaussian[STEP].to_numpy()
        values = findings.gaussian[name].to_numpy(np.float64)

        def draw(axes: Axes, sheet: Sheet) -> None:
            draw_line(axes, steps, values, sheet.points, 0)
            if len(steps) <= _MOST_DOTS:
                axes.plot(steps, values, "o", markersize=3, color=series_colour(0), clip_on=False, zorder=3)
            _mark_alarms(findings, axes)

        return Panel(
            titles=[(_title(findings, f"Gaussian 2RDM: {title}", name), "ink")],
            height_in=_GAUSSIAN_IN,
            scale=log_scale([values], ticks=3),
            draw=draw,
        )

    return [panel("shc", "SHC over weight draws"), panel("total_variance", "total variance")]


# Scalars


def scalar_panels(findings: Findings) -> list[Panel]:
    """The scalars that were logged beside the losses, those of one scale together."""
    scalars = findings.run.scalars
    shared, left_out = _sharing(scalars)
    panels: list[Panel] = []
    for names in shared:
        titles = [series_title(shown(name, 40), index) for index, name in enumerate(names)]
        if left_out and names is shared[-1]:
            titles.append((f"and {counted(left_out, 'scalar')} not drawn", "muted"))
        lines = [_logged(scalars, name) for name in names]
        values = [values for _, values in lines]
        every = np.concatenate(values)
        scale = log_scale if every.min() > 0 and every.max() > 1000 * every.min() else linear_scale
        draw = partial(_mark_alarms, findings)
        panels.append(Panel(titles=titles, scale=scale(values), lines=lines, draw=draw))
    return panels


def _sharing(scalars: pd.DataFrame) -> tuple[list[list[str]], int]:
    """Names of the scalars that share a panel, as they share a scale, and how many are left out."""
    largest = {
        str(name): float(np.abs(finite).max())
        for name in scalars.columns
        if name != STEP and len(finite := _finite(scalars[name]))
    }
    fractions = [name for name in largest if largest[name] <= 1.05 and _finite(scalars[name]).min() >= -0.05]
    panels: list[list[str]] = [fractions] if fractions else []
    others = sorted((name for name in largest if name not in fractions), key=largest.__getitem__)
    for name in others:
        joins = panels and panels[-1] is not fractions and largest[name] <= 10 * largest[panels[-1][0]]
        panels = [*panels[:-1], [*panels[-1], name]] if joins else [*panels, [name]]
    kept: list[list[str]] = []
    for panel in panels[:_MOST_SCALAR_PANELS]:
        room = _MOST_SCALARS - sum(map(len, kept))
        if room > 0:
            kept.append(sorted(panel, key=list(largest).index)[:room])
    return kept, len(largest) - sum(map(len, kept))


def _logged(scalars: pd.DataFrame, name: str) -> Line:
    """The finite values of a scalar: a line joins what was logged, however seldom."""
    column = scalars[[STEP, name]].to_numpy(np.float64)
    logged = column[np.isfinite(column[:, 1])]
    return logged[:, 0].astype(np.int64), logged[:, 1]


def _finite(column: "pd.Series[Any]") -> NDArray[np.float64]:
    values = column.to_numpy(np.float64)
    return values[np.isfinite(values)]


# From top to bottom: a new panel is a function and its name here.
PANELS: tuple[Callable[[Findings], list[Panel]], ...] = (
    event_lanes,
    observable_panels,
    shc_map_panel,
    gaussian_panels,
    scalar_panels,
)
