"""Is what lies in a folder what `Analysis.save` leaves? Types, ranges and counts, before anything is used.

Whatever a summary or a table holds instead is told in one line: a folder may come from a stranger, or from a
disk that lies. What later releases may add is passed over.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.tables import TABLES, Size
from rdmtools.errors import ParameterError
from rdmtools.format.names import SUMMARY_FILE
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.records import check_version
from rdmtools.results.folder import ANALYSIS, read_json, table_file
from rdmtools.results.plain import plain

_INT64 = 1 << 63


def checked_summary(folder: Path) -> dict[str, Any]:
    """The summary in `folder`. Raises OSError, or ValueError with what is wrong in it."""
    path = folder / SUMMARY_FILE
    found = read_json(path)
    _need(found, "contents", lambda value: value == ANALYSIS.mark, repr(ANALYSIS.mark))
    _need(found, "format", _is_version, "a version")
    check_version(found, path)
    try:
        summary: dict[str, Any] = plain(found)  # without what no text and no table could hold
    except RecursionError:
        raise ValueError(f"{SUMMARY_FILE} is nested too deeply") from None
    _check_run(_part(summary, "run"))
    settings = _settings(_part(summary, "settings"))
    _part(summary, "quality")
    _need(summary, "notes", _is_list_of(str), "a list of texts")
    _need(summary, "verdict", _is(str), "text")
    _need(summary, "answers", _is_list_of(str), "a list of texts")
    for name in ("first_mean_loss", "last_mean_loss"):
        _need(summary, name, _is_number, "a number or null")
    _need(summary, "peaks", _is_list_of(dict), "a list of objects")
    for peak in summary["peaks"]:
        _check_peak(peak)
    if [peak["window"] for peak in summary["peaks"]] != list(settings.windows):
        raise ValueError("the peaks are not those of its windows")
    if max(settings.windows) > summary["run"]["rows"]:
        raise ValueError("a window is longer than the run")
    if summary.get("gaussian") is not None:
        _need(_part(summary, "gaussian"), "steps", _is_count, "a count")
    for name in ("events", "alarms", "judged"):
        _need(summary, name, _is_list_of(dict), "a list of objects")
    if len(summary["judged"]) != len(settings.windows):
        raise ValueError("what was judged is not that of its windows")
    for event in summary["events"]:
        for name, column in TABLES["events"].columns.items():
            if column.kind == "int64":
                _need(event, name, _is_integer, "an integer")
    return summary


def checked_settings(summary: Mapping[str, Any]) -> AnalysisSettings:
    """The settings of a summary that was checked."""
    return _settings(summary["settings"])


def checked_table(folder: Path, name: str, summary: Mapping[str, Any]) -> pd.DataFrame:
    """A table in `folder`, page checksums verified. Raises FormatError or ValueError with what is wrong."""
    table = parquet_table(folder, name, TABLES[name].counts(_size(summary)))
    for column, about in TABLES[name].columns.items():
        fits_kind(table, column, about.kind, table_file(name))
    if name == "observables" and {*table["window"].unique()} != {peak["window"] for peak in summary["peaks"]}:
        raise ValueError(f"{table_file(name)} has other windows than the summary")
    return table


def parquet_table(folder: Path, name: str, rows: range) -> pd.DataFrame:
    """A table in `folder` of a number of rows in that range. Raises FormatError or ValueError."""
    path = folder / table_file(name)
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    part = ParquetPart.open(path)
    if part.rows not in rows:  # before anything of that size is read
        most = f"{'' if len(rows) == 1 else 'at most '}{rows[-1]}"
        raise ValueError(f"{path.name} has {part.rows} rows where the summary makes {most}")
    arrow = part.read()
    try:  # with the types that pandas had
        table: pd.DataFrame = arrow.replace_schema_metadata(part.schema.metadata).to_pandas()
    except Exception as error:  # what pandas left in a file may say anything
        raise ValueError(f"{path.name} makes no table") from error
    if len(table.columns) != len(arrow.column_names) or not table.columns.is_unique:
        raise ValueError(f"{path.name} names a column twice")
    return table


def fits_kind(table: pd.DataFrame, column: str, kind: str, file: str) -> None:
    """Raise ValueError where the table has no such column, or one that holds something else."""
    if column not in table.columns:
        raise ValueError(f"{file} has no column {column!r}")
    fits, needed = _HELD.get(kind, (None, ""))
    if fits is not None and len(table) and not fits(table[column]):
        raise ValueError(f"column {column!r} of {file} holds {table[column].dtype}, not {needed}")


def _size(summary: Mapping[str, Any]) -> Size:
    """What bounds the rows of the tables."""
    run, draws = summary["run"], summary.get("gaussian")
    return Size(
        rows=run["rows"],
        samples=run["samples"],
        events=len(summary["events"]),
        draws=draws["steps"] if draws else 0,
        settings=checked_settings(summary),
    )


def _holds_integers(values: Any) -> bool:
    return pd.api.types.is_integer_dtype(values.dtype) and not values.hasnans


def _holds_numbers(values: Any) -> bool:
    return pd.api.types.is_float_dtype(values.dtype)


# What code that reads a table relies on; text and what may be null is looked at where it is shown.
_HELD: dict[str, tuple[Callable[[Any], bool], str]] = {
    "int64": (_holds_integers, "integers"),
    "float64": (_holds_numbers, "floating-point numbers"),
    "bool": (pd.api.types.is_bool_dtype, "truths"),
}


def _check_run(run: Mapping[str, Any]) -> None:
    _need(run, "name", _is(str), "text")
    for name in ("source", "unit"):
        _need(run, name, lambda value: value is None or isinstance(value, str), "text or null")
    for name in ("rows", "samples"):
        _need(run, name, _is_count, "a count")
    for name in ("first_step", "last_step"):
        _need(run, name, _is_integer, "a step")
    if run["first_step"] > run["last_step"]:
        raise ValueError("its last step is before its first")
    _need(run, "metadata", _is(dict), "an object")


def _settings(found: Mapping[str, Any]) -> AnalysisSettings:
    if absent := [name for name in ("detrend", "rule") if name not in found]:
        raise ValueError(f"settings: no {absent[0]}")
    known = {each.name: found[each.name] for each in fields(AnalysisSettings) if each.name in found}
    try:
        settings = AnalysisSettings(**known)
    except (ParameterError, TypeError, OverflowError) as error:
        raise ValueError(f"settings: {error}") from error
    if not all(map(_is_integer, (*settings.windows, settings.stride, settings.modes))):
        raise ValueError("settings: a number is too large")
    return settings


def _check_peak(peak: Mapping[str, Any]) -> None:
    for name in ("window", "step"):
        _need(peak, name, _is_integer, "an integer")
    for name in ("shc", "total_variance", "pr", "largest_rise_decades"):
        _need(peak, name, _is_number, "a number or null")


def _part(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    _need(found, name, _is(dict), "an object")
    return found[name]


def _need(found: Mapping[str, Any], name: str, fits: Callable[[Any], bool], needed: str) -> None:
    if name not in found:
        raise ValueError(f"{name!r} is missing")
    if not fits(found[name]):
        raise ValueError(f"{name!r} is {_short(found[name])}, not {needed}")


def _short(value: Any) -> str:
    """What stands there instead, unless it is long."""
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(each, kind) for each in value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})*", value, re.ASCII) is not None


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value > 0


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, float) or _is_integer(value)
