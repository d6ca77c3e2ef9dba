"""How does a logger begin? What lies at the path is refused, deleted or continued; then its attempt is made.

Whatever another process is writing is never touched.
"""

import os
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdmtools.errors import FormatError, ParameterError, RdmtoolsError, RdmtoolsWarning
from rdmtools.format.lock import Lock, can_tell, holder
from rdmtools.format.marks import kept_beside, removable_beside, remove_segments, write_mark
from rdmtools.format.names import (
    ANALYSIS_FOLDER,
    COMPARED_FOLDER,
    DRAWS_FILE,
    JOURNAL_FOLDER,
    LOSSES_SUFFIX,
    RANKS,
    SAMPLE_ID,
    SAMPLES_FILE,
    SCALARS_FILE,
    companion,
)
from rdmtools.format.ours import (
    is_analysis,
    is_file,
    is_folder,
    remove_analysis,
    remove_attempt,
    remove_journal,
)
from rdmtools.format.records import (
    MANIFEST_FILE,
    Kind,
    Manifest,
    is_attempt,
    listed,
    next_attempt,
    read_manifest,
    write_manifest,
)
from rdmtools.format.stored import (
    join_samples,
    read_table,
    stored_about,
    stored_groups,
    stored_ids,
    stored_table,
)
from rdmtools.format.write_table import write_table
from rdmtools.journal.attempts import Attempt, read_attempts
from rdmtools.journal.supersede import check_claims, same_samples
from rdmtools.logger.compaction import about
from rdmtools.logger.cuda import Leaving
from rdmtools.logger.put_away import left_behind
from rdmtools.logger.sigterm import forget, seal_at_sigterm
from rdmtools.logger.writer import Sync, Writer

_TABLES = (SAMPLES_FILE, SCALARS_FILE, DRAWS_FILE)
_RECENT_S = 600


def run_file(path: str | os.PathLike[str]) -> Path:
    """`path`, absolute. Raises ParameterError where it is no local name that ends in ``.parquet``."""
    text = os.fspath(path)
    if "://" in text:
        raise ParameterError(
            f"path is {text!r}, on another machine; needed a local file name: "
            "log here, and copy the run there after close()"
        )
    if not text.endswith(LOSSES_SUFFIX) or Path(text).expanduser().is_dir():
        raise ParameterError(
            f"path is {text!r}; needed a local file name such as 'runs/seed0{LOSSES_SUFFIX}'"
        )
    return Path(text).expanduser().absolute()  # the training may change its folder before close()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAttempt:
    """One start of the training, while this process writes it."""

    path: Path
    """The run, which is to be."""
    folder: Path
    lock: Lock
    writer: Writer

    def know_samples(self, samples: int) -> None:
        """Say on disk how many there are, which the first losses tell. Raises ParameterError."""
        known = replace(self.writer.manifest, samples=samples)
        _check_ranks(known, _siblings(self.path, known))
        write_manifest(self.folder, known)
        self.writer.manifest = known

    def seal(self) -> None:
        """Flush and close its segments."""
        self.writer.end()
        forget(self.writer)

    def end(self, leaving: Sequence[tuple[Kind, int, Leaving]] = ()) -> None:
        """Seal it and let go of it, with what is on its way from a GPU where nobody closed the logger."""
        for kind, step, losses in leaving if self.writer.ours else ():
            with suppress(Exception):
                self.writer.append(kind, step, losses.arrived().tobytes())
        self.seal()
        self.lock.release()


def begin(
    path: Path,
    manifest: Manifest,
    columns: Any,
    sync: Sync,
    journal_dir: str | os.PathLike[str] | None,
    *,
    resume: bool,
    overwrite: bool,
    ours: bool,
) -> OpenAttempt:
    """Make the attempt's folder and its first segment, alone among the processes that log to `path`.

    `columns` are a table of what else is known of the samples, or None; `ours` is whether a logger of this
    process has the run open, and was not ended for this one. Raises ParameterError where what is there is in
    the way or does not fit, or the system refuses: then nothing is left of it.
    """
    journal = companion(path) / JOURNAL_FOLDER
    with ExitStack() as undo:
        undo.callback(remove_empty, path)
        try:
            siblings = _siblings(path, manifest)
            others = [sibling.folder for sibling in siblings]
            if not ours:
                refuse_live(path, others)
            if resume:
                manifest = _continued(path, manifest)
            elif overwrite:
                _delete(path, others)
            else:
                _refuse(path, others)
            folder = next_attempt(journal, manifest.rank)
            folder.mkdir(parents=True)  # exclusively: of two processes, one gets an error
            undo.callback(_remove, remove_attempt, folder)
            lock = Lock(folder)
            undo.callback(lock.release)
        except OSError as error:
            raise ParameterError(f"{path} cannot be written ({error}); choose another path") from error
        try:
            _check_ranks(manifest, siblings)
            manifest = replace(manifest, beside=[sibling.identity for sibling in siblings])
            scratch = folder
            if journal_dir is not None:
                scratch = _scratch(journal_dir, f"{path.stem}-{folder.name}-")
                undo.callback(_remove, remove_segments, scratch)
                manifest = replace(manifest, segments=str(scratch), host=socket.gethostname())
                write_mark(scratch, folder, manifest)
            if columns is not None:
                _check_tables(path, columns)
                write_table(folder / SAMPLES_FILE, columns, about=about(manifest))
            write_manifest(folder, manifest)
            writer = Writer(folder, scratch, manifest, sync)
            seal_at_sigterm(writer)
        except ParameterError:
            raise
        except Exception as error:  # the system's, JSON's or pyarrow's
            raise ParameterError(f"{path} cannot be begun ({error}); make room or correct that") from error
        undo.pop_all()
    return OpenAttempt(path=path, folder=folder, lock=lock, writer=writer)


