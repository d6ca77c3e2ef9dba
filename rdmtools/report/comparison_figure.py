"""How do runs look side by side on paper? Their observables over training, alarms in their run's stroke."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdmtools.analysis.observables import leading_first
from rdmtools.format.names import STEP
from rdmtools.report.panels import observable_panel
from rdmtools.report.stack import POINTS, Sheet, stacked
from rdmtools.report.style import WIDE_IN, drawable, is_dashed, own_style, series_colour, series_title
from rdmtools.report.svg import save_figure
from rdmtools.results.controls import in_order
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

MOST_RUNS_DRAWN = 8


def comparison_figure(comparison: "Comparison") -> Figure:
    """SHC, total variance, PR and mean loss of the first eight runs over training, alarms marked."""
    with own_style():
        return drawable(_stack(comparison))


def save_comparison_figure(comparison: "Comparison", folder: Path, formats: Sequence[str]) -> None:
    """comparison.png, .svg, .pdf, of those named, into a new folder."""
    folder.mkdir()
    with own_style():
        save_figure(_stack(comparison), folder / "comparison", formats)


def tables_of(comparison: "Comparison", table: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of a table of each run that is drawn, of its first window length."""
    windows = dict(zip(comparison.runs["run"], comparison.runs["window"], strict=True))
    return [
        table[(table["run"] == name) & (table["window"] == windows[name])] for name in drawn_runs(comparison)
    ]


def drawn_runs(comparison: "Comparison") -> list[str]:
    """The names of the runs that are drawn, in the order and so in the colours of the page."""
    return [name for name, _ in in_order(comparison.runs)[:MOST_RUNS_DRAWN]]


def mark_alarms(axes: Axes, comparison: "Comparison") -> None:
    """Alarms as lines in their run's colour and dash."""
    for index, events in enumerate(tables_of(comparison, comparison.events)):
        stroke = "--" if is_dashed(index) else "-"
        for alarm in events["alarm_step"].tolist():
            axes.axvline(alarm, color=series_colour(index), linestyle=stroke, linewidth=0.9, zorder=1.5)


def _stack(comparison: "Comparison") -> Figure:
    tables = tables_of(comparison, comparison.observables)
    names = drawn_runs(comparison)
    legend = [series_title(shown(name, 50), index) for index, name in enumerate(names)]
    if left_out := len(comparison.runs) - len(names):
        legend.append((f"and {counted(left_out, 'run')} not drawn", "muted"))
    shc, *others = [observable for observable in leading_first() if observable.compared]
    legend.append((f"{shc.title}; │ alarm", "ink"))

    def draw(axes: Axes, _: Sheet) -> None:
        mark_alarms(axes, comparison)

    panels = [observable_panel(shc, tables, titles=legend, draw=draw, height_in=1.0)]
    panels += [observable_panel(row, tables, titles=[(row.title, "ink")], height_in=1.0) for row in others]
    steps = np.concatenate([table[STEP].to_numpy() for table in tables])
    first, last = float(steps.min()), float(steps.max())
    points = POINTS // (len(panels) * len(tables))
    return stacked(panels, width_in=WIDE_IN, steps=(first, max(last, first + 1)), points=points)
