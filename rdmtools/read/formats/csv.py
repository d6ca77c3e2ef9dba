"""What losses are in a table of text? It has no types: steps and losses are numbers, ids are as written.

CSV, TSV -> blocks of whole lines -> fields, by polars -> integers, decimal numbers, ids -> Arrow

Polars takes the end of a line that is too short for nulls, so fields are counted; and a word that stands for
null would do so in every column, among ids too, so numbers are made here.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import csv
import gzip
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from rdmtools.errors import ParameterError, one_line
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.read.batches import Batches
from rdmtools.read.layout import Long, Losses, from_table, step_column, typed_ids
from rdmtools.run.columns import refuse_empty

if TYPE_CHECKING:
    import polars as pl

BLOCK_BYTES = 16 << 20

_TYPES = {STEP: pa.int64(), SAMPLE_ID: pa.string(), LOSS: pa.float64(), ATTEMPT: pa.int64()}
# Words for a number that is not there, those of Arrow and pandas.
_ABSENT = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
)
_NEEDED = "needed one line of names, then lines as long, with whole steps and numbers for losses"
_BOM = b"\xef\xbb\xbf"
_GZIPPED = 4  # times as large as text, about
_LONGEST = 1 << 28  # of a field
_FEW = 4
_QUOTED = re.compile(rb'"[^"]*"')
_QUOTE_WITHIN = rb'(?<=[^,\n"])"|"(?=[^,\r\n"])'  # where all that is quoted became one quote
_EMPTY_LINE = re.compile(rb'("[^"]*")|^\r?\n', re.MULTILINE)  # not within quotes


def read(
    path: Path, layout: str | None, columns: Mapping[str, str] | None, *, delimiter: str = ","
) -> tuple[Losses, list[str]]:
    """The losses in `path`, gzipped or not, and what was guessed. Raises ParameterError, and OSError."""
    text = _Text.opened(path, delimiter)
    if (found := text.batches(layout, columns)) is None:
        step = step_column(text.names, columns)
        kinds = [_TYPES[STEP if name == step else LOSS] for name in text.names]
        return from_table(_whole(text.tables(dict(enumerate(kinds)))), layout, columns)
    table, name = _whole(found.tables()), found.names[SAMPLE_ID]
    table = table.set_column(table.column_names.index(name), name, _typed(table.column(name)))
    return Long(table=table, columns=columns), found.notes


def batches(
    path: Path, layout: str | None, columns: Mapping[str, str] | None, *, delimiter: str = ","
) -> Batches | None:
    """The long table in `path`, None where it is wide. Raises what `read` raises."""
    return _Text.opened(path, delimiter).batches(layout, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A table of text, whose first line was read."""

    path: Path
    delimiter: str
    names: list[str]

    @classmethod
    def opened(cls, path: Path, delimiter: str) -> Self:
        line, _, _ = next(_blocks(path), b"").partition(b"\n")
        names = next(csv.reader([line.decode()], delimiter=delimiter), [])
        if not names:
            raise ParameterError(f"Empty CSV file; {_NEEDED}")
        return cls(path=path, delimiter=delimiter, names=names)

    def batches(self, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
        """The rows of a long table; None where it is wide."""
        everywhere = range(len(self.names))
        first = next(self._lines(), b"")
        words = self._words(first, everywhere) if first else []
        kinds = map(_kind, words) if words else [pa.null() for _ in everywhere]
        schema = pa.schema([*zip(self.names, kinds, strict=True)])

        def tables(names: Mapping[str, str]) -> Iterator[pa.Table]:
            return self.tables({self.names.index(name): _TYPES[role] for role, name in names.items()})

        size = self.path.stat().st_size * (_GZIPPED if self.path.suffix == ".gz" else 1)
        rows = len(words[0]) * size / len(first) if words else 0
        return Batches.of(schema, layout, columns, tables, rows, text=True)

    def tables(self, kinds: Mapping[int, pa.DataType]) -> Iterator[pa.Table]:
        """The columns at those places, of those types, some lines at a time."""
        names = [self.names[place] for place in kinds]
        for lines in self._lines():
            columns = zip(self._words(lines, kinds), names, kinds.values(), strict=True)
            yield pa.Table.from_arrays([_column(*column) for column in columns], names)

    def _lines(self) -> Iterator[bytes]:
        """The lines after the first, many at a time."""
        blocks = _blocks(self.path)
        _, _, rest = next(blocks, b"").partition(b"\n")
        yield from filter(None, chain([rest], blocks))

    def _words(self, lines: bytes, places: Iterable[int]) -> "list[pl.Series]":
        """What is written in the columns at those places. Raises ParameterError where a line has others."""
        pl = _polars()
        names = [f"column_{place + 1}" for place in range(len(self.names))]  # as polars has them
        wanted = [names[place] for place in places]
        mark = self.delimiter.encode()
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
                separator=self.delimiter,
                schema=dict.fromkeys(names, pl.String),
                columns=wanted,
            )
        except pl.exceptions.PolarsError as error:
            reason = self._odd_line(lines) or one_line(str(error).partition("\n")[0])
            raise ParameterError(f"{reason}; {_NEEDED}") from error
        if bare.count(mark) != len(fields) * (len(self.names) - 1):
            raise ParameterError(f"{self._odd_line(lines)}; {_NEEDED}")
        return [fields[name] for name in wanted]

    def _odd_line(self, lines: bytes) -> str | None:
        """What is said of the first line that has more fields than there are names, or fewer."""
        with suppress(csv.Error):
            text = io.StringIO(lines.decode(), newline="")
            for fields in csv.reader(text, delimiter=self.delimiter):
                if len(fields) != len(self.names):
                    found = f"CSV parse error: Expected {len(self.names)} columns, got {len(fields)}"
                    return one_line(f"{found}: {self.delimiter.join(fields)}")
        return None


