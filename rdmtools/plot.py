"""Which figures does a paper or a slide take of an analysis? One function each, on axes of your own or alone.

rdm.plot.overview, event, spectrum, map, ledger, order: each draws the tables of an `Analysis` on `ax`, or on
a new figure of a size for a column, a page or a slide, and gives the figure: ``.savefig("figure.pdf")``;
comparison those of a `Comparison`.
Colours are those of the page, told apart by the colour-blind. Nothing here touches pyplot, or a style that
somebody chose.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.errors import ParameterError
from rdmtools.format.names import STEP
from rdmtools.report.charts import Chart, Marks, drawn_values, limits_of, marks, shc_chart
from rdmtools.report.comparison_figure import drawn_runs, mark_alarms, stroke, tables_of
from rdmtools.report.event_figure import draw_spectrum
from rdmtools.report.map_picture import even_map
from rdmtools.report.png import SHADES
from rdmtools.report.style import (
    LABEL_PT,
    TEXT_PT,
    Drawing,
    colour,
    drawable_words,
    dress,
    own_style,
)
from rdmtools.report.ticks import decade_ticks, power_of_ten
from rdmtools.results.cards import changes
from rdmtools.results.words import shown

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

SIZES = {"column": (3.5, 2.3), "page": (7.2, 3.0), "slide": (6.67, 3.75)}
"""Width and height in inches; text has 8 points, so that a slide is to be drawn out to its whole width."""
_MOST_GROUPS = 16
_ROOM_IN, _KEY_IN = 5.0, 2.7
"""Widths from which a title and a key stand side by side, and from which a key takes one line."""
_ROW = 0.09
_POINTS_PER_IN = 72
_DASHES = {"dashed": "--", "solid": "-", "thin": "-"}


def overview(analysis: Findings, *, ax: Axes | None = None, size: str = "page") -> Figure:
    """SHC with its alarm line, alarms and named truths; without `ax` above the map of samples.

    Parameters
    ----------
    analysis
        What `analyze` gave.
    ax
        Axes to draw SHC on.
    size
        "column", "page" or "slide" (16:9), of a new figure.

    Returns
    -------
    Figure
        That of `ax`, or a new one, which a notebook shows.

    Raises
    ------
    ParameterError
        Where there is no such size.
    """
    events = records(analysis.events)
    window = changes(events)[0][0]["window"] if events else analysis.settings.windows[0]
    with own_style():
        if ax is not None:
            return _shc(ax, analysis, shc_chart(analysis, window), _span(analysis))
        width, height = _size(size)
        figure = Drawing(figsize=(width, max(height, 3.4)), facecolor="white", layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        _shc(above, analysis, shc_chart(analysis, window), _span(analysis), below="")
        _map(below, analysis)
        return figure


def event(analysis: Findings, event: int = 1, *, ax: Axes | None = None, size: str = "page") -> Figure:
    """SHC about one event, by its number: its floor, alarm and peak, and truths that were named near by.

    Parameters, result and errors are those of `overview`; ParameterError too where there is no such event.
    """
    row = _event(analysis, event)
    last = float(analysis.run.steps[-1]) if row["end_step"] is None else float(row["end_step"])
    first = float(row["floor_step"])
    near = [truth.t50 for truth in marks(analysis).truths if truth.alarm == row["alarm_step"]]
    last = max(last, float(row["shc_peak_step"]), *(float(step) for step in near))
    room = 0.25 * (last - first)
    first, last = max(first - room, _span(analysis)[0]), min(last + room, _span(analysis)[1])
    with own_style():
        ax = _axes(ax, size)
        figure = _shc(ax, analysis, shc_chart(analysis, row["window"]), (first, last))
        table = analysis.observables[analysis.observables["window"] == row["window"]].set_index(STEP)["shc"]
        for name, fill in (("floor_step", "white"), ("shc_peak_step", colour("ink"))):
            if row[name] in table.index:
                ax.plot([row[name]], [table.loc[row[name]]], "o", ms=4, color=colour("ink"), mfc=fill)
        return figure


def spectrum(analysis: Findings, event: int = 1, *, ax: Axes | None = None, size: str = "column") -> Figure:
    """Shares of total variance of the leading eigenvalues, in the window that ends at the event's peak.

    Parameters, result and errors are those of `event`.
    """
    _event(analysis, event)
    with own_style():
        ax = _axes(ax, size)
        draw_spectrum(ax, analysis, event)
        _say(ax, f"Event {event}: share of total variance", "eigenvalue")
        return _figure(ax)


def map(analysis: Findings, *, ax: Axes | None = None, size: str = "page") -> Figure:
    """Every sample's loss over training, a row each, on its own scale; dark is high, alarms are lines.

    Rows are sorted as those of the page. Parameters, result and errors are those of `overview`.
    """
    with own_style():
        return _map(_axes(ax, size), analysis)


def ledger(
    analysis: Findings, column: str | None = None, *, ax: Axes | None = None, size: str = "page"
) -> Figure:
    """What each group's loss was at first, at best and at last; groups of one column, as the ledger has them.

    Parameters, result and errors are those of `overview`; `column` is the map's by default, and
    ParameterError is raised where the ledger has none such.
    """
    table = analysis.ledger
    known = [name for name in table["column"].unique().tolist() if name]
    column = (analysis.sample_map.column or (known or [""])[0]) if column is None else column
    if column and column not in known:
        raise ParameterError(
            f"no column {column!r} in the ledger; choose one of {', '.join(known) or 'none'}"
        )
    rows = table[(table["column"] == column) | (table["column"] == "")].head(_MOST_GROUPS)
    with own_style():
        ax = _axes(ax, size)
        places = np.arange(len(rows))
        ends = {name: rows[f"{name}_loss"].to_numpy(np.float64) for name in ("first", "best", "last")}
        ax.hlines(places, ends["first"], ends["last"], color=colour("rule"), linewidth=2)
        ax.plot(ends["first"], places, "o", ms=5, color=colour("muted"), mfc="white", label="first")
        ax.plot(ends["best"], places, "|", ms=10, mew=1.8, color=colour("series-3"), label="best")
        ax.plot(ends["last"], places, "o", ms=5, color=colour("series-1"), label="last")
        if np.nanmin([*ends.values()]) > 0 and np.nanmax([*ends.values()]) > 30 * np.nanmin([*ends.values()]):
            ax.set_xscale("log")
        ax.margins(x=0.05)
        if ax.get_xscale() == "log":  # labels of our own, as of `_shc`
            low, high = np.log10(ax.get_xlim())
            powers = decade_ticks(low, high, 6) or [round(low)]
            ax.set_xticks([10.0**power for power in powers], [power_of_ten(power) for power in powers])
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_ylim(max(len(rows), 3) - 0.4, -0.6)
        ax.set_yticks(places, [_words(name, 24) for name in rows["group"].tolist()])
        unit = _words(analysis.run.unit, 20)
        _say(
            ax, "Mean loss by group" + (f", {_words(column, 24)}" if column else ""), unit or "loss", key=True
        )
        return _figure(ax)


def order(analysis: Findings, *, ax: Axes | None = None, size: str = "column") -> Figure:
    """How many steps log PR was half-way behind log SHC at each event, with the interval over samples.

    Parameters, result and errors are those of `overview`.
    """
    rows = analysis.order.head(_MOST_GROUPS)
    with own_style():
        ax = _axes(ax, size)
        places = np.arange(len(rows))
        ends = {name: rows[name].to_numpy(np.float64, na_value=np.nan) for name in ("lag_low", "lag_high")}
        ax.axvline(0, color=colour("muted"), linewidth=0.8, linestyle="--")
        ax.hlines(places, ends["lag_low"], ends["lag_high"], color=colour("series-1"), linewidth=2)
        lag = rows["lag_steps"].to_numpy(np.float64, na_value=np.nan)
        ax.plot(lag, places, "o", ms=5, color=colour("series-1"))
        ax.margins(x=0.08)
        ax.set_ylim(max(len(rows), 3) - 0.4, -0.6)
        ax.set_yticks(places, [f"event {number}" for number in rows["event"].tolist()])
        _say(ax, "PR half-way behind SHC", "steps; left of 0 PR was first")
        return _figure(ax)


def comparison(comparison: "Comparison", *, ax: Axes | None = None, size: str = "page") -> Figure:
    """SHC of the first eight runs of a comparison by step, alarms in the colour and dash of their run.

    Colours and dashes are those of the comparison's page. Parameters, result and errors are those of
    `overview`, of what `compare` gave.
    """
    with own_style():
        ax = _axes(ax, size)
        ax.set_yscale("log")
        values: list[Any] = []
        for index, table in enumerate(tables_of(comparison, comparison.observables)):
            shc = table["shc"].to_numpy(np.float64)
            values.append(drawn_values(shc, "log"))
            label = _words(drawn_runs(comparison)[index], 24)
            ax.plot(table[STEP], np.where(shc > 0, shc, np.nan), lw=1.1, label=label, **stroke(index))
        mark_alarms(ax, comparison)
        _decades(ax, limits_of(values, decades=True))
        figure = _figure(ax)
        narrow = ax.get_position().width * figure.get_size_inches()[0] < _ROOM_IN
        left = len(comparison.runs) - len(values)
        title = "SHC by step; upright: alarms" + (f"; {left:,} runs more" if left > 0 else "")
        _say(ax, title, "" if narrow else "training step")  # where the key stands below
        ax.legend(
            loc="upper center" if narrow else "upper left",
            bbox_to_anchor=(0.5, -0.18) if narrow else (1.0, 1.02),
            ncols=2 if narrow else 1,
            frameon=False,
            fontsize=LABEL_PT,
            labelcolor=colour("muted"),
        )
        return figure


def _shc(
    ax: Axes, analysis: Findings, chart: Chart, span: tuple[float, float], below: str = "training step"
) -> Figure:
    """A chart in decades, marked, from the first to the last step of `span`."""
    dress(ax)
    ax.set_yscale("log")
    inside = (chart.steps >= span[0]) & (chart.steps <= span[1])
    for line in chart.lines:
        if line.label != "as watched":
            how: dict[str, Any] = {"linestyle": _DASHES[line.kind], "color": colour(line.role)}
            label = _words(line.label, 40) if _width_in(ax) >= _ROOM_IN else line.label.split(" ")[0]
            label = line.label if line.role == "alarm" else label
            ax.plot(chart.steps[inside], 10 ** line.values[inside], lw=1.1, label=label, **how)
    low, high = chart.limits
    _decades(ax, (low, high + 0.18 * (high - low)))
    ax.set_xlim(*span)
    _mark(ax, marks(analysis), span)
    _say(ax, _words(chart.title, 70), below, key=True)
    return _figure(ax)


def _decades(ax: Axes, limits: tuple[float, float]) -> None:
    """Limits, which are log10, and ticks with labels of our own: matplotlib's are parsed as mathematics."""
    low, high = limits
    ax.set_ylim(10**low, 10**high)
    powers = decade_ticks(low, high, 6) or [round(low)]
    ax.set_yticks([10.0**power for power in powers], [power_of_ten(power) for power in powers])
    ax.minorticks_off()


