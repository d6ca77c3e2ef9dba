"""How do runs differ? One row a run and one row an event, as tidy tables.

runs -> what is compared of each (`comparing`) -> tables side by side -> Comparison -> its page

A run's own metadata become columns, so that ``compare(paths).runs.groupby("lr")`` works.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rdmtools.analysis.settings import AnalysisSettings, chosen
from rdmtools.comparing import each_compared
from rdmtools.errors import ParameterError
from rdmtools.read.stores import Location
from rdmtools.results.named_runs import Comparable, named_runs
from rdmtools.results.read_comparison import read_tables
from rdmtools.results.run_pages import pages
from rdmtools.results.saved import (
    Compared,
    Keeping,
    metadata_columns,
    run_row,
)
from rdmtools.results.transitions import aligned, transitions_table
from rdmtools.run.frames import Tables
from rdmtools.run.rules import Rules

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ON_ERROR = ("raise", "report")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison(Tables):
    """Runs side by side."""

    runs: pd.DataFrame
    """One row per run: `run`, its size and settings, its events and peak, then its metadata as columns.

    Of several window lengths the first is told; `events` and `observables` have them all.
    """
    events: pd.DataFrame
    """One row per event: `run`, the columns of an analysis's events, then the run's metadata."""
    observables: pd.DataFrame
    """One row per run, window length and window: `run`, then the columns of an analysis's observables."""
    transitions: pd.DataFrame
    """One row per run and truth: `run`, the columns of an analysis's leads at its first alarm, then the run's
    metadata. A saved analysis has the truths that it was made with, and says "not asked" of others."""
    failures: pd.DataFrame
    """One row per run that could not be read or analysed: `run`, `error`; with ``errors="report"`` alone."""
    pages: Mapping[str, Path] = field(default_factory=dict[str, Path], repr=False)
    """Where a run's own page is, by the run's name; of runs that have one."""

    def aligned(self, at: str) -> pd.DataFrame:
        """Observables with rows and steps counted from the same event, or truth, of each run.

        Parameters
        ----------
        at
            "event 1" for the alarm of each run's first event, or a truth for its T50.

        Returns
        -------
        DataFrame
            `run`, `relative_row`, `relative_step`, then the columns of `observables`. Row 0 is the first
            window that ends there or later; of an event, windows of its own length alone. A run without it is
            left out, and that is told.

        Raises
        ------
        ParameterError
            Where no run has it.
        """
        return aligned(at, self.events, self.transitions, self.observables)

    def save(self, folder: str | Path, *, figures: str | Iterable[str] = ()) -> Path:
        """Write the tables and the page, and the figure in the formats named; returns the folder.

        Parameters
        ----------
        folder
            Replaced as a whole, if it holds an earlier comparison.
        figures
            Of "png", "svg" and "pdf", as ``("png", "svg")`` or ``"png,svg"``, in ``figures/``; matplotlib is
            loaded for them alone.

        Returns
        -------
        Path
            The folder; its page is ``comparison.html``. `read_comparison` reads it back.

        Raises
        ------
        ParameterError
            Where the folder cannot be written or holds something else, and for other figures.
        """
        from rdmtools.report.compare_page import save_comparison

        return save_comparison(self, folder, figures=figures).parent

    def plot(self) -> "Figure":
        """Figure of SHC, total variance, PR and mean loss of the first eight runs, alarms marked."""
        from rdmtools.report.comparison_figure import comparison_figure

        return comparison_figure(self)

    def __repr__(self) -> str:
        runs, events = len(self.runs), len(self.events)
        return f"Comparison of {runs} run{'s' * (runs != 1)} with {events} event{'s' * (events != 1)}"

    def _repr_html_(self) -> str:
        from rdmtools.report.comparison_cell import comparison_html

        return comparison_html(self)