def _remove(remover: Callable[[Path], object], folder: Path) -> None:
    """Take back what we made just now, as far as the system lets us."""
    with suppress(OSError):
        remover(folder)


def _scratch(folder: str | os.PathLike[str], prefix: str) -> Path:
    place = Path(folder).expanduser().absolute()
    place.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=place))


def remove_empty(path: Path) -> None:
    """Leave no folders behind where nothing was logged."""
    with suppress(OSError):
        for folder in (companion(path) / JOURNAL_FOLDER, companion(path)):
            if folder.exists():
                folder.rmdir()  # where it is empty, and of our own naming


def _siblings(path: Path, manifest: Manifest) -> list[Attempt]:
    """Those of the other ranks that log to `path` right now."""
    if manifest.world_size == 1:
        return []
    attempts = read_attempts(companion(path) / JOURNAL_FOLDER)
    return [attempt for attempt in attempts if attempt.rank != manifest.rank and may_be_open(attempt)]


def may_be_open(attempt: Attempt) -> bool:
    """Whether a logger has it open, or of several ranks may have where the file system cannot tell."""
    several = attempt.manifest.world_size > 1 and attempt.manifest.accepted is None
    return attempt.live or (several and not can_tell(attempt.folder) and _is_recent(attempt.folder))


def _is_recent(folder: Path) -> bool:
    try:
        return time.time() - max(file.stat().st_mtime for file in folder.iterdir()) < _RECENT_S
    except OSError:  # its logger is closing
        return True


def refuse_live(path: Path, others: Collection[Path] = ()) -> None:
    """Raise ParameterError where another logger has the run at `path` open, but for `others`."""
    for attempt in (companion(path) / JOURNAL_FOLDER).glob("*/"):
        if attempt not in others and (who := holder(attempt)) is not None:
            raise ParameterError(
                f"{path} is being written by {who}; needed a path of its own for each logger: "
                "choose another, or of several ranks log from one"
            )


def _refuse(path: Path, others: Collection[Path]) -> None:
    """Raise ParameterError where anything of a run is at `path`, but for `others` in its journal."""
    way_out = "pass resume=True to go on, overwrite=True to delete that run, or choose another path"
    if _attempts(path, others):
        journal = companion(path) / JOURNAL_FOLDER
        raise ParameterError(
            f"{path} has rows that a logger left in {journal}, which read as they are; {way_out}"
        )
    if tables := _tables(path):
        raise ParameterError(f"{tables[0]} already exists; {way_out}")


def _delete(path: Path, others: Collection[Path]) -> None:
    """Delete the run at `path`, and what we analysed of it, but for `others` in its journal.

    All of it is ours: tables and journal by their places, which `path` tells; segments and analysis by their
    marks. What else lies there stays, and is warned of. Raises ParameterError where something is in the way.
    """
    for entry in (*_attempts(path, others), *_tables(path)):
        if is_attempt(entry.name) != is_folder(entry):
            raise ParameterError(
                f"{entry} is not what rdmtools writes under that name; move it away, or choose another path"
            )
    for table in _tables(path):
        if table != path and is_file(table) and not _is_marked(table):
            raise ParameterError(f"{table} is not what rdmtools wrote; move it away, or choose another path")
    left: list[Path] = []
    for folder in _attempts(path, others):
        with suppress(FormatError):  # what its manifest names is left, where that does not read
            manifest = read_manifest(folder)
            scratch = removable_beside(folder, manifest)
            left += kept_beside(folder, manifest) if scratch is None else remove_segments(scratch)
    for table in _tables(path):
        table.unlink(missing_ok=True)  # which the user said by overwrite=True; of a link, the link
    left += remove_journal(companion(path) / JOURNAL_FOLDER, others)
    for name in (ANALYSIS_FOLDER, COMPARED_FOLDER):
        if is_analysis(companion(path) / name):
            left += remove_analysis(companion(path) / name)
    if told := left_behind(left):
        warnings.warn(told, RdmtoolsWarning, stacklevel=4)


