"""How does what was logged become ``run.parquet``? Block by block, so that memory does not grow with the run.

run.parquet as it was -> start 0 -> start 1 -> ...   each gives its rows before the first of any later one

A training that starts again from a checkpoint logs steps that an earlier start had logged already: those are
superseded, and counted. `rdmtools.journal` has the rule; what is here writes the tables.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.format.names import DRAW, DRAWS_FILE, MERGED, RANKS, SAMPLES_FILE, SCALARS_FILE, STEP, companion
from rdmtools.format.read_table import stored_about, stored_groups, stored_ids, stored_table
from rdmtools.format.records import Kind, Manifest
from rdmtools.format.write_table import write_draws, write_losses, write_scalars, write_table
from rdmtools.journal.attempts import Attempt, together
from rdmtools.journal.extras import draws, samples, scalars, stored_draws
from rdmtools.journal.supersede import Logged, file_start, losses, superseding
from rdmtools.logger.compaction import move_segments
from rdmtools.logger.space import check_room


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a journal."""

    rows: int
    """Rows of losses in the run now."""
    superseded_rows: int
    """Rows (step, sample) left out because a later attempt starts at or before their step."""
    bytes_left: int
    """Bytes of the journal after a bad record, which could not be read."""
    dropped_steps: int
    """Steps left out because some rank lacks them."""


def about(manifest: Manifest) -> dict[str, Any]:
    """What every table of a run says of itself."""
    return {name: getattr(manifest, name) for name in ("name", "unit", "created", "metadata")}


def write_tables(path: Path, attempts: Sequence[Attempt], *, strict: bool) -> Written:
    """Write the tables of which there are records; the losses last: where they are, the rest is.

    Parameters
    ----------
    path
        The run, ``run.parquet``; what is there of earlier starts of the training comes first.
    attempts
        Attempts on the same samples, at least one. Their folders are left as they are.
    strict
        Whether all that closed loggers accepted must be there; else whatever is whole is taken.

    Raises
    ------
    FormatError
        Less can be read back, there is no room, or what is there does not fit. Then nothing is replaced.
    """
    merged: list[str] = stored_about(path).get(MERGED, []) if path.exists() else []
    # A kill came between the last merge and the removal of its journal: those are in the file.
    attempts = [attempt for attempt in attempts if attempt.identity not in merged]
    if not attempts:
        return Written(rows=_rows(path), superseded_rows=0, bytes_left=0, dropped_steps=0)
    for attempt in attempts if strict else ():
        _check_complete(attempt)
    starts = together(attempts)
    found = losses(starts)
    check_room(path, sum(attempt.size for attempt in attempts))
    left = sum(attempt.bytes_left for attempt in attempts)
    folder = companion(path)
    if found and path.exists():
        found = [file_start(path, stored_ids(path)), *found]
    types = [start.values for start in found] + [np.dtype(each.manifest.dtype) for each in attempts]
    dtype = str(np.result_type(*types))
    logged = Logged.of(found)
    said = _about(path, starts, left)
    counts = {
        "superseded_rows": logged.superseded * len(logged.ids),
        "dropped_steps": logged.dropped,
        "missing": logged.missing,
    }
    said |= {name: said.get(name, 0) + more for name, more in counts.items() if more}
    recorded = any(len(attempt.shard.steps) for attempt in attempts)
    wrote_scalars = _write_scalars(folder / SCALARS_FILE, starts, said)
    wrote_draws, dropped = _write_draws(folder / DRAWS_FILE, starts, logged.ids, dtype, said)
    told = samples(folder, starts)
    if told is not None and (recorded or wrote_scalars or wrote_draws):
        write_table(folder / SAMPLES_FILE, told, about=said)
    if recorded and len(logged.steps):
        blocks = ((rows.steps, rows.read_all()) for rows in logged.ranges())
        write_losses(path, blocks, logged.ids, dtype=dtype, about=said)
    return Written(
        rows=len(logged.steps) if recorded else 0,
        superseded_rows=counts["superseded_rows"],
        bytes_left=left,
        dropped_steps=logged.dropped + dropped,
    )


