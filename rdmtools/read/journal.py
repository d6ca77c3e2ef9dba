"""What did loggers leave beside a run: crashed ones, large runs, or loggers that are still open?"""

import warnings
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError, ParameterError, RdmtoolsWarning
from rdmtools.format.names import JOURNAL_FOLDER, MERGED
from rdmtools.format.read_table import ParquetPart
from rdmtools.journal.attempts import Attempt, read_attempts, together
from rdmtools.journal.supersede import Logged, losses_of_whole_ranks
from rdmtools.journal.supersede import losses as losses_of
from rdmtools.read.paths import companion_of, has_journal
from rdmtools.read.stores import Location, StorePath, if_let
from rdmtools.run.losses import Opened, StoredLosses
from rdmtools.run.quality import Quality, counted
from rdmtools.run.rules import Rules

Starts = list[list[Attempt]]


def starts_beside(path: Location) -> Starts:
    """What crashed loggers, large runs or loggers that are still open left beside `path`, by start."""
    folder = companion_of(path)
    if isinstance(folder, StorePath) or not has_journal(folder):
        return []
    try:
        attempts = read_attempts(folder / JOURNAL_FOLDER, hold=True)
        for note in chain(*(attempt.notes for attempt in attempts)):
            warnings.warn(note, RdmtoolsWarning, stacklevel=5)
        return together(attempts)
    except FormatError as error:
        if has_journal(folder):
            raise
        raise ChangedError(f"{path} was closed while it was read; read it again") from error


def refuse_in_store(folder: StorePath) -> None:
    """What a logger left is read where it lies, by locks and places in files; a store has neither."""
    with if_let(folder):
        if has_journal(folder):
            raise FormatError(
                f"{folder / JOURNAL_FOLDER} has rows that a logger left; needed them on this machine: "
                "copy the run and its folder here, or recover it before it is put into a store"
            )


def not_merged(journal: Starts, parts: list[ParquetPart]) -> Starts:
    """The attempts that are not in the file yet; one that was merged just now, or before a kill, is."""
    merged = {identity for part in parts for identity in part.about.get(MERGED, [])}
    starts = [[attempt for attempt in start if attempt.identity not in merged] for start in journal]
    return [start for start in starts if start]


def losses_of_starts(starts: Starts, rules: Rules, stored: NDArray[Any] | None) -> Opened:
    """The losses of all starts; steps that some rank lacks are left out, unless samples are to be.

    `stored` are the ids of what is in a file before them: there, steps are left out in any case.
    """
    if stored is None and rules.missing == "drop-samples" and max(map(len, starts)) > 1:
        logged = losses_of_whole_ranks(starts)
    else:
        known = losses_of(starts)
        several = any(start.world_size > 1 for start in known)
        logged = Logged.of(known, stored if several else None)
    if stored is None and logged.dropped and not len(logged.steps):
        raise ParameterError(
            f"no step that every rank has, {logged.dropped} that some rank lacks; needed one of all ranks; "
            'to drop the samples of the others, pass missing="drop-samples"'
        )
    attempts = list(chain(*starts))
    return Opened(
        steps=logged.steps,
        ids=logged.ids,
        stored=StoredLosses(groups=logged.ranges(), rows=np.arange(len(logged.steps)), samples=None),
        quality=Quality(
            superseded_rows=logged.superseded * len(logged.ids),
            bytes_left=sum(attempt.bytes_left for attempt in attempts),
            dropped_steps=logged.dropped,
            dropped_samples=logged.dropped_samples,
            missing=logged.missing,
            refused=sum(sum(attempt.manifest.refused.values()) for attempt in attempts),
            out_of_reach=sum(attempt.out_of_reach for attempt in attempts),
        ),
    )


def upon(old: Opened, new: Opened) -> Opened:
    """The rows of `new`, which starts later, and those of `old` before its first step."""
    if not len(new.steps):
        return replace(old, quality=old.quality + new.quality)
    if not np.array_equal(old.ids, new.ids):
        raise ParameterError(
            f"the file has {counted(len(old.ids), 'sample')} and the journal {len(new.ids)}, not the same; "
            "needed one probe set; move the journal away"
        )
    assert isinstance(new.stored, StoredLosses)  # what a journal holds
    kept = int((old.steps < new.steps[0]).sum())
    superseded = (len(old.steps) - kept) * len(old.ids)
    return Opened(
        steps=np.concatenate([old.steps[:kept], new.steps]),
        ids=old.ids,
        stored=old.stored.first(kept, new.stored),
        quality=old.quality + new.quality + Quality(superseded_rows=superseded),
    )
