"""What losses are in lines of JSON? An object a line, long, wide, or with all the losses of a step.

    {"step": 0, "sample_id": 17, "loss": 0.51}      a line a step and sample
    {"step": 0, "losses": [0.51, 1.14]}             a line a step, samples 0, 1, ...
    {"step": 0, "losses": {"17": 0.51, "4": 1.14}}  a line a step, samples by name -> the first form

Lines -> objects, some megabytes at a time -> Arrow columns, of the types found -> layout. A whole file that
is one JSON array of such objects is read as its lines would be.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from rdmtools.errors import FormatError, ParameterError, one_line
from rdmtools.format.names import LOSS, SAMPLE_ID
from rdmtools.read.batches import Batches
from rdmtools.read.formats.json_text import LINES, NEEDED, Chunk, chunks
from rdmtools.run.from_table import Losses, from_table, typed_ids
from rdmtools.run.layout import left_out
from rdmtools.run.quality import counted
from rdmtools.run.rules import ROLES
from rdmtools.run.usual_names import NO_SAMPLES

_SPARSE = 64  # times as many places as values: no table
_FEW = 2  # as many losses by name a step are curves
# Losses that are not finite, where the writer knew that JSON has no word for them.
_WORDS = frozenset(("NaN", "nan", "Infinity", "inf", "-Infinity", "-inf"))
_GZIPPED = 8  # times as large as text, about


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, gzipped or not, and what was guessed. Raises ParameterError and FormatError."""
    shape = _Shape(path=path, columns=columns or {})
    tables = [shape.table(chunk) for chunk in chunks(path, bounded=True)]
    if not tables:
        raise ParameterError(f"no lines; {NEEDED}")
    losses, notes = from_table(shape.joined(tables), layout, columns)
    return losses, notes + left_out("field", sorted(shape.odd))


