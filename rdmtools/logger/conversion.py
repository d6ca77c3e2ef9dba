"""How does what was logged become ``run.parquet``? Row by row, so that memory does not grow with the run.

run.parquet as it was -> attempt 0 -> attempt 1 -> ...   each gives its rows before the first of any later one

A training that starts again from a checkpoint logs steps that an earlier attempt had logged already: those
are superseded, and counted. Losses, scalars and draws go each by their own steps.
"""

import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.journal import (
    Kind,
    Manifest,
    Record,
    attempt_folders,
    merge_scalars,
    read_manifest,
    read_records,
    same_samples,
    unread_bytes,
)
from rdmtools.schema import DRAW, DRAWS_FILE, SCALARS_FILE, STEP, companion
from rdmtools.table import stored_about, stored_rows, stored_table, write_draws, write_losses, write_scalars

Source = Callable[[], Iterator[tuple[int, Any]]]
"""Steps that rise, each with its losses (samples,), its draws (draws, samples) or its scalars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of the training, as it lies in the journal."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a journal."""

    rows: int
    """Rows of losses in the run now."""
    superseded_rows: int
    """Rows (step, sample) left out because a later attempt starts at or before their step."""
    bytes_left: int
    """Bytes of the journal after a bad record, which could not be read."""


def read_attempts(journal: Path) -> list[Attempt]:
    """Attempts under ``run.rdm/journal/``, oldest first. Raises FormatError where one cannot be read."""
    return [Attempt(folder=folder, manifest=read_manifest(folder)) for folder in attempt_folders(journal)]


def about(manifest: Manifest) -> dict[str, Any]:
    """What every table of a run says of itself."""
    return {name: getattr(manifest, name) for name in ("name", "unit", "created", "metadata")}


def write_tables(
    path: Path,
    attempts: Sequence[Attempt],
    *,
    accepted: Mapping[Kind, int] | None = None,
    refused: Mapping[str, int] | None = None,
) -> Written:
    """Write the tables of which there are records; the losses last: where they are, the rest is.

    Parameters
    ----------
    path
        The run, ``run.parquet``; what is there of earlier starts of the training comes first.
    attempts
        Attempts on the same samples, at least one, oldest first. Their folders are left as they are.
    accepted
        How many records of each kind the last attempt must hold; whatever is whole if None.
    refused
        Calls that were not accepted, by reason: told in the tables.

    Raises
    ------
    FormatError
        Fewer can be read back, or what is there does not fit. Then the table is not written.
    """
    ids = _sample_ids(attempts)
    scalars, draws = (companion(path) / name for name in (SCALARS_FILE, DRAWS_FILE))
    left = sum(unread_bytes(attempt.folder, attempt.manifest.row_bytes) for attempt in attempts)
    said = _about(path, attempts, left, refused or {})
    dtype = str(np.result_type(*(attempt.manifest.dtype for attempt in attempts)))

    def joined(kind: Kind, file: Path, stored: Source) -> tuple[Iterator[tuple[int, Any]], int] | None:
        logged: list[Source] = [partial(_logged, attempt, kind, 0) for attempt in attempts[:-1]]
        logged.append(partial(_logged, attempts[-1], kind, accepted[kind] if accepted else 0))
        if all(next(source(), None) is None for source in logged):
            return None
        return _not_superseded([stored, *logged] if file.exists() else logged)

    if (found := joined(Kind.SCALARS, scalars, partial(_stored_scalars, scalars))) is not None:
        write_scalars(scalars, [{STEP: step, **row} for step, row in found[0]], about=said)
    if (found := joined(Kind.DRAWS, draws, partial(_stored_draws, draws, ids))) is not None:
        write_draws(draws, found[0], ids, dtype=dtype, about=said)
    rows = superseded = 0
    if (found := joined(Kind.LOSSES, path, partial(_stored_losses, path, ids))) is not None:
        losses, left_out = found
        superseded = left_out * len(ids)
        if superseded:
            said["superseded_rows"] = said.get("superseded_rows", 0) + superseded
        blocks = ((np.array([step]), row[None]) for step, row in losses)
        rows = write_losses(path, blocks, ids, dtype=dtype, about=said)
    return Written(rows=rows, superseded_rows=superseded, bytes_left=left)


