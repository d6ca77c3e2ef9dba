"""What losses are in a folder whose folders name a column? `run/step=10/part-0.parquet`, as Spark writes it.

Each level of folders is a column, `step=10` of integers, put beside the columns of the files below. Small
tables are read, in memory; of large ones it is said how to write them as one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from rdmtools.errors import FormatError, ParameterError
from rdmtools.format.names import LOSSES_SUFFIX, SAMPLE_ID, STEP
from rdmtools.format.read_table import ParquetPart
from rdmtools.read.formats.listing import some_paths
from rdmtools.read.formats.unfolded import MB, MOST_BYTES
from rdmtools.run.from_table import Long, Losses, Wide, from_table
from rdmtools.run.layout import shortened
from rdmtools.run.quality import counted
from rdmtools.run.rules import ROLES

_LEVELS = 8
_FILES = 100_000
_NULL = "__HIVE_DEFAULT_PARTITION__"


def is_partitioned(path: Path) -> bool:
    """Whether folders in `path` are named as ``step=10`` is, and Parquet files lie below one of them."""
    folders = [folder for folder in some_paths(path) if _key(folder.name) and folder.is_dir()]
    with suppress(OSError):
        return any(True for folder in folders for _ in islice(_files(folder, 1), 1))
    return False


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files below, in order. Raises FormatError where there are too many."""
    found = [*islice(_files(folder, 0), _FILES + 1)]
    if len(found) > _FILES:
        raise FormatError(f"{folder} has more than {_FILES:,} files; needed fewer; {_fix(folder)}")
    return found


def read(folder: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in the files below `folder`, and what was guessed. Raises FormatError, ParameterError."""
    parts = [ParquetPart.open(file) for file in parquet_files(folder)]
    size = sum(part.metadata.row_group(group).total_byte_size for part in parts for group in _groups(part))
    if size > MOST_BYTES:
        raise FormatError(
            f"{folder} holds {size / MB:,.0f} MB in folders named by a column; needed at most "
            f"{MOST_BYTES / MB:,.0f} MB of this form; {_fix(folder)}"
        )
    keys = {part.path: _keys(Path(str(part.path)), folder) for part in parts}
    names = [*dict.fromkeys(name for found in keys.values() for name in found)]
    for path, found in keys.items():
        if absent := [name for name in names if name not in found]:
            raise FormatError(f"{path} lies in no folder named {absent[0]}=…; needed the same levels for all")
    types = {name: _type([found[name] for found in keys.values()]) for name in names}
    tables = [_with_keys(part, keys[part.path], types) for part in parts]
    table = pa.concat_tables(tables, promote_options="permissive")
    losses, notes = from_table(table, layout, columns)
    if isinstance(losses, Long):
        _refuse_many_runs(folder, table, names, columns or {})
    else:
        _refuse_wide_runs(folder, table, losses, names)
    return losses, [f"took {', '.join(names)} from the names of folders", *notes]


def _fix(folder: Path) -> str:
    return (
        f"write it as one: import pyarrow.dataset as d; d.write_dataset(d.dataset('{folder}', "
        f"partitioning='hive'), '{folder}-flat', format='parquet'); then read '{folder}-flat'"
    )


def _groups(part: ParquetPart) -> range:
    return range(part.metadata.num_row_groups)


def _key(name: str) -> str | None:
    """The column that a folder names, None where it names none."""
    key, equals, _ = name.partition("=")
    return unquote(key) if key and equals else None


def _files(folder: Path, level: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=level == 0)) for entry in entries]
    found.sort(key=lambda entry: _natural(entry[0]))  # step=15 before step=100, as they were logged
    for name, is_folder in found:
        if is_folder and level < _LEVELS and _key(name):
            yield from _files(folder / name, level + 1)
        elif level and not is_folder and name.endswith(LOSSES_SUFFIX) and name[0] not in "._":
            yield folder / name


def _natural(name: str) -> list[tuple[int, int | str]]:
    """What sorts names by the numbers in them."""
    pieces = re.split(r"([0-9]{1,18})", name)
    return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces]


def _keys(file: Path, folder: Path) -> dict[str, str]:
    """The columns that folders name, and their values in `file`."""
    found: dict[str, str] = {}
    for name in file.relative_to(folder).parts[:-1]:
        value = unquote(name.partition("=")[2])
        if value == _NULL:
            raise FormatError(
                f"{file} lies in {name}, which stands for null; needed a value; write or remove that folder"
            )
        found[_key(name) or name] = value
    return found


def _type(words: list[str]) -> pa.DataType:
    """Of a column whose values are written so."""
    for kind in (pa.int64(), pa.float64()):
        try:
            pa.array(words, pa.string()).cast(kind)
            return kind
        except pa.ArrowInvalid:
            continue
    return pa.string()


def _with_keys(part: ParquetPart, keys: Mapping[str, str], types: Mapping[str, pa.DataType]) -> pa.Table:
    table = part.read()
    for name, word in keys.items():
        column = pa.array([word], pa.string()).cast(types[name]).take(pa.array([0] * len(table), pa.int64()))
        if name not in table.column_names:
            table = table.append_column(name, column)
        elif not _same(table.column(name), word):
            raise FormatError(
                f"{part.path} has a column {name!r} with other values than its folder, {name}={word}; needed "
                "the same; remove the column, or move the file"
            )
    return table


def _same(column: pa.ChunkedArray, word: str) -> bool:
    try:
        values = pc.unique(column.cast(pa.string())).to_pylist()
    except pa.ArrowException:
        return False
    return values in ([], [word]) or [value and value.removesuffix(".0") for value in values] == [word]


def _refuse_wide_runs(folder: Path, table: pa.Table, losses: Wide, names: list[str]) -> None:
    """The same of tables with a row for each step."""
    for name in names:
        values = pc.unique(table.column(name)).to_pylist()
        if 1 < len(values) < len(losses.steps) and len({*losses.steps.tolist()}) < len(losses.steps):
            raise _several_runs(folder, name, values, "the same steps")


def _refuse_many_runs(folder: Path, table: pa.Table, names: list[str], columns: Mapping[str, str]) -> None:
    """Raise ParameterError where a sample comes again at a step in another folder: runs would be mixed."""
    roles = {columns.get(role, role) for role in ROLES}
    pair = [columns.get(STEP, STEP), columns.get(SAMPLE_ID, SAMPLE_ID)]
    for name in names:
        if name in roles or not {*pair} <= {*table.column_names}:
            continue
        values = pc.unique(table.column(name)).to_pylist()
        found = table.select([*pair, name]).group_by(pair).aggregate([(name, "count_distinct")])
        if max(found.column(f"{name}_count_distinct").to_pylist(), default=0) > 1:
            raise _several_runs(folder, name, values, "the same steps of the same samples")


def _several_runs(folder: Path, name: str, values: list[Any], same: str) -> ParameterError:
    return ParameterError(
        f"folders of {counted(len(values), 'value')} of {name} ({shortened([*map(str, values)])}) "
        f"hold {same}; needed one run; pass one: '{folder}/{name}=…'"
    )
