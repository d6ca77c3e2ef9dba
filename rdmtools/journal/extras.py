"""What did a start record beside the losses: scalars, draws, and what the samples are?"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import reading
from rdmtools.format.names import DRAW, SAMPLES_FILE, STEP
from rdmtools.format.read_table import join_samples, read_table, stored_groups
from rdmtools.format.records import HEADER_BYTES, Kind, Manifest
from rdmtools.journal.attempts import Attempt
from rdmtools.journal.segments import Part

Scalars = dict[str, float]


def scalars(start: Sequence[Attempt]) -> list[Scalars]:
    """Scalars of one start, a row a step, in order; of what several ranks tell, the lowest's counts."""
    rows: dict[int, Scalars] = {}
    for attempt in start:
        own: dict[int, Scalars] = {}
        for _, record in attempt.records(Kind.SCALARS):
            own.setdefault(record.step, {STEP: record.step}).update(json.loads(record.payload))
        rows = {step: row | rows.get(step, {}) for step, row in own.items()} | {
            step: row for step, row in rows.items() if step not in own
        }
    return [rows[step] for step in sorted(rows)]


@dataclass(frozen=True, slots=True)
class Draws:
    """Losses of one step under draws of the parameters; they stay where they lie until asked for."""

    step: int
    read: Callable[[], NDArray[Any]]
    """(draws, samples) in order of the ids."""


class _Drawn(NamedTuple):
    """One record of draws in a segment."""

    path: Path
    offset: int
    draws: int
    manifest: Manifest


def draws(start: Sequence[Attempt]) -> tuple[list[Draws], int]:
    """Draws of one start, at the steps at which every shard has as many; and how many others there are."""
    shards = [_drawn(attempt) for attempt in start if attempt.manifest.row_bytes]
    every = sorted(set(chain.from_iterable(shards)))
    whole: list[Draws] = []
    for step in every:
        found = [shard[step] for shard in shards if step in shard]
        if len(found) == len(shards) and len({each.draws for each in found}) == 1:
            whole.append(Draws(step, partial(_read_drawn, found)))
    return whole, len(every) - len(whole)


def _drawn(attempt: Attempt) -> dict[int, _Drawn]:
    found: dict[int, _Drawn] = {}
    ends: dict[Path, int] = {}
    for path, record in attempt.records(Kind.DRAWS):
        offset = ends.get(path, 0) + HEADER_BYTES
        ends[path] = offset + len(record.payload)
        count = len(record.payload) // attempt.manifest.row_bytes
        found[record.step] = _Drawn(path, offset, count, attempt.manifest)
    return found


def _read_drawn(shards: Sequence[_Drawn]) -> NDArray[Any]:
    found: list[NDArray[Any]] = []
    for path, offset, count, manifest in shards:
        size = count * len(manifest.sample_ids)
        with reading(path):
            found.append(np.fromfile(path, manifest.values, size, offset=offset).reshape(count, -1))
    ids = np.concatenate([each.manifest.sample_ids for each in shards])
    return np.concatenate(found, axis=1)[:, np.argsort(ids, kind="stable")]


def stored_draws(path: Path, ids: NDArray[Any]) -> list[Draws]:
    """Draws of the run as it was merged before. Raises FormatError."""
    found: dict[int, list[tuple[Part, int, int]]] = {}
    for group in stored_groups(path, ids, (STEP, DRAW)):
        steps, part = group.keys[0], Part(group)
        bounds = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
        for first, last in pairwise(bounds):
            found.setdefault(int(steps[first]), []).append((part, first, last))
    return [Draws(step, partial(_read_parts, pieces)) for step, pieces in found.items()]


def _read_parts(pieces: Sequence[tuple[Part, int, int]]) -> NDArray[Any]:
    return np.concatenate([part.read(first, last) for part, first, last in pieces])


def samples(folder: Path, starts: Sequence[Sequence[Attempt]]) -> Any:
    """What the companion `folder` and the attempts know of the samples, a pyarrow table; None if nothing."""
    files = [folder / SAMPLES_FILE, *(attempt.folder / SAMPLES_FILE for attempt in chain(*starts))]
    return join_samples([read_table(file) for file in files if file.exists()])
