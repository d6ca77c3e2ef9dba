"""What losses are in a table of text? It has no types: steps and losses are numbers, ids are as written.

CSV, TSV -> blocks of whole lines -> fields, by polars -> integers, decimal numbers, ids -> Arrow

Polars takes the end of a line that is too short for nulls, so fields are counted; and a word that stands for
null would do so in every column, among ids too, so numbers are made here.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import csv
import io
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from rdmtools.errors import ParameterError, one_line
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.format.values import EXACT
from rdmtools.read.batches import Batches
from rdmtools.read.formats.dialect import NEEDED, Dialect, blocks, dialect
from rdmtools.run.columns import refuse_empty
from rdmtools.run.from_table import Long, Losses, of_plan, typed_ids
from rdmtools.run.layout import Plan, planned

if TYPE_CHECKING:
    import polars as pl

_TYPES = {STEP: pa.int64(), SAMPLE_ID: pa.string(), LOSS: pa.float64(), ATTEMPT: pa.int64()}
# Words for a number that is not there, those of Arrow and pandas.
_ABSENT = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
)
MOST_BYTES = 1 << 29  # of text that is read at once
_GZIPPED = 4  # times as large as text, about
_FEW = 4
_QUOTED = re.compile(rb'"[^"]*"')
_QUOTE_WITHIN = rb'(?<=[^,\n"])"|"(?=[^,\r\n"])'  # where all that is quoted became one quote
_WITH_POINT = re.compile(r"-?\d+\.0*")
_AGAIN = "left out a line that repeats the names, as where files were joined"


def read(
    path: Path, layout: str | None, columns: Mapping[str, str] | None, *, delimiter: str = ","
) -> tuple[Losses, list[str]]:
    """The losses in `path`, gzipped or not, and what was guessed. Raises ParameterError, and OSError."""
    text = replace(_Text.opened(path, delimiter), most=MOST_BYTES)
    plan = planned(text.schema, layout, columns)
    if plan.layout != "long":
        losses, notes = of_plan(text.chosen(plan), plan.among(plan.places), columns)
        return losses, [*notes, *text.notes]
    names = plan.names
    table = _whole(text.tables(text.roles(names)))
    table = text.with_typed_ids(table, table.column_names.index(names[SAMPLE_ID]))

    def with_others() -> pa.Table:
        whole = [place for place, kind in enumerate(text.schema.types) if kind == _TYPES[STEP]]
        others = [place for place in whole if text.names[place] not in names.values()]
        with suppress(ParameterError):  # one that is not whole further down
            more = _whole(text.tables(dict.fromkeys(others, _TYPES[STEP])))
            return pa.Table.from_arrays(
                [*table.columns, *more.columns], table.column_names + more.column_names
            )
        return table

    return Long(table=table, columns=columns, more=with_others), [*plan.notes, *text.notes]


def batches(
    path: Path, layout: str | None, columns: Mapping[str, str] | None, *, delimiter: str = ","
) -> Batches | None:
    """The long table in `path`, None where it is wide. Raises what `read` raises."""
    return _Text.opened(path, delimiter).batches(layout, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A table of text, whose first lines were read."""

    path: Path
    form: Dialect
    schema: pa.Schema
    """Its columns; the types are those of what is written in the first block."""
    rows: float
    """About how many there are in all."""
    most: float = math.inf
    """Bytes of text of which there may be rows in memory at once."""
    notes: list[str]
    """What was guessed, more of it as lines are read."""

    @property
    def names(self) -> list[str]:
        return self.form.names

    @classmethod
    def opened(cls, path: Path, delimiter: str) -> Self:
        form = dialect(path, delimiter)
        text = cls(path=path, form=form, schema=pa.schema([]), rows=0, notes=[*form.notes])
        everywhere = range(len(form.names))
        lines = next(text._lines(), b"")
        words = text._words(lines, everywhere) if lines else []
        kinds = [_kind(each, form.decimal) for each in words] or [pa.null() for _ in everywhere]
        size = path.stat().st_size * (_GZIPPED if path.suffix == ".gz" else 1)
        rows = len(words[0]) * size / len(lines) if words else 0
        return replace(text, schema=pa.schema([*zip(form.names, kinds, strict=True)]), rows=rows)

    def note(self, said: str) -> None:
        """Something was guessed, and is said once."""
        if said not in self.notes:
            self.notes.append(said)

    def batches(self, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
        """The rows of a long table; None where it is wide."""

        def tables(names: Mapping[str, str]) -> Iterator[pa.Table]:
            return self.tables(self.roles(names))

        found = Batches.of(self.schema, layout, columns, tables, self.rows, text=True)
        if found is None:
            return None
        self.notes[:0] = found.notes
        return replace(found, notes=self.notes)  # to which reading adds

    def roles(self, names: Mapping[str, str]) -> dict[int, pa.DataType]:
        """Places and types of the columns that have a role."""
        return {self.names.index(name): _TYPES[role] for role, name in names.items()}

    def chosen(self, plan: Plan) -> pa.Table:
        """What a plan takes of a table that is not long, in the order of its places."""
        kinds = {place: _TYPES[LOSS] for place in plan.places}
        if plan.step is not None and plan.layout == "samples":
            kinds[plan.step] = _TYPES[SAMPLE_ID]
        elif plan.step is not None and self.schema.field(plan.step).type == _TYPES[STEP]:
            kinds[plan.step] = _TYPES[STEP]
        table = _whole(self.tables(kinds))
        return self.with_typed_ids(table, 0) if plan.layout == "samples" and plan.step is not None else table

    def with_typed_ids(self, table: pa.Table, place: int) -> pa.Table:
        """The same table, whose ids are integers where every one is written like one, or else strings."""
        column = table.column(place).unify_dictionaries()
        words = column.chunk(0).dictionary.to_pylist()
        ids = typed_ids(words)
        if ids is words and all(map(_WITH_POINT.fullmatch, words)):
            ids = typed_ids([word.partition(".")[0] for word in words])
            if len(set(ids)) < len(words):
                ids = words
            else:
                self.note(f"read ids written as {words[0]} as integers")
        if ids is words or isinstance(ids[0], str):
            return table
        numbers = pa.array(ids, pa.int64())
        typed = pa.chunked_array([numbers.take(chunk.indices) for chunk in column.chunks])
        return table.set_column(place, table.column_names[place], typed)

    def tables(self, kinds: Mapping[int, pa.DataType]) -> Iterator[pa.Table]:
        """The columns at those places, of those types, some lines at a time."""
        names = [self.names[place] for place in kinds]
        size = 0
        for lines in self._lines():
            size += len(lines)
            if size > self.most:  # the file said that there would be less
                raise ParameterError(
                    f"it unfolds to more than {self.most / 1e9:.1f} GB, and says that it has less; "
                    "needed text that tells its size; unpack it (gunzip) and convert that"
                )
            columns = zip(self._words(lines, kinds), names, kinds.values(), strict=True)
            yield pa.Table.from_arrays([self._column(*column) for column in columns], names)

    def _lines(self) -> Iterator[bytes]:
        """The lines of data, many at a time."""
        found = blocks(self.path, self.note)
        if self.form.header:
            _, _, rest = next(found, b"").partition(b"\n")
            found = chain([rest], found)
        for lines in found:
            if self.form.header and self.form.header in lines:
                again = rb"^" + re.escape(self.form.header) + rb"\r?(?:\n|\Z)"
                lines, count = re.subn(again, b"", lines, flags=re.MULTILINE)
                if count:
                    self.note(_AGAIN)
            if lines:
                yield lines

    def _words(self, lines: bytes, places: Iterable[int]) -> "list[pl.Series]":
        """What is written in the columns at those places. Raises ParameterError where a line has others."""
        pl = _polars()
        names = [f"column_{place + 1}" for place in range(len(self.names))]  # as polars has them
        wanted = [names[place] for place in places]
        mark = self.form.delimiter.encode()
        bare = lines
        if b'"' in lines:
            bare = _QUOTED.sub(b'"', lines)
            if lines.count(b'"') % 2 or re.search(_QUOTE_WITHIN.replace(b",", mark), bare):
                raise ParameterError(
                    "a quote stands within a field, or without its other half; needed such fields in quotes, "
                    "and the quotes in them twice"
                )
        try:
            fields = pl.read_csv(
                lines,
                has_header=False,
                separator=self.form.delimiter,
                schema=dict.fromkeys(names, pl.String),
                columns=wanted,
            )
        except pl.exceptions.PolarsError as error:
            reason = self._odd_line(lines) or one_line(str(error).partition("\n")[0])
            raise ParameterError(f"{reason}; {NEEDED}") from error
        if bare.count(mark) != len(fields) * (len(self.names) - 1):
            raise ParameterError(f"{self._odd_line(lines)}; {NEEDED}")
        return [fields[name] for name in wanted]

    def _column(self, words: "pl.Series", name: str, kind: pa.DataType) -> pa.Array:
        """Numbers of a column, or ids as they are written. Raises ParameterError where there are none."""
        if kind == pa.string():
            words = words.str.strip_chars() if self.form.blanks else words
            if words.null_count() or (words == "").any():
                raise ParameterError(
                    f"column {name!r} is empty in some rows; needed an id in each; drop them"
                )
            return words.to_arrow(compat_level=_polars().CompatLevel.oldest()).dictionary_encode()
        numbers, odd = _numbers(words, kind, self.form.decimal)
        if len(odd) and kind == pa.int64():
            whole, broken = _whole_doubles(words)
            if not len(broken):
                self.note(f"read column {name!r}, whole numbers written as {odd[0]}, as integers")
                return whole.to_arrow()
            odd = broken
        if len(odd):
            raise ParameterError(f"In CSV column {name!r}: invalid value {odd[0]!r}; {NEEDED}")
        return numbers.to_arrow()

    def _odd_line(self, lines: bytes) -> str | None:
        """What is said of the first line that has more fields than there are names, or fewer."""
        with suppress(csv.Error):
            text = io.StringIO(lines.decode(), newline="")
            for fields in csv.reader(text, delimiter=self.form.delimiter):
                if len(fields) != len(self.names):
                    found = f"CSV parse error: Expected {len(self.names)} columns, got {len(fields)}"
                    return one_line(f"{found}: {self.form.delimiter.join(fields)}")
        return None


def _numbers(words: "pl.Series", kind: pa.DataType, decimal: str) -> "tuple[pl.Series, pl.Series]":
    """Integers or decimal numbers, null for what is absent, and the words that are neither."""
    pl = _polars()
    target = pl.Int64 if kind == pa.int64() else pl.Float64
    if decimal != "." and target == pl.Float64:
        both = words.str.contains(".", literal=True).fill_null(False)
        if both.any():  # one of the two marks parts thousands, and which one nothing tells
            return words.cast(target, strict=False), words.filter(both)
        words = words.str.replace(decimal, ".", literal=True)
    numbers = words.cast(target, strict=False)
    if numbers.null_count() == words.null_count():
        return numbers, words.head(0)
    words = words.str.strip_chars()
    numbers = words.cast(target, strict=False)
    return numbers, words.filter(numbers.is_null() & words.is_not_null() & ~words.is_in(_ABSENT))


def _whole_doubles(words: "pl.Series") -> "tuple[pl.Series, pl.Series]":
    """Integers that are written with a point, and the words that are no whole numbers."""
    numbers, odd = _numbers(words, pa.float64(), ".")  # 1,000 may be a thousand
    broken = ~((numbers.abs() <= EXACT) & (numbers == numbers.floor())).fill_null(True)
    return numbers.cast(_polars().Int64, strict=False), odd if len(odd) else words.filter(broken)


def _kind(words: "pl.Series", decimal: str) -> pa.DataType:
    """The type of a column, by its words."""
    few = words.head(_FEW).to_list()  # tells nearly always, and soon
    whole = all(word is None or word in _ABSENT or word.strip().lstrip("+-").isdigit() for word in few)
    for kind in (pa.int64(), pa.float64()) if whole else (pa.float64(),):
        numbers, odd = _numbers(words, kind, decimal)
        if not len(odd):
            return pa.null() if numbers.null_count() == len(numbers) else kind
    return pa.string()


def _whole(tables: Iterator[pa.Table]) -> pa.Table:
    found = [*tables]
    refuse_empty(len(found))
    return pa.concat_tables(found)


# Threads do not come along where a process is forked: polars, used before, would wait for them for ever.
_forked_with_polars = False


def _note_fork() -> None:
    global _forked_with_polars
    _forked_with_polars = "polars" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _polars() -> Any:
    if _forked_with_polars:
        raise ParameterError(
            "polars, which reads text, came with a fork of the process, but without its threads; "
            'needed workers that begin anew: start them with mp_context=get_context("spawn")'
        )
    import polars

    return polars