def _rows(path: Path) -> int:
    return sum(len(group.keys[0]) for group in stored_groups(path, stored_ids(path)))


def put_away(journal: Path, attempts: Sequence[Attempt], written: Written) -> None:
    """Remove a journal that is written out; one that has more is kept under another name."""
    more = "damaged" if written.bytes_left else "partial" if written.dropped_steps else None
    name = f"{journal.name}.{more or 'gone'}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    away = next(path for path in map(journal.with_name, names) if not path.exists())
    journal.rename(away)  # gone at once for whoever looks, then from the disk
    for attempt in attempts:
        if attempt.segments_folder != attempt.folder and attempt.segments_folder.is_dir():
            if more:
                move_segments(attempt.segments_folder, away / attempt.folder.name)
            shutil.rmtree(attempt.segments_folder, ignore_errors=True)
    for gone in journal.parent.glob(f"{journal.name}.gone*"):  # one that a kill left half removed, too
        shutil.rmtree(gone, ignore_errors=True)


def _check_complete(attempt: Attempt) -> None:
    """Raise FormatError where less can be read back than a logger accepted before it was closed."""
    for kind in Kind:
        accepted = (attempt.manifest.accepted or {}).get(kind.word, 0)
        if accepted and (found := attempt.count(kind)) < accepted:
            raise FormatError(f"{found} of {accepted} records of {kind.word} can be read back")


def _about(path: Path, starts: Sequence[Sequence[Attempt]], left: int) -> dict[str, Any]:
    """What the tables say: the first start dates the run, the last word on its metadata counts."""
    before = stored_about(path) if path.exists() else {}
    manifests = [attempt.manifest for attempt in chain(*starts)]
    said = about(manifests[0]) | {MERGED: [attempt.identity for attempt in chain(*starts)]}
    said["created"] = before.get("created", said["created"])
    each = [before.get("metadata", {}), *(manifest.metadata for manifest in manifests)]
    said["metadata"] = dict(chain.from_iterable(metadata.items() for metadata in each))
    refused = sum(
        (Counter(manifest.refused) for manifest in manifests), Counter[str](before.get("refused", {}))
    )
    counts: dict[str, Any] = {
        name: before.get(name, 0) for name in ("superseded_rows", "dropped_steps", "missing")
    }
    counts |= {"bytes_left": before.get("bytes_left", 0) + left, "refused": dict(refused)}
    ranks = max(before.get(RANKS, 1), len({attempt.rank for attempt in chain(*starts)}))
    counts[RANKS] = ranks if ranks > 1 else 0
    return said | {name: found for name, found in counts.items() if found}


def _write_scalars(file: Path, starts: Sequence[Sequence[Attempt]], said: dict[str, Any]) -> bool:
    """Write the scalars of all starts, after those that are in the file; whether there are any."""
    logged = [scalars(start) for start in starts]
    if not any(logged):
        return False
    rows = [stored_table(file), *logged] if file.exists() else logged
    kept = superseding([[int(row[STEP]) for row in start] for start in rows])
    write_scalars(
        file, [row for start, stay in zip(rows, kept, strict=True) for row in start[:stay]], about=said
    )
    return True


def _write_draws(
    file: Path, starts: Sequence[Sequence[Attempt]], ids: NDArray[Any], dtype: str, said: dict[str, Any]
) -> tuple[bool, int]:
    """Write the draws of all starts, after those that are in the file; and how many steps some rank lacks."""
    logged = [draws(start) for start in starts]
    dropped = sum(lacking for _, lacking in logged)
    each = [found for found, _ in logged]
    if not any(each):
        return False, dropped
    if file.exists():
        each = [stored_draws(file, ids), *each]
        dtype = str(
            np.result_type(dtype, *{group.losses.dtype for group in stored_groups(file, ids, (STEP, DRAW))})
        )
    kept = superseding([[drawn.step for drawn in start] for start in each])

    def blocks() -> Iterator[tuple[int, NDArray[Any]]]:
        for start, stay in zip(each, kept, strict=True):
            for drawn in start[:stay]:
                yield drawn.step, drawn.read()

    write_draws(file, blocks(), ids, dtype=dtype, about=said)
    return True, dropped
