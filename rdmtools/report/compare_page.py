"""How do runs look side by side? One table, one figure, one page, and the tables as files.

runs.parquet  events.parquet  observables.parquet  comparison.json
comparison.html               figures/comparison.png, .svg
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdmtools import __version__
from rdmtools.analysis.observables import leading_first
from rdmtools.format.names import FIGURES_FOLDER, STEP
from rdmtools.report.drawings import drawings
from rdmtools.report.page import render, write_page
from rdmtools.report.panels import observable_panel
from rdmtools.report.stack import POINTS, Sheet, stacked
from rdmtools.report.style import WIDE_IN, drawable, own_style, series_colour, series_title
from rdmtools.report.svg import save_figure
from rdmtools.results.folder import COMPARISON, PAGE_FILE, replaced, settled, write_json, write_tables
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, number, shown
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

_MOST_RUNS_DRAWN = 8
_MOST_RUNS_TOLD = 500


def save_comparison(comparison: "Comparison", folder: str | Path) -> Path:
    """Write tables, figure and page into a folder, replaced as a whole; returns the page.

    Raises
    ------
    ParameterError
        Where the place cannot be written, or it holds an analysis or files that rdmtools did not write.
    """
    folder = settled(folder)
    with replaced(folder, COMPARISON) as place:
        write_tables(place, {name: getattr(comparison, name) for name in COMPARISON.tables})
        found = {"contents": COMPARISON.mark, "rdmtools": __version__, "runs": plain_records(comparison.runs)}
        write_json(place / COMPARISON.marked_file, found)
        figures = place / FIGURES_FOLDER
        figures.mkdir()
        with own_style():
            drawn = save_figure(_overview(comparison, WIDE_IN), figures / "comparison")
        write_page(_page(comparison, drawn), place / PAGE_FILE)
    return folder / PAGE_FILE


def comparison_figure(comparison: "Comparison") -> Figure:
    """SHC, total variance, PR and mean loss of the first runs over training, alarms marked."""
    with own_style():
        return drawable(_overview(comparison, WIDE_IN))


def _overview(comparison: "Comparison", width_in: float) -> Figure:
    names = comparison.runs["run"].head(_MOST_RUNS_DRAWN).tolist()
    windows = dict(zip(comparison.runs["run"], comparison.runs["window"], strict=True))

    def of_each(table: pd.DataFrame) -> list[pd.DataFrame]:
        return [table[(table["run"] == name) & (table["window"] == windows[name])] for name in names]

    def mark_alarms(axes: Axes, _: Sheet) -> None:
        for index, events in enumerate(of_each(comparison.events)):
            for alarm in events["alarm_step"].tolist():
                axes.axvline(alarm, color=series_colour(index), linewidth=0.9, zorder=1.5)

    legend = [series_title(shown(name, 50), index) for index, name in enumerate(names)]
    if left_out := len(comparison.runs) - len(names):
        legend.append((f"and {counted(left_out, 'run')} not drawn", "muted"))
    tables = of_each(comparison.observables)
    shc, *others = [observable for observable in leading_first() if observable.compared]
    legend.append((f"{shc.title}; │ alarm", "ink"))
    panels = [observable_panel(shc, tables, titles=legend, draw=mark_alarms, height_in=1.0)]
    panels += [observable_panel(row, tables, titles=[(row.title, "ink")], height_in=1.0) for row in others]
    steps = np.concatenate([table[STEP].to_numpy() for table in tables])
    first, last = float(steps.min()), float(steps.max())
    points = POINTS // (len(panels) * len(tables))
    return stacked(panels, width_in=width_in, steps=(first, max(last, first + 1)), points=points)


def _page(comparison: "Comparison", drawn: str) -> str:
    """The page, with the figure as `drawn`; columns that are the same for all runs are told once."""
    runs = comparison.runs
    cells = {name: [_cell(value) for value in runs[name].head(_MOST_RUNS_TOLD)] for name in runs.columns}
    same = [name for name in cells if name != "run" and len(runs) > 1 and len(set(cells[name])) == 1]
    told = [name for name in cells if name not in same]
    return render(
        "side_by_side.html.jinja",
        name=f"{counted(len(runs), 'run')} side by side",
        overview=drawings(partial(_overview, comparison), "Observables of the runs.", wide=drawn),
        columns=[(shown(name, 40).replace("_", " "), _numeric(runs[name])) for name in told],
        rows=list(zip(*(cells[name] for name in told), strict=True)),
        same={shown(name, 40).replace("_", " "): cells[name][0] for name in same},
        untold=max(len(runs) - _MOST_RUNS_TOLD, 0),
    )


def _cell(value: Any) -> str:
    if is_missing(value):
        return "–"
    return number(value) if isinstance(value, float) else shown(value, 80)


def _numeric(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