def _mark(ax: Axes, marked: Marks, span: tuple[float, float]) -> None:
    """Alarms, T10 to T90 as a band, T50 dotted, and what lies between alarm and T50 as an arrow.

    Arrows stand in rows, each with room for its words.
    """
    per_letter = 0.6 * LABEL_PT / _POINTS_PER_IN / _width_in(ax) * (span[1] - span[0])
    ends_of_rows: list[float] = []
    for truth in sorted(marked.truths, key=lambda truth: min(truth.t50, truth.alarm or truth.t50)):
        if truth.t10 is not None and truth.t90 is not None:
            ax.axvspan(truth.t10, truth.t90, color=colour("series-1"), alpha=0.16, lw=0)
        ax.axvline(truth.t50, color=colour("series-1"), lw=1.1, linestyle=":")
        if truth.alarm is not None and span[0] <= truth.alarm <= span[1] and span[0] <= truth.t50 <= span[1]:
            across = ax.get_xaxis_transform()
            words = f" {_words(truth.label, 40)} "
            first, last = sorted([truth.alarm, truth.t50])
            room, needed = span[1] - last, per_letter * len(words)
            left = room >= needed or room >= first - span[0]  # of its words, right of the arrow
            begin = first if left else first - needed
            row = next((n for n, end in enumerate(ends_of_rows) if end < begin), len(ends_of_rows))
            ends_of_rows[row : row + 1] = [last + needed * left]
            high = 0.92 - _ROW * row
            how: dict[str, Any] = {"arrowstyle": "<->", "color": colour("ink"), "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (truth.t50, high), (truth.alarm, high), across, across, arrowprops=how)
            ax.annotate(
                words,
                (last if left else first, high),
                xycoords=across,
                ha="left" if left else "right",
                va="center",
                size=LABEL_PT,
                color=colour("ink"),
            )
    for number, alarm in enumerate(marked.alarms):
        ax.axvline(alarm, color=colour("alarm"), lw=1.3, label="alarm" if not number else "_")


def _map(ax: Axes, analysis: Findings) -> Figure:
    dress(ax)
    ax.grid(False)
    drawn, span = analysis.sample_map, _span(analysis)
    levels = even_map(drawn, *span)
    place = (span[0], span[1], len(levels) - 0.5, -0.5)
    shades = ListedColormap(SHADES / 255)
    ax.imshow(levels, cmap=shades, vmin=0, vmax=255, extent=place, aspect="auto", interpolation="none")
    tops = np.cumsum([0, *(count for _, count in drawn.groups)])
    told = [
        ((top + below - 1) / 2, _words(name, 20))
        for top, below, (name, _) in zip(tops[:-1], tops[1:], drawn.groups, strict=True)
        if below - top >= len(levels) / _MOST_GROUPS
    ]
    ax.set_yticks([middle for middle, _ in told], [name for _, name in told])
    for edge in tops[1:-1]:
        ax.axhline(edge - 0.5, color="white", lw=0.8)
    for alarm in marks(analysis).alarms:
        ax.axvline(alarm, color="white", lw=2.6, alpha=0.8)
        ax.axvline(alarm, color=colour("alarm"), lw=1.3)
    _say(ax, "Samples: dark = high loss, bright = low", "training step")
    return _figure(ax)


def _event(analysis: Findings, event: int) -> dict[str, Any]:
    events = records(analysis.events)
    for row in events:
        if row["event"] == event:
            return {name: None if value != value else value for name, value in row.items()}
    known = f"1 to {len(events)}" if events else "none"
    raise ParameterError(f"event is {event!r}; this run has {known}; choose one in analysis.events")


def _size(size: str) -> tuple[float, float]:
    if size not in SIZES:
        raise ParameterError(f"size is {size!r}; choose one of {', '.join(SIZES)}")
    return SIZES[size]


def _axes(ax: Axes | None, size: str) -> Axes:
    """`ax`, or that of a new figure, in our dress."""
    if ax is None:
        ax = Drawing(figsize=_size(size), facecolor="white", layout="constrained").subplots()
    dress(ax)
    return ax


def _width_in(ax: Axes) -> float:
    return float(ax.get_position().width * _figure(ax).get_size_inches()[0])


def _figure(ax: Axes) -> Figure:
    """The whole figure that the axes are in, of which a subfigure is a part."""
    return ax.figure.canvas.figure


def _span(analysis: Findings) -> tuple[float, float]:
    first, last = analysis.run.steps[[0, -1]].tolist()
    return float(first), float(last)


def _words(value: object, most: int) -> str:
    """A word of the user's, which is no markup: without what the font lacks, and with plain dollars."""
    return drawable_words(shown(value, most)).replace("$", r"\$")


def _say(ax: Axes, title: str, below: str, *, key: bool = False) -> None:
    """The title, below it a line for the key where one is to stand, and what the axis below is."""
    width_in = _width_in(ax)
    narrow = key and width_in < _ROOM_IN
    columns = 4 if width_in >= _KEY_IN else 2
    lines = -(-len(ax.get_legend_handles_labels()[0]) // columns) if narrow else 0
    ax.set_title(title, loc="left", size=TEXT_PT, color=colour("ink"), pad=6 + (TEXT_PT + 4) * lines)
    ax.tick_params(which="minor", color=colour("rule"))
    # As a note, since `dress` places labels of axes itself.
    at: dict[str, Any] = {
        "xytext": (0, -14 - TEXT_PT),
        "xycoords": "axes fraction",
        "textcoords": "offset points",
    }
    ax.annotate(below, (1, 0), ha="right", va="center", size=LABEL_PT, color=colour("muted"), **at)
    if key:
        legend = ax.legend(
            loc="lower left" if narrow else "lower right",
            bbox_to_anchor=(0, 1) if narrow else (1, 1),
            ncols=columns if narrow else 5,
            frameon=False,
            fontsize=LABEL_PT,
            borderaxespad=0,
            handlelength=1.4,
            columnspacing=1.2,
            labelcolor=colour("muted"),
        )
        legend.set_in_layout(False)  # the title's room is the key's, too
