"""What does a run look like? Observables and logged scalars over training, with the events marked.

One stack of panels over one step axis: a lane of events for each window length, SHC, PR, total variance,
autocorrelation, mean loss, SHC by window length, the Gaussian 2RDM where draws were logged, scalars. Figures
are matplotlib `Figure` objects, made without pyplot.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from rdmtools.analysis.findings import Findings
from rdmtools.format.names import STEP
from rdmtools.report.heat_map import HEIGHT_IN, draw_heat_map, heat_map
from rdmtools.report.style import (
    NAME,
    TEXT_PT,
    Scale,
    Stack,
    colour,
    draw_line,
    drawable,
    dress,
    is_dashed,
    left_margin_in,
    linear_scale,
    log_scale,
    own_style,
    put_text,
    right_margin_in,
    series_colour,
    set_scale,
    text_in,
)
from rdmtools.report.svg import write_png, write_svg
from rdmtools.results.words import power, shown
from rdmtools.run.quality import counted

WIDE_IN, NARROW_IN = 7.4, 3.7
MOST_EVENT_FIGURES = 20
_MOST_MARKED = 60
_MOST_SCALARS = 8
_MOST_SCALAR_PANELS = 4
_POINTS = 9_000
"""Points in one figure, all lines together."""
_PANEL_IN = 0.95
_LANE_IN = 0.2
_NUMBER_PT = TEXT_PT - 1
_GAUSSIAN_IN = 0.7
_MOST_DOTS = 60
_MOST_EIGENVALUES = 20
_MOST_GROUPS = 12


def overview_figure(findings: Findings) -> Figure:
    """Observables and scalars over training, events marked: one stack of panels over the step axis.

    Of several window lengths each is one line, in all panels. At most eight scalars are shown.
    """
    with own_style():
        return drawable(overview(findings))


def save_figures(findings: Findings, folder: Path) -> str:
    """overview.png and .svg, and event_1.png and .svg, … for the first events; returns the overview's SVG."""
    folder.mkdir()
    with own_style():
        drawn = _save(overview(findings), folder / "overview")
        for event in findings.events["event"].head(MOST_EVENT_FIGURES).tolist():
            _save(event_figure(findings, event), folder / f"event_{event}")
    return drawn


def _save(figure: Figure, path: Path) -> str:
    figure.set_facecolor("white")
    drawn = write_svg(figure, path.with_name(path.name + ".svg"))
    write_png(drawable(figure), path.with_name(path.name + ".png"))
    return drawn


