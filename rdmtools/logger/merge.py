"""What becomes of a journal? ``run.parquet``: at a logger's end, or when somebody asks.

run.parquet as it was -> start 0 -> start 1 -> ...   each gives its rows before the first of any later one

It is made block by block, so that memory does not grow with the run. A training that starts again from a
checkpoint logs steps that an earlier start had logged already: those are superseded, and counted.
`rdmtools.journal` has the rule; what is here writes the tables.
"""

import os
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning, one_line, reading
from rdmtools.format.lock import guarded
from rdmtools.format.marks import kept_beside
from rdmtools.format.names import (
    DRAW,
    DRAWS_FILE,
    JOURNAL_FOLDER,
    MERGED,
    RANKS,
    SAMPLES_FILE,
    SCALARS_FILE,
    STEP,
    companion,
)
from rdmtools.format.records import MANIFEST_FILE, Kind, listed, write_manifest
from rdmtools.format.stored import stored_about, stored_groups, stored_ids, stored_table
from rdmtools.format.trusted import Tell, is_number
from rdmtools.format.write_table import write_draws, write_losses, write_scalars, write_table
from rdmtools.journal.attempts import Attempt, read_attempts, together
from rdmtools.journal.extras import Scalars, draws, samples, scalars, stored_draws
from rdmtools.journal.supersede import Logged, file_start, losses, superseding
from rdmtools.logger.begin import OpenAttempt, may_be_open, refuse_live, run_file
from rdmtools.logger.compaction import about, room_for
from rdmtools.logger.put_away import left_behind, put_away

Row = TypeVar("Row")
Merge = Literal["auto", True, False]

MERGED_BYTES = 256_000_000
"""What "auto" merges at once: a second or two."""


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


def recover(path: str | os.PathLike[str]) -> Written:
    """Turn the journal beside `path`, which a crash or a large run left, into ``run.parquet``, and remove it.

    The journal reads as it is; this makes one file of it, and of the run that was there before. A journal
    with damaged bytes, or with scalars, draws or samples that cannot be merged, is kept, as
    ``run.rdm/journal.damaged``; one with steps that some rank lacks as ``run.rdm/journal.partial``. Only what
    a logger wrote is removed, file by file; a user's files stay.

    Parameters
    ----------
    path
        The run, a local name that ends in ``.parquet``.

    Raises
    ------
    ParameterError
        Where a logger still has the run open.
    FormatError
        Where there is no journal, or it cannot be written out. Then everything stays as it is.

    Warns
    -----
    RdmtoolsWarning
        Of what was mended or left out beside the losses, and of what is left where it was.

    Examples
    --------
    >>> import tempfile, rdmtools
    >>> path = tempfile.mkdtemp() + "/run.parquet"
    >>> log = rdmtools.ProbeLogger(path)
    >>> log(0, [0.5, 0.25])
    >>> del log  # never closed
    >>> rdmtools.recover(path)
    Written(rows=1, superseded_rows=0, bytes_left=0, dropped_steps=0)
    """
    file = run_file(path)
    journal = companion(file) / JOURNAL_FOLDER
    missing = FormatError(f"{file} has no journal; needed one that a crashed logger left in {journal}")
    if not listed(journal, f"*/{MANIFEST_FILE}"):
        raise missing
    with guarded(companion(file)):
        refuse_live(file)
        attempts = read_attempts(journal)
        if not attempts:  # merged while we waited
            raise missing
        for attempt in attempts:
            _refuse_out_of_reach(file, attempt)
        told = [note for attempt in attempts for note in attempt.notes]
        try:
            written = _write_tables(file, attempts, told.append, strict=False)
        except Exception as error:
            raise FormatError(f"{file} not written ({error}); its rows are safe in {journal}") from error
        try:
            told += put_away(journal, attempts, _more(written, told))
        except OSError as error:
            raise FormatError(
                f"{file} is written, but {journal} not put away ({error}); mend that and try again"
            ) from error
    for note in told:
        warnings.warn(note, RdmtoolsWarning, stacklevel=2)
    return written


def _refuse_out_of_reach(file: Path, attempt: Attempt) -> None:
    if attempt.out_of_reach:
        place, host = one_line(str(attempt.manifest.segments)), one_line(attempt.manifest.host)
        found = "" if not kept_beside(attempt.folder, attempt.manifest) else "; what is there is not of it"
        raise FormatError(
            f"{file} has rows in {place} on {host}{found}; "
            "needed that folder here: recover the run on that machine, or copy it"
        )


