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
from rdmtools.format.records import Kind, Manifest
from rdmtools.journal.attempts import Attempt

Scalars = dict[str, float]


def scalars(start: Sequence[Attempt]) -> list[Scalars]:
    """Scalars of one start, a row a step, in order; of what several ranks tell, the lowest's counts."""
    rows: dict[int, Scalars] = {}
    for attempt in reversed(start):
        for _, record in attempt.records(Kind.SCALARS):
            rows.setdefault(record.step, {STEP: record.step}).update(json.loads(record.payload))
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
        records = [shard[step] for shard in shards if step in shard]
        if len(records) == len(shards) and len({record.draws for record in records}) == 1:
            whole.append(Draws(step, partial(_read_drawn, records)))
    return whole, len(every) - len(whole)


def _drawn(attempt: Attempt) -> dict[int, _Drawn]:
    manifest = attempt.manifest
    return {
        record.step: _Drawn(path, record.offset, len(record.payload) // manifest.row_bytes, manifest)
        for path, record in attempt.records(Kind.DRAWS)
    }


def _read_drawn(shards: Sequence[_Drawn]) -> NDArray[Any]:
    losses: list[NDArray[Any]] = []
    for path, offset, count, manifest in shards:
        size = count * len(manifest.sample_ids)
        with reading(path):
            losses.append(np.fromfile(path, manifest.values, size, offset=offset).reshape(count, -1))
    ids = np.concatenate([each.manifest.sample_ids for each in shards])
    return np.concatenate(losses, axis=1)[:, np.argsort(ids, kind="stable")]


def stored_draws(path: Path, ids: NDArray[Any]) -> list[Draws]:
    """Draws of the run as it was merged before. Raises FormatError."""
    pieces: dict[int, list[Callable[[], NDArray[Any]]]] = {}
    for group in stored_groups(path, ids, (STEP, DRAW)):
        bounds = [0, *(np.flatnonzero(np.diff(group.steps)) + 1).tolist(), len(group.steps)]
        for first, last in pairwise(bounds):
            pieces.setdefault(int(group.steps[first]), []).append(partial(group.read, first, last))
    return [Draws(step, partial(_joined, each)) for step, each in pieces.items()]


def _joined(pieces: Sequence[Callable[[], NDArray[Any]]]) -> NDArray[Any]:
    return np.concatenate([read() for read in pieces])


def samples(folder: Path, starts: Sequence[Sequence[Attempt]]) -> Any:
    """What the companion `folder` and the attempts know of the samples, a pyarrow table; None if nothing."""
    files = [folder / SAMPLES_FILE, *(attempt.folder / SAMPLES_FILE for attempt in chain(*starts))]
    return join_samples([read_table(file) for file in files if file.exists()])