def overview(findings: Findings, width_in: float = WIDE_IN) -> Figure:
    """The overview with the user's words as they are; drawn within `own_style`."""
    run, windows = findings.run, findings.settings.windows
    unit = shown(run.unit, 12)
    panels, left_out = _scalar_panels(run.scalars)
    points = max(_POINTS // (5 * len(windows) + sum(map(len, panels)) + 1), 200)

    specified = (
        ("shc", f"SHC, spectral heat capacity, {power(unit, '⁴')}", log_scale),
        ("pr", "PR, participation ratio, modes", linear_scale),
        ("total_variance", f"Total variance, {power(unit, '²')}", log_scale),
        ("autocorrelation", "Autocorrelation at lag 1", linear_scale),
        ("mean_loss", f"Mean loss over the window, {unit}", linear_scale),
    )
    scales = [scale([findings.observables[column].to_numpy(np.float64)]) for column, _, scale in specified]
    gaussian = (
        ("shc", f"Gaussian 2RDM: SHC over weight draws, {power(unit, '⁴')}"),
        ("total_variance", f"Gaussian 2RDM: total variance, {power(unit, '²')}"),
    )
    if not has_gaussian(findings):
        gaussian = ()
    drawn_map = heat_map(findings.shc_map)
    scales += [log_scale([findings.gaussian[column].to_numpy(np.float64)], ticks=3) for column, _ in gaussian]
    scales += [_scalar_scale(run.scalars, names) for names in panels]
    lanes = [f"{'╌ ' if is_dashed(index) else ''}{window} rows" for index, window in enumerate(windows)]
    labels = [*lanes, *(label for scale in scales for label in scale.labels)]

    first, last = _step_range(findings)

    stack = Stack(width_in=width_in, left_in=left_margin_in(labels), right_in=right_margin_in(last))
    name = (shown(run.name, round(12 * width_in)), "ink")
    numbered = _numbered(findings, stack.plot_in)
    titles = [(title, "muted") for title in _event_titles(findings, numbered)]
    stack.panel([name, *titles], _LANE_IN * len(windows) + 0.06)
    for column, title, _ in specified:
        stack.panel([(title, "ink")], _PANEL_IN * (1.4 if column == "shc" else 1))
    if drawn_map is not None:
        title = f"SHC by window length in rows, {power(unit, '⁴')}"
        stack.panel([(title, "ink"), (drawn_map.legend, "muted")], HEIGHT_IN)
    for _, title in gaussian:
        stack.panel([(title, "ink")], _GAUSSIAN_IN)
    for number, names in enumerate(panels):
        lowest = number == len(panels) - 1
        stack.panel(_scalar_titles(names, left_out if lowest else 0), _PANEL_IN)
    figure, axes = stack.figure("training step", (first, last))
    figure.texts[0].set_gid(NAME)

    _draw_lanes(axes[0], findings, lanes, numbered)
    others = list(axes[1:])
    if drawn_map is not None:
        panel = others.pop(len(specified))
        draw_heat_map(figure, panel, drawn_map, _marked(findings))
    for panel, scale in zip(others, scales, strict=True):
        set_scale(panel, scale)
    for panel, (column, _, _) in zip(others, specified, strict=False):
        _draw_observable(panel, findings, column, points)
    below = others[len(specified) :]
    for panel, (column, _) in zip(below, gaussian, strict=False):
        _draw_gaussian(panel, findings.gaussian, column, points)
    for panel, names in zip(below[len(gaussian) :], panels, strict=True):
        _draw_scalars(panel, run.scalars, names, points)
    for panel in others:
        _mark_alarms(panel, findings)
    _mark_extremes(axes[1], findings)
    return figure


def has_gaussian(findings: Findings) -> bool:
    """Whether the Gaussian 2RDM has panels: a value at any step."""
    return bool(np.isfinite(findings.gaussian["shc"]).any())


def _step_range(findings: Findings) -> tuple[float, float]:
    """First and last step of the run, or of its draws: they may have been logged before and after."""
    steps = findings.run.steps[[0, -1]].tolist()
    if has_gaussian(findings):
        steps += findings.gaussian[STEP].tolist()
    return float(min(steps)), float(max(steps))


def event_figure(findings: Findings, event: int) -> Figure:
    """One event: shares of the leading eigenvalues at its peak, and the top mode's share by group, if any
    group has more than one sample.
    """
    spectra, groups = findings.spectra, findings.groups
    shares = spectra.loc[spectra["event"] == event, "share"].head(_MOST_EIGENVALUES).to_numpy(np.float64)
    by_group = groups[(groups["event"] == event) & (groups["mode"] == 1)]
    figure = Figure(figsize=(WIDE_IN, 2.7))
    left = figure.add_axes((0.09, 0.17, 0.36, 0.62))
    dress(left)
    name = shown(findings.run.name, 60)
    put_text(figure, 0.09, 0.91, f"{name}, event {event}: the window that ends at the peak", "ink")
    put_text(figure, 0.09, 0.81, "Share of total variance by eigenvalue", "muted")
    left.plot(
        np.arange(1, len(shares) + 1), shares, "o-", markersize=3.5, linewidth=0.8, color=colour("series-1")
    )
    left.set_xlim(0.5, len(shares) + 0.5)
    left.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    set_scale(left, log_scale([shares]))
    if (by_group["samples"] > 1).any():
        _draw_groups(figure, by_group)
    return figure


def _draw_groups(figure: Figure, by_group: pd.DataFrame) -> None:
    """Each group's share of the mode as a bar, its share of the samples as a line across."""
    excess = by_group["mode_share"] - by_group["sample_share"]
    kept = by_group.loc[excess.sort_values(ascending=False).index[:_MOST_GROUPS]]
    left_out = len(by_group) - len(kept)
    axes = figure.add_axes((0.66, 0.17, 0.31, 0.62))
    dress(axes)
    axes.grid(False)
    put_text(figure, 0.66, 0.81, "Top mode by group ▬, of samples │", "muted")
    if left_out:
        put_text(figure, 0.66, 0.01, f"{counted(left_out, 'group')} not drawn", "muted")
    places = np.arange(len(kept))
    axes.barh(places, kept["mode_share"].to_numpy(), height=0.55, color=colour("series-1"))
    axes.plot(
        kept["sample_share"].to_numpy(), places, "|", color=colour("alarm"), markersize=9, markeredgewidth=1.6
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(kept), 3) - 0.4, -0.6)
    axes.set_yticks([])
    across = axes.get_yaxis_transform()
    for place, name in zip(places.tolist(), kept["group"].tolist(), strict=True):
        text = axes.text(-0.03, place, shown(name, 22), transform=across, parse_math=False)
        text.set(ha="right", va="center", color=colour("muted"), size=TEXT_PT)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", "50%", "100%"]))


def _event_titles(findings: Findings, numbered: set[int]) -> list[str]:
    """What the marks in the lanes mean, a line each."""
    if not len(findings.events):
        return ["no event"]
    few = len(findings.events) <= _MOST_MARKED
    which = "events" if few else f"the {_MOST_MARKED} largest events"
    titles = [f"{which}: │ alarm  ● peak  ▬ until over"]
    if len(numbered) < len(_marked(findings)):
        titles.append("of numbers that would overlap, the first is shown")
    return titles


def _marked(findings: Findings) -> pd.DataFrame:
    """The events that are drawn: all, or the largest of very many."""
    events = findings.events
    return events if len(events) <= _MOST_MARKED else events.nlargest(_MOST_MARKED, "rise_decades")


