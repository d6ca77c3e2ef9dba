"""`rdmtools analyze`: runs -> events on the screen, tables and a report on disk."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from rdmtools.analysis.pipeline import Analysis, AnalysisSettings
from rdmtools.analysis.pipeline import analyze as analyze_run
from rdmtools.errors import RdmtoolsError
from rdmtools.load import read_run
from rdmtools.paths import run_names, run_paths
from rdmtools.report import save
from rdmtools.report.words import shown
from rdmtools_cli import options
from rdmtools_cli.console import OUT, one_line_errors, patient_progress, print_error, print_json
from rdmtools_cli.options import DEFAULTS


def analyze(
    runs: options.Paths,
    window: options.Windows = options.WINDOWS,
    stride: options.Stride = DEFAULTS.stride,
    detrend: options.Detrending = options.DETREND,
    spectrum: options.Spectrum = DEFAULTS.spectrum,
    decades: options.Decades = DEFAULTS.decades,
    modes: options.ModeCount = DEFAULTS.modes,
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

    Results go to RUN.rdm/analysis/, or to --out DIR (DIR/NAME for several runs).
    """
    reading = options.reading(columns, group_by, missing, nonfinite, duplicates)
    with one_line_errors(as_json):
        settings = AnalysisSettings(
            windows=tuple(window),
            stride=stride,
            detrend=detrend.value,
            spectrum=spectrum,
            decades=decades,
            modes=modes,
        )
        paths = run_paths(runs)
    failed = False
    for path, name in zip(paths, run_names(paths), strict=True):
        try:
            with patient_progress(f"reading {name}") as progress:
                analysis = analyze_run(read_run(path, name=name, **reading), settings, progress=progress)
            folder = save(analysis, out if out is None or len(paths) == 1 else out / name, report=report)
        except RdmtoolsError as error:
            print_error(error, str(path), as_json)
            failed = True
            continue
        if as_json:
            print_json(analysis.summary())
        else:
            _print_analysis(analysis, folder, report)
    if failed:
        raise typer.Exit(1)


def _print_analysis(analysis: Analysis, folder: Path, report: bool) -> None:
    summary = analysis.summary()
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
    first, *told, last = summary["verdict"].splitlines()
    OUT.print(Text(first))
    if len(analysis.events):  # the table tells compactly what the verdict says in sentences
        OUT.print(_events_table(analysis))
        told = []
    OUT.print(Text("\n".join([*told, last])))
    OUT.print(
        Text(f"{'report' if report else 'tables'}: {folder / 'report.html' if report else folder}"),
        soft_wrap=True,
    )


def _events_table(analysis: Analysis) -> Table:
    """One line an event, within 80 columns: shares are of the top mode and of the probe samples."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    several = len(analysis.settings.windows) > 1
    numbers = ["#", *(["window"] if several else []), "alarm", "peak", "end", "decades", "PR"]
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("kind", "losses", "group"):
        table.add_column(heading, no_wrap=True)
    for heading in ("mode/probe", "samples"):
        table.add_column(heading, justify="right", no_wrap=True)
    for event in analysis.events.to_dict("records"):
        grouped = not pd.isna(event["top_group"])
        shares = f"{event['top_group_share']:.0%}/{event['top_group_sample_share']:.0%}" if grouped else "–"
        table.add_row(
            str(event["event"]),
            *([str(event["window"])] if several else []),
            str(event["alarm_step"]),
            str(event["peak_step"]),
            "open" if pd.isna(event["end_step"]) else str(event["end_step"]),
            f"{event['rise_decades']:.1f}",
            f"{event['pr_at_peak']:.1f}",
            event["kind"],
            event["direction"],
            Text(shown(event["top_group"], 40) if grouped else "–"),
            shares,
            str(event["samples_90"]),
        )
    return table
