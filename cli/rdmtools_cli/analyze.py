"""`rdmtools analyze`: runs -> events on the screen, tables and a report on disk."""

import os
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import typer

from rdmtools.analyses import save
from rdmtools.analysis.control import Control
from rdmtools.analysis.findings import find, find_control
from rdmtools.analysis.judged import TOO_SHORT
from rdmtools.analysis.reference import ReferenceRun
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import ParameterError, RdmtoolsError
from rdmtools.executor import noted, results
from rdmtools.format.names import ANALYSIS_FOLDER, FINGERPRINT, REPORT_FILE
from rdmtools.read.paths import companion_of, named_paths, only_path
from rdmtools.read.read import read, warn_of_guesses
from rdmtools.read.stores import Location, StorePath
from rdmtools.references import reference_paths, reference_runs
from rdmtools.results.checked import checked_summary
from rdmtools.results.fingerprint import fingerprint, of_references, sealed
from rdmtools.results.first_words import read_first_words
from rdmtools.results.folder import (
    ANALYSIS,
    clear_leftovers,
    figure_formats,
    refuse_address,
    refuse_other_run,
    settled,
)
from rdmtools.results.plain import plain
from rdmtools.results.saved import is_whole
from rdmtools.run.rules import Rules
from rdmtools_cli import console
from rdmtools_cli.notes import Notes
from rdmtools_cli.told import print_run
from rdmtools_cli.workers import Sharing, staff

TOO_SHORT_CODE = 3
"""Exit code where a run is too short to judge, at every window length."""
_RUNS_A_WORKER = 4
"""So many take longer than a process to begin."""
_LARGE = 4_000_000
"""Losses from which on threads are worth it."""