def batches(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
    """The long table in `path`, None where it is wide. Raises what `read` raises."""
    shape = _Shape(path=path, columns=columns or {})
    first = next(chunks(path), None)
    if first is None:
        raise ParameterError(f"no lines; {NEEDED}")
    table = shape.table(first)
    # JSON has one type of number: losses that are whole at first are no less losses
    kinds = [pa.float64() if each.name == shape.loss else each.type for each in table.schema]
    schema = pa.schema([*zip(table.column_names, kinds, strict=True)])

    def tables(names: Mapping[str, str]) -> Iterator[pa.Table]:
        for chunk in chunks(path):
            found = shape.table(chunk)
            if absent := [name for name in names.values() if name not in found.column_names]:
                raise ParameterError(f"{chunk.place(0)} and those after it have no {absent[0]!r}; {NEEDED}")
            found = found.select([*names.values()])
            for place, each in enumerate(found.schema):
                found = _cast(found, place, _common(each.name, [schema.field(each.name).type, each.type]))
            yield found

    size = path.stat().st_size * (_GZIPPED if path.suffix == ".gz" else 1)
    rows = table.num_rows * size / max(1, first.size)
    long = Batches.of(schema, layout, columns, tables, rows, text=shape.by_name is not None)
    return long and replace(long, notes=long.notes + left_out("field", sorted(shape.odd)))


@dataclass(slots=True, kw_only=True)
class _Shape:
    """What the fields of a file are, told by its first lines and held to."""

    path: Path
    columns: Mapping[str, str]
    by_name: str | None = None
    """The field with losses by the names of samples, if there is one."""
    odd: set[str] = field(default_factory=set[str])
    """Fields that are left out: they hold objects, or what fits no column."""
    begun: bool = False

    @property
    def loss(self) -> str:
        return self.columns.get(LOSS, LOSS)

    @property
    def sample(self) -> str:
        return self.columns.get(SAMPLE_ID, SAMPLE_ID)

    def table(self, chunk: Chunk) -> pa.Table:
        """The objects as columns, one for each field that is no object."""
        records = chunk.records
        names = dict.fromkeys(chain.from_iterable(records))
        if len(names) * len(records) > _SPARSE * (LINES + sum(map(len, records))):
            raise ParameterError(
                f"{counted(len(names), 'field')} in {counted(len(records), 'line')}, most of them absent in "
                f"most; {NEEDED}"
            )
        if not self.begun:
            self._begin(records[0], names)
        counts = None if self.by_name is None else _counts(chunk, self.by_name)
        found: dict[str, pa.Array] = {}
        for name in names:
            values = [record.get(name) for record in records]
            if name == self.by_name or (array := _array(self._known(name), values, chunk)) is None:
                self.odd.update({name} - {self.by_name})
            else:
                found[name] = array if counts is None else array.take(pa.array(counts))
        if self.by_name is not None:
            found |= self._by_name(chunk)
        return pa.Table.from_arrays([*found.values()], [*found])

    def _known(self, name: str) -> str | None:
        """`name` where it is of a column that is needed: what it holds must be of one kind."""
        return name if name in {self.columns.get(role, role) for role in ROLES} else None

    def _begin(self, first: dict[str, Any], names: Mapping[str, Any]) -> None:
        """Look whether losses come by name; never take one loss a step for that, or metrics."""
        self.begun = True
        if {"guid", "gold"} <= set(names) and any(name.startswith("logits_epoch_") for name in names):
            raise FormatError(
                f"{self.path} is one epoch of training dynamics; needed the folder of all: pass "
                f"'{self.path.parent}'"
            )
        nested = [name for name, value in first.items() if type(value) is dict]
        told = [
            name for name in nested if name == self.loss or "loss" in name.lower() or "nll" in name.lower()
        ]
        if not told or self.sample in names or (self.loss in names and self.loss not in told):
            return
        self.by_name = self.loss if self.loss in told else told[0]
        samples: dict[str, Any] = first[self.by_name]
        if len(samples) <= _FEW and LOSS not in self.columns:
            curves = ", ".join(f"{self.by_name}/{name}" for name in samples)
            raise ParameterError(NO_SAMPLES.format(names=curves or self.by_name))

    def _by_name(self, chunk: Chunk) -> dict[str, pa.Array]:
        """Columns of the ids and losses of all objects, one after another."""
        each = [record.get(self.by_name or "") or {} for record in chunk.records]
        ids = [*chain.from_iterable(each)]
        losses = [*chain.from_iterable(map(dict.values, each))]
        array = _array(self.loss, losses, replace(chunk, numbers=[*_numbers(chunk, each)]))
        if array is None:
            raise ParameterError(f"field {self.by_name!r} has losses that are no numbers; {NEEDED}")
        return {self.sample: _strings(ids, chunk).dictionary_encode(), self.loss: array.cast(pa.float64())}

    def joined(self, tables: list[pa.Table]) -> pa.Table:
        """All of a file, each column of one type."""
        names = dict.fromkeys(chain.from_iterable(table.column_names for table in tables))
        found: dict[str, pa.ChunkedArray] = {}
        for name in names:
            kinds = [table.schema.field(name).type for table in tables if name in table.column_names]
            try:
                kind = _common(name, kinds)
            except ParameterError:
                if self._known(name):
                    raise
                self.odd.add(name)
                continue
            parts = [
                table.column(name).cast(kind) if name in table.column_names else pa.nulls(len(table), kind)
                for table in tables
            ]
            found[name] = pa.chunked_array([chunk for part in parts for chunk in _chunks_of(part)], kind)
        if self.by_name is not None and self.sample in found:
            found[self.sample] = _typed(found[self.sample])
        return pa.Table.from_arrays([*found.values()], [*found])


def _chunks_of(part: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return part.chunks if isinstance(part, pa.ChunkedArray) else [part]


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids that were names of fields, as integers where every one is written like one."""
    words = column.cast(pa.string()).unique().to_pylist()
    return column if typed_ids(words) is words else column.cast(pa.string()).cast(pa.int64())


def _counts(chunk: Chunk, name: str) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Of each of the samples, the place of the object that it stands in."""
    for row, record in enumerate(chunk.records):
        if type(record.get(name, {})) is not dict:
            raise ParameterError(f"{chunk.place(row)} has {name} that is no object; needed one, as before")
    return np.repeat(np.arange(len(chunk.records)), [len(record.get(name, ())) for record in chunk.records])


def _numbers(chunk: Chunk, each: list[dict[str, Any]]) -> Iterator[int]:
    for number, samples in zip(chunk.numbers, each, strict=True):
        yield from [number] * len(samples)


def _array(known: str | None, values: list[Any], chunk: Chunk) -> pa.Array | None:
    """Values of a field as a column; None where they are of a kind that is left out, or of several.

    Raises ParameterError where a field that is `known`, so needed, has values of several kinds.
    """
    kinds = set(map(type, values)) - {type(None)}
    if str in kinds and kinds <= {str, float, int} and (kinds != {str} or known):
        words = {value for value in values if type(value) is str}
        if words <= _WORDS:
            values = [float(value) if type(value) is str else value for value in values]
            kinds = {float}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {str}:
        return _strings(values, chunk)
    if kinds == {int}:
        try:
            return pa.array(values, pa.int64())
        except (OverflowError, pa.ArrowInvalid):
            return pa.array([None if value is None else str(value) for value in values], pa.string())
    if kinds <= {int, float}:
        return pa.array(_floats(values, chunk), pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {list}:
        return _lists(values, chunk)
    if known and kinds != {dict}:
        sorts = [_sort(value) for value in values]
        row = next(row for row, sort in enumerate(sorts) if sort)
        odd = next(at for at, sort in enumerate(sorts) if sort and sort != sorts[row])
        first, other = (f"{chunk.place(at)} has {known} {_shown(values[at])}" for at in (row, odd))
        raise ParameterError(f"{other}, {first}; needed one kind, numbers or text, in every line")
    return None


def _sort(value: Any) -> str | None:
    """Whether a value is a number or what else; None where it is null."""
    return None if value is None else "number" if type(value) in (int, float) else type(value).__name__


def _shown(value: Any) -> str:
    return json.dumps(value)[:60]


def _strings(values: list[Any], chunk: Chunk) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise ParameterError(
            f"between {chunk.place(0)} and {chunk.numbers[-1]} is text that no UTF-8 can hold "
            f"({one_line(error)}); needed whole characters; write the file again"
        ) from error


def _floats(values: list[Any], chunk: Chunk) -> list[float | None]:
    try:
        return [None if value is None else float(value) for value in values]
    except OverflowError as error:
        raise ParameterError(
            f"between {chunk.place(0)} and {chunk.numbers[-1]} is a number that no double can hold; "
            "needed losses; write the file again"
        ) from error


def _lists(values: list[Any], chunk: Chunk) -> pa.Array | None:
    """Lists of numbers as a column of lists; None where there are others."""
    items = [*chain.from_iterable(value for value in values if value is not None)]
    kinds = set(map(type, items)) - {type(None)}
    if str in kinds and {item for item in items if type(item) is str} <= _WORDS:
        items = [float(item) if type(item) is str else item for item in items]
        kinds = kinds - {str} | {float}
    if not kinds <= {int, float}:
        return None
    numbers = items if kinds == {int} else _floats(items, chunk)
    try:
        flat = pa.array(numbers, pa.int64() if kinds == {int} else pa.float64())
    except (OverflowError, pa.ArrowInvalid):
        flat = pa.array(_floats(items, chunk), pa.float64())
    ends = np.cumsum([0, *(len(value or ()) for value in values)])
    offsets = pa.array(ends, pa.int32(), mask=np.array([*(value is None for value in values), False]))
    return pa.ListArray.from_arrays(offsets, flat)


def _common(name: str, kinds: list[pa.DataType]) -> pa.DataType:
    """The one type that holds what is in all parts of a column. Raises ParameterError."""
    some = [*dict.fromkeys(kind for kind in kinds if not types.is_null(kind))]
    if len(some) < 2:
        return some[0] if some else pa.null()
    if all(types.is_integer(kind) or types.is_floating(kind) for kind in some):
        return pa.float64()
    if all(types.is_list(kind) for kind in some):
        return pa.list_(_common(name, [kind.value_type for kind in some]))
    raise ParameterError(
        f"field {name!r} is {some[0]} in some lines and {some[1]} in others; needed one kind in every line"
    )


def _cast(table: pa.Table, place: int, kind: pa.DataType) -> pa.Table:
    column, name = table.column(place), table.column_names[place]
    return table if column.type == kind else table.set_column(place, name, column.cast(kind))
