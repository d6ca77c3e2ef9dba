"""Does a table have a row for each step and sample, or a row for each step? Either way it becomes a `Run`.

long: step, sample_id, loss (and attempt)        any order, what `Run.from_frame` reads
wide: one row a step, one column a sample        with a column of steps, or numbered 0, 1, 2, ...
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.format.values import floats, integers
from rdmtools.run.columns import find_columns
from rdmtools.run.quality import counted
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

LAYOUTS = ("long", "wide")

# What pandas calls an index that has no name: in CSV, in Arrow, and in CSV that it read and wrote again.
_UNNAMED_INDEX = ("", "__index_level_0__", "Unnamed: 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Long:
    """A tidy table."""

    table: pa.Table
    columns: Mapping[str, str] | None = None
    """From the format's names to the table's, where they differ."""

    def run(self, rules: Rules) -> Run:
        """The run of these losses. Raises ParameterError."""
        return Run.from_frame(
            self.table,
            columns=self.columns,
            missing=rules.missing,
            nonfinite=rules.nonfinite,
            duplicates=rules.duplicates,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide:
    """Losses by step and sample; nothing is checked yet."""

    steps: NDArray[Any]
    """(rows,)."""
    ids: Any
    """(samples,), or None for 0 ... samples-1."""
    losses: NDArray[Any]
    """(rows, samples)."""

    def run(self, rules: Rules) -> Run:
        """The run of these losses: as arrays, or where steps fall or come again as a tidy table."""
        fits = self.losses.ndim == 2 and self.steps.shape == self.losses.shape[:1]
        if fits and self.steps.dtype.kind in "iu" and (self.steps[1:] <= self.steps[:-1]).any():
            return Long(table=self._tidy()).run(rules)
        run = Run.from_arrays(self.steps, self.losses, samples=self.ids, nonfinite=rules.nonfinite)
        return _by_id(run) if self.ids is not None else run

    def _tidy(self) -> pa.Table:
        rows, samples = self.losses.shape
        ids = np.arange(samples) if self.ids is None else np.array(self.ids, dtype=object)
        columns = {STEP: np.repeat(self.steps, samples), SAMPLE_ID: np.tile(ids, rows)}
        return pa.table(columns | {LOSS: self.losses.reshape(-1)})


Losses = Long | Wide


def _by_id(run: Run) -> Run:
    """`run` with its samples in order of their ids, as those of a tidy table are."""
    order = np.argsort(run.samples[SAMPLE_ID].to_numpy(), kind="stable")
    if (order[1:] > order[:-1]).all():
        return run
    ids = run.samples[SAMPLE_ID].to_numpy()[order]
    sorted_run = Run.from_arrays(run.steps, run.losses[:, order], samples=ids)
    sorted_run.quality = run.quality
    return sorted_run


def layout_of(schema: pa.Schema, columns: Mapping[str, str] | None) -> str:
    """Whether a table looks "long" or "wide".

    Integers beside the steps are never taken for losses: they may be ids under another name.
    """
    if {SAMPLE_ID, LOSS} & {*schema.names, *(columns or {})}:
        return "long"
    step = step_column(schema.names, columns)
    others = [field.type for field in schema if field.name != step]
    return "wide" if others and all(map(_may_be_losses, others)) else "long"


def long_columns(schema: pa.Schema, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Names of the columns as `find_columns` gives them, or an error that knows the other layout too."""
    try:
        return find_columns(schema, columns)
    except ParameterError as error:
        if {SAMPLE_ID, LOSS} & {*schema.names, *(columns or {})}:
            raise
        raise ParameterError(
            f'{error}; or where each column is a sample, convert it with layout="wide" (--layout wide)'
        ) from error


def step_column(names: Sequence[str], columns: Mapping[str, str] | None) -> str | None:
    """The column of a wide table that has its steps: by name, or an index without one; None if there is none.

    Raises ParameterError where the column that `columns` maps is not there.
    """
    wanted = (columns or {}).get(STEP, STEP)
    if wanted in names:
        return wanted
    if STEP in (columns or {}):
        raise ParameterError(f"no column {wanted!r}; found {shortened(names)}; map step to one of them")
    return names[0] if names and names[0] in _UNNAMED_INDEX else None


def from_table(
    table: pa.Table, layout: str | None, columns: Mapping[str, str] | None
) -> tuple[Losses, list[str]]:
    """The losses of a table, and what was guessed. Raises ParameterError."""
    if (layout or layout_of(table.schema, columns)) == "long":
        names = long_columns(table.schema, columns)
        others = [name for name in table.column_names if name not in names.values()]
        return Long(table=table.select([*names.values()]), columns=columns), left_out("column", others)
    return _wide(table, layout is None, columns)


def _wide(table: pa.Table, guessed: bool, columns: Mapping[str, str] | None) -> tuple[Wide, list[str]]:
    names = table.column_names  # made anew each time it is asked for
    step = step_column(names, columns)
    places = [place for place, name in enumerate(names) if name != step]
    words = [names[place] for place in places]
    notes = [f"read as wide, a column for each of {counted(len(places), 'sample')}"] if guessed else []
    if step is None:
        steps, said = numbered(table.num_rows)
        notes.append(said)
    else:
        steps = integers(table.column(step), step)
        if step != (columns or {}).get(STEP, STEP):
            notes.append("took the first column, which has no name, for the steps")
    each = [floats(table.column(place), name) for place, name in zip(places, words, strict=True)]
    losses = np.empty((table.num_rows, len(each)), np.result_type(np.float32, *{one.dtype for one in each}))
    for sample, values in enumerate(each):
        losses[:, sample] = values
    return Wide(steps=steps, ids=typed_ids(words), losses=losses), notes


def numbered(rows: int) -> tuple[NDArray[np.int64], str]:
    """Steps for rows that come without, and how that is said."""
    return np.arange(rows), f"found no steps: numbered the {counted(rows, 'row')} 0, 1, 2, …"


def typed_ids(words: list[str]) -> list[int] | list[str]:
    """Ids that were text for want of types, as integers where every one is written like one."""
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        return words
    plain = all(str(number) == word for number, word in zip(numbers, words, strict=True))
    return numbers if plain and all(-(2**63) <= number < 2**63 for number in numbers) else words


def left_out(noun: str, names: Sequence[str]) -> list[str]:
    """What is said of columns, or arrays, that are no losses."""
    return [f"left out {counted(len(names), noun)}: {shortened(names)}"] if names else []


def shortened(names: Sequence[str]) -> str:
    """The first few names, for a line."""
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")


def _may_be_losses(kind: pa.DataType) -> bool:
    return types.is_floating(kind) or types.is_null(kind)  # null: CSV without a single value