def analyze(
    runs: list[str],
    *,
    settings: AnalysisSettings,
    out: Path | None,
    reference: list[str] | None,
    control: str | None,
    report: bool,
    figures: str,
    open_page: bool,
    rules: Rules,
    sharing: Sharing,
    fresh: bool,
    as_json: bool,
) -> bool:
    """When did the network reorganise, how early did it show, and which samples moved?"""
    formats = figure_formats(figures)
    if open_page and not report:
        raise ParameterError("--open shows a page, and --no-report makes none; give one of them")
    paths = named_paths(runs)
    folders = _folders(paths, out)
    named = of_references(reference_paths(reference or []))
    control_path = None if control is None else only_path(control)
    named_control = of_references([] if control_path is None else [control_path])
    jobs = {
        name: Job(
            name=name,
            path=path,
            rules=rules,
            settings=settings,
            folder=folders[name],
            report=report,
            figures=formats,
            named=named,
            named_control=named_control,
        )
        for name, path in paths.items()
    }
    unchanged = set[str]() if fresh else {name for name, job in jobs.items() if job.unchanged()}

    short: list[str] = []
    told: list[Job] = []
    notes = Notes(paths)

    def tell(name: str, job: Job) -> None:
        with notes.of(name):
            if _print(job, name in unchanged, as_json, notes, first=not told):
                short.append(name)
        told.append(job)

    with (
        notes.all_told(),
        staff(sharing, runs=len(jobs) - len(unchanged), worth=_RUNS_A_WORKER) as (executor, count, threads),
    ):
        if reference and len(unchanged) < len(jobs):
            with console.patient_progress("reference runs") as phase:
                bar = phase("reading", console.in_runs)
                found = reference_runs(reference, settings, rules, executor=executor, progress=bar)
            jobs = {name: replace(job, references=tuple(found)) for name, job in jobs.items()}
        if control_path is not None and len(unchanged) < len(jobs):
            try:
                beside = _control(control_path, rules, settings, executor)
            except RdmtoolsError as error:
                console.print_error(error, str(control_path), as_json)
                return False
            jobs = {name: replace(job, control=beside) for name, job in jobs.items()}

        def work(name: str, job: Job) -> None:
            if name not in unchanged:
                with console.patient_progress(name) as phase, notes.of(name):
                    job.do(phase, executor, threads)
            tell(name, job)

        if executor is None or len(jobs) < count:
            done = console.all_done(jobs, work, as_json)
        else:
            done = console.all_taken(jobs, _answers(jobs, unchanged, executor, notes), tell, as_json)
    if open_page and told:
        console.open_page(told[0].folder / REPORT_FILE)
    if done and short:
        raise typer.Exit(TOO_SHORT_CODE)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run to be analysed, and the folder of its results."""

    name: str
    path: Location
    rules: Rules
    settings: AnalysisSettings
    folder: Path
    report: bool
    figures: tuple[str, ...] = ()
    named: str | None = ""
    """A name for all that its references depend on."""
    references: tuple[ReferenceRun, ...] = ()
    named_control: str | None = ""
    """The same for its control."""
    control: Control | None = None
    home: int = field(default_factory=os.getpid)
    """The process that hears warnings."""

    def __str__(self) -> str:
        return str(self.path)

    def do(
        self, phase: console.Phase, executor: Executor | None = None, threads: Executor | None = None
    ) -> list[str]:
        """Read, analyse, save; returns what was warned of, where nobody hears it.

        `threads` share the rows of a run that is large enough, where there is no `executor` to do it.
        """
        if isinstance(self.path, Path) and self.folder == _beside(self.path):
            refuse_other_run(self.folder, self.path)
        # Before the run is read: that of a run which changes meanwhile never fits again.
        name = self.fingerprint()
        with noted(self.home) as notes:
            run = read(self.path, self.rules, name=self.name, progress=phase("opening"))
        if executor is None and run.shape[0] * run.shape[1] >= _LARGE:
            executor = threads
        rows = partial(console.in_rows, row_bytes=run.shape[1] * run.dtype.itemsize)
        findings = find(
            run,
            self.settings,
            references=self.references,
            control=self.control,
            executor=executor,
            progress=phase("analysing", rows),
        )
        save(findings, self.folder, report=self.report, figures=self.figures, fingerprint=name)
        return notes

    def fingerprint(self) -> str | None:
        """A name for all that the analysis depends on."""
        return fingerprint(self.path, self.rules, self.settings, self.named, self.named_control)

    def elsewhere(self) -> "Job":
        """The same, for a process that works in another folder."""
        path = self.path.absolute() if isinstance(self.path, Path) else self.path
        return replace(self, path=path, folder=self.folder.absolute())

    def unchanged(self) -> bool:
        """Whether the results in place are those that would be made again."""
        clear_leftovers(self.folder, ANALYSIS)
        if not is_whole(self.folder, report=self.report, figures=self.figures):
            return False
        try:
            summary = checked_summary(self.folder)
            read_first_words(self.folder)
            made, run = summary[FINGERPRINT], summary["run"]
            if (run["name"], run["source"]) != (plain(self.name), plain(str(self.path))):
                return False
        except (OSError, ValueError, LookupError, RdmtoolsError):
            return False
        name = self.fingerprint()
        return name is not None and made == sealed(summary, name)


def _control(path: Location, rules: Rules, settings: AnalysisSettings, executor: Executor | None) -> Control:
    """The course of the control, found once for all runs."""
    with console.patient_progress("the control") as phase:
        run = read(path, rules, progress=phase("opening"))
        warn_of_guesses(run)
        return find_control(run, settings, executor=executor, progress=phase("analysing", console.in_rows))


def _answers(
    jobs: Mapping[str, Job], unchanged: Set[str], executor: Executor, notes: Notes
) -> Iterator[Job | RdmtoolsError]:
    """Each job, done by one worker where there is something to do, or what is wrong with its run."""
    todo = [job.elsewhere() for name, job in jobs.items() if name not in unchanged]
    answers = results(_answer, ((job, 0) for job in todo), executor)
    for name, job in jobs.items():
        error, warned = (None, []) if name in unchanged else next(answers)
        with notes.of(name):
            notes.add(warned)
        yield error or job


def _answer(job: Job) -> tuple[RdmtoolsError | None, list[str]]:
    """What is wrong with the run, if it could not be done; and what was warned of meanwhile."""
    try:
        return None, job.do(console.quietly)
    except RdmtoolsError as error:
        return error, []


def _folders(paths: Mapping[str, Location], out: Path | None) -> dict[str, Path]:
    """Where the results of each run go. Raises ParameterError where they would be in each other's way."""
    if out is not None:
        refuse_address(out)
        out = settled(out)
    folders: dict[str, Path] = {}
    owners: dict[Path, Location] = {}
    for name, path in paths.items():
        if out is not None:
            folder = out if len(paths) == 1 else out / name
        elif isinstance(path, StorePath):
            raise ParameterError(f"{path} lies in a store, where nothing is written; needed --out DIR")
        else:
            folder = _beside(path)
        if (other := owners.setdefault(folder, path)) != path:  # x.parquet and x.csv
            raise ParameterError(
                f"{other} and {path} have one folder for results, {folder.parent}; needed one each; "
                "choose another with --out, or rename one"
            )
        folders[name] = folder
    for place in owners:  # a folder is replaced as a whole, with all in it
        for inside in owners:
            if place in inside.parents:
                raise ParameterError(
                    f"results in {inside} would lie inside those in {place}; needed them side by side; "
                    "choose another --out for one, or rename a run"
                )
    return folders


def _beside(path: Path) -> Path:
    """Where results go by default."""
    return companion_of(path) / ANALYSIS_FOLDER


def _print(job: Job, unchanged: bool, as_json: bool, notes: Notes, first: bool) -> bool:
    """What the folder of results says; returns whether the run is too short to judge."""
    summary = checked_summary(job.folder)
    short = all(judged.get("status") == TOO_SHORT for judged in summary["judged"])
    if as_json:
        console.print_json(summary)
        return short
    if not first:
        console.print_text("")
    words = read_first_words(job.folder)
    print_run(summary, words, partial(notes.add, summary["notes"], result=True))
    place = job.folder / REPORT_FILE if job.report else job.folder
    since = "  (unchanged since it was analysed; --fresh makes it again)" if unchanged else ""
    console.print_path(place, "report: " if job.report else "tables: ", since)
    return short