def close_attempt(
    attempt: OpenAttempt, accepted: Mapping[Kind, int], refused: Mapping[str, int], merge: Merge
) -> str | None:
    """Say what the journal must hold of a sealed attempt, let go of it and merge; what is to be told."""
    writer = attempt.writer
    kept = left_behind(writer.bring_home())
    counts = {kind.word: records for kind, records in accepted.items()}
    writer.manifest = replace(writer.manifest, accepted=counts, refused=dict(refused), closed=time.time())
    write_manifest(attempt.folder, writer.manifest)
    attempt.lock.release()
    with guarded(companion(attempt.path)):
        if not attempt.folder.exists():  # another rank, which came later, has merged it
            return kept
        told = _merge(attempt.path, merge)
        if attempt.folder.exists():
            writer.settle()
    return "; ".join(filter(None, (told, kept))) or None


def _merge(path: Path, merge: Merge) -> str | None:
    """Merge the journal of a logger that was sealed, where that is quick and loses nothing; what is to tell.

    The last of several ranks merges for all.
    """
    journal = companion(path) / JOURNAL_FOLDER
    attempts = read_attempts(journal)
    if any(may_be_open(attempt) for attempt in attempts) or merge is False or not attempts:
        return None
    later = f"`rdmtools recover {path}` merges"
    if merge == "auto":
        size = sum(attempt.size for attempt in attempts) + (path.stat().st_size if path.exists() else 0)
        if size > MERGED_BYTES:
            return f"{size / 1e6:,.0f} MB stay in {journal}, and read as well; {later}"
        if any(attempt.out_of_reach for attempt in attempts):
            return f"some rows are on another machine; {later} there"
        starts = together(attempts)
        if dropped := Logged.of(losses(starts)).dropped + sum(draws(start)[1] for start in starts):
            return (
                f"{dropped} step{'s' * (dropped != 1)} that some rank lacks would be dropped; "
                f"all stays in {journal}, and reads without them; {later} what is whole and keeps the rest"
            )
    told = [note for attempt in attempts for note in attempt.notes]
    written = _write_tables(path, attempts, told.append, strict=True)
    told += put_away(journal, attempts, _more(written, told))
    return "; ".join(told) or None


def _more(written: Written, told: Sequence[str]) -> str | None:
    """What to call a journal that has more than was merged, None where it has not."""
    if told or written.bytes_left:
        return "damaged"
    return "partial" if written.dropped_steps else None


def _write_tables(path: Path, attempts: Sequence[Attempt], tell: Tell, *, strict: bool) -> Written:
    """Write the tables of which there are records; the losses last: where they are, the rest is.

    Parameters
    ----------
    path
        The run, ``run.parquet``; what is there of earlier starts of the training comes first.
    attempts
        Attempts on the same samples, at least one. Their folders are left as they are.
    tell
        Takes a line about each thing beside the losses that cannot be merged.
    strict
        Whether all that closed loggers accepted must be there; else whatever is whole is taken.

    Raises
    ------
    FormatError
        Less can be read back, there is no room, or what is there does not fit. Then nothing is replaced.
    """
    before = stored_about(path) if path.exists() else {}
    # A kill came between the last merge and the removal of its journal: those are in the file.
    attempts = [attempt for attempt in attempts if attempt.identity not in before.get(MERGED, [])]
    if not attempts:
        rows = sum(len(group.keys[0]) for group in stored_groups(path, stored_ids(path)))
        return Written(rows=rows, superseded_rows=0, bytes_left=0, dropped_steps=0)
    for attempt in attempts if strict else ():
        _check_complete(attempt)
    starts = together(attempts)
    parts = losses(starts)
    _check_room(path, sum(attempt.size for attempt in attempts))
    folder = companion(path)
    if parts and path.exists():
        parts = [file_start(path, stored_ids(path)), *parts]
    types = [part.values for part in parts] + [np.dtype(attempt.manifest.dtype) for attempt in attempts]
    dtype = str(np.result_type(*types))
    logged = Logged.of(parts)
    counts = {
        "superseded_rows": logged.superseded * len(logged.ids),
        "dropped_steps": logged.dropped,
        "missing": logged.missing,
        "bytes_left": sum(attempt.bytes_left for attempt in attempts),
    }
    of_run = _about_run(before, starts, counts)
    recorded = any(len(attempt.shard.steps) for attempt in attempts)
    wrote_scalars = _write_scalars(folder / SCALARS_FILE, starts, of_run, tell)
    wrote_draws, dropped = _write_draws(folder / DRAWS_FILE, starts, logged.ids, dtype, of_run, tell)
    if recorded or wrote_scalars or wrote_draws:
        _write_samples(folder, starts, of_run, tell)
    if recorded and len(logged.steps):
        blocks = ((rows.steps, rows.read_all()) for rows in logged.ranges())
        write_losses(path, blocks, logged.ids, dtype=dtype, about=of_run)
    return Written(
        rows=len(logged.steps) if recorded else 0,
        superseded_rows=counts["superseded_rows"],
        bytes_left=counts["bytes_left"],
        dropped_steps=logged.dropped + dropped,
    )


