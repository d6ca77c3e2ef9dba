"""How do runs differ? One row a run and one row an event, as tidy tables.

Runs come as they are: analyses, runs, paths of runs, or folders that `Analysis.save` has left. A run's own
metadata become columns, so that ``compare(paths).runs.groupby("lr")`` works.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from rdmtools.analysis.pipeline import Analysis
from rdmtools.analysis.settings import AnalysisSettings, chosen
from rdmtools.compared import Comparable, Compared, each_compared, metadata_columns, run_row
from rdmtools.errors import ParameterError
from rdmtools.format.names import ANALYSIS_FOLDER, COMPANION_SUFFIX, LOSSES_SUFFIX, SUMMARY_FILE
from rdmtools.read.paths import is_pattern, located, run_names, run_paths
from rdmtools.read.stores import Location, StorePath
from rdmtools.run.run import Run

ON_ERROR = ("raise", "report")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Runs side by side."""

    runs: pd.DataFrame
    """One row per run: `run`, its size and settings, its events and peak, then its metadata as columns.

    Of several window lengths the first is told; `events` and `observables` have them all.
    """
    events: pd.DataFrame
    """One row per event: `run`, the columns of an analysis's events, then the run's metadata."""
    observables: pd.DataFrame
    """One row per run, window length and window: `run`, then the columns of an analysis's observables."""
    failures: pd.DataFrame
    """One row per run that could not be read or analysed: `run`, `error`; with ``errors="report"`` alone."""

    def __repr__(self) -> str:
        runs, events = len(self.runs), len(self.events)
        return f"Comparison of {runs} run{'s' * (runs != 1)} with {events} event{'s' * (events != 1)}"

    def _repr_html_(self) -> str:
        return self.runs.to_html(index=False) + self.events.to_html(index=False)


def compare(
    runs: Iterable[Comparable] | Mapping[str, Comparable],
    settings: AnalysisSettings | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    missing: str = "error",
    nonfinite: str = "error",
    duplicates: str = "last",
    group_by: str | None = None,
    errors: str = "raise",
    executor: Executor | None = None,
    cache: str | Path | None = None,
    **changes: Any,
) -> Comparison:
    """Tables of several runs and of their events.

    Parameters
    ----------
    runs
        Analyses, runs, paths and globs of runs, or folders of saved analyses; a mapping names them. Otherwise
        a run goes by its own name, a path by its shortest distinguishing part (an analysis in a companion
        folder by that of its run), and a name that comes again gets a number: "run", "run (2)".
    settings, **changes
        As for `analyze`, for what is not analysed yet. Saved analyses keep the settings they were made with;
        the columns `window`, `detrend` and `decades` show them.
    columns, missing, nonfinite, duplicates, group_by
        As for `read_run`, for the paths.
    errors
        "raise" what is wrong with a run, or "report" it in the table of failures and go on with the others.
    executor
        Any `concurrent.futures.Executor`: each run is read and analysed by one of its workers.
    cache
        A folder in which analyses are kept, by the content of the runs, the settings and the version of this
        package, so that they are made once. What ``rdmtools analyze`` left beside a run is used, too, where
        it still holds.

    Raises
    ------
    ParameterError, FormatError
        Where there is nothing to compare, or one of the runs cannot be read.

    Notes
    -----
    A metadata key that is the name of a column already becomes ``metadata_<key>``. SHC and PR are comparable
    only between runs of equal window and probe set: PR is at most min(samples, window - 1).

    Examples
    --------
    >>> import numpy as np
    >>> losses = 1 + 0.01 * np.random.default_rng(0).standard_normal((60, 4))
    >>> runs = [Run.from_arrays(np.arange(60), losses, name=f"run {k}", metadata={"k": k}) for k in range(3)]
    >>> compare(runs).runs[["run", "k", "events"]]
         run  k  events
    0  run 0  0       0
    1  run 1  1       0
    2  run 2  2       0
    """
    reading = {
        "columns": columns,
        "missing": missing,
        "nonfinite": nonfinite,
        "duplicates": duplicates,
        "group_by": group_by,
    }
    if errors not in ON_ERROR:
        raise ParameterError(f"errors is {errors!r}; choose one of {', '.join(ON_ERROR)}")
    found: dict[str, Compared] = {}
    failures: list[dict[str, str]] = []
    for name, each in each_compared(
        named_runs(runs),
        chosen(settings, changes.pop("window", None), changes),
        reading,
        executor=executor,
        cache=None if cache is None else Path(cache),
    ):
        if isinstance(each, Compared):
            found[name] = each
        elif errors == "raise":
            raise each
        else:
            failures.append({"run": name, "error": str(each)})
    return side_by_side(found, failures)


