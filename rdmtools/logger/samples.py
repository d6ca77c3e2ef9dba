"""What are the probe samples? Ids for the journal, and a table of what else is known of them.

Tables are taken from any library by the Arrow C interface, so that none of them is imported here.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

import numpy as np
import pyarrow as pa

from rdmtools.errors import ParameterError
from rdmtools.format.names import SAMPLE_ID
from rdmtools.format.values import column

_INT64 = np.iinfo(np.int64)


def probe_samples(samples: Any) -> tuple[int | list[int] | list[str] | None, Any]:
    """Ids of the samples (a count for 0 ... n-1, None while not known) and their table, if there is one.

    Parameters
    ----------
    samples
        None, their number, their ids, or a table: a dict of columns, pandas, polars, pyarrow. Its column
        `sample_id` has the ids; without it they are 0 ... n-1.

    Raises
    ------
    ParameterError
        Ids that are not all integers or all strings, or not distinct; no samples; columns of several lengths.
    """
    if samples is None:
        return None, None
    if isinstance(samples, int | np.integer) and not isinstance(samples, bool):
        if samples < 1:
            raise ParameterError(f"samples is {samples}; needed at least 1")
        return int(samples), None
    table = _table(samples)
    if not table.num_rows:
        raise ParameterError("samples is empty; needed at least 1, or None: as many as the losses")
    if SAMPLE_ID in table.column_names:
        return _checked(table.column(SAMPLE_ID).to_pylist()), table
    ids = column(np.arange(table.num_rows))
    return table.num_rows, table.add_column(0, SAMPLE_ID, ids)


def _table(samples: Any) -> Any:
    if isinstance(samples, str | bytes):
        raise ParameterError(f"samples is the text {samples!r}; needed ids, their number or a table")
    if isinstance(samples, AbstractSet):
        raise ParameterError("samples is a set, which has no order; needed the order of the losses: a list")
    try:
        if isinstance(samples, Mapping):
            columns = cast(Mapping[Any, Any], samples)
            return pa.table({str(name): column(_plain(values)) for name, values in columns.items()})
        if hasattr(samples, "columns") and hasattr(samples, "__arrow_c_stream__"):
            table = pa.table(samples).replace_schema_metadata(None)
            kept = [name for name in table.column_names if not name.startswith("__index_level_")]
            return pa.table({name: _writable(table.column(name)) for name in kept})
        return pa.table({SAMPLE_ID: column(_checked(list(_plain(samples))))})
    except (pa.ArrowException, TypeError, OverflowError, UnicodeError) as error:
        raise ParameterError(
            f"samples is no table ({error}); needed ids, their number, or columns of one length"
        ) from error


def _writable(values: Any) -> Any:
    """A column that any other attempt's joins: categories, and polars' string views, as what they stand for.

    pyarrow 16 can neither write nor cast views.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return column(values.to_pylist()) if str(values.type) == "string_view" else values


def _plain(values: Any) -> Any:
    """A list of Python objects, from the array, tensor or series of any library."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _checked(ids: list[Any]) -> list[Any]:
    types = set(map(type, ids))
    if types - {int} and types - {str}:
        names = ", ".join(sorted(kind.__name__ for kind in types))
        raise ParameterError(f"sample ids are of type {names}; needed all int or all str: convert them")
    if len(set(ids)) < len(ids):
        raise ParameterError(
            f"{len(ids)} sample ids, {len(set(ids))} of them distinct; needed one id per sample"
        )
    if types == {int} and not _INT64.min <= min(ids) <= max(ids) <= _INT64.max:
        raise ParameterError(
            f"sample ids reach from {min(ids)} to {max(ids)}; needed 64-bit integers: use str"
        )
    return ids
