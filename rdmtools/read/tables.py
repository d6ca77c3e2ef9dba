"""Which losses are in the Parquet files of a run? Those of whole steps stay there; others are put in order.

row groups of whole steps -> they stay on disk
the samples of each file apart -> shards, which stay there too
rows in any other order -> run.clean.grid, and many of them -> out_of_core
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import ATTEMPT, COMPANION_SUFFIX, LOSS, LOSSES_SUFFIX, SAMPLE_ID, STEP, companion
from rdmtools.format.read_table import ParquetPart, RowGroup
from rdmtools.format.values import integers
from rdmtools.read import out_of_core
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
    own = [file.name for file in inside if companion(file).name in companions]
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
    columns = rules.columns
    parts = [replace(part, seen=opening.seen) for part in parts]
    opening.expect(parts, looks=2)  # ids, and losses
    large = out_of_core.is_large(parts)
    shuffled = large and out_of_core.starts_shuffled(parts, columns)
    if not shuffled and (whole := open_whole_steps(parts, columns)) is not None:
        return whole
    if not shuffled and len(parts) > 1 and (sharded := open_shards(parts, columns)) is not None:
        return sharded
    if large:
        found = out_of_core.in_order(parts, rules, opening)
    else:
        opening.expect(parts, looks=2)  # read, and looked at whether they are finite
        held = grid(joined([_tidy(part, columns) for part in parts]), rules)
        found = Opened(
            steps=held.steps, ids=held.ids, stored=StoredLosses.of(held.losses), quality=held.quality
        )
    if found.quality.order_trusted and len(parts) > 1:
        _refuse_same_start(path, parts, columns)
    return found


def _refuse_same_start(
    path: Location, parts: Sequence[ParquetPart], columns: Mapping[str, str] | None
) -> None:
    """Parts that disagree are restarts of one run where they begin at different steps, else several runs.

    Parts that begin together but hold different samples are shards.
    """
    starts: dict[int, set[Any]] = {}
    for part in parts:
        start, ids = _start(part, columns)
        seen = starts.setdefault(start, set())
        if seen & ids:
            raise _many_runs(path, part.path.name)
        seen |= ids


def _start(part: ParquetPart, columns: Mapping[str, str] | None) -> tuple[int, set[Any]]:
    """First step and all ids of a part."""
    names = find_columns(part.schema, columns)
    firsts: list[int] = []
    ids: set[Any] = set()
    for table in part.batches([names[STEP], names[SAMPLE_ID]], out_of_core.BATCH_ROWS):
        codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
        codes = np.unique(codes)
        ids.update((codes if words is None else words[codes]).tolist())
        firsts.append(int(integers(table.column(names[STEP]), names[STEP]).min()))
    return min(firsts), ids


def _tidy(part: ParquetPart, columns: Mapping[str, str] | None) -> Tidy:
    names = find_columns(part.schema, columns)
    tidy = tidy_rows(part.read([*names.values()]), names)
    part.seen(len(tidy.steps))
    return tidy


def open_whole_steps(parts: Sequence[ParquetPart], columns: Mapping[str, str] | None) -> Opened | None:
    """Steps, ids and losses of row groups that hold whole steps; None for any other layout.

    The row groups may come in any order, so the parts of a dataset may have any names.
    """
    found: list[tuple[NDArray[np.int64], tuple[int, int], RowGroup]] = []
    ids: NDArray[Any] | None = None
    for part in parts:
        names = find_columns(part.schema, columns)
        keys = [name for role, name in names.items() if role != LOSS]
        later = replace(part, seen=int)
        for group, table in part.row_groups(keys):
            codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
            layout = whole_steps(integers(table.column(names[STEP]), names[STEP]), codes)
            if layout is None:
                return None
            steps, template = layout
            template = template if words is None else words[template]
            ids = template if ids is None else ids
            attempts = (
                _rising(integers(table.column(names[ATTEMPT]), names[ATTEMPT]))
                if ATTEMPT in names
                else (0, 0)
            )
            if attempts is None or not np.array_equal(ids, template):
                return None
            shape = len(steps), len(template)
            found.append(
                (steps, attempts, RowGroup(part=later, group=group, column=names[LOSS], shape=shape))
            )
    if ids is None:
        return None
    found.sort(key=lambda each: int(each[0][0]))
    for (steps, attempts, _), (next_steps, next_attempts, _) in pairwise(found):
        if steps[-1] >= next_steps[0] or attempts[1] > next_attempts[0]:
            return None
    order = np.argsort(ids)
    steps = np.concatenate([steps for steps, _, _ in found])
    losses = StoredLosses(
        groups=[group for _, _, group in found],
        rows=np.arange(len(steps)),
        samples=None if (order[1:] > order[:-1]).all() else order,
    )
    return Opened(steps=steps, ids=ids[order], stored=losses, quality=Quality())


def _rising(attempts: NDArray[np.integer[Any]]) -> tuple[int, int] | None:
    """First and last attempt, None where an earlier one follows a later."""
    return None if (attempts[1:] < attempts[:-1]).any() else (int(attempts[0]), int(attempts[-1]))


def open_shards(parts: Sequence[ParquetPart], columns: Mapping[str, str] | None) -> Opened | None:
    """Steps, ids and losses of parts of whole steps with other samples each; None for any other layout.

    Parts with the same samples follow each other in time, and together are one shard. All shards must have
    the same steps, and no sample may be in two.
    """
    by_ids: dict[tuple[Any, ...], list[ParquetPart]] = {}
    for part in parts:
        if (opened := open_whole_steps([part], columns)) is None:
            return None
        by_ids.setdefault(tuple(opened.ids.tolist()), []).append(part)
    found = [open_whole_steps(several, columns) for several in by_ids.values()]
    shards = [each for each in found if each is not None]
    if len(shards) < max(len(found), 2):
        return None
    steps = shards[0].steps
    ids = np.concatenate([shard.ids for shard in shards])
    order = np.argsort(ids, kind="stable")
    if (ids[order][1:] == ids[order][:-1]).any():
        return None
    if not all(np.array_equal(shard.steps, steps) for shard in shards):
        return None
    place = np.argsort(order, kind="stable")
    ends = np.cumsum([len(shard.ids) for shard in shards])[:-1]
    each = [shard.stored for shard in shards if isinstance(shard.stored, StoredLosses)]
    losses = ShardedLosses(shards=each, places=np.split(place, ends))
    return Opened(steps=steps, ids=ids[order], stored=losses, quality=Quality())
