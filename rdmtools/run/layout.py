"""Which columns of a table are steps, samples and losses, and which are none of these?

long: step, sample_id, loss (and attempt)         any order, a row for each step and sample
wide: a row for each step, a column for each sample, with a column of steps, or numbered 0, 1, 2, ...
lists: a row for each step, a column that holds a list of its losses, or an object of them by sample
samples: a row for each sample, a column for each step

What a training job logs beside (step, epoch, time, learning rate, means over a batch) is never a sample.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.types as types

from rdmtools.errors import ParameterError
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.run.columns import find_columns
from rdmtools.run.quality import counted
from rdmtools.run.usual_names import beside, is_mean, no_sample_losses, step_rank

LAYOUTS = ("long", "wide", "lists", "samples")

# What pandas calls an index that has no name: in CSV, in Arrow, and in CSV that it read and wrote again.
_UNNAMED_INDEX = ("", "__index_level_0__", "Unnamed: 0")
_LISTS = ("losses", LOSS, "per_sample_losses", "per_sample_loss")
# A minus is a sign at the start alone: checkpoint-500 is of step 500.
STEP_IN_NAME = re.compile(r"(-?\d+)(?:\.0*)?|[^\d]*[^\d.](\d+)(?:\.0*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What each column of a table is taken for."""

    layout: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of a long table: the columns that `find_columns` gives."""
    step: int | None = None
    """Place of the column of steps; of a table with a row for each sample, of the ids."""
    losses: Sequence[int] = ()
    """Places of the columns of losses: of samples, of steps, or the one of lists."""
    ids: int | None = None
    """Place of the column of lists that name the samples."""
    notes: Sequence[str] = ()
    """What was guessed or left out."""

    @property
    def places(self) -> list[int]:
        """Of all columns that are read of a table that is not long."""
        return [place for place in (self.step, self.ids, *self.losses) if place is not None]

    def among(self, places: Sequence[int]) -> "Plan":
        """The same of a table that has those columns alone."""
        new = {place: number for number, place in enumerate(places)}
        return replace(
            self,
            step=None if self.step is None else new[self.step],
            ids=None if self.ids is None else new[self.ids],
            losses=[new[place] for place in self.losses],
        )


def planned(schema: pa.Schema, layout: str | None, columns: Mapping[str, str] | None) -> Plan:
    """What the columns of a table are, by their names and types, and by `layout` where that is given.

    Raises ParameterError where they make no losses of samples.
    """
    layout, guessed = layout or _guessed(schema, columns), layout is None
    if layout == "long":
        names = _long(schema, columns)
        others = [name for name in schema.names if name not in names.values()]
        return Plan(layout=layout, names=names, notes=left_out("column", others))
    if layout == "lists":
        return _lists(schema, columns)
    return _samples(schema, columns, guessed) if layout == "samples" else _wide(schema, columns, guessed)


def _guessed(schema: pa.Schema, columns: Mapping[str, str] | None) -> str:
    """The layout that a table looks to have.

    Integers beside the steps are never taken for losses: they may be ids under another name.
    """
    names, mapped = schema.names, columns or {}
    if _list_column(schema, columns) is not None:
        return "lists"
    known = {*names, *mapped}
    if SAMPLE_ID in known and LOSS not in known and _step_column(schema, columns) is None:
        floats = [place for place in _step_columns(schema, columns) if _is_float(schema.field(place).type)]
        return "samples" if len(floats) > 1 and len(floats) == len(_step_columns(schema, columns)) else "long"
    if SAMPLE_ID in known or LOSS in mapped:
        return "long"
    step = _step_column(schema, columns)
    others = [place for place in range(len(names)) if place != step and not _is_index(names[place], place)]
    others = [place for place in others if not beside(names[place], names)]
    samples = [place for place in others if not is_mean(names[place])]
    if not samples:
        if step is not None and others:
            raise no_sample_losses([names[place] for place in others])
        return "long"
    if LOSS in names:
        return "long"
    return "wide" if all(_may_be_losses(schema.field(place).type) for place in samples) else "long"


def _long(schema: pa.Schema, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Names of the columns as `find_columns` gives them, or an error that knows the other layouts too."""
    try:
        return find_columns(schema, columns)
    except ParameterError as error:
        if {SAMPLE_ID, LOSS} & {*schema.names, *(columns or {})}:
            raise
        raise ParameterError(
            f'{error}; or where each column is a sample, convert it with layout="wide"'
        ) from error


def _step_column(schema: pa.Schema, columns: Mapping[str, str] | None) -> int | None:
    """Place of the column of steps: by name, or an index without one; None if there is none.

    Raises ParameterError where the column that `columns` maps is not there.
    """
    names, wanted = schema.names, (columns or {}).get(STEP, STEP)
    if wanted in names:
        return names.index(wanted)
    if STEP in (columns or {}):
        raise ParameterError(f"no column {wanted!r}; found {shortened(names)}; map step to one of them")
    ranked = [(rank, place) for place, name in enumerate(names) if (rank := step_rank(name)) is not None]
    if ranked:
        return min(ranked)[1]
    return next((place for place, name in enumerate(names) if _is_index(name, place)), None)


def _is_index(name: str, place: int) -> bool:
    """Whether a column is an index that pandas wrote without a name: first in text, last in Parquet."""
    return name in _UNNAMED_INDEX and (place == 0 or name == "__index_level_0__")


def _step_notes(name: str, columns: Mapping[str, str] | None) -> list[str]:
    if name == (columns or {}).get(STEP, STEP):
        return []
    if name in _UNNAMED_INDEX:
        which = "index" if name == "__index_level_0__" else "first column"
        return [f"took the {which}, which has no name, for the steps"]
    return [f"took {name!r} for the steps"]


