"""How does a table, or an array, become losses by step and sample? As `layout` planned, by the rules.

table -> Long | Wide -> grid
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.format.values import integers, losses_of, one_chunk
from rdmtools.run.clean import Grid, grid
from rdmtools.run.columns import better_step, find_columns, sample_codes, tidy_rows, type_notes
from rdmtools.run.dirt import GapsError
from rdmtools.run.layout import STEP_IN_NAME, Plan, planned
from rdmtools.run.quality import Quality, counted
from rdmtools.run.restarts import looked_at
from rdmtools.run.rules import Rules
from rdmtools.run.usual_names import is_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Long:
    """A tidy table."""

    table: pa.Table
    columns: Mapping[str, str] | None = None
    """From the format's names to the table's, where they differ."""
    more: Callable[[], pa.Table] | None = None
    """The same table with its other columns, which are looked at where these do not make a run."""
    unit: str | None = None
    """Of the losses, where the form tells."""

    def grid(self, rules: Rules) -> Grid:
        """The losses by step and sample. Raises ParameterError."""
        names = find_columns(self.table.schema, self.columns)
        tidy, told = looked_at(tidy_rows(self.table, names), rules)
        try:
            found = grid(tidy, rules)
        except GapsError as error:
            table = self.table if self.more is None else self.more()
            raise error.mended_by(better_step(table, names)) from error
        return replace(found, quality=found.quality + told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide:
    """Losses by step and sample; nothing is checked yet."""

    steps: NDArray[Any]
    """(rows,)."""
    ids: Any
    """(samples,), or None for 0 ... samples-1."""
    losses: NDArray[Any]
    """(rows, samples)."""
    unit: str | None = None
    """Of the losses, where the form tells."""
    draws: Sequence[NDArray[Any]] | None = None
    """(draws, samples) of each row, where the losses are the means over draws of the parameters."""

    def grid(self, rules: Rules) -> Grid:
        """The losses, samples in order of their ids; where steps fall or come again as of a tidy table."""
        fits = self.losses.ndim == 2 and self.steps.shape == self.losses.shape[:1]
        if fits and self.steps.dtype.kind in "iu" and (self.steps[1:] <= self.steps[:-1]).any():
            return Long(table=self._tidy()).grid(rules)
        if self.ids is None:
            count = self.losses.shape[1] if self.losses.ndim == 2 else 0
            return Grid(steps=self.steps, ids=np.arange(count), losses=self.losses, quality=Quality())
        text = len(self.ids) and isinstance(self.ids[0], str)
        ids = np.array(self.ids, dtype=object) if text else np.asarray(self.ids)
        order = np.argsort(ids, kind="stable")
        losses = self.losses
        if fits and len(order) == losses.shape[1] and (order[1:] < order[:-1]).any():
            ids, losses = ids[order], losses[:, order]
        return Grid(steps=self.steps, ids=ids, losses=losses, quality=Quality())

    def _tidy(self) -> pa.Table:
        rows, samples = self.losses.shape
        ids = np.arange(samples) if self.ids is None else np.array(self.ids, dtype=object)
        columns = {STEP: np.repeat(self.steps, samples), SAMPLE_ID: np.tile(ids, rows)}
        return pa.table(columns | {LOSS: self.losses.reshape(-1)})


Losses = Long | Wide


def from_table(
    table: pa.Table, layout: str | None, columns: Mapping[str, str] | None
) -> tuple[Losses, list[str]]:
    """The losses of a table, and what was guessed. Raises ParameterError."""
    plan = planned(table.schema, layout, columns)
    return of_plan(table, plan, columns)


def of_plan(table: pa.Table, plan: Plan, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses of a table whose columns are known, and what was guessed. Raises ParameterError."""
    if plan.layout == "long":
        return Long(table=table, columns=columns), [*plan.notes, *type_notes(table.schema, plan.names)]
    made = {"wide": _of_wide, "lists": _of_lists, "samples": _of_samples}[plan.layout]
    losses, notes = made(table, plan)
    return losses, [*plan.notes, *notes]


