"""How does a journal become ``run.parquet``? As a logger's end does it, or when somebody asks."""

import os
from collections.abc import Sequence
from pathlib import Path

from rdmtools.errors import FormatError
from rdmtools.format.lock import guarded
from rdmtools.format.names import JOURNAL_FOLDER, companion
from rdmtools.format.records import MANIFEST_FILE, listed
from rdmtools.journal.attempts import Attempt, read_attempts, together
from rdmtools.journal.extras import draws
from rdmtools.journal.supersede import Logged, losses
from rdmtools.logger.begin import may_be_open, refuse_live
from rdmtools.logger.merge import Written, put_away, write_tables
from rdmtools.logger.path import run_file

MERGED_BYTES = 256_000_000
"""What `ProbeLogger.close` merges at once: a second or two."""

_LATER = "`rdmtools recover {}` merges"


def recover(path: str | os.PathLike[str]) -> Written:
    """Turn the journal beside `path`, which a crash or a large run left, into ``run.parquet``, and remove it.

    The journal reads as it is; this makes one file of it, and of the run that was there before. A journal
    with damaged bytes is kept, as ``run.rdm/journal.damaged``; one with steps that some rank lacks as
    ``run.rdm/journal.partial``.

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
            if attempt.out_of_reach:
                raise FormatError(
                    f"{file} has rows in {attempt.segments_folder} on {attempt.manifest.host}; "
                    "needed that folder here: recover the run on that machine, or copy it"
                )
        try:
            written = write_tables(file, attempts, strict=False)
        except Exception as error:
            raise FormatError(f"{file} not written ({error}); its rows are safe in {journal}") from error
        put_away(journal, attempts, written)
    return written


def merge_at_end(path: Path, merge: bool | None) -> str | None:
    """Merge the journal of a logger that was sealed, where that is quick and loses nothing; else why not.

    `merge` None is "auto": up to `MERGED_BYTES`. The last of several ranks merges for all.
    """
    journal = companion(path) / JOURNAL_FOLDER
    attempts = read_attempts(journal)
    if any(may_be_open(attempt) for attempt in attempts) or merge is False or not attempts:
        return None
    size = sum(attempt.size for attempt in attempts) + (path.stat().st_size if path.exists() else 0)
    if merge is None and size > MERGED_BYTES:
        return f"{size / 1e6:,.0f} MB stay in {journal}, and read as well; {_LATER.format(path)}"
    if merge is None and any(attempt.out_of_reach for attempt in attempts):
        return f"some rows are on another machine; {_LATER.format(path)} there"
    if merge is None and (dropped := _dropped(attempts)):
        return (
            f"{dropped} steps that some rank lacks would be dropped; all stays in {journal}, and reads "
            f"without them; {_LATER.format(path)} what is whole and keeps the rest"
        )
    put_away(journal, attempts, write_tables(path, attempts, strict=True))
    return None


def _dropped(attempts: Sequence[Attempt]) -> int:
    starts = together(attempts)
    return Logged.of(losses(starts)).dropped + sum(draws(start)[1] for start in starts)
