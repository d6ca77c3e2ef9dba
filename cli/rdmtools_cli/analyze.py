"""`rdmtools analyze`: runs -> events on the screen, tables and a report on disk."""

import json
import os
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from rdmtools.analyses import save
from rdmtools.analysis.findings import find
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import ParameterError, RdmtoolsError
from rdmtools.executor import noted, results
from rdmtools.format.names import ANALYSIS_FOLDER, FINGERPRINT, REPORT_FILE, SUMMARY_FILE, companion
from rdmtools.read.paths import named_paths
from rdmtools.read.read import read
from rdmtools.read.stores import Location, StorePath
from rdmtools.results.fingerprint import fingerprint, sealed
from rdmtools.results.folder import refuse_address
from rdmtools.results.saved import is_whole
from rdmtools.results.summary import plain
from rdmtools.results.words import shown
from rdmtools.run.rules import Rules
from rdmtools_cli import options
from rdmtools_cli.console import (
    OUT,
    Column,
    Phase,
    all_done,
    in_rows,
    in_runs,
    one_line_errors,
    patient_progress,
    print_error,
    print_json,
    print_note,
    print_table,
    quietly,
)
from rdmtools_cli.options import DEFAULTS
from rdmtools_cli.workers import Dask, Workers, staff


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
    workers: Workers = 1,
    dask: Dask = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Analyse again what has not changed since it was analysed.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """When did the network reorganise, how early did it show, and which samples moved?

    Results go to RUN.rdm/analysis/, or to --out DIR (DIR/NAME for several runs); those of a run that has not
    changed since are left as they are. Runs in a store need --out.
    """
    with one_line_errors(as_json):
        rules = options.reading(columns, group_by, missing, nonfinite, duplicates)
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

    jobs = {
        name: Job(
            name=name,
            path=path,
            rules=rules,
            settings=settings,
            folder=out if out is None or len(paths) == 1 else out / name,
            report=report,
        )
        for name, path in paths.items()
    }
    with one_line_errors(as_json):
        _refuse_nested([job.place for job in jobs.values()])
    still = set[str]() if fresh else {name for name, job in jobs.items() if job.unchanged()}
    with one_line_errors(as_json), staff(workers, dask) as (executor, count):

        def work(name: str, job: Job) -> None:
            if name not in still:
                with patient_progress(name) as phase:
                    job.do(phase, executor)
            _print(job, name in still, as_json)

        if executor is None or len(jobs) < count:
            done = all_done(jobs, work, as_json)
        else:
            done = _shared(jobs, still, executor, as_json)
    if not done:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run to be analysed, and where its results go."""

    name: str
    path: Location
    rules: Rules
    settings: AnalysisSettings
    folder: Path | None
    report: bool
    home: int = field(default_factory=os.getpid)
    """The process that hears warnings."""

    def __str__(self) -> str:
        return str(self.path)

    @property
    def place(self) -> Path:
        """The folder of results."""
        if self.folder is not None:
            return self.folder
        assert isinstance(self.path, Path)  # a run in a store without --out was refused
        return companion(self.path) / ANALYSIS_FOLDER

    def do(self, phase: Phase, executor: Executor | None = None) -> list[str]:
        """Read, analyse, save; returns what was warned of, where nobody hears it."""
        # Before the run is read: that of a run which changes meanwhile never fits again.
        name = fingerprint(self.path, self.rules, self.settings)
        with noted(self.home) as notes:
            run = read(self.path, self.rules, name=self.name, progress=phase("opening"))
        rows = partial(in_rows, row_bytes=run.shape[1] * run.dtype.itemsize)
        findings = find(run, self.settings, executor=executor, progress=phase("analysing", rows))
        save(findings, self.folder, report=self.report, fingerprint=name)
        return notes

    def elsewhere(self) -> "Job":
        """The same, for a process that works in another folder."""
        path = self.path.absolute() if isinstance(self.path, Path) else self.path
        return replace(self, path=path, folder=self.folder and self.folder.absolute())

    def unchanged(self) -> bool:
        """Whether the results in place are those that would be made again."""
        if not is_whole(self.place, report=self.report):
            return False
        try:
            summary = json.loads((self.place / SUMMARY_FILE).read_text(encoding="utf-8"))
            made, run = summary[FINGERPRINT], summary["run"]
            if (run["name"], run["source"]) != (plain(self.name), plain(str(self.path))):
                return False
        except (OSError, ValueError, LookupError, TypeError):
            return False
        name = fingerprint(self.path, self.rules, self.settings)
        return name is not None and made == sealed(summary, name)


def _told(job: Job) -> tuple[RdmtoolsError | None, list[str]]:
    """What is wrong with the run, if it could not be done; and what was warned of meanwhile."""
    try:
        return None, job.do(quietly)
    except RdmtoolsError as error:
        return error, []


def _shared(jobs: Mapping[str, Job], still: Set[str], executor: Executor, as_json: bool) -> bool:
    """Each run done by one worker and told in order; whether all were done."""
    todo = [job.elsewhere() for name, job in jobs.items() if name not in still]
    told = results(_told, ((job, 0) for job in todo), executor)
    failed = False
    with patient_progress(f"{len(jobs)} runs") as phase:
        tell = phase("analysing", in_runs)
        for done, (name, job) in enumerate(jobs.items(), start=1):
            error, notes = (None, []) if name in still else next(told)
            for note in notes:
                print_note(note)
            if error is None:
                _print(job, name in still, as_json)
            else:
                print_error(error, str(job), as_json)
                failed = True
            tell(done, len(jobs))
    return not failed


def _refuse_nested(places: list[Path]) -> None:
    """Results are replaced as a whole, and those of "x/a" with those of "a" around them."""
    for place in places:
        for other in places:
            if place in other.parents:
                raise ParameterError(
                    f"results in {other} would lie inside those in {place}; needed them side by side; "
                    "choose another --out for one, or rename a run"
                )


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


def _print(job: Job, unchanged: bool, as_json: bool) -> None:
    """What the summary in the folder of results says."""
    folder = job.place
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    if as_json:
        print_json(summary)
        return
    run, settings = summary["run"], summary["settings"]
    windows = ", ".join(map(str, settings["windows"]))
    OUT.print(
        Text.assemble(
            (shown(run["name"]), "bold"),
            f"  {run['rows']} rows × {run['samples']} samples, "
            f"steps {run['first_step']} to {run['last_step']}"
            f"  ·  window {windows} rows, {settings['detrend']} detrending",
        ),
        soft_wrap=True,
    )
    for note in summary["notes"]:
        OUT.print(Text(f"note: {note}", "yellow"), soft_wrap=True)
    first, *told, last = summary["verdict"].splitlines()
    OUT.print(Text(first))
    if summary["events"]:  # the table tells compactly what the verdict says in sentences
        _print_events(summary["events"], several=len(settings["windows"]) > 1)
        told = []
    OUT.print(Text("\n".join([*told, last])))
    place = folder / REPORT_FILE if job.report else folder
    since = "  (unchanged since it was analysed; --fresh makes it again)" if unchanged else ""
    OUT.print(
        Text.assemble(f"{'report' if job.report else 'tables'}: {shown(place, 4096)}", (since, "dim")),
        soft_wrap=True,
    )


def _print_events(events: list[dict[str, Any]], several: bool) -> None:
    """One line an event; shares are of the top mode and of the probe samples."""

    def column(heading: str, cell: Callable[[dict[str, Any]], Any], **how: Any) -> Column:
        return Column(heading, [str(cell(event)) for event in events], **how)

    print_table(
        [
            column("#", lambda event: event["event"], right=True),
            *([column("window", lambda event: event["window"], right=True)] if several else []),
            column("alarm", lambda event: event["alarm_step"], right=True),
            column("peak", lambda event: event["peak_step"], right=True),
            column("end", lambda e: "open" if e["end_step"] is None else e["end_step"], right=True),
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
    if event["top_group"] is None:
        return "–"
    return f"{event['top_group_share']:.0%}/{event['top_group_sample_share']:.0%}"
