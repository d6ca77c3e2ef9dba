"""Which columns of a foreign table are step, sample and loss, and what numbers are in them?

Any tool may have written it: any integer type, ids that are integers or strings, categorical or not, in any
number of chunks. What does not fit is a ParameterError; `read` adds the path and makes it a FormatError.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.format.values import floats, integers, one_chunk, refuse_nulls
from rdmtools.run.clean import Tidy
from rdmtools.run.rules import ROLES


def arrow_table(frame: Any, columns: Mapping[str, str] | None) -> tuple[pa.Table, dict[str, str]]:
    """A table in memory as an Arrow table, and the names of its columns that `find_columns` gives.

    Polars and Arrow share their numbers with it. Of a lazy frame the columns that are needed are collected.
    """
    try:
        if is_polars(frame):
            return _of_polars(frame, columns)
        if not isinstance(frame, pd.DataFrame):
            table = pa.table(frame)
            return table, find_columns(table.schema, columns)
        # the other columns of a pandas table may hold what Arrow cannot
        names = find_columns(pa.Schema.from_pandas(frame.head(0), preserve_index=False), columns)
        return pa.Table.from_pandas(frame[[*names.values()]], preserve_index=False), names
    except Exception as error:
        known = pa.ArrowException, TypeError, KeyError, ValueError
        if isinstance(error, ParameterError) or not (isinstance(error, known) or is_polars(frame)):
            raise
        raise ParameterError(
            f"the table cannot be read ({' '.join(str(error).split())}); pass a pandas, polars or Arrow table"
        ) from error


def is_polars(frame: Any) -> bool:
    """Whether `frame` is one of polars, which need not be installed."""
    return any(each.__module__.partition(".")[0] == "polars" for each in type(frame).__mro__)


def _of_polars(frame: Any, columns: Mapping[str, str] | None) -> tuple[pa.Table, dict[str, str]]:
    import polars

    # Of other columns nothing is computed; Python objects, which polars may hold, end the process in Arrow.
    kinds = dict(frame.collect_schema())
    plain = [name for name, kind in kinds.items() if "Object" not in str(kind)]
    schema = pa.table(polars.DataFrame(schema={name: kinds[name] for name in plain})).schema
    fields = [(name, schema.field(name).type if name in plain else pa.null()) for name in kinds]
    names = find_columns(pa.schema(fields), columns)
    if odd := next((name for name in names.values() if name not in plain), None):
        raise ParameterError(f"column {odd!r} is of type {kinds[odd]}; needed numbers or strings; convert it")
    return pa.table(frame.lazy().select([*dict.fromkeys(names.values())]).collect()), names


def find_columns(schema: pa.Schema, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Names of the columns that are the step, the sample, the loss and, where there is one, the attempt.

    `columns` maps from the format's names to the table's, where they differ.
    """
    names = {role: role for role in ROLES} | dict(columns or {})
    found: list[str] = schema.names
    if ATTEMPT not in found and ATTEMPT not in (columns or {}):
        del names[ATTEMPT]
    if absent := {role: name for role, name in names.items() if name not in found}:
        raise ParameterError(
            f"no column {', '.join(map(repr, absent.values()))}; found {', '.join(found) or 'none'}; "
            + _suggestion(schema, names, absent)
        )
    for name in names.values():
        if found.count(name) > 1:
            raise ParameterError(
                f"{found.count(name)} columns are named {name!r}; needed one; rename the others"
            )
    return names


def _suggestion(schema: pa.Schema, names: dict[str, str], absent: dict[str, str]) -> str:
    """How to map what is absent: the first free column whose type fits."""
    fits = {STEP: types.is_integer, ATTEMPT: types.is_integer, LOSS: types.is_floating, SAMPLE_ID: _is_id}
    free = {field.name: _value_type(field.type) for field in schema if field.name not in names.values()}
    guesses: dict[str, str] = {}
    for role in absent:
        guesses[role] = next((name for name, kind in free.items() if fits[role](kind)), "…")
        free.pop(guesses[role], None)
    python = ", ".join(f'"{role}": "{name}"' for role, name in guesses.items())
    shell = ",".join(f"{role}={name}" for role, name in guesses.items())
    return f"map with columns={{{python}}} (--columns {shell})"


def refuse_empty(rows: int) -> None:
    """Raise ParameterError where a table has no rows."""
    if rows == 0:
        raise ParameterError("no rows; needed at least one step of losses")


def tidy_rows(table: pa.Table, names: Mapping[str, str]) -> Tidy:
    """The tidy rows of `table`, whose columns `names` tells."""
    refuse_empty(table.num_rows)
    samples, ids = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
    return Tidy(
        steps=integers(table.column(names[STEP]), names[STEP]),
        samples=samples,
        losses=floats(table.column(names[LOSS]), names[LOSS]),
        attempts=integers(table.column(names[ATTEMPT]), names[ATTEMPT]) if ATTEMPT in names else None,
        ids=ids,
    )


def float_type(kind: pa.DataType) -> np.dtype[Any]:
    """Type of the values that `floats` makes of a column of type `kind`."""
    return np.dtype(np.float64 if types.is_float64(_value_type(kind)) else np.float32)


def row_bytes(schema: pa.Schema, names: Mapping[str, str]) -> int:
    """Bytes that a row takes in memory, an id that is a string those of its code."""
    kinds = [_value_type(schema.field(name).type) for name in names.values()]
    return sum(kind.bit_width // 8 if types.is_primitive(kind) else 4 for kind in kinds)


def has_text_ids(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` has ids that are strings, if it has ids at all."""
    return not types.is_integer(_value_type(kind))


def sample_codes(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.integer[Any]], NDArray[Any] | None]:
    """Ids that are integers, and None; or positions of ids that are strings, and these, in order."""
    refuse_nulls(column, name, "an id")
    kind = _value_type(column.type)
    if types.is_integer(kind):
        return integers(column, name), None
    if not _is_id(kind):
        raise ParameterError(f"column {name!r} is of type {kind}; needed integers or strings; convert it")
    if not types.is_dictionary(column.type):
        column = _plain_strings(column).dictionary_encode()
    array = one_chunk(column.unify_dictionaries())
    dictionary = array.dictionary
    if dictionary.null_count:
        raise ParameterError(f"column {name!r} has a null among its categories; needed strings; drop it")
    ids, order = np.unique(np.array(dictionary.to_pylist(), dtype=object), return_inverse=True)
    return order[array.indices.to_numpy()], ids


def _plain_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if "view" not in str(column.type):
        return column
    try:
        return column.cast(pa.large_string())
    except pa.ArrowNotImplementedError:  # before Arrow 17
        return pa.chunked_array([column.to_pylist()], pa.large_string())


def _is_id(kind: pa.DataType) -> bool:
    # Arrow 16 knows string views; asking by name spares a test of the version
    return types.is_integer(kind) or types.is_string(kind) or str(kind) in ("large_string", "string_view")


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind
