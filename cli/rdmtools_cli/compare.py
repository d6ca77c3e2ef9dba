"""`rdmtools compare`: runs side by side."""

from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.text import Text

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.comparison import (
    Comparable,
    Comparison,
    compared_run,
    each_compared,
    named_runs,
    side_by_side,
)
from rdmtools.errors import RdmtoolsError
from rdmtools.results.folder import refuse_address
from rdmtools.results.saved import Compared
from rdmtools.results.summary import plain_records
from rdmtools.results.words import is_missing, shown
from rdmtools_cli import options
from rdmtools_cli.console import (
    OUT,
    Column,
    all_done,
    in_rows,
    in_runs,
    one_line_errors,
    patient_progress,
    print_error,
    print_json,
    print_table,
    warnings_as_notes,
)
from rdmtools_cli.options import DEFAULTS
from rdmtools_cli.workers import Dask, Workers, staff


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, or folders of saved analyses, as they are.")
    ],
    window: options.Windows = options.WINDOWS,
    detrend: options.Detrending = options.DETREND,
    decades: options.Decades = DEFAULTS.decades,
    precision: options.Precisions = options.PRECISION,
    out: options.Out = None,
    columns: options.Columns = None,
    group_by: options.GroupBy = None,
    missing: options.Missing = options.Drop.error,
    nonfinite: options.Nonfinite = options.Drop.error,
    duplicates: options.OnDuplicates = options.Duplicates.last,
    workers: Workers = 1,
    dask: Dask = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep analyses here, and make each but once.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """One row a run: its events, its largest rise, SHC and total variance at its peak, its metadata.

    With --out DIR also as tables (runs.parquet, events.parquet), one figure and one page. Saved analyses keep
    the settings they were made with; what `rdmtools analyze` left beside a run is used where it still holds.
    """
    with one_line_errors(as_json):
        rules = options.reading(columns, group_by, missing, nonfinite, duplicates)
        settings = AnalysisSettings(
            windows=tuple(window), detrend=detrend.value, decades=decades, precision=precision.value
        )
        named = named_runs(runs)
        if out is not None:
            refuse_address(out)
    found: dict[str, Compared] = {}

    def work(name: str, run: Comparable) -> None:
        with patient_progress(name) as phase:
            found[name] = compared_run(
                name,
                run,
                settings,
                rules,
                cache=cache,
                opening=phase("opening"),
                analysing=phase("analysing", in_rows),
            )

    def shared(executor: Executor) -> bool:
        failed = 0
        with patient_progress(f"{len(named)} runs") as phase, warnings_as_notes():
            tell = phase("analysing", in_runs)
            each = each_compared(named, settings, rules, executor=executor, cache=cache)
            for done, (name, result) in enumerate(each, start=1):
                if isinstance(result, RdmtoolsError):
                    print_error(result, str(named[name]), as_json)
                    failed += 1
                else:
                    found[name] = result
                tell(done, len(named))
        return not failed

    with one_line_errors(as_json), staff(workers, dask) as (executor, _):
        done = all_done(named, work, as_json) if executor is None else shared(executor)
    if found:
        comparison = side_by_side(found)
        with one_line_errors(as_json):
            page = None if out is None else _saved(comparison, out)
        _print(comparison, page, as_json)
    if not done:
        raise typer.Exit(1)


def _saved(comparison: Comparison, folder: Path) -> Path:
    from rdmtools.report.compare_page import save_comparison  # what draws, where it is asked for

    return save_comparison(comparison, folder)


def _print(comparison: Comparison, page: Path | None, as_json: bool) -> None:
    if as_json:
        for record in plain_records(comparison.runs):
            print_json(record)
        return
    _print_runs(comparison.runs)
    if page is not None:
        OUT.print(Text(f"page: {shown(page, 4096)}"), soft_wrap=True)


def _print_runs(frame: pd.DataFrame) -> None:
    """A row a run; columns that are the same for all runs are told once, above the table."""
    same = [name for name in frame.columns if name != "run" and len(frame) > 1 and _constant(frame[name])]
    if same:
        shared = ", ".join(f"{shown(name)} {_cell(frame[name].iloc[0])}" for name in same)
        OUT.print(Text(f"all runs: {shared}", "dim"))
    print_table(
        [
            Column(
                shown(name).replace("_", " "),
                [_cell(value) for value in frame[name]],
                right=pd.api.types.is_numeric_dtype(frame[name].dtype),
            )
            for name in frame.columns
            if name not in same
        ]
    )


def _constant(column: pd.Series) -> bool:
    return len({_cell(value) for value in column}) == 1


def _cell(value: Any) -> str:
    if is_missing(value):
        return "–"
    if isinstance(value, float):  # a step is a float where another run has none
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
    return shown(value, 60)
