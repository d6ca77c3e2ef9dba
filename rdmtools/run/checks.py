"""Do the arrays and tables that a user hands over make a run? Checked once here, and trusted after.

Losses and steps become arrays; samples and scalars, from whatever holds columns, new pandas tables. What does
not fit is a ParameterError; `read` adds the path and makes it a FormatError.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rdmtools.errors import ParameterError, one_line
from rdmtools.format.names import GROUP, SAMPLE_ID, STEP
from rdmtools.run.quality import counted


def samples_table(samples: Any, count: int) -> pd.DataFrame:
    """A new table of `count` samples, `sample_id` first, from a table, ids, or None for 0 … count-1."""
    if samples is None:
        return pd.DataFrame({SAMPLE_ID: np.arange(count)})
    table = _frame(samples, "samples", ids=SAMPLE_ID)
    if len(table) != count:
        raise ParameterError(
            f"samples has {counted(len(table), 'row')}, the losses have {counted(count, 'column')}; "
            "needed one row per column, in their order"
        )
    if SAMPLE_ID not in table:
        table.insert(0, SAMPLE_ID, np.arange(count))
    ids = table.pop(SAMPLE_ID)
    if ids.isna().any():
        raise ParameterError("samples has a sample_id that is null; needed one integer or string for each")
    kind = pd.api.types.infer_dtype(ids)
    if kind not in ("integer", "string", "empty"):
        raise ParameterError(f"samples has sample_id of type {kind}; needed integers or strings")
    if (again := ids.duplicated()).any():
        raise ParameterError(
            f"samples has sample_id {ids[again].tolist()[0]!r} more than once; needed one row per sample"
        )
    table.insert(0, SAMPLE_ID, ids)
    if GROUP in table:
        check_groups(table[GROUP])
    return table


def check_groups(groups: pd.Series) -> None:
    """Raise ParameterError where a sample's group is not one value: lists and the like name no group."""
    several = groups.map(pd.api.types.is_list_like)
    if several.any():
        group = one_line(repr(groups[several].iloc[0]))
        group = group if len(group) <= 60 else group[:59] + "…"
        raise ParameterError(f"group of a sample is {group}; needed one number or text for each; join them")


def match_samples(
    samples: Any, ids: NDArray[Any], *, told: Callable[[str], object] | None = None
) -> tuple[pd.DataFrame, int]:
    """What `samples` says of `ids`, in their order, and how many others it describes.

    Raises ParameterError where it lacks some; where it has others, and there is somebody to be `told`, what
    is known of those that it lacks is null instead.
    """
    if samples is None:
        return samples_table(ids, len(ids)), 0
    table = _frame(samples, "samples", ids=SAMPLE_ID)
    if SAMPLE_ID not in table:
        raise ParameterError(f"samples has columns {_listed(table)}; needed a column 'sample_id'")
    table = samples_table(table, len(table))
    place = pd.Index(table[SAMPLE_ID]).get_indexer(pd.Index(ids))
    if len(absent := ids[place < 0]):
        first = absent.tolist()[0]
        such = f", such as {table[SAMPLE_ID].tolist()[0]!r}" if len(table) else ""
        lacking = (
            f"samples lacks {counted(len(absent), 'id')} of the {len(ids)} in the losses "
            f"(first: {first!r}, of type {type(first).__name__}); found {len(table)}{such}; add them"
        )
        if told is None or len(absent) == len(ids):
            raise ParameterError(lacking)
        told(f"{lacking}; read with nulls there")
        known = table.set_index(SAMPLE_ID).reindex(pd.Index(ids, name=SAMPLE_ID)).reset_index()
        return known[table.columns], len(table) - int((place >= 0).sum())
    return table.iloc[place].reset_index(drop=True), len(table) - len(ids)


def scalars_table(scalars: Any) -> pd.DataFrame:
    """A new table of scalars, `step` first and rising strictly, then float64; only `step` from None."""
    if scalars is None:
        return pd.DataFrame({STEP: np.empty(0, np.int64)})
    table = _frame(scalars, "scalars")
    if STEP not in table:
        raise ParameterError(f"scalars has columns {_listed(table)}; needed a column 'step'")
    for column in table:
        kind = table[column].dtype
        if table[column].isna().all():  # a column that was never filled has any type
            table[column] = np.nan
        elif not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            raise ParameterError(
                f"scalars has column {column!r} of type {kind}; needed numbers; drop it or convert it"
            )
    if not pd.api.types.is_integer_dtype(table[STEP].dtype) or table[STEP].isna().any():
        raise ParameterError(f"scalars has steps of type {table[STEP].dtype}; needed integers, without nulls")
    table = table.sort_values(STEP, kind="stable", ignore_index=True)
    if (again := table[STEP].duplicated()).any():
        raise ParameterError(
            f"scalars has step {table[STEP][again].iloc[0]} more than once; needed one row per step"
        )
    steps = table.pop(STEP).to_numpy(np.int64)
    table = table.astype(np.float64)
    table.insert(0, STEP, steps)
    return table


def losses_array(losses: ArrayLike) -> NDArray[Any]:
    values = _array(losses, "losses")
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise ParameterError(
            f"losses are of type {values.dtype}; needed float16, float32 or float64; "
            "convert them, as by .astype(float)"
        )
    if values.ndim != 2 or 0 in values.shape:
        raise ParameterError(
            f"losses have shape {values.shape}; needed (rows, samples), at least one of each"
        )
    return np.ascontiguousarray(values, np.float32 if values.dtype.itemsize < 8 else np.float64)


def steps_array(steps: ArrayLike, rows: int) -> NDArray[np.int64]:
    found = _array(steps, "steps")
    if found.dtype.kind not in "iu":
        raise ParameterError(
            f"steps are of type {found.dtype}; needed integers; convert them, as by .astype(int)"
        )
    if found.shape != (rows,):
        raise ParameterError(f"steps have shape {found.shape}; needed ({rows},), one for each row of losses")
    step = found.astype(np.int64)
    falls = np.flatnonzero(step[1:] <= step[:-1])  # a difference may be too large for int64
    if len(falls):
        at = falls[0]
        raise ParameterError(
            f"steps do not rise: {step[at + 1]} follows {step[at]} at row {at + 1}; "
            "sort the rows by step and keep one for each"
        )
    return step


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    if np.ma.is_masked(values):
        raise ParameterError(f"{what} has masked entries; needed an array without a mask; fill or drop them")
    try:
        return np.asarray(values)
    # Ragged lists; tensors on a device or with a gradient.
    except (ValueError, TypeError, RuntimeError) as error:
        raise ParameterError(
            f"{what} cannot become an array ({one_line(error)}); pass NumPy arrays"
        ) from error


def _frame(table: Any, what: str, ids: str | None = None) -> pd.DataFrame:
    """A new pandas table with a RangeIndex; with `ids`, a plain sequence is the column of that name."""
    if hasattr(table, "collect"):
        table = table.collect()
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    if ids and not isinstance(table, pd.DataFrame | Mapping):
        table = {ids: table}
    try:
        frame = pd.DataFrame(table).reset_index(drop=True)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{what} cannot become a table ({one_line(error)}); pass a DataFrame") from error
    if again := frame.columns[frame.columns.duplicated()].tolist():
        raise ParameterError(
            f"{what} has column {again[0]!r} twice; needed distinct names; rename or drop one"
        )
    return frame


def _listed(table: pd.DataFrame) -> str:
    return ", ".join(map(str, table.columns))
