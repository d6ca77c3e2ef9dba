"""What is compared of each run: found now, or kept from before?

a saved analysis -> as it is
a run of which is kept what was found, beside it or in a cache, and still holds -> that
any other run -> looked at, here or by the workers of an executor, and kept
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from rdmtools.analysis.findings import Findings, find_brief
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import ParameterError, RdmtoolsError, RdmtoolsWarning
from rdmtools.executor import noted, results
from rdmtools.format.names import ANALYSIS_FOLDER, SUMMARY_FILE
from rdmtools.read.paths import companion_of, located
from rdmtools.read.read import read, warn_of_guesses
from rdmtools.read.stores import Location
from rdmtools.results.fingerprint import fingerprint
from rdmtools.results.named_runs import Comparable
from rdmtools.results.read_analysis import SavedAnalysis
from rdmtools.results.saved import Compared, Keeping, compared, saved, still_holding
from rdmtools.run.progress import Progress
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

NOTHING_KEPT = Keeping()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One run to be analysed, and under which name to keep what is found."""

    name: str
    run: Run | Location
    settings: AnalysisSettings
    rules: Rules
    key: str | None = None
    place: Path | None = None
    """Where what is found is kept."""
    home: int = field(default_factory=os.getpid)
    """The process that hears warnings."""


def compared_run(
    name: str,
    run: Comparable,
    settings: AnalysisSettings,
    rules: Rules,
    *,
    keeping: Keeping = NOTHING_KEPT,
    opening: Progress | None = None,
    analysing: Progress | None = None,
) -> Compared:
    """What is compared of one run, analysed here where that is still to do.

    `opening` and `analysing` are told as `read_run` and `analyze` tell.
    """
    known = _known(name, run, settings, rules, keeping)
    if isinstance(known, Compared):
        return known
    return _kept(known, _analysed(known, opening=opening, analysing=analysing), keeping)


def each_compared(
    named: Mapping[str, Comparable],
    settings: AnalysisSettings,
    rules: Rules,
    *,
    executor: Executor | None = None,
    keeping: Keeping = NOTHING_KEPT,
) -> Iterator[tuple[str, Compared | RdmtoolsError]]:
    """What is compared of each run by its name, in order, or what is wrong with that run."""
    known: dict[str, Compared | RdmtoolsError | _Job] = {}
    for name, run in named.items():
        try:
            known[name] = _known(name, _elsewhere(run), settings, rules, keeping)
        except RdmtoolsError as error:
            known[name] = error
    jobs = [each for each in known.values() if isinstance(each, _Job) and not isinstance(each.run, Run)]
    told = iter(()) if executor is None else results(_told, ((job, 0) for job in jobs), executor)
    for name, each in known.items():
        if not isinstance(each, _Job):
            yield name, each
            continue
        here = executor is None or isinstance(each.run, Run)  # a run in memory is shared out by rows
        found, notes = _told(each, executor) if here else next(told)
        for note in notes:
            warnings.warn(note, RdmtoolsWarning, stacklevel=2)
        yield name, found if isinstance(found, RdmtoolsError) else _kept(each, found, keeping)


def _known(
    name: str,
    run: Comparable,
    settings: AnalysisSettings,
    rules: Rules,
    keeping: Keeping,
) -> Compared | _Job:
    """What is known of the run already, else what there is to do."""
    if isinstance(run, Findings):
        return compared(run)
    if isinstance(run, SavedAnalysis):
        return run.compared()
    if isinstance(run, Run):
        return _Job(name=name, run=run, settings=settings, rules=rules)
    if not isinstance(run, str | Location):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"run {name!r} is a {type(run).__name__}; needed an Analysis, a Run or a path")
    path = located(run)
    if isinstance(path, Path) and (path / SUMMARY_FILE).is_file():
        return saved(path, whole=keeping.whole)
    beside = companion_of(path) / ANALYSIS_FOLDER
    places = [beside] if isinstance(beside, Path) and (beside / SUMMARY_FILE).is_file() else []
    asked = places or keeping.beside or keeping.cache is not None
    key = fingerprint(path, rules, settings) if asked else None
    if key is None:
        return _Job(name=name, run=path, settings=settings, rules=rules)
    place = keeping.place(path, key)
    if place is not None:
        places.append(place)
    found = None if keeping.fresh else still_holding(places, key, whole=keeping.whole)
    return found or _Job(name=name, run=path, settings=settings, rules=rules, key=key, place=place)


def _elsewhere(run: Comparable) -> Comparable:
    """The same run, for a worker in another folder."""
    place = located(run) if isinstance(run, str | Location) else run
    return place.absolute() if isinstance(place, Path) else place


def _told(job: _Job, executor: Executor | None = None) -> tuple[Compared | RdmtoolsError, list[str]]:
    """The run analysed, or what is wrong with it; and what was warned of meanwhile."""
    notes: list[str] = []
    try:
        return _analysed(job, notes, executor=executor), notes
    except RdmtoolsError as error:
        return error, notes


def _analysed(
    job: _Job,
    notes: list[str] | None = None,
    *,
    executor: Executor | None = None,
    opening: Progress | None = None,
    analysing: Progress | None = None,
) -> Compared:
    run = job.run
    if not isinstance(run, Run):
        with noted(job.home) as told:
            run = read(run, job.rules, name=job.name, progress=opening)
            warn_of_guesses(run)
        if notes is not None:
            notes += told
    return compared(find_brief(run, job.settings, executor=executor, progress=analysing))


def _kept(job: _Job, found: Compared, keeping: Keeping) -> Compared:
    if job.place is not None and job.key is not None:
        keeping.put(found, job.place, job.key)
    return found
