"""How does what a crash left become ``run.parquet``? As `ProbeLogger.close` would have done it."""

import os

from rdmtools.errors import FormatError, ParameterError
from rdmtools.journal import MANIFEST_FILE
from rdmtools.logger.conversion import Written, put_away, read_attempts, write_tables
from rdmtools.logger.earlier import refuse_live
from rdmtools.logger.path import run_file
from rdmtools.schema import JOURNAL_FOLDER, companion


def recover(path: str | os.PathLike[str]) -> Written:
    """Turn the journal beside `path`, which a crash left, into ``run.parquet``, and remove it.

    The journal reads as it is; this makes one file of it, and of the run that was there before. A journal
    with damaged bytes is kept, as ``run.rdm/journal.damaged``.

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
    Written(rows=1, superseded_rows=0, bytes_left=0)
    """
    file = run_file(path)
    journal = companion(file) / JOURNAL_FOLDER
    if not any(journal.glob(f"*/{MANIFEST_FILE}")):
        raise FormatError(f"{file} has no journal; needed one that a crashed logger left in {journal}")
    refuse_live(file)
    try:
        written = write_tables(file, read_attempts(journal))
    except (OSError, ParameterError) as error:
        raise FormatError(f"{file} not written ({error}); its rows are safe in {journal}") from error
    put_away(journal, written)
    return written
