"""`rdmtools compare`: runs side by side."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.comparison import (
    Comparable,
    compared_run,
    each_compared,
    named_runs,
    side_by_side,
)
from rdmtools.results.folder import refuse_address
from rdmtools.results.run_pages import pages
from rdmtools.results.saved import Compared
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, shown
from rdmtools.run.rules import Rules
from rdmtools_cli import console, options
from rdmtools_cli.workers import Sharing, staff


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, or folders of saved analyses, as they are.")
    ],
    *,
    settings: Annotated[AnalysisSettings, options.Without({"stride", "spectrum", "modes"})],
    out: options.Out = None,
    rules: Rules,
    sharing: Sharing,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep analyses here, and make each but once.")
    ] = None,
    as_json: options.Json = False,
) -> bool:
    """One row a run: its events, its largest rise, SHC and total variance at its peak, its metadata.

    With --out DIR also as tables (runs.parquet, events.parquet), one figure and one page. Saved analyses keep
    the settings they were made with; what `rdmtools analyze` left beside a run is used where it still holds.
    """
    named = named_runs(runs)
    if out is not None:
        refuse_address(out)
    found: dict[str, Compared] = {}

    def work(name: str, run: Comparable) -> None:
        with console.patient_progress(name) as phase:
            bars = {"opening": phase("opening"), "analysing": phase("analysing", console.in_rows)}
            found[name] = compared_run(name, run, settings, rules, cache=cache, **bars)

    with staff(sharing) as (executor, _):
        if executor is None:
            done = console.all_done(named, work, as_json)
        else:
            answers = each_compared(named, settings, rules, executor=executor, cache=cache)
            done = console.all_taken(named, (answer for _, answer in answers), found.__setitem__, as_json)
    if not found:
        return done
    comparison = side_by_side(found, truth=settings.truth, pages=pages(named))
    page = None
    if out is not None:
        from rdmtools.report.compare_page import save_comparison  # what draws, where it is asked for

        page = save_comparison(comparison, out)
    if as_json:
        for record in plain_records(comparison.runs):
            console.print_json(record)
        return done
    _print(comparison.runs)
    if len(comparison.transitions):
        console.print_text("transitions, and how early the first alarm of each was:")
        _print(comparison.transitions)
    if page is not None:
        console.print_line(f"page: {shown(page, 4096)}")
    return done


def _print(runs: pd.DataFrame) -> None:
    """A row a run; columns that are the same for all runs are told once, above the table."""
    cells = {name: [_cell(value) for value in runs[name]] for name in runs.columns}
    same = [name for name in cells if name != "run" and len(runs) > 1 and len(set(cells[name])) == 1]
    if same:
        shared = ", ".join(f"{shown(name)} {cells[name][0]}" for name in same)
        console.print_text(f"all runs: {shared}", "dim")
    numeric = pd.api.types.is_numeric_dtype
    console.print_table(
        [
            console.Column(shown(name).replace("_", " "), cells[name], right=numeric(runs[name].dtype))
            for name in cells
            if name not in same
        ]
    )


def _cell(value: Any) -> str:
    if is_missing(value):
        return "–"
    if isinstance(value, float):  # a step is a float where another run has none
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
    return shown(value, 60)
