"""`rdmtools analyze`: runs -> events on the screen, tables and a report on disk."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.text import Text

from rdmtools.analysis.pipeline import Analysis, AnalysisSettings
from rdmtools.analysis.pipeline import analyze as analyze_run
from rdmtools.errors import ParameterError
from rdmtools.load import read_run
from rdmtools.paths import named_paths
from rdmtools.report import save, verdict
from rdmtools.report.place import refuse_address
from rdmtools.report.words import shown
from rdmtools.schema import companion
from rdmtools.stores import Location, StorePath
from rdmtools_cli import options
from rdmtools_cli.console import (
    OUT,
    Column,
    all_done,
    in_rows,
    one_line_errors,
    patient_progress,
    print_json,
    print_table,
)
from rdmtools_cli.options import DEFAULTS


def analyze(
    runs: options.Paths,
    window: options.Windows = options.WINDOWS,
    stride: options.Stride = DEFAULTS.stride,
    detrend: options.Detrending = options.DETREND,
    spectrum: options.Spectrum = DEFAULTS.spectrum,
    decades: options.Decades = DEFAULTS.decades,
    modes: options.ModeCount = DEFAULTS.modes,
    precision: options.Precisions = options.PRECISION,
    out: options.Out = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html and figures.")
    ] = True,
    columns: options.Columns = None,
    group_by: options.GroupBy = None,
    missing: options.Missing = options.Drop.error,
    nonfinite: options.Nonfinite = options.Drop.error,
    duplicates: options.OnDuplicates = options.Duplicates.last,
    as_json: options.Json = False,
) -> None:
    """When did the network reorganise, how early did it show, and which samples moved?

    Results go to RUN.rdm/analysis/, or to --out DIR (DIR/NAME for several runs). Runs in a store need --out.
    """
    with one_line_errors(as_json):
        reading = options.reading(columns, group_by, missing, nonfinite, duplicates)
        settings = AnalysisSettings(
            windows=tuple(window),
            stride=stride,
            detrend=detrend.value,
            spectrum=spectrum,
            decades=decades,
            modes=modes,
            precision=precision.value,
        )
        paths = named_paths(runs)
        if out is None:
            _refuse_no_folder([*paths.values()])
        else:
            refuse_address(out)

    def work(name: str, path: Location) -> None:
        with patient_progress(name) as phase:
            run = read_run(path, name=name, progress=phase("opening"), **reading)
            rows = partial(in_rows, row_bytes=run.shape[1] * run.dtype.itemsize)
            analysis = analyze_run(run, settings, progress=phase("analysing", rows))
        folder = save(analysis, out if out is None or len(paths) == 1 else out / name, report=report)
        if as_json:
            print_json(analysis.summary())
        else:
            _print_analysis(analysis, folder, report)

    if not all_done(paths, work, as_json):
        raise typer.Exit(1)


def _refuse_no_folder(paths: list[Location]) -> None:
    """Nothing is written to a store, and the results of x.csv would replace those of x.parquet."""
    first: dict[Path, Path] = {}
    for path in paths:
        if isinstance(path, StorePath):
            raise ParameterError(f"{path} lies in a store, where nothing is written; needed --out DIR")
        folder = companion(path)
        if (other := first.setdefault(folder, path)) != path:
            raise ParameterError(
                f"{other} and {path} have one folder for results, {folder}; needed one each; "
                "choose another with --out, or rename one"
            )


def _print_analysis(analysis: Analysis, folder: Path, report: bool) -> None:
    rows, samples = analysis.run.shape
    windows = ", ".join(map(str, analysis.settings.windows))
    OUT.print(
        Text.assemble(
            (shown(analysis.run.name), "bold"),
            f"  {rows} rows × {samples} samples, steps {analysis.run.steps[0]} to {analysis.run.steps[-1]}"
            f"  ·  window {windows} rows, {analysis.settings.detrend} detrending",
        ),
        soft_wrap=True,
    )
    for note in analysis.run.quality.notes():
        OUT.print(Text(f"note: {note}", "yellow"), soft_wrap=True)
    first, *told, last = verdict(analysis).splitlines()
    OUT.print(Text(first))
    if len(analysis.events):  # the table tells compactly what the verdict says in sentences
        _print_events(analysis)
        told = []
    OUT.print(Text("\n".join([*told, last])))
    OUT.print(
        Text(
            f"{'report' if report else 'tables'}: {shown(folder / 'report.html' if report else folder, 4096)}"
        ),
        soft_wrap=True,
    )


def _print_events(analysis: Analysis) -> None:
    """One line an event; shares are of the top mode and of the probe samples."""
    events = [
        {str(key): value for key, value in event.items()} for event in analysis.events.to_dict("records")
    ]

    def column(heading: str, cell: Callable[[dict[str, Any]], Any], **how: Any) -> Column:
        return Column(heading, [str(cell(event)) for event in events], **how)

    several = len(analysis.settings.windows) > 1
    print_table(
        [
            column("#", lambda event: event["event"], right=True),
            *([column("window", lambda event: event["window"], right=True)] if several else []),
            column("alarm", lambda event: event["alarm_step"], right=True),
            column("peak", lambda event: event["peak_step"], right=True),
            column("end", lambda e: "open" if pd.isna(e["end_step"]) else e["end_step"], right=True),
            column("decades", lambda event: f"{event['rise_decades']:.1f}", right=True),
            column("PR", lambda event: f"{event['pr_at_peak']:.1f}", right=True),
            column("kind", lambda event: event["kind"]),
            column("losses", lambda event: event["direction"]),
            column("group", lambda event: shown(event["top_group"], 40) or "–", narrowest=20),
            column("mode/probe", _shares, right=True),
            column("samples", lambda event: event["samples_90"], right=True),
        ]
    )


def _shares(event: dict[str, Any]) -> str:
    if pd.isna(event["top_group"]):
        return "–"
    return f"{event['top_group_share']:.0%}/{event['top_group_sample_share']:.0%}"
