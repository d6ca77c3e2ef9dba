"""Which runs are compared, and by which names? Analyses, runs, paths and globs, each by a name of its own.

given -> paths of globs -> own names, or the shortest parts of paths that tell them apart -> numbered
"""

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from rdmtools.analysis.findings import Findings
from rdmtools.errors import ParameterError
from rdmtools.format.names import ANALYSIS_FOLDER, COMPANION_SUFFIX, LOSSES_SUFFIX, SUMMARY_FILE
from rdmtools.read.paths import is_pattern, located, run_names, run_paths
from rdmtools.read.stores import Location, StorePath
from rdmtools.results.read_analysis import SavedAnalysis
from rdmtools.run.run import Run

Comparable = Findings | SavedAnalysis | Run | str | Path | StorePath


def named_runs(
    runs: str | Location | Iterable[Comparable] | Mapping[str, Comparable],
) -> dict[str, Comparable]:
    """Each of `runs` by its name, at least one; globs are expanded."""
    if isinstance(runs, Mapping):
        named = dict(cast("Mapping[str, Comparable]", runs))
        for name, run in named.items():
            _refuse_pattern(name, run)
    elif isinstance(runs, str | Location):
        named = _by_own_names([runs])
    elif isinstance(runs, Run | Findings | SavedAnalysis) or not isinstance(runs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
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
    if isinstance(run, Findings):
        return run.run.name
    return run.name if isinstance(run, Run | SavedAnalysis) else str(run)