def _numbered(findings: Findings, plot_in: float) -> set[int]:
    """The events whose numbers have room: in each lane, those that begin right of the last number drawn."""
    first, last = _step_range(findings)
    inch = plot_in / (last - first)
    kept: set[int] = set()
    for _, lane in _marked(findings).sort_values("alarm_step").groupby("window"):
        free = 0.0
        for event, alarm in zip(lane["event"].tolist(), lane["alarm_step"].tolist(), strict=True):
            left = float(alarm - first) * inch
            if left >= free:
                kept.add(event)
                free = left + text_in(f"{event} ", _NUMBER_PT)
    return kept


def _draw_lanes(axes: Axes, findings: Findings, labels: Sequence[str], numbered: set[int]) -> None:
    """For each window length a lane with a bar from each alarm to the event's end."""
    windows, events = findings.settings.windows, _marked(findings)
    last = float(findings.run.steps[-1])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_ylim(len(windows) - 0.5, -0.75)
    axes.tick_params(length=0)
    axes.set_yticks(range(len(windows)), labels)
    for lane, window in enumerate(windows):
        ink = series_colour(lane) if len(windows) > 1 else colour("alarm")
        axes.axhline(lane, color=colour("rule"), linewidth=0.5, zorder=0)
        if len(windows) > 1:
            axes.get_yticklabels()[lane].set_color(ink)
        for event in _records(events[events["window"] == window]):
            end = last if pd.isna(event["end_step"]) else event["end_step"]
            alarm, peak = event["alarm_step"], event["peak_step"]
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


def _draw_observable(axes: Axes, findings: Findings, column: str, points: int) -> None:
    for index, window in enumerate(findings.settings.windows):
        table = findings.observables[findings.observables["window"] == window]
        draw_line(axes, table[STEP].to_numpy(), table[column].to_numpy(np.float64), points, index)


def _draw_gaussian(axes: Axes, gaussian: pd.DataFrame, column: str, points: int) -> None:
    steps, values = gaussian[STEP].to_numpy(), gaussian[column].to_numpy(np.float64)
    draw_line(axes, steps, values, points, 0)
    if len(steps) <= _MOST_DOTS:
        axes.plot(steps, values, "o", markersize=3, color=series_colour(0), clip_on=False, zorder=3)


def _mark_alarms(axes: Axes, findings: Findings) -> None:
    """Alarms as lines; of a single window length also what lasted, shaded, and peaks as dotted lines."""
    windows = findings.settings.windows
    last = float(findings.run.steps[-1])
    for event in _records(_marked(findings)):
        alone = len(windows) == 1
        ink = colour("alarm") if alone else series_colour(windows.index(event["window"]))
        axes.axvline(event["alarm_step"], color=ink, linewidth=0.9, zorder=1.5)
        if alone:
            end = last if pd.isna(event["end_step"]) else event["end_step"]
            axes.axvspan(event["alarm_step"], end, color=colour("span"), linewidth=0, zorder=0)
            axes.axvline(event["peak_step"], color=ink, linewidth=0.8, linestyle=":", zorder=1.5)


def _mark_extremes(axes: Axes, findings: Findings) -> None:
    """Where SHC stood lowest before each alarm and highest in each event."""
    table = findings.observables.set_index(["window", STEP])["shc"]
    windows = findings.settings.windows
    for event in _records(_marked(findings)):
        ink = colour("alarm") if len(windows) == 1 else series_colour(windows.index(event["window"]))
        for name, fill in (("floor_step", "none"), ("peak_step", ink)):
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


def _scalar_panels(scalars: pd.DataFrame) -> tuple[list[list[str]], int]:
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


def _scalar_titles(names: Sequence[str], left_out: int) -> list[tuple[str, str]]:
    titles = [
        (f"{'╌' if is_dashed(index) else '—'} {shown(name, 40)}", f"series-{index % 4 + 1}")
        for index, name in enumerate(names)
    ]
    return [*titles, (f"and {counted(left_out, 'scalar')} not drawn", "muted")] if left_out else titles


def _scalar_scale(scalars: pd.DataFrame, names: Sequence[str]) -> Scale:
    """Logarithmic where the scalars of a panel are positive and span over three decades."""
    values = [_finite(scalars[name]) for name in names]
    every = np.concatenate(values)
    wide = every.min() > 0 and every.max() > 1000 * every.min()
    return (log_scale if wide else linear_scale)(values)


def _draw_scalars(axes: Axes, scalars: pd.DataFrame, names: Sequence[str], points: int) -> None:
    for index, name in enumerate(names):
        column = scalars[[STEP, name]].to_numpy(np.float64)
        logged = column[np.isfinite(column[:, 1])]  # a line joins what was logged, however seldom
        draw_line(axes, logged[:, 0].astype(np.int64), logged[:, 1], points, index)


def _finite(column: "pd.Series[Any]") -> NDArray[np.float64]:
    values = column.to_numpy(np.float64)
    return values[np.isfinite(values)]


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")
