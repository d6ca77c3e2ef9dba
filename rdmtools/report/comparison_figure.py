"""How do runs look side by side on paper? Their observables over training, alarms in their run's stroke."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rdmtools.analysis.observables import leading_first
from rdmtools.format.names import STEP
from rdmtools.report.panels import observable_panel
from rdmtools.report.stack import POINTS, Sheet, stacked
from rdmtools.report.style import (
    LABEL_PT,
    LINE_IN,
    WIDE_IN,
    colour,
    drawable,
    drawable_words,
    is_dashed,
    own_style,
    series_colour,
)
from rdmtools.report.svg import save_figure
from rdmtools.results.compared_words import need_runs
from rdmtools.results.controls import in_order
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

MOST_RUNS_DRAWN = 8
_SHORT = 22
"""Characters of the longest name of which four stand side by side."""


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
    need_runs(comparison.runs)
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
        for alarm in events["alarm_step"].tolist():
            axes.axvline(alarm, linewidth=0.9, zorder=1.5, **stroke(index))


def stroke(index: int) -> dict[str, Any]:
    """Colour and dash of the index-th run."""
    return {"color": series_colour(index), "linestyle": "--" if is_dashed(index) else "-"}


def _stack(comparison: "Comparison") -> Figure:
    tables = tables_of(comparison, comparison.observables)
    names = drawn_runs(comparison)
    words = [drawable_words(shown(name, 40)).replace("$", r"\$") for name in names]
    across = 4 if max(map(len, words)) <= _SHORT else 2
    left_out = len(comparison.runs) - len(names)
    more = f"; {counted(left_out, 'more run')} not drawn" if left_out else ""
    shc, *others = [observable for observable in leading_first() if observable.compared]
    # The key has lines of its own above the first panel.
    titles = [("", "ink")] * -(-len(names) // across) + [(f"{shc.title}; upright: alarms{more}", "ink")]

    def draw(axes: Axes, sheet: Sheet) -> None:
        mark_alarms(axes, comparison)
        axes.figure.legend(
            handles=[Line2D([], [], label=name, **stroke(index)) for index, name in enumerate(words)],
            loc="upper left",
            bbox_to_anchor=(sheet.left_in / sheet.width_in, 1.0),
            ncols=across,
            frameon=False,
            fontsize=LABEL_PT,
            labelspacing=72 * LINE_IN / LABEL_PT - 1,
            handlelength=1.8,
            borderpad=0,
            borderaxespad=0.9,
            labelcolor=colour("muted"),
        )

    panels = [observable_panel(shc, tables, titles=titles, draw=draw, height_in=1.0)]
    panels += [observable_panel(row, tables, titles=[(row.title, "ink")], height_in=1.0) for row in others]
    steps = np.concatenate([table[STEP].to_numpy() for table in tables])
    first, last = float(steps.min()), float(steps.max())
    points = POINTS // (len(panels) * len(tables))
    return stacked(panels, width_in=WIDE_IN, steps=(first, max(last, first + 1)), points=points)