def _is_marked(table: Path) -> bool:
    """Whether a table says that rdmtools wrote it, or is too damaged to say anything."""
    try:
        return bool(stored_about(table))
    except FormatError:
        return True


def _tables(path: Path) -> list[Path]:
    files = (path, *(companion(path) / table for table in _TABLES))
    return [file for file in files if os.path.lexists(file)]


def _attempts(path: Path, others: Collection[Path]) -> list[Path]:
    """Folders of attempts in the journal at `path`, beside `others`; those of other releases too."""
    journal = companion(path) / JOURNAL_FOLDER
    manifests = {file.parent for file in listed(journal, f"*/{MANIFEST_FILE}")}
    named = {entry for entry in listed(journal, "*") if is_attempt(entry.name)}
    return sorted((manifests | named) - set(others))


def _check_tables(path: Path, columns: Any) -> None:
    """Raise ParameterError where what is told of the samples does not fit what others told of them."""
    folder = companion(path)
    files = [folder / SAMPLES_FILE, *(folder / JOURNAL_FOLDER).glob(f"*/{SAMPLES_FILE}")]
    try:
        join_samples([columns, *(read_table(file) for file in files if file.exists())])
    except FormatError as error:
        raise ParameterError(f"{path}: {error}") from error


def _check_ranks(manifest: Manifest, others: Iterable[Attempt]) -> None:
    """Raise ParameterError where another rank logs one of the samples of `manifest`."""
    ids = {other.rank: other.manifest.sample_ids for other in others if other.row_bytes}
    try:
        if ids:
            check_claims(ids | {manifest.rank: manifest.sample_ids})
    except FormatError as error:
        raise ParameterError(str(error)) from error


def _continued(path: Path, manifest: Manifest) -> Manifest:
    """`manifest` with the samples of the run at `path`, where it has none of its own.

    Raises ParameterError where the two do not fit together, or the run cannot be read.
    """
    try:
        attempts = read_attempts(companion(path) / JOURNAL_FOLDER)
        stored = stored_about(path) if path.exists() else {}
        units = [attempt.manifest.unit for attempt in attempts]
        units.append(stored.get("unit"))
        # Where only one rank ever logged, it has the whole probe, whatever the launcher says of others.
        shared = stored.get(RANKS, 1) > 1 or any(attempt.rank != manifest.rank for attempt in attempts)
        known = [
            attempt.manifest for attempt in attempts if attempt.rank == manifest.rank and attempt.row_bytes
        ]
        if manifest.samples is None:
            manifest = replace(manifest, samples=_samples_as_logged(path, known, manifest, shared))
        _check_samples(path, known, manifest, shared)
    except RdmtoolsError as error:
        raise ParameterError(f"{path} cannot be resumed: {error}; or choose another path") from error
    for unit in (unit for unit in units if unit is not None):
        if manifest.unit not in (None, unit):
            raise ParameterError(
                f"{path} has losses in {unit}, unit is {manifest.unit!r}; needed the same: pass unit={unit!r}"
            )
        manifest = replace(manifest, unit=unit)
    return manifest


def _check_samples(path: Path, known: list[Manifest], manifest: Manifest, shared: bool) -> None:
    """Raise FormatError where the run is not as a logger wrote it, or has other samples."""
    if path.exists():
        ids = stored_ids(path)
        next(stored_groups(path, ids), None)
        if not shared:
            same_samples(ids, manifest.sample_ids)
        elif not set(manifest.sample_ids.tolist()) <= set(ids.tolist()):
            raise FormatError("the run lacks some of this rank's samples; needed the same probe set")
    for other in known if not shared else ():
        if other.samples != manifest.samples:
            same_samples(other.sample_ids, manifest.sample_ids)


def _samples_as_logged(
    path: Path, known: list[Manifest], manifest: Manifest, shared: bool
) -> int | list[Any] | None:
    """Samples in the order of the first logger (the run has them sorted); None where there are none yet."""
    if shared:
        if known and known[-1].world_size == manifest.world_size:
            return known[-1].samples
        if path.exists() or known:
            raise ParameterError("each rank has a part of its samples; needed this rank's: pass samples=")
        return None
    if known and not path.exists():
        return known[0].samples
    if (file := companion(path) / SAMPLES_FILE).exists():
        return [row[SAMPLE_ID] for row in stored_table(file)]
    if not path.exists():
        return None
    ids = stored_ids(path).tolist()
    if ids != list(range(len(ids))):
        raise ParameterError(f"{file} is not there; needed samples= in the order of the losses: pass it")
    return len(ids)
