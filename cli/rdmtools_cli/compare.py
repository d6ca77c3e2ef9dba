"""`rdmtools compare`: runs side by side."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from rdmtools.analysis.pipeline import AnalysisSettings
from rdmtools.comparison import Comparison
from rdmtools.comparison import compare as compare_runs
from rdmtools.report import plain_records
from rdmtools_cli import options
from rdmtools_cli.console import OUT, one_line_errors, print_json
from rdmtools_cli.options import DEFAULTS


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, or folders of saved analyses, as they are.")
    ],
    window: options.Windows = options.WINDOWS,
    detrend: options.Detrending = options.DETREND,
    decades: options.Decades = DEFAULTS.decades,
    out: options.Out = None,
    as_json: options.Json = False,
) -> None:
    """One row a run: its events, its largest rise, SHC and total variance at its peak, its metadata.

    With --out DIR also as tables (runs.parquet, events.parquet), one figure and one page. Saved analyses keep
    the settings they were made with.
    """
    with one_line_errors(as_json):
        settings = AnalysisSettings(windows=tuple(window), detrend=detrend.value, decades=decades)
        comparison = compare_runs(runs, settings)
        page = None if out is None else _save(comparison, out)
    if as_json:
        for record in plain_records(comparison.runs):
            print_json(record)
        return
    _print_runs(comparison.runs)
    if page is not None:
        OUT.print(Text(f"page: {page}"), soft_wrap=True)


def _print_runs(frame: pd.DataFrame) -> None:
    """A row a run; columns that are the same for all runs are told once, above the table."""
    same = [name for name in frame.columns if name != "run" and len(frame) > 1 and _constant(frame[name])]
    if same:
        shared = ", ".join(f"{name} {_cell(frame[name].iloc[0])}" for name in same)
        OUT.print(Text(f"all runs: {shared}", "dim"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    shown = [name for name in frame.columns if name not in same]
    for name in shown:
        numeric = pd.api.types.is_numeric_dtype(frame[name].dtype)
        heading = str(name).replace("_", " ")
        # Headings wrap between words; what stands below them does not.
        widest = max(map(len, [*heading.split(), *map(_cell, frame[name])]))
        table.add_column(Text(heading), justify="right" if numeric else "left", min_width=widest)
    for record in frame[shown].to_dict("records"):
        table.add_row(*(Text(_cell(value)) for value in record.values()))
    needed = OUT.measure(table).minimum  # a narrow terminal wraps the lines: no column is cut off
    OUT.print(table, width=max(OUT.width, needed), crop=False, no_wrap=True, overflow="ignore")


def _constant(column: pd.Series) -> bool:
    return len({_cell(value) for value in column}) == 1


def _cell(value: Any) -> str:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _save(comparison: Comparison, out: Path) -> Path:
    from rdmtools.report import save_comparison

    return save_comparison(comparison, out)