def side_by_side(found: Mapping[str, Compared], failures: Sequence[Mapping[str, str]] = ()) -> Comparison:
    """The tables of runs by their names, and of what is wrong with others."""
    return Comparison(
        runs=pd.DataFrame([run_row(name, one) for name, one in found.items()]),
        events=_stacked({name: _events(one) for name, one in found.items()}),
        observables=_stacked({name: one.observables for name, one in found.items()}),
        failures=pd.DataFrame(failures, columns=pd.Index(["run", "error"])),
    )


def named_runs(runs: Iterable[Comparable] | Mapping[str, Comparable]) -> dict[str, Comparable]:
    """Each of `runs` by its name, at least one; globs are expanded."""
    if isinstance(runs, Mapping):
        named = dict(cast("Mapping[str, Comparable]", runs))
        for name, run in named.items():
            _refuse_pattern(name, run)
    elif isinstance(runs, str | Location | Run | Analysis) or not isinstance(runs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"runs is {runs!r}; needed a list of them, such as [{runs!r}]")
    else:
        named = _by_own_names(runs)
    if not named:
        raise ParameterError("no runs to compare; name at least one")
    return named


def _refuse_pattern(name: str, run: Comparable) -> None:
    if isinstance(run, str | Location) and is_pattern(located(run)):
        raise ParameterError(
            f"{name!r} names {str(run)!r}, a pattern; needed one run for each name; pass a pattern in a list"
        )


def _by_own_names(runs: Iterable[Comparable]) -> dict[str, Comparable]:
    listed: list[Comparable] = []
    for run in runs:
        listed += _paths(run) if isinstance(run, str | Location) else [run]
    paths = [run for run in listed if isinstance(run, Location)]
    by_path = dict(zip(paths, run_names([_run_of(path) for path in paths]), strict=True))
    named: dict[str, Comparable] = {}
    for run in listed:
        name = by_path[run] if isinstance(run, Location) else _own_name(run)
        name = name.encode(errors="replace").decode()  # a path may hold bytes that no table of text could
        count, unique = 1, name
        while unique in named:
            count += 1
            unique = f"{name} ({count})"
        named[unique] = run
    return named


def _paths(given: str | Location) -> list[Location]:
    """Runs and saved analyses that a path or a glob names."""
    pattern = located(given)
    if isinstance(pattern, StorePath):
        return run_paths([pattern])
    matches = {Path(match) for match in glob.glob(str(pattern), recursive=True)}
    inside = {match for match in matches if _run_of(match) != match and (match / SUMMARY_FILE).is_file()}
    # Analyses in companion folders are meant where a pattern names nothing else, as in "runs/*.rdm/analysis".
    return sorted(inside) if inside == matches and inside else run_paths([pattern])


def _run_of(path: Location) -> Location:
    """The run whose companion folder holds the analysis at `path`, else `path`."""
    folder = path.parent
    inside = path.name == ANALYSIS_FOLDER and folder.suffix == COMPANION_SUFFIX
    return folder.with_suffix(LOSSES_SUFFIX) if inside else path


def _own_name(run: Comparable) -> str:
    if isinstance(run, Analysis):
        return run.run.name
    return run.name if isinstance(run, Run) else str(run)


def _events(found: Compared) -> pd.DataFrame:
    """The events with the run's metadata beside each."""
    metadata = metadata_columns(found, taken=["run", *found.events.columns])
    table = found.events.copy()
    for key, value in metadata.items():
        table[key] = [value] * len(table)
    return table


def _stacked(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One table under another, the run's name first. Empty ones add columns, not types."""
    if not tables:
        return pd.DataFrame({"run": []})
    full = {name: table for name, table in tables.items() if len(table)} or tables
    stacked = pd.concat(full, names=["run", None]).reset_index("run").reset_index(drop=True)
    return stacked.reindex(columns=["run", *dict.fromkeys(c for t in tables.values() for c in t.columns)])