def _blocks(path: Path) -> Iterator[bytes]:
    """The text as whole lines, none of them empty, many at a time."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        text = file.read(len(_BOM)).removeprefix(_BOM)
        while chunk := file.read(BLOCK_BYTES):
            text += chunk
            end = text.rfind(b"\n") + 1
            if end and (text.count(b'"', 0, end) % 2 == 0 or end > _LONGEST):  # no field goes on after it
                yield _without_empty_lines(text[:end])
                text = text[end:]
        yield _without_empty_lines(text if b"\n" in text else text.replace(b"\r", b"\n"))


def _without_empty_lines(text: bytes) -> bytes:
    some = text[:1] in (b"\n", b"\r") or b"\n\n" in text or b"\n\r\n" in text
    return _EMPTY_LINE.sub(rb"\1", text) if some else text


def _column(words: "pl.Series", name: str, kind: pa.DataType) -> pa.Array:
    """Numbers of a column, or ids as they are written. Raises ParameterError where there are none."""
    if kind != pa.string():
        numbers, odd = _numbers(words, kind)
        if len(odd):
            raise ParameterError(f"In CSV column {name!r}: invalid value {odd[0]!r}; {_NEEDED}")
        return numbers.to_arrow()
    if words.null_count() or (words == "").any():
        raise ParameterError(f"column {name!r} is empty in some rows; needed an id in each; drop them")
    return words.to_arrow(compat_level=_polars().CompatLevel.oldest()).dictionary_encode()


def _numbers(words: "pl.Series", kind: pa.DataType) -> "tuple[pl.Series, pl.Series]":
    """Integers or decimal numbers, null for what is absent, and the words that are neither."""
    pl = _polars()
    target = pl.Int64 if kind == pa.int64() else pl.Float64
    numbers = words.cast(target, strict=False)
    if numbers.null_count() == words.null_count():
        return numbers, words.head(0)
    words = words.str.strip_chars()
    numbers = words.cast(target, strict=False)
    return numbers, words.filter(numbers.is_null() & words.is_not_null() & ~words.is_in(_ABSENT))


def _kind(words: "pl.Series") -> pa.DataType:
    """The type of a column, by its words."""
    few = words.head(_FEW)  # tells nearly always, and soon
    kinds = [kind for kind in (pa.int64(), pa.float64()) if not len(_numbers(few, kind)[1])]
    for kind in kinds:
        numbers, odd = _numbers(words, kind)
        if not len(odd):
            return pa.null() if numbers.null_count() == len(numbers) else kind
    return pa.string()


def _whole(tables: Iterator[pa.Table]) -> pa.Table:
    found = [*tables]
    refuse_empty(len(found))
    return pa.concat_tables(found)


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids as integers where every one is written like one, or else as strings."""
    column = column.unify_dictionaries()
    words = column.chunk(0).dictionary.to_pylist()
    ids = typed_ids(words)
    if ids is words:
        return column
    numbers = pa.array(ids, pa.int64())
    return pa.chunked_array([numbers.take(chunk.indices) for chunk in column.chunks])


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