def _of_wide(table: pa.Table, plan: Plan) -> tuple[Wide, list[str]]:
    names = table.column_names  # made anew each time it is asked for
    steps, notes = _steps(table, plan.step)
    each = [losses_of(table.column(place), names[place]) for place in plan.losses]
    losses = np.empty((table.num_rows, len(each)), np.result_type(np.float32, *{one.dtype for one in each}))
    for sample, values in enumerate(each):
        losses[:, sample] = values
    return Wide(steps=steps, ids=typed_ids([names[place] for place in plan.losses]), losses=losses), notes


def _steps(table: pa.Table, place: int | None) -> tuple[NDArray[Any], list[str]]:
    if place is None:
        return numbered(table.num_rows)
    name = table.column_names[place]
    try:
        found = integers(table.column(place), name)
    except ParameterError:
        if not is_epoch(name):  # parts of an epoch number no rows, and nobody said that they do
            raise
        steps, said = numbered(table.num_rows)
        return steps, [f"left out {name!r}, which has parts of epochs", *said]
    return found, type_notes(table.schema, {STEP: name})


def _of_lists(table: pa.Table, plan: Plan) -> tuple[Losses, list[str]]:
    steps, notes = _steps(table, plan.step)
    [place] = plan.losses
    name, column = table.column_names[place], one_chunk(table.column(place))
    if column.null_count:
        raise ParameterError(
            f"column {name!r} has no losses in {counted(column.null_count, 'row')}; drop them"
        )
    if types.is_struct(column.type):
        ids = typed_ids([column.type.field(each).name for each in range(column.type.num_fields)])
        fields = [losses_of(pa.chunked_array([part]), name) for part in column.flatten()]
        return Wide(steps=steps, ids=ids, losses=np.stack(fields, axis=1)), notes
    lengths = np.diff(_offsets(column))
    values = losses_of(pa.chunked_array([column.flatten()]), name)
    if plan.ids is not None:
        return _of_named_lists(table, plan, steps, lengths, values), notes
    if len(lengths) and (odd := np.flatnonzero(lengths != lengths[0])).size:
        raise ParameterError(
            f"column {name!r} has {counted(int(lengths[odd[0]]), 'value')} in row {odd[0]}, {lengths[0]} in "
            "the first; needed as many in each, for nothing tells which samples they are; "
            "add a column of lists 'sample_ids'"
        )
    return Wide(steps=steps, ids=None, losses=values.reshape(len(lengths), -1)), notes


def _of_named_lists(
    table: pa.Table, plan: Plan, steps: NDArray[Any], lengths: NDArray[Any], values: NDArray[Any]
) -> Long:
    assert plan.ids is not None
    name, named = table.column_names[plan.ids], one_chunk(table.column(plan.ids))
    if named.null_count or (np.diff(_offsets(named)) != lengths).any():
        raise ParameterError(f"lists in {name!r} and of losses differ in length; needed an id for each loss")
    rows = {STEP: np.repeat(steps, lengths), SAMPLE_ID: named.flatten(), LOSS: values}
    return Long(table=pa.table(rows))


def _offsets(column: pa.Array) -> NDArray[np.int64]:
    """Where the values of each list begin, and the end."""
    if types.is_fixed_size_list(column.type):
        return np.arange(len(column) + 1) * column.type.list_size
    return np.asarray(column.offsets).astype(np.int64)


def _of_samples(table: pa.Table, plan: Plan) -> tuple[Wide, list[str]]:
    names = table.column_names
    found = [STEP_IN_NAME.fullmatch(names[place]) for place in plan.losses]
    steps = np.array([int(name[1] or name[2]) for name in found if name], np.int64)
    losses = np.stack([losses_of(table.column(place), names[place]) for place in plan.losses])
    ids = None
    if plan.step is not None:
        codes, words = sample_codes(table.column(plan.step), names[plan.step])
        ids = (codes if words is None else words[codes]).tolist()
    order = np.argsort(steps, kind="stable")
    return Wide(steps=steps[order], ids=ids, losses=losses[order]), []


def numbered(rows: int) -> tuple[NDArray[np.int64], list[str]]:
    """Steps for rows that come without, and how that is said."""
    return np.arange(rows), [f"found no steps: numbered the {counted(rows, 'row')} 0, 1, 2, …"]


def typed_ids(words: list[str]) -> list[int] | list[str]:
    """Ids that were text for want of types, as integers where every one is written like one."""
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        return words
    plain = all(str(number) == word for number, word in zip(numbers, words, strict=True))
    return numbers if plain and all(-(2**63) <= number < 2**63 for number in numbers) else words