def put_away(journal: Path, written: Written) -> None:
    """Remove a journal that is written out; one with damaged bytes is kept under another name."""
    name = f"{journal.name}.damaged" if written.bytes_left else f"{journal.name}.gone"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    away = next(path for path in map(journal.with_name, names) if not path.exists())
    journal.rename(away)  # gone at once for whoever looks, then from the disk
    for gone in journal.parent.glob(f"{journal.name}.gone*"):  # one that a kill left half removed, too
        shutil.rmtree(gone, ignore_errors=True)


def _sample_ids(attempts: Sequence[Attempt]) -> NDArray[Any]:
    """Ids of the samples in order; none where no attempt came to know them."""
    known = [ids for attempt in attempts if len(ids := attempt.manifest.sample_ids)]
    for others in known[1:]:
        same_samples(known[0], others)
    return np.sort(known[0]) if known else np.empty(0, np.int64)


def _about(path: Path, attempts: Sequence[Attempt], left: int, refused: Mapping[str, int]) -> dict[str, Any]:
    """What the tables say: the first start dates the run, the last word on its metadata counts."""
    before = stored_about(path) if path.exists() else {}
    said = about(attempts[0].manifest)
    said["created"] = before.get("created", said["created"])
    each = [before.get("metadata", {}), *(attempt.manifest.metadata for attempt in attempts)]
    said["metadata"] = dict(chain.from_iterable(metadata.items() for metadata in each))
    counts: dict[str, Any] = {
        "superseded_rows": before.get("superseded_rows", 0),
        "bytes_left": before.get("bytes_left", 0) + left,
        "refused": dict(Counter[str](before.get("refused", {})) + Counter(refused)),
    }
    return said | {name: found for name, found in counts.items() if found}


def _not_superseded(sources: Sequence[Source]) -> tuple[Iterator[tuple[int, Any]], int]:
    """What each source has before the first step of any later one; and how much that leaves out."""
    if len(sources) == 1:
        return sources[0](), 0
    kept: list[Iterator[tuple[int, Any]]] = []
    superseded, limit = 0, 1 << 63
    for source in reversed(sources):
        steps = [step for step, _ in source()]
        stay = bisect_left(steps, limit)
        kept.append(islice(source(), stay))
        superseded += len(steps) - stay
        limit = min([limit, *steps[:1]])
    return chain.from_iterable(reversed(kept)), superseded


def _logged(attempt: Attempt, kind: Kind, accepted: int) -> Iterator[tuple[int, Any]]:
    """What an attempt recorded of one kind. Raises FormatError where that is less than `accepted`."""

    def records() -> Iterator[Record]:
        found = 0
        for record in read_records(attempt.folder, manifest.row_bytes):
            if record.kind == kind:
                found += 1
                yield record
        if found < accepted:
            raise FormatError(f"{found} of {accepted} records of {kind.name.lower()} can be read back")

    manifest = attempt.manifest
    if kind is Kind.SCALARS:
        for row in merge_scalars(records()):
            yield int(row.pop(STEP)), row
        return
    order = np.argsort(manifest.sample_ids, kind="stable")
    for record in records():
        losses = np.frombuffer(record.payload, manifest.values).reshape(-1, len(order))[:, order]
        yield record.step, losses[0] if kind is Kind.LOSSES else losses


def _stored_scalars(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    for row in stored_table(file):
        yield int(row.pop(STEP)), row


def _stored_losses(path: Path, ids: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for [steps], losses in stored_rows(path, ids):
        yield from zip(steps.tolist(), losses, strict=True)


def _stored_draws(path: Path, ids: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    rows = (
        (step, row)
        for [steps, _], losses in stored_rows(path, ids, (STEP, DRAW))
        for step, row in zip(steps.tolist(), losses, strict=True)
    )
    for step, group in groupby(rows, key=lambda each: each[0]):
        yield step, np.stack([row for _, row in group])