def _check_complete(attempt: Attempt) -> None:
    """Raise FormatError where less can be read back than a logger accepted before it was closed."""
    for kind in Kind:
        accepted = (attempt.manifest.accepted or {}).get(kind.word, 0)
        if accepted and (readable := attempt.count(kind)) < accepted:
            raise FormatError(f"{readable} of {accepted} records of {kind.word} can be read back")


def _check_room(path: Path, size: int) -> None:
    """Raise FormatError where there is no room for `path` and `size` bytes more, beside what is there."""
    needed = size + (path.stat().st_size if path.exists() else 0)
    if not room_for(needed, path.parent):
        free = shutil.disk_usage(path.parent).free
        raise FormatError(
            f"{needed / 1e6:,.1f} MB to write, {free / 1e6:,.1f} MB free in {path.parent}; make room for more"
        )


def _about_run(
    before: dict[str, Any], starts: Sequence[Sequence[Attempt]], counts: Mapping[str, int]
) -> dict[str, Any]:
    """What the tables say: the first start dates the run, the last word on its metadata counts."""
    attempts = list(chain(*starts))
    manifests = [attempt.manifest for attempt in attempts]
    of_run = about(manifests[0]) | {MERGED: [attempt.identity for attempt in attempts]}
    units = [before.get("unit"), *(manifest.unit for manifest in manifests)]
    of_run["unit"] = next((unit for unit in units if unit is not None), None)
    of_run["created"] = before.get("created", of_run["created"])
    metadata = [before.get("metadata", {}), *(manifest.metadata for manifest in manifests)]
    of_run["metadata"] = dict(chain.from_iterable(words.items() for words in metadata))
    refused = Counter[str](before.get("refused", {}))
    for manifest in manifests:
        refused += Counter(manifest.refused)
    ranks = max(before.get(RANKS, 1), len({attempt.rank for attempt in attempts}))
    further = {name: before.get(name, 0) + number for name, number in counts.items()}
    further |= {"refused": dict(refused), RANKS: ranks if ranks > 1 else 0}
    return of_run | {name: value for name, value in further.items() if value}


def _write_samples(
    folder: Path, starts: Sequence[Sequence[Attempt]], of_run: dict[str, Any], tell: Tell
) -> None:
    """Write what is known of the samples, but never over a table that does not read, or does not fit."""
    faults: list[str] = []
    known = samples(folder, starts, faults.append)
    for fault in faults:
        tell(fault)
    if known is not None and not (faults and (folder / SAMPLES_FILE).exists()):
        write_table(folder / SAMPLES_FILE, known, about=of_run)


def _write_scalars(
    file: Path, starts: Sequence[Sequence[Attempt]], of_run: dict[str, Any], tell: Tell
) -> bool:
    """Write the scalars of all starts, after those that are in the file; whether there are any."""
    logged = [scalars(start, tell) for start in starts]
    if not any(logged):
        return False
    if file.exists():
        try:
            logged = [_stored_scalars(file), *logged]
        except FormatError as error:
            tell(f"{error}; the scalars of the journal are not in it")
            return False
    write_scalars(file, list(_kept(logged, lambda row: int(row[STEP]))), about=of_run)
    return True


def _stored_scalars(file: Path) -> list[Scalars]:
    """The scalars of the run as it was merged before. Raises FormatError where they are no such table."""
    with reading(file):
        rows = stored_table(file)
        for row in rows:
            if not isinstance(row.get(STEP), int) or not all(map(is_number, row.values())):
                raise ParameterError("it has rows without a whole step, or with values that are no numbers")
        return rows


def _write_draws(
    file: Path,
    starts: Sequence[Sequence[Attempt]],
    ids: NDArray[Any],
    dtype: str,
    of_run: dict[str, Any],
    tell: Tell,
) -> tuple[bool, int]:
    """Write the draws of all starts, after those that are in the file; and how many steps some rank lacks."""
    logged, lacking = zip(*(draws(start, tell) for start in starts), strict=True)
    if not any(logged):
        return False, sum(lacking)
    try:
        if file.exists():
            logged = (stored_draws(file, ids), *logged)
            stored = {group.losses.dtype for group in stored_groups(file, ids, (STEP, DRAW))}
            dtype = str(np.result_type(dtype, *stored))
        blocks = ((drawn.step, drawn.read()) for drawn in _kept(logged, lambda drawn: drawn.step))
        write_draws(file, blocks, ids, dtype=dtype, about=of_run)
    except FormatError as error:
        tell(f"{error}; the draws of the journal are not in {file.name}")
        return False, sum(lacking)
    return True, sum(lacking)


def _kept(starts: Sequence[Sequence[Row]], step: Callable[[Row], int]) -> Iterator[Row]:
    """The rows of each start, in order of their steps, that no later one supersedes."""
    kept = superseding([[step(row) for row in start] for start in starts])
    return chain.from_iterable(start[:stay] for start, stay in zip(starts, kept, strict=True))
