"""Which losses are in the Parquet files of a run? Those of whole steps stay there; others are put in order.

row groups of whole steps -> they stay on disk
the samples of each file apart -> shards, which stay there too
rows in any other order -> run.clean.grid, and many of them -> out_of_core
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from shlex import quote
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError
from rdmtools.format.names import (
    ATTEMPT,
    COMPANION_SUFFIX,
    LOSS,
    LOSS_COLUMNS,
    LOSSES_SUFFIX,
    SAMPLE_ID,
    STEP,
)
from rdmtools.format.read_table import ParquetPart, RowGroup
from rdmtools.format.values import integers
from rdmtools.read import out_of_core
from rdmtools.read.paths import companion_of, stem_of
from rdmtools.read.stores import Location
from rdmtools.run.clean import Tidy, grid, joined, whole_steps
from rdmtools.run.columns import Words, better_step, find_columns, has_text_ids, sample_codes, tidy_rows
from rdmtools.run.dirt import GapsError
from rdmtools.run.from_table import Losses, from_table
from rdmtools.run.layout import is_list, planned
from rdmtools.run.losses import Opened, ShardedLosses, StoredLosses
from rdmtools.run.progress import Opening
from rdmtools.run.quality import Quality
from rdmtools.run.restarts import looked_at
from rdmtools.run.rules import Rules


def refuse_many_runs(path: Location, parts: list[ParquetPart]) -> None:
    """A folder of runs read as the parts of one would mix them without a sign."""
    inside = [part.path for part in parts if part.path != path]
    folders = path.glob("*" + COMPANION_SUFFIX) if inside else ()
    companions = {folder.name for folder in folders if folder.is_dir()}
    own = [file.name for file in inside if companion_of(file).name in companions]
    names = {part.about["name"] for part in parts if "name" in part.about}
    if own or len(names) > 1:
        raise _many_runs(path, own[0] if own else parts[0].path.name)


def _many_runs(folder: Location, one: str) -> ParameterError:
    return ParameterError(
        f"several runs in one folder, such as {one}; needed the parts of one; "
        f"for many runs pass '{folder}/*{LOSSES_SUFFIX}'"
    )


def losses_in_rows(
    path: Location, parts: Sequence[ParquetPart], columns: Mapping[str, str] | None
) -> tuple[Losses, list[str]] | None:
    """Losses of tables with a list of them for each step, and what was guessed; None of tidy tables.

    Raises ParameterError of other layouts: which columns are samples, only `convert` may guess.
    """
    plans = [planned(part.schema, None, columns) for part in parts[:1] if not _is_tidy(part.schema, columns)]
    if not plans or plans[0].layout == "long":
        return None
    if plans[0].layout == "lists":
        tables = pa.concat_tables([part.read() for part in parts], promote_options="permissive")
        return from_table(tables, "lists", columns)
    target = path.with_name(f"{stem_of(path)}_run{LOSSES_SUFFIX}")
    each = (
        "step and a column for each sample"
        if plans[0].layout == "wide"
        else "sample and a column for each step"
    )
    raise ParameterError(
        f"it has a row for each {each}; needed a row for each step and sample; convert it "
        f"(rdmtools convert {quote(str(path))} --out {quote(str(target))})"
    )


def _is_tidy(schema: pa.Schema, columns: Mapping[str, str] | None) -> bool:
    return all((columns or {}).get(role, role) in schema.names for role in LOSS_COLUMNS) and not any(
        is_list(schema.field((columns or {}).get(role, role)).type) for role in LOSS_COLUMNS
    )


def losses_of_files(path: Location, parts: Sequence[ParquetPart], rules: Rules, opening: Opening) -> Opened:
    """The losses of all parts; those of whole steps stay on disk. Raises FormatError, ParameterError."""
    _refuse_mixed_ids(parts, rules.columns)
    parts = [replace(part, seen=opening.seen) for part in parts]
    opening.expect(parts, looks=2)  # ids, and losses
    large = out_of_core.is_large(parts)
    shuffled = large and out_of_core.starts_shuffled(parts, rules.columns)
    if not shuffled and (whole := open_whole_steps(parts, rules.columns)) is not None:
        return whole
    losses = out_of_core.in_order(parts, rules, opening) if large else _in_memory(parts, rules, opening)
    if losses.quality.order_trusted and len(parts) > 1:
        _refuse_same_start(path, parts, rules)
    return losses


def _refuse_mixed_ids(parts: Sequence[ParquetPart], columns: Mapping[str, str] | None) -> None:
    """Raise ParameterError where some parts have ids that are text, and others integers."""
    names = [find_columns(part.schema, columns)[SAMPLE_ID] for part in parts]
    kinds = [part.schema.field(name).type for part, name in zip(parts, names, strict=True)]
    texts = [*map(has_text_ids, kinds)]
    if texts[0] in texts and (not texts[0]) in texts:
        other = texts.index(not texts[0])
        raise ParameterError(
            f"ids are of type {kinds[other]} in {parts[other].path.name}, of type {kinds[0]} in "
            f"{parts[0].path.name}; needed all integers or all text; convert them in one"
        )


def _in_memory(parts: Sequence[ParquetPart], rules: Rules, opening: Opening) -> Opened:
    """The losses of parts in any order."""
    opening.expect(parts, looks=2)  # read, and looked at whether they are finite
    tidy: list[Tidy] = []
    for part in parts:
        names = find_columns(part.schema, rules.columns)
        tidy.append(tidy_rows(part.read([*names.values()]), names))
        opening.seen(part.rows)
    rows, told = looked_at(joined(tidy), rules)
    try:
        held = grid(rows, rules)
    except GapsError as error:
        raise error.mended_by(_better_step(parts, rules)) from error
    quality = held.quality + told
    return Opened(steps=held.steps, ids=held.ids, stored=StoredLosses.of(held.losses), quality=quality)


def _better_step(parts: Sequence[ParquetPart], rules: Rules) -> str | None:
    """Another column by which no loss would be missing."""
    names = find_columns(parts[0].schema, rules.columns)
    try:
        tables = [part.read() for part in parts]
        return better_step(pa.concat_tables(tables, promote_options="permissive"), names)
    except (FormatError, pa.ArrowException):  # a suggestion, no more
        return None


def _refuse_same_start(path: Location, parts: Sequence[ParquetPart], rules: Rules) -> None:
    """Parts that disagree are restarts of one run where they begin at different steps, else several runs.

    Parts that begin together but hold different samples are shards.
    """
    samples: dict[int, set[Any]] = {}
    for part in parts:
        names = find_columns(part.schema, rules.columns)
        start, ids = 1 << 63, set[Any]()
        for table in part.batches([names[STEP], names[SAMPLE_ID]], out_of_core.BATCH_ROWS):
            codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
            codes = np.unique(codes)
            ids.update((codes if words is None else words[codes]).tolist())
            start = min(start, int(integers(table.column(names[STEP]), names[STEP]).min()))
        if ids & samples.setdefault(start, set()):
            raise _many_runs(path, part.path.name)
        samples[start] |= ids


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeSteps:
    """A row group that holds whole steps, each with the same samples in the same order."""

    steps: NDArray[np.int64]
    ids: NDArray[Any]
    attempts: tuple[int, int]
    """First and last."""
    losses: RowGroup


def open_whole_steps(parts: Sequence[ParquetPart], columns: Mapping[str, str] | None) -> Opened | None:
    """Steps, ids and losses of row groups that hold whole steps; None for any other layout.

    The row groups may come in any order, so the parts of a dataset may have any names. Parts with the same
    samples follow each other in time; parts with others each are shards, which must have the same steps.
    """
    by_ids: dict[tuple[Any, ...], list[_WholeSteps]] = {}
    for part in parts:
        if (groups := _whole_steps_of(part, columns)) is None:
            return None
        if groups:
            by_ids.setdefault(tuple(groups[0].ids.tolist()), []).extend(groups)
    shards = [shard for groups in by_ids.values() if (shard := _one_after_the_other(groups)) is not None]
    if not shards or len(shards) < len(by_ids):
        return None
    if len(shards) == 1:
        return shards[0]
    return _side_by_side(shards) if all(part.rows for part in parts) else None


def _whole_steps_of(part: ParquetPart, columns: Mapping[str, str] | None) -> list[_WholeSteps] | None:
    """The row groups of a part; None where one holds no whole steps, or other samples than the first."""
    names = find_columns(part.schema, columns)
    keys = [name for role, name in names.items() if role != LOSS]
    later = replace(part, seen=int)
    groups: list[_WholeSteps] = []
    known = Words()
    for number, table in part.row_groups(keys):
        codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID], known)
        if (layout := whole_steps(integers(table.column(names[STEP]), names[STEP]), codes)) is None:
            return None
        steps, template = layout
        ids = template if words is None else words[template]
        attempts = np.zeros(1, np.int64)
        if ATTEMPT in names:
            attempts = integers(table.column(names[ATTEMPT]), names[ATTEMPT])
        if (attempts[1:] < attempts[:-1]).any() or (groups and not np.array_equal(ids, groups[0].ids)):
            return None
        losses = RowGroup(part=later, group=number, column=names[LOSS], shape=(len(steps), len(ids)))
        first_last = int(attempts[0]), int(attempts[-1])
        groups.append(_WholeSteps(steps=steps, ids=ids, attempts=first_last, losses=losses))
    return groups


def _one_after_the_other(groups: Sequence[_WholeSteps]) -> Opened | None:
    """Row groups with the same samples, in time; None where two have a step, or attempts fall."""
    groups = sorted(groups, key=lambda group: int(group.steps[0]))
    for group, after in pairwise(groups):
        if group.steps[-1] >= after.steps[0] or group.attempts[1] > after.attempts[0]:
            return None
    steps = np.concatenate([group.steps for group in groups])
    order = np.argsort(groups[0].ids)
    losses = StoredLosses(
        groups=[group.losses for group in groups],
        rows=np.arange(len(steps)),
        samples=None if (order[1:] > order[:-1]).all() else order,
    )
    return Opened(steps=steps, ids=groups[0].ids[order], stored=losses, quality=Quality())


def _side_by_side(shards: Sequence[Opened]) -> Opened | None:
    """Shards of the same steps; None where they have others, or two have a sample."""
    steps = shards[0].steps
    ids = np.concatenate([shard.ids for shard in shards])
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any() or not all(np.array_equal(shard.steps, steps) for shard in shards):
        return None
    ends = np.cumsum([len(shard.ids) for shard in shards])[:-1]
    losses = ShardedLosses(
        shards=[stored for shard in shards for stored in shard.stored.shards],
        places=np.split(np.argsort(order, kind="stable"), ends),
    )
    return Opened(steps=steps, ids=ids, stored=losses, quality=Quality())
