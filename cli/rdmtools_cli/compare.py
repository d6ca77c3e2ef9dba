"""`rdmtools compare`: runs side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.comparing import compared_run, each_compared
from rdmtools.comparison import runs_table, side_by_side
from rdmtools.errors import ParameterError
from rdmtools.results.folder import refuse_address
from rdmtools.results.named_runs import Comparable, named_runs
from rdmtools.results.run_pages import pages
from rdmtools.results.saved import Compared, Keeping
from rdmtools.results.summary import plain_records
from rdmtools.results.transitions import transitions_table
from rdmtools.results.words import is_missing, shown
from rdmtools.run.quality import counted
from rdmtools.run.rules import Rules
from rdmtools_cli import console
from rdmtools_cli.notes import Notes
from rdmtools_cli.workers import Sharing, staff

_MOST, _OWN = 8, 3
"""Columns of a printed table, and how many of them are of the runs' own metadata."""
_WIDEST, _NARROWEST = 24, 32
_NOTHING = "–"
_RUNS_A_WORKER = 32
"""So many take longer than a process to begin."""


def compare(
    runs: list[str],
    *,
    settings: AnalysisSettings,
    out: Path | None,
    rules: Rules,
    sharing: Sharing,
    open_page: bool,
    cache: Path | None,
    fresh: bool,
    as_json: bool,
) -> bool:
    """One row a run: its events, its largest rise, SHC and total variance at its peak, its metadata."""
    named = named_runs(runs)
    if open_page and out is None:
        raise ParameterError("--open shows a page, and only --out DIR makes one; give both")
    if out is not None:
        refuse_address(out)
    found: dict[str, Compared] = {}
    notes = Notes(named)
    whole = out is not None or bool(settings.truth)
    keeping = Keeping(cache=cache, beside=True, fresh=fresh, whole=whole)

    def work(name: str, run: Comparable) -> None:
        with console.patient_progress(name) as phase, notes.of(name):
            bars = {"opening": phase("opening"), "analysing": phase("analysing", console.in_rows)}
            found[name] = compared_run(name, run, settings, rules, keeping=keeping, **bars)

    with notes.all_told(), staff(sharing, runs=len(named), worth=_RUNS_A_WORKER) as (executor, _, _):
        if executor is None:
            done = console.all_done(named, work, as_json)
        else:
            answers = each_compared(named, settings, rules, executor=executor, keeping=keeping)
            done = console.all_taken(named, notes.of_each(named, answers), found.__setitem__, as_json)
    if not found:
        return done
    page = None
    if out is None:
        table, transitions = runs_table(found), transitions_table(found, settings.truth)
    else:
        from rdmtools.report.compare_page import save_comparison  # what draws, where it is asked for

        comparison = side_by_side(found, truth=settings.truth, pages=pages(named))
        table, transitions = comparison.runs, comparison.transitions
        page = save_comparison(comparison, out)
    if page is not None and open_page:
        console.open_page(page)
    if as_json:
        for record in plain_records(table):
            console.print_json(record)
        return done
    saved = "" if out is None else " in {}.parquet"
    own = _own(table, after="last_mean_loss")
    first = ["events", "first_alarm_step", *own, "last_mean_loss", "largest_score", "largest_rise_decades"]
    _print(table, first, saved.format("runs"))
    if len(transitions):
        console.print_text("transitions, and how early the first alarm of each was:")
        own = _own(transitions, after="outcome")
        first = ["truth", "lead_steps", "outcome", *own, "alarm_step", "t50"]
        _print(transitions, first, saved.format("transitions"))
    if kept := sum(each.kept for each in found.values()):
        told = f"{kept} of {counted(len(found), 'run')} as found before; --fresh looks again"
        console.print_text(told, "dim")
    if page is not None:
        console.print_path(page, "page: ")
    return done


def _print(table: pd.DataFrame, first: Sequence[str], place: str) -> None:
    """A row a run: what is the same for all is told once, above; of what differs, as much as the terminal has
    room for, `first` these. The rest is named, and where it is: `place`."""
    cells = {str(name): [_cell(value) for value in table[name]] for name in table.columns}
    same = [name for name in cells if name != "run" and len(table) > 1 and len(set(cells[name])) == 1]
    if told := [f"{shown(name)} {cells[name][0]}" for name in same if cells[name][0] != _NOTHING]:
        console.print_line((f"all runs: {', '.join(told)}", "dim"), hanging=2)
    numeric = pd.api.types.is_numeric_dtype
    columns = {
        name: console.Column(
            shown(name, 24).replace("_", " "),
            cells[name],
            right=numeric(table[name].dtype),
            narrowest=_NARROWEST if name == "run" else None,
        )
        for name in dict.fromkeys(["run", *first, *cells])
        if name not in same
    }
    chosen = [*columns][:_MOST]
    while len(chosen) > 2 and not console.fits([columns[name] for name in chosen]):
        chosen.pop()
    console.print_table([columns[name] for name in chosen])
    if rest := [shown(name, 24) for name in columns if name not in chosen]:
        more = counted(len(rest), "more column")
        room = console.OUT.width - len(f"{more} () in {place}; --json has all")
        named = shown(", ".join(rest), room) if room > _WIDEST else ""
        console.print_text(f"{more}{f' ({named})' * bool(named)}{place}; --json has all", "dim")


def _own(table: pd.DataFrame, after: str) -> list[str]:
    """The first few of the runs' own metadata that differ; they stand `after` our columns."""
    names = [str(name) for name in table.columns]
    own = names[names.index(after) + 1 :]
    return [name for name in own if len({_cell(value) for value in table[name]}) > 1][:_OWN]


def _cell(value: Any) -> str:
    if not isinstance(value, list | tuple | dict | np.ndarray) and is_missing(value):
        return _NOTHING
    if isinstance(value, float):  # a step is a float where another run has none
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
    return shown(value, _WIDEST)
