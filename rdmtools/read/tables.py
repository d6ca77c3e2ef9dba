"""Which losses are in the Parquet files of a run? Those of whole steps stay there; others are put in order.

row groups of whole steps -> they stay on disk
the samples of each file apart -> shards, which stay there too
rows in any other order -> run.clean.grid, and many of them -> out_of_core
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import ATTEMPT, COMPANION_SUFFIX, LOSS, LOSSES_SUFFIX, SAMPLE_ID, STEP
from rdmtools.format.read_table import ParquetPart, RowGroup
from rdmtools.format.values import integers
from rdmtools.read import out_of_core
from rdmtools.read.paths import companion_of
from rdmtools.read.stores import Location
from rdmtools.run.clean import Tidy, grid, joined, whole_steps
from rdmtools.run.columns import find_columns, sample_codes, tidy_rows
from rdmtools.run.losses import Opened, ShardedLosses, StoredLosses
from rdmtools.run.progress import Opening
from rdmtools.run.quality import Quality
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


def losses_of_files(path: Location, parts: Sequence[ParquetPart], rules: Rules, opening: Opening) -> Opened:
    """The losses of all parts; those of whole steps stay on disk. Raises FormatError, ParameterError."""
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


def _in_memory(parts: Sequence[ParquetPart], rules: Rules, opening: Opening) -> Opened:
    """The losses of parts in any order."""
    opening.expect(parts, looks=2)  # read, and looked at whether they are finite
    tidy: list[Tidy] = []
    for part in parts:
        names = find_columns(part.schema, rules.columns)
        tidy.append(tidy_rows(part.read([*names.values()]), names))
        opening.seen(part.rows)
    held = grid(joined(tidy), rules)
    return Opened(steps=held.steps, ids=held.ids, stored=StoredLosses.of(held.losses), quality=held.quality)


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
    for number, table in part.row_groups(keys):
        codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
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
