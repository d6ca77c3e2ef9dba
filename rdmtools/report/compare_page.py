"""How do runs look side by side? One table, one figure, one page, and the tables as files.

runs.parquet  events.parquet  observables.parquet  comparison.json
comparison.html               figures/comparison.png, .svg
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from markupsafe import Markup
from matplotlib.figure import Figure

from rdmtools import __version__
from rdmtools.format.names import FIGURES_FOLDER, STEP
from rdmtools.report.overview import NARROW_IN, WIDE_IN
from rdmtools.report.run_page import render, write_page
from rdmtools.report.style import (
    Stack,
    draw_line,
    drawable,
    is_dashed,
    left_margin_in,
    linear_scale,
    log_scale,
    own_style,
    right_margin_in,
    series_colour,
    set_scale,
)
from rdmtools.report.svg import inline_svg, svg_text, write_png, write_svg
from rdmtools.results.folder import COMPARISON, PAGE_FILE, replaced, write_json, write_tables
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, number, shown
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

_MOST_RUNS_DRAWN = 8
_MOST_RUNS_TOLD = 500
_POINTS = 9_000


def save_comparison(comparison: "Comparison", folder: str | Path) -> Path:
    """Write tables, figure and page into a folder, replaced as a whole; returns the page.

    Raises
    ------
    ParameterError
        Where the place cannot be written, or it holds an analysis or files that rdmtools did not write.
    """
    folder = Path(folder)
    with replaced(folder, COMPARISON) as place:
        write_tables(place, {name: _storable(getattr(comparison, name)) for name in COMPARISON.tables})
        found = {"contents": COMPARISON.mark, "rdmtools": __version__, "runs": plain_records(comparison.runs)}
        write_json(place / COMPARISON.marked_file, found)
        figures = place / FIGURES_FOLDER
        figures.mkdir()
        with own_style():
            figure = _overview(comparison, WIDE_IN)
            figure.set_facecolor("white")
            drawn = write_svg(figure, figures / "comparison.svg")
            write_png(drawable(figure), figures / "comparison.png")
        write_page(_page(comparison, drawn), place / PAGE_FILE)
    return folder / PAGE_FILE


def comparison_figure(comparison: "Comparison") -> Figure:
    """SHC, total variance, PR and mean loss of the first runs over training, alarms marked."""
    with own_style():
        return drawable(_overview(comparison, WIDE_IN))


def _overview(comparison: "Comparison", width_in: float) -> Figure:
    names = comparison.runs["run"].head(_MOST_RUNS_DRAWN).tolist()
    left_out = len(comparison.runs) - len(names)
    windows = dict(zip(comparison.runs["run"], comparison.runs["window"], strict=True))
    every = comparison.observables
    tables = [every[(every["run"] == name) & (every["window"] == windows[name])] for name in names]
    steps = np.concatenate([table[STEP].to_numpy() for table in tables])
    titles = [
        (f"{'╌' if is_dashed(index) else '—'} {shown(name, 50)}", f"series-{index % 4 + 1}")
        for index, name in enumerate(names)
    ]
    more = [(f"and {counted(left_out, 'run')} not drawn", "muted")] if left_out else []
    specified = (
        ("shc", [*titles, *more, ("SHC, spectral heat capacity; │ alarm", "ink")], log_scale),
        ("total_variance", [("Total variance", "ink")], log_scale),
        ("pr", [("PR, participation ratio, modes", "ink")], linear_scale),
        ("mean_loss", [("Mean loss over the window", "ink")], linear_scale),
    )
    scales = [
        scale([table[column].to_numpy(np.float64) for table in tables]) for column, _, scale in specified
    ]
    labels = [label for scale in scales for label in scale.labels]
    first, last = float(steps.min()), float(steps.max())
    stack = Stack(width_in=width_in, left_in=left_margin_in(labels), right_in=right_margin_in(last))
    for column, above, _ in specified:
        stack.panel(above, 1.4 if column == "shc" else 1.0)
    figure, axes = stack.figure("training step", (first, max(last, first + 1)))
    for panel, scale, (column, _, _) in zip(axes, scales, specified, strict=True):
        set_scale(panel, scale)
        for index, table in enumerate(tables):
            values = table[column].to_numpy(np.float64)
            draw_line(panel, table[STEP].to_numpy(), values, _POINTS // (4 * len(tables)), index)
    for index, name in enumerate(names):
        events = comparison.events
        here = events[(events["run"] == name) & (events["window"] == windows[name])]
        for alarm in here["alarm_step"].tolist():
            axes[0].axvline(alarm, color=series_colour(index), linewidth=0.9, zorder=1.5)
    return figure


def _page(comparison: "Comparison", drawn: str) -> str:
    """The page, with the figure as `drawn`; columns that are the same for all runs are told once."""
    runs = comparison.runs
    cells = {name: [_cell(value) for value in runs[name].head(_MOST_RUNS_TOLD)] for name in runs.columns}
    same = [name for name in cells if name != "run" and len(runs) > 1 and len(set(cells[name])) == 1]
    told = [name for name in cells if name not in same]
    with own_style():
        each = {"wide": drawn, "narrow": svg_text(_overview(comparison, NARROW_IN))}
    figures = {
        name: Markup(inline_svg(text, name, "Observables of the runs.")) for name, text in each.items()
    }
    return render(
        "side_by_side.html.jinja",
        name=f"{counted(len(runs), 'run')} side by side",
        overview=figures,
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


def _storable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with metadata of several types in one column as text, since a Parquet column has one type."""
    texts: dict[str, Any] = {}
    for name in table.columns:
        try:
            pa.array(table[name], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            texts[name] = [None if is_missing(value) else str(value) for value in table[name]]
    return table.assign(**texts)
