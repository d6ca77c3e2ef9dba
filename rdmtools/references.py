"""What does `rdmtools.reference` give? Runs in which nothing happened, to rank later runs among them.

runs, paths, saved references -> analysis.reference -> Reference -> save, and `analyze(run, reference=...)`
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, cast

from rdmtools.analysis.reference import ReferenceRun, reference_run, refuse_rule, refuse_windows
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.errors import ParameterError
from rdmtools.format.names import REFERENCE_SUFFIX
from rdmtools.read.paths import located, run_names, run_paths
from rdmtools.read.read import read, warn_of_guesses
from rdmtools.read.stores import Location
from rdmtools.results.reference_file import Reference, read_reference
from rdmtools.run.progress import Progress
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

One = Run | Reference | str | Location
Given = One | Iterable[One]


def reference(
    runs: Given,
    *,
    window: int | Sequence[int] = 20,
    precision: str = "double",
    executor: Executor | None = None,
    progress: Progress | None = None,
    **reading: Any,
) -> Reference:
    """Runs in which nothing happened, to rank later runs among them.

    Parameters
    ----------
    runs
        Runs, paths and globs of runs, and saved references, one or several.
    window
        Length in logged rows, or several: a run can be ranked with these.
    precision
        As `AnalysisSettings` has it.
    executor, progress
        As for `analyze`; progress is told in runs.
    **reading
        Options of `read_run`, for the paths.

    Raises
    ------
    ParameterError
        Where there is no run, or a saved reference has no scores of a window length.
    FormatError
        Where a path makes no run, or a file no reference.

    Examples
    --------
    >>> import numpy as np, rdmtools as rdm
    >>> def run(seed):
    ...     losses = np.random.default_rng(seed).random((80, 5))
    ...     return rdm.Run.from_arrays(np.arange(80), losses, name=f"quiet {seed}")
    >>> quiet = rdm.reference([run(seed) for seed in range(19)])
    >>> quiet
    Reference of 19 runs, window 20
    >>> rdm.analyze(run(19), reference=quiet).reference[["runs", "p_value", "status"]]
       runs  p_value  status
    0    19      0.9  ranked
    """
    windows = tuple(window) if isinstance(window, Iterable) else (window,)
    settings = AnalysisSettings(windows=windows, precision=precision)
    found = reference_runs(runs, settings, Rules(**reading), executor=executor, progress=progress)
    return Reference(windows=settings.windows, runs=tuple(found))


def reference_runs(
    given: Given,
    settings: AnalysisSettings,
    rules: Rules,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[ReferenceRun]:
    """What is kept of each run that is given, as a reference for the windows of these settings.

    `progress` is called with (done, in all) of what is given.
    """
    refuse_rule(settings)
    found: list[ReferenceRun] = []
    each = [one for listed in _listed(given) for one in _each(listed)]
    for done, (one, name, source) in enumerate(each, start=1):
        if isinstance(one, Reference):
            found += one.runs
        elif not isinstance(one, Run) and one.suffix == REFERENCE_SUFFIX:
            found += read_reference(one, source).runs
        else:
            found.append(_kept(one, name, source, settings, rules, executor))
        if progress is not None:
            progress(done, len(each))
    refuse_windows(found, settings.windows)
    return found


def _kept(
    run: Run | Location,
    name: str,
    source: str | None,
    settings: AnalysisSettings,
    rules: Rules,
    executor: Executor | None,
) -> ReferenceRun:
    if not isinstance(run, Run):
        run = read(run, rules, name=name)
        warn_of_guesses(run, stacklevel=5)
    windows, precision = settings.windows, settings.precision
    return reference_run(run, windows, precision=precision, source=source, executor=executor)


def reference_paths(given: Iterable[str | Location]) -> list[Location]:
    """Every file, of a run or a reference, that paths and globs name."""
    return run_paths(given)


def _listed(given: Given) -> list[One]:
    if isinstance(given, Run | Reference | str | Location) or not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        given = [given]
    listed: list[Any] = [*given]
    for one in listed:
        if not isinstance(one, Run | Reference | str | Location):
            raise ParameterError(
                f"reference is a {type(one).__name__}; needed runs, paths or a saved reference; "
                'choose reference="quiet/*.parquet"'
            )
    if not listed:
        raise ParameterError(
            'no reference runs; needed at least one; choose reference="quiet/*.parquet", or leave it out'
        )
    return cast("list[One]", listed)


def _each(given: One) -> list[tuple[Run | Reference | Location, str, str | None]]:
    """What is given, or each path that a path or a glob names; the name of the run, and of its source."""
    if isinstance(given, Run):
        return [(given, given.name, None)]
    if isinstance(given, Reference):
        return [(given, "", None)]
    paths = run_paths([given])
    return [(path, name, str(located(given))) for path, name in zip(paths, run_names(paths), strict=True)]
