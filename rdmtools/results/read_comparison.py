"""What is in a folder that `Comparison.save` left? Its tables and where the runs' pages are, checked.

folder -> comparison.json: mark, version, counts -> tables with those counts of rows and their types
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pandas as pd
from pandas.api.types import is_numeric_dtype

from rdmtools.analysis.tables import TABLES
from rdmtools.errors import FormatError, one_line, reading
from rdmtools.format.records import check_version
from rdmtools.read.paths import local_path
from rdmtools.results.checked import fits_kind, parquet_table
from rdmtools.results.folder import COMPARISON, read_json, table_file

_ANALYSED = {"events": "events", "observables": "observables", "transitions": "leads"}
"""Tables that have the columns of one of an analysis's."""
_RUNS = {"rows": "int64", "samples": "int64", "first_step": "int64", "last_step": "int64", "window": "int64"}
_JUDGED = ("largest_score", "first_alarm_step", "events", "threshold")
_NUMBERS = frozenset({*_JUDGED, "t10", "t50", "t90", "lead_steps"})
"""Numbers or null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTables:
    """What was read: tables by their names, and pages by the runs' names."""

    tables: Mapping[str, pd.DataFrame]
    pages: Mapping[str, Path]


def read_tables(folder: str | Path) -> SavedTables:
    """The tables of a saved comparison, page checksums verified, types and counts checked.

    Raises
    ------
    FormatError
        Where the folder holds no whole comparison.
    ParameterError
        Where `folder` can be none on this machine.
    """
    place = local_path(folder)
    if not place.is_dir():
        raise FormatError(f"no folder {place}; needed one that Comparison.save left; check the path")

    def explain(error: Exception) -> FormatError:
        return FormatError(
            f"{place} is not a whole saved comparison ({one_line(error)}); "
            "needed what Comparison.save leaves; compare the runs again"
        )

    with reading(place, explain=explain):
        about = read_json(place / COMPARISON.marked_file)
        if about.get("contents") != COMPARISON.mark:
            raise ValueError(f"{COMPARISON.marked_file} is not of a comparison")
        if not isinstance(about.get("format"), str):
            raise ValueError("'format' is missing")
        check_version(about, place / COMPARISON.marked_file)
        counts = about.get("counts")
        if not isinstance(counts, dict):
            raise ValueError("'counts' is missing")
        tables = {name: _table(place, name, counts.get(name)) for name in COMPARISON.tables}
        _check_names(tables)
        return SavedTables(tables=tables, pages=_pages(place, about.get("pages"), tables["runs"]))


def _table(place: Path, name: str, rows: Any) -> pd.DataFrame:
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise ValueError(f"the count of {table_file(name)} is missing")
    table = parquet_table(place, name, range(rows, rows + 1))
    if name == "runs":
        needed = _RUNS | dict.fromkeys(_JUDGED, "")
    elif name in _ANALYSED:
        needed = {column: about.kind for column, about in TABLES[_ANALYSED[name]].columns.items()}
    else:
        needed = {"error": ""}
    for column, kind in ({"run": ""} | needed).items() if len(table) else ():
        fits_kind(table, column, kind, table_file(name))
        values = table[column]
        if column in _NUMBERS and not (is_numeric_dtype(values.dtype) or values.isna().all()):
            raise ValueError(f"column {column!r} of {table_file(name)} holds {values.dtype}, not numbers")
    return table


def _check_names(tables: Mapping[str, pd.DataFrame]) -> None:
    """Runs are named by texts, each once, and the other tables are of these runs."""
    runs = tables["runs"]
    if not len(runs):
        raise ValueError("it has no runs")
    names: list[Any] = runs["run"].tolist()
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ValueError("its runs have no names of their own")
    for name in _ANALYSED:
        table = tables[name]
        if len(table) and not set(table["run"].unique()) <= set(names):
            raise ValueError(f"{table_file(name)} has runs that {table_file('runs')} has not")
    known = tables["observables"][["run", "window"]].drop_duplicates()
    if len(runs[["run", "window"]].merge(known)) != len(runs):
        raise ValueError(f"{table_file('observables')} has other windows than {table_file('runs')}")


def _pages(place: Path, found: Any, runs: pd.DataFrame) -> dict[str, Path]:
    """Where the pages of runs are said to be: looked at only where they are linked again."""
    if not isinstance(found, dict):
        return {}
    names = set(runs["run"])
    return {
        name: place / unquote(address)
        for name, address in cast(dict[str, Any], found).items()
        if name in names and isinstance(address, str)
    }
