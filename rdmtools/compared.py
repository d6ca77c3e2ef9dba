"""What is compared of a run, whether it is analysed now, was earlier, or is by somebody else?

a saved analysis -> as it is
a run whose analysis is saved beside it, or kept in a cache, and still holds -> that
any other run -> analysed, here or by the workers of an executor, and kept in the cache
"""

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

from rdmtools.analysis.pipeline import Analysis, analyze
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import FormatError, ParameterError, RdmtoolsError, RdmtoolsWarning
from rdmtools.executor import noted, results
from rdmtools.format.names import (
    ANALYSIS_FOLDER,
    EVENTS_FILE,
    FINGERPRINT,
    OBSERVABLES_FILE,
    SUMMARY_FILE,
    companion,
)
from rdmtools.format.records import check_version
from rdmtools.read.paths import located
from rdmtools.read.progress import Progress
from rdmtools.read.read import read_run
from rdmtools.read.stores import Location, StorePath
from rdmtools.results.fingerprint import fingerprint, sealed
from rdmtools.run.run import Run

Comparable = Analysis | Run | str | Path | StorePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is compared of one run, whether it was analysed now or earlier."""

    summary: dict[str, Any]
    events: pd.DataFrame
    observables: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One run to be analysed, and under which name to keep what is found."""

    name: str
    run: Run | Location
    settings: AnalysisSettings
    reading: Mapping[str, Any]
    key: str | None = None
    home: int = field(default_factory=os.getpid)
    """The process that hears warnings."""


def compared(
    name: str,
    run: Comparable,
    settings: AnalysisSettings,
    reading: Mapping[str, Any],
    *,
    cache: Path | None = None,
    opening: Progress | None = None,
    analysing: Progress | None = None,
) -> Compared:
    """What is compared of one run, analysed here where that is still to do.

    `opening` and `analysing` are told as `read_run` and `analyze` tell.
    """
    known = _known(name, run, settings, reading, cache)
    if isinstance(known, Compared):
        return known
    return _kept(known, _analysed(known, opening=opening, analysing=analysing), cache)


def each_compared(
    named: Mapping[str, Comparable],
    settings: AnalysisSettings,
    reading: Mapping[str, Any],
    *,
    executor: Executor | None = None,
    cache: Path | None = None,
) -> Iterator[tuple[str, Compared | RdmtoolsError]]:
    """What is compared of each run by its name, in order, or what is wrong with that run."""
    known: dict[str, Compared | RdmtoolsError | _Job] = {}
    for name, run in named.items():
        try:
            known[name] = _known(name, _elsewhere(run), settings, reading, cache)
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
        yield name, found if isinstance(found, RdmtoolsError) else _kept(each, found, cache)


def _known(
    name: str,
    run: Comparable,
    settings: AnalysisSettings,
    reading: Mapping[str, Any],
    cache: Path | None,
) -> Compared | _Job:
    """What is known of the run already, else what there is to do."""
    if isinstance(run, Analysis):
        return Compared(summary=run.summary(), events=run.events, observables=run.observables)
    if isinstance(run, Run):
        return _Job(name=name, run=run, settings=settings, reading=reading)
    if not isinstance(run, str | Location):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"run {name!r} is a {type(run).__name__}; needed an Analysis, a Run or a path")
    path = located(run)
    if isinstance(path, Path) and (path / SUMMARY_FILE).is_file():
        return saved(path)
    beside = companion(path) / ANALYSIS_FOLDER
    places = [beside] if isinstance(beside, Path) and (beside / SUMMARY_FILE).is_file() else []
    key = fingerprint(path, reading, settings) if places or cache is not None else None
    if key is None:
        return _Job(name=name, run=path, settings=settings, reading=reading)
    if cache is not None:
        places.append(cache / key)
    for place in places:
        try:
            found = saved(place)
        except FormatError:  # half of one, or none
            continue
        if found.summary.get(FINGERPRINT) == sealed(found.summary, key):
            return found
    return _Job(name=name, run=path, settings=settings, reading=reading, key=key)


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
            run = read_run(run, name=job.name, progress=opening, **job.reading)
        if notes is not None:
            notes += told
    analysis = analyze(run, job.settings, executor=executor, progress=analysing)
    return Compared(summary=analysis.summary(), events=analysis.events, observables=analysis.observables)


def saved(folder: Path) -> Compared:
    """What `Analysis.save`, or a cache, left. Raises FormatError where it is not whole."""
    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        check_version(summary, folder / SUMMARY_FILE)
        found = Compared(
            summary=summary,
            events=pd.read_parquet(folder / EVENTS_FILE),
            observables=pd.read_parquet(folder / OBSERVABLES_FILE),
        )
        run_row("", found)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{folder} is not a whole saved analysis ({' '.join(str(error).split())}); "
            "needed its summary, events and observables; analyse the run again"
        ) from error
    return found


def _kept(job: _Job, found: Compared, cache: Path | None) -> Compared:
    """What was found, once it is in its place in the cache, as a whole."""
    if cache is None or job.key is None:
        return found
    try:
        cache.mkdir(parents=True, exist_ok=True)
        place = cache / f".new-{uuid4().hex}"
        place.mkdir()
        try:
            found.events.to_parquet(place / EVENTS_FILE, index=False)
            found.observables.to_parquet(place / OBSERVABLES_FILE, index=False)
            summary = found.summary | {FINGERPRINT: sealed(found.summary, job.key)}
            text = json.dumps(summary, ensure_ascii=False, allow_nan=False)
            (place / SUMMARY_FILE).write_text(text + "\n", encoding="utf-8")
            shutil.rmtree(cache / job.key, ignore_errors=True)  # half of one, or it would have been used
            try:
                place.rename(cache / job.key)
            except OSError:
                if not (cache / job.key).is_dir():  # else another made it meanwhile
                    raise
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise ParameterError(
            f"cache {cache} cannot be written ({error.strerror}); needed a folder that can; "
            "make room, or choose another"
        ) from error
    return found


def run_row(name: str, found: Compared) -> dict[str, Any]:
    """Size, settings, events, the peak of SHC and what stands beside it (first window length); metadata."""
    summary = found.summary
    run, settings, peak = summary["run"], summary["settings"], summary["peaks"][0]
    events = [event for event in summary["events"] if event["window"] == peak["window"]]
    row = {
        "run": name,
        "rows": run["rows"],
        "samples": run["samples"],
        "first_step": run["first_step"],
        "last_step": run["last_step"],
        "window": peak["window"],
        "detrend": settings["detrend"],
        "decades": settings["decades"],
        "events": len(events),
        "first_alarm_step": min((event["alarm_step"] for event in events), default=None),
        "largest_rise_decades": peak["largest_rise_decades"],
        "peak_step": peak["step"],
        "peak_shc": peak["shc"],
        "peak_total_variance": peak["total_variance"],
        "pr_at_peak": peak["pr"],
        "first_mean_loss": summary["first_mean_loss"],
        "last_mean_loss": summary["last_mean_loss"],
    }
    return {**row, **metadata_columns(found, taken=list(row))}


def metadata_columns(found: Compared, taken: list[str]) -> dict[str, Any]:
    """The run's own metadata; a key that is taken becomes ``metadata_<key>``."""
    metadata = found.summary["run"]["metadata"]
    columns: dict[str, Any] = {}
    for key, value in metadata.items():
        name = key
        while name in taken or name in columns or (name != key and name in metadata):
            name = f"metadata_{name}"
        columns[name] = value
    return columns
