"""How do the values of an Arrow column become NumPy, and NumPy a column? By their buffers, without pandas.

pyarrow's own ways import pandas, whatever they are given (140 ms), which a training job may not have.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ParameterError

# Up to here every whole number is a double of its own.
EXACT = float(1 << 53)


def column(values: Any, valid: NDArray[np.bool_] | None = None) -> pa.Array:
    """Arrow column of an array or list; numbers are null where not `valid`.

    `pyarrow.array`, which imports pandas, gets what is neither numbers nor str: dates, lists, None.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "OU":
        values = values.tolist()
    kinds = set(map(type, values)) if isinstance(values, list) else set[type]()
    if kinds == {str}:
        words = [word.encode() for word in values]
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int64)
        short = offsets[-1] < 1 << 31
        offsets, type_ = (offsets.astype(np.int32), pa.string()) if short else (offsets, pa.large_string())
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(words))]
        return pa.Array.from_buffers(type_, len(words), buffers)
    if isinstance(values, np.ndarray) or (kinds and kinds <= {int, float}):
        numbers = np.ascontiguousarray(values)
        if numbers.dtype.kind in "iuf":
            bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
            type_ = pa.from_numpy_dtype(numbers.dtype)
            return pa.Array.from_buffers(type_, len(numbers), [bitmap, pa.py_buffer(numbers)])
    return pa.array(values)


def plain_values(table: pa.Table, name: str) -> NDArray[Any]:
    """Numbers of a column, or strings as objects; null as None."""
    values = one_chunk(table.column(name))
    if pa.types.is_dictionary(values.type):
        return np.array(values.dictionary.to_pylist(), dtype=object)[_buffer(values.indices)]
    if values.null_count or not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return np.array(values.to_pylist(), dtype=object)
    return _buffer(values)


def integers(column: pa.ChunkedArray, name: str) -> NDArray[np.integer[Any]]:
    """Values of a column of integers, of its own type (int64 instead of uint64).

    Whole numbers that some tool keeps as floats or decimals are integers; a fraction among them is an error.
    """
    refuse_nulls(column, name, "an integer")
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_fractional(column.type):
        column = _whole(column, name)
    if not types.is_integer(column.type):
        raise ParameterError(f"column {name!r} is of type {column.type}; needed integers; convert it")
    if types.is_uint64(column.type):
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise ParameterError(
                f"column {name!r} has values above 2**63 - 1; needed int64; renumber"
            ) from error
    return _buffer(one_chunk(column))


def is_fractional(kind: pa.DataType) -> bool:
    """Whether a type may hold fractions."""
    return types.is_floating(kind) or types.is_decimal(kind)


def _whole(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Whole numbers as int64. Raises ParameterError where one has a fraction, or is too large to be exact."""
    values = floats(column, name).astype(np.float64, copy=False)
    exact = float(1 << 11) if types.is_float16(column.type) else float(1 << 24)
    exact = exact if types.is_floating(column.type) and not types.is_float64(column.type) else EXACT
    odd = np.flatnonzero(~(np.abs(values) <= exact) | (values != np.trunc(values)))
    if len(odd):
        raise ParameterError(
            f"column {name!r} has {values[odd[0]]:.15g} in row {odd[0]}; needed whole numbers; "
            "round them, or map another column"
        )
    return pa.chunked_array([pa.array(values.astype(np.int64))])


def floats(column: pa.ChunkedArray, name: str) -> NDArray[np.floating[Any]]:
    """Values of a column of floats, float16 as float32, null as NaN (pandas writes NaN as null)."""
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_decimal(column.type):  # by its digits: Arrow's own way rounds twice
        column = column.cast(pa.string()).cast(pa.float64())
    if not types.is_floating(column.type):
        raise ParameterError(
            f"column {name!r} is of type {column.type}; needed float16, float32 or float64; convert it"
        )
    array = one_chunk(column)
    if types.is_float16(column.type):  # older Arrow can neither cast it nor fill it
        half = np.frombuffer(array.buffers()[1], np.float16, len(array), 2 * array.offset)
        nulls = array.is_null().to_numpy(zero_copy_only=False)
        return np.where(nulls, np.float32(np.nan), half.astype(np.float32))
    return array.to_numpy(zero_copy_only=False) if array.null_count else _buffer(array)


def losses_of(column: pa.ChunkedArray, name: str) -> NDArray[np.floating[Any]]:
    """Losses of a column that was taken for them by its place: integers, too, as float64."""
    integer = types.is_integer(_value_type(column.type))
    return floats(column.cast(pa.float64(), safe=False) if integer else column, name)  # the closest double


def losses_type(kind: pa.DataType) -> np.dtype[Any]:
    """Type of the values that `losses_of` makes of a column of type `kind`."""
    kind = _value_type(kind)
    small = types.is_floating(kind) and not types.is_float64(kind)
    return np.dtype(np.float32 if small else np.float64)


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind


def refuse_nulls(column: pa.ChunkedArray, name: str, needed: str) -> None:
    if count := column.null_count:
        nulls = f"{count:,} null{'s' * (count != 1)}"
        raise ParameterError(f"column {name!r} has {nulls}; needed {needed} in every row; drop them")


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """`column` as one array, without a copy where it is one already."""
    if column.num_chunks == 1:
        return column.chunk(0)
    array = column.combine_chunks()
    if not isinstance(array, pa.ChunkedArray):
        return array
    return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)


def _buffer(values: pa.Array) -> NDArray[Any]:
    """Numbers without nulls, as they lie in memory."""
    kind = np.dtype({"float": "float32", "double": "float64"}.get(str(values.type), str(values.type)))
    if not len(values):
        return np.empty(0, kind)
    return np.frombuffer(values.buffers()[1], kind, len(values), values.offset * kind.itemsize)
