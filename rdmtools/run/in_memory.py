"""How does a table in memory, of whatever library, become an Arrow table? By its own buffers where it can.

pandas (its index and columns of two names, too), polars (lazy, too), Arrow, the Arrow C interface
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from rdmtools.errors import ParameterError, one_line
from rdmtools.format.names import ATTEMPT, LOSS
from rdmtools.run.layout import planned
from rdmtools.run.rules import ROLES


def arrow_table(frame: Any, layout: str | None, columns: Mapping[str, str] | None) -> pa.Table:
    """A table in memory as an Arrow table; polars and Arrow share their numbers with it.

    Of a tidy table only the columns that are needed are taken, and of a lazy one computed.
    """
    try:
        if is_polars(frame):
            return _of_polars(frame, layout, columns)
        if isinstance(frame, pd.DataFrame | pd.Series):
            return _of_pandas(frame, layout, columns)
        table = pa.table(frame)
        names = _needed(table.column_names, layout, columns)
        return table if names is None else table.select(names)
    except Exception as error:
        known = pa.ArrowException, TypeError, KeyError, ValueError
        if isinstance(error, ParameterError) or not (isinstance(error, known) or is_polars(frame)):
            raise
        raise ParameterError(
            f"the table cannot be read ({one_line(error)}); pass a pandas, polars or Arrow table"
        ) from error


def is_polars(frame: Any) -> bool:
    """Whether `frame` is one of polars, which need not be installed."""
    return any(each.__module__.partition(".")[0] == "polars" for each in type(frame).__mro__)


def _needed(found: Sequence[str], layout: str | None, columns: Mapping[str, str] | None) -> list[str] | None:
    """The columns of a tidy table that has all of them; None where all may be needed."""
    roles = {role: (columns or {}).get(role, role) for role in ROLES}
    names = [name for role, name in roles.items() if name in found or role != ATTEMPT]
    tidy = layout in (None, "long") and all(found.count(name) == 1 for name in names)
    return [*dict.fromkeys(names)] if tidy else None


def _of_pandas(frame: Any, layout: str | None, columns: Mapping[str, str] | None) -> pa.Table:
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(LOSS if frame.name is None else frame.name)
    if frame.columns.nlevels > 1:
        frame = _flat(frame)
    frame = frame.rename(columns=str)
    inside = [name for name in frame.index.names if name is not None and str(name) not in frame]
    if inside or frame.index.nlevels > 1:
        frame = frame.reset_index([*inside]) if inside else frame
    elif layout != "long" and not _is_counting(frame.index) and LOSS not in frame:
        frame = frame.rename_axis("").reset_index()  # as in CSV that pandas wrote
    frame = frame.rename(columns=str)
    # the other columns of a pandas table may hold what Arrow cannot
    if (names := _needed([*frame.columns], layout, columns)) is not None:
        return pa.Table.from_pandas(frame[names], preserve_index=False)
    return pa.Table.from_arrays(
        [_column(frame.iloc[:, place]) for place in range(frame.shape[1])], [*frame.columns]
    )


def _is_counting(index: Any) -> bool:
    """Whether an index says nothing: 0, 1, 2, ..."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _column(values: pd.Series) -> pa.Array:
    """Values of a column, or nulls where Arrow has no type for them."""
    try:
        return pa.Array.from_pandas(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.nulls(len(values))


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose columns have two names each, as a pivot leaves it, with one: those of the samples.

    What has but one name, as the steps have once the index was reset, keeps it.
    """
    for level in range(2) if frame.columns.nlevels == 2 else ():
        of_level = [str(name[level]) for name in frame.columns]
        other = [str(name[1 - level]) for name in frame.columns]
        bare = [word == "" or rest == "" for word, rest in zip(of_level, other, strict=True)]
        words = {word for word, alone in zip(of_level, bare, strict=True) if not alone}
        if len(words) == 1 or LOSS in words:
            chosen = LOSS if LOSS in words else words.pop()
            kept = [alone or word == chosen for word, alone in zip(of_level, bare, strict=True)]
            flat = frame.loc[:, kept].copy()
            flat.columns = [
                (word or rest) if alone else rest
                for word, rest, alone, keep in zip(of_level, other, bare, kept, strict=True)
                if keep
            ]
            return flat
    first = ", ".join(map(repr, frame.columns[:2]))
    raise ParameterError(
        f"columns have {frame.columns.nlevels} names each, such as {first}; needed one each, or 'loss' for "
        "one of two; choose some, as by df['loss']"
    )


def _of_polars(frame: Any, layout: str | None, columns: Mapping[str, str] | None) -> pa.Table:
    # Of other columns nothing is computed; Python objects, which polars may hold, end the process in Arrow.
    import polars

    kinds = dict(frame.collect_schema())
    plain = [name for name, kind in kinds.items() if "Object" not in str(kind)]
    names = _needed([*kinds], layout, columns)
    if names is None:
        schema = pa.table(polars.DataFrame(schema={name: kinds[name] for name in plain})).schema
        found = [(name, schema.field(name).type if name in plain else pa.null()) for name in kinds]
        planned(pa.schema(found), layout, columns)  # what cannot be read is told before it is computed
        names = plain
    if odd := next((name for name in names if name not in plain), None):
        raise ParameterError(f"column {odd!r} is of type {kinds[odd]}; needed numbers or strings; convert it")
    return pa.table(frame.lazy().select(names).collect())
