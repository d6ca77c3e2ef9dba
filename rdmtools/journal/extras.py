"""What did a start record beside the losses: scalars, draws, and what the samples are?

A fault in these blocks no losses: what does not read is told, a line each, and left out.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError, RdmtoolsWarning, reading
from rdmtools.format.names import DRAW, SAMPLE_ID, SAMPLES_FILE, STEP
from rdmtools.format.records import Kind, Manifest, Record
from rdmtools.format.stored import join_samples, read_table, stored_groups
from rdmtools.format.trusted import Tell, from_json, is_number, writable
from rdmtools.format.values import plain_values
from rdmtools.journal.attempts import Attempt

Scalars = dict[str, float]


def warn(told: str) -> None:
    """Say it to whoever reads."""
    warnings.warn(told, RdmtoolsWarning, stacklevel=2)


def scalars(start: Sequence[Attempt], tell: Tell = warn) -> list[Scalars]:
    """Scalars of one start, a row a step, in order; of what several ranks tell, the lowest's counts."""
    rows: dict[int, Scalars] = {}
    for attempt in reversed(start):
        left_out = 0
        renamed: list[str] = []
        for _, record in _readable(attempt, Kind.SCALARS, tell):
            try:
                found = from_json(record.payload)
            except ValueError:
                found = None
            if not isinstance(found, dict):
                left_out += 1
                continue
            named = {writable(name): value for name, value in found.items()}
            numbers = {
                name: float(value) for name, value in named.items() if name != STEP and is_number(value)
            }
            renamed += named.keys() - found.keys()
            left_out += len(found) - len(numbers)
            rows.setdefault(record.step, {STEP: record.step}).update(numbers)
        if left_out:
            numbers = "scalar that is no number" if left_out == 1 else "scalars that are no numbers"
            tell(f"{attempt.folder}: left out {left_out} {numbers} by name")
        if renamed:
            tell(
                f"{attempt.folder}: scalars have names that no file can hold; "
                f"read as {', '.join(sorted(set(renamed)))}"
            )
    return [rows[step] for step in sorted(rows)]


def _readable(attempt: Attempt, kind: Kind, tell: Tell) -> Iterator[tuple[Path, Record]]:
    """The records of one kind, up to the first that the system does not give."""
    try:
        yield from attempt.records(kind)
    except ChangedError:  # whoever reads begins again
        raise
    except FormatError as error:
        tell(f"{error}; left out what it has of {kind.word}")


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


def draws(start: Sequence[Attempt], tell: Tell = warn) -> tuple[list[Draws], int]:
    """Draws of one start, at the steps at which every shard has as many; and how many others there are."""
    shards = [_drawn(attempt, tell) for attempt in start if attempt.row_bytes]
    every = sorted(set(chain.from_iterable(shards)))
    whole: list[Draws] = []
    for step in every:
        records = [shard[step] for shard in shards if step in shard]
        if len(records) == len(shards) and len({record.draws for record in records}) == 1:
            whole.append(Draws(step, partial(_read_drawn, records)))
    return whole, len(every) - len(whole)


def _drawn(attempt: Attempt, tell: Tell) -> dict[int, _Drawn]:
    manifest = attempt.manifest
    return {
        record.step: _Drawn(path, record.offset, len(record.payload) // manifest.row_bytes, manifest)
        for path, record in _readable(attempt, Kind.DRAWS, tell)
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


def samples(folder: Path, starts: Sequence[Sequence[Attempt]], tell: Tell = warn) -> Any:
    """What the companion `folder` and the attempts know of the samples, a pyarrow table; None if nothing."""
    files = [folder / SAMPLES_FILE, *(attempt.folder / SAMPLES_FILE for attempt in chain(*starts))]
    tables = [table for file in files if file.is_file() and (table := _told(file, tell)) is not None]
    try:
        return join_samples(tables)
    except FormatError as error:
        tell(f"{error}; took what is told of them first")
        return tables[0]


def _told(file: Path, tell: Tell) -> Any:
    """The table of samples in `file`; None where it is none."""
    try:
        with reading(file):
            table = read_table(file)
            if table.column_names.count(SAMPLE_ID) != 1:
                raise ValueError(f"it has no one column {SAMPLE_ID!r}")
            ids = plain_values(table, SAMPLE_ID).tolist()
            if set(map(type, ids)) not in ({int}, {str}) or len(set(ids)) < len(ids):
                raise ValueError("its ids are not all integers or all text, or one comes twice")
            return table
    except ChangedError:
        raise
    except FormatError as error:
        tell(f"{error}; left out what it tells of the samples")
        return None