def _wide(schema: pa.Schema, columns: Mapping[str, str] | None, guessed: bool) -> Plan:
    names = schema.names
    step = _step_column(schema, columns)
    others = [place for place in range(len(names)) if place != step]
    samples = [
        place for place in others if not (beside(names[place], names) or _is_index(names[place], place))
    ]
    kept = {*samples}
    left = [names[place] for place in others if place not in kept]
    if not samples or all(is_mean(names[place]) for place in samples):
        raise no_sample_losses([names[place] for place in samples or others])
    if means := [names[place] for place in samples if is_mean(names[place]) and guessed]:
        samples, left = [place for place in samples if not is_mean(names[place])], left + means
    notes = [f"read as wide, a column for each of {counted(len(samples), 'sample')}"] if guessed else []
    if step is not None:
        notes += _step_notes(names[step], columns)
    return Plan(layout="wide", step=step, losses=samples, notes=[*notes, *left_out("column", left)])


def _list_column(schema: pa.Schema, columns: Mapping[str, str] | None) -> int | None:
    """Place of the column whose rows are lists of losses, or objects of them by sample; None without one."""
    wanted = (columns or {}).get(LOSS)
    ids = (columns or {}).get(SAMPLE_ID, SAMPLE_ID)
    if ids in schema.names and not is_list(schema.field(schema.names.index(ids)).type):
        return None  # a list for each sample and step: of its tokens, perhaps
    lists = [place for place, one in enumerate(schema) if _holds_losses(one.type)]
    if wanted is not None:
        return next((place for place in lists if schema.field(place).name == wanted), None)
    by_name = [place for name in _LISTS for place in lists if schema.field(place).name == name]
    if by_name:
        return by_name[0]
    numbers = [
        place for place in lists if is_list(kind := schema.field(place).type) and _is_float(kind.value_type)
    ]
    like = [place for place in numbers if "loss" in schema.field(place).name.lower()]
    return like[0] if len(like) == 1 and LOSS not in schema.names else None


def _holds_losses(kind: pa.DataType) -> bool:
    if types.is_struct(kind):
        return kind.num_fields > 0 and all(
            _is_number(kind.field(place).type) for place in range(kind.num_fields)
        )
    return is_list(kind) and (_is_number(kind.value_type) or types.is_null(kind.value_type))


def _lists(schema: pa.Schema, columns: Mapping[str, str] | None) -> Plan:
    place = _list_column(schema, columns)
    if place is None:
        raise ParameterError(
            f"no column of lists; found {shortened(schema.names)}; needed a list of losses in each row: "
            'map with columns={"loss": "…"}, or choose another layout'
        )
    wanted = (columns or {}).get(SAMPLE_ID, SAMPLE_ID)
    usual = (wanted, "sample_ids", "ids")
    fit = [name for name in usual if name in schema.names and is_list(schema.field(name).type)]
    ids = schema.names.index(fit[0]) if fit else None
    step = _step_column(schema, columns)
    name = schema.field(place).name
    noun = "object" if types.is_struct(schema.field(place).type) else "list"
    notes = [f"read the losses of a step from each {noun} in {name!r}"]
    notes += [] if step is None else _step_notes(schema.names[step], columns)
    others = [each for number, each in enumerate(schema.names) if number not in (place, ids, step)]
    return Plan(
        layout="lists", step=step, losses=[place], ids=ids, notes=[*notes, *left_out("column", others)]
    )


def _samples(schema: pa.Schema, columns: Mapping[str, str] | None, guessed: bool) -> Plan:
    names = schema.names
    wanted = (columns or {}).get(SAMPLE_ID, SAMPLE_ID)
    if SAMPLE_ID in (columns or {}) and wanted not in names:
        raise ParameterError(f"no column {wanted!r}; found {shortened(names)}; map sample_id to one of them")
    steps = _step_columns(schema, columns)
    if not steps:
        raise ParameterError(
            f"no column is named by a step; found {shortened(names)}; needed names such as '0' or 'step_100'"
        )
    kept = {*steps}
    others = [place for place in range(len(names)) if place not in kept]
    ids = names.index(wanted) if wanted in names else None
    if ids is None and others and names[others[0]] in _UNNAMED_INDEX:
        ids = others[0]
    notes = [f"read with a row for each sample, a column for each of {counted(len(steps), 'step')}"]
    left = [names[place] for place in others if place != ids]
    return Plan(layout="samples", step=ids, losses=steps, notes=[*notes * guessed, *left_out("column", left)])


def _step_columns(schema: pa.Schema, columns: Mapping[str, str] | None) -> list[int]:
    """Places of columns of numbers that are named by a step, with the same words around it."""
    id_name = (columns or {}).get(SAMPLE_ID, SAMPLE_ID)
    named = [
        place
        for place, one in enumerate(schema)
        if one.name != id_name and _is_number(one.type) and STEP_IN_NAME.fullmatch(one.name)
    ]
    stems = {re.sub(r"\d+(?:\.0*)?$", "", schema.names[place]).removeprefix("-") for place in named}
    return named if len(stems) == 1 else []


def left_out(noun: str, names: Sequence[str]) -> list[str]:
    """What is said of columns, or arrays, that are no losses."""
    return [f"left out {counted(len(names), noun)}: {shortened(names)}"] if names else []


def shortened(names: Sequence[str]) -> str:
    """The first few names, for a line."""
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")


def _may_be_losses(kind: pa.DataType) -> bool:
    return _is_float(kind) or types.is_null(kind)  # null: CSV without a single value


def _is_float(kind: pa.DataType) -> bool:
    return types.is_floating(kind) or types.is_decimal(kind)


def _is_number(kind: pa.DataType) -> bool:
    return types.is_integer(kind) or _is_float(kind)


def is_list(kind: pa.DataType) -> bool:
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