def read_comparison(folder: str | Path) -> Comparison:
    """The comparison in a folder that `Comparison.save`, or ``rdmtools compare --out``, left.

    Page checksums are verified, and types and counts checked.

    Raises
    ------
    FormatError
        Where the folder holds no whole comparison.
    ParameterError
        Where `folder` can be none on this machine.

    Examples
    --------
    >>> import tempfile, numpy as np, rdmtools
    >>> noise = np.random.default_rng(0).random((2, 40, 3))
    >>> runs = [rdmtools.Run.from_arrays(np.arange(40), one) for one in noise]
    >>> rdmtools.read_comparison(rdmtools.compare(runs).save(tempfile.mkdtemp() + "/noise"))
    Comparison of 2 runs with 0 events
    """
    found = read_tables(folder)
    return Comparison(**found.tables, pages=found.pages)


def compare(
    runs: str | Location | Iterable[Comparable] | Mapping[str, Comparable],
    settings: AnalysisSettings | None = None,
    *,
    errors: str = "raise",
    executor: Executor | None = None,
    cache: str | Path | bool | None = None,
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
        the columns `window`, `detrend`, `rule` and `threshold` show them. ``truth="test_acc"`` makes the
        table of transitions. And options of `read_run`, for the paths: `columns`, `missing`, `nonfinite`,
        `duplicates`, `group_by`.
    errors
        "raise" what is wrong with a run, or "report" it in the table of failures and go on with the others.
    executor
        Any `concurrent.futures.Executor`: each run is read and analysed by one of its workers.
    cache
        A folder in which findings are kept, by the content of the runs, the settings and the version of this
        package, so that they are made once; True for a place beside each run, which has the last. What
        ``rdmtools analyze`` left beside a run is used, too, where
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
    >>> import numpy as np, rdmtools as rdm
    >>> losses, steps = 1 + 0.01 * np.random.default_rng(0).standard_normal((60, 4)), np.arange(60)
    >>> make = rdm.Run.from_arrays
    >>> runs = [make(steps, losses, name=f"run {k}", metadata={"k": k}) for k in range(3)]
    >>> compare(runs).runs[["run", "k", "events"]]
         run  k  events
    0  run 0  0       0
    1  run 1  1       0
    2  run 2  2       0
    """
    reading = {each.name: changes.pop(each.name) for each in fields(Rules) if each.name in changes}
    rules = Rules(**reading)
    if errors not in ON_ERROR:
        raise ParameterError(f"errors is {errors!r}; choose one of {', '.join(ON_ERROR)}")
    found: dict[str, Compared] = {}
    failures: list[dict[str, str]] = []
    settings = chosen(settings, changes.pop("window", None), changes)
    # pandas swaps the process's filters of warnings for a moment, even in a cast; threads that do so at once
    # put back each other's.
    with nullcontext() if executor is None else warnings.catch_warnings():
        named = named_runs(runs)
        for name, each in each_compared(
            named,
            settings,
            rules,
            executor=executor,
            keeping=Keeping(beside=bool(cache))
            if cache is None or isinstance(cache, bool)
            else Keeping(cache=Path(cache)),
        ):
            if isinstance(each, Compared):
                found[name] = each
            elif errors == "raise":
                raise each
            else:
                failures.append({"run": name, "error": str(each)})
    return side_by_side(found, failures, settings.truth, pages(named))


def runs_table(found: Mapping[str, Compared]) -> pd.DataFrame:
    """One row per run, from the summaries alone."""
    return pd.DataFrame([run_row(name, one) for name, one in found.items()])


def side_by_side(
    found: Mapping[str, Compared],
    failures: Sequence[Mapping[str, str]] = (),
    truth: Sequence[str] = (),
    pages: Mapping[str, Path] | None = None,
) -> Comparison:
    """The tables of runs by their names, of what is wrong with others, and of the truths asked for."""
    return Comparison(
        runs=runs_table(found),
        events=_stacked({name: _events(one) for name, one in found.items()}),
        observables=_stacked({name: one.table("observables") for name, one in found.items()}),
        transitions=transitions_table(found, truth),
        failures=pd.DataFrame(failures, columns=pd.Index(["run", "error"])),
        pages=dict(pages or {}),
    )


def _events(found: Compared) -> pd.DataFrame:
    """The events with the run's metadata beside each."""
    table = found.table("events").copy()
    metadata = metadata_columns(found, taken=["run", *table.columns])
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
