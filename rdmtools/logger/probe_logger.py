"""How does a training job record its per-sample losses? One call a step, which never stops the training.

Each call appends one record to the journal (`rdmtools.journal`) in microseconds; `close` turns the journal
into ``run.parquet``. Whatever happens in between, what was accepted can be read.
"""

import json
import operator
import os
import shutil
import threading
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning
from rdmtools.journal import SEGMENT_FILE, Kind, Manifest, next_attempt, record_header, write_manifest
from rdmtools.logger.conversion import about, put_away, read_attempts, write_tables
from rdmtools.logger.earlier import continued, delete, refuse, refuse_live
from rdmtools.logger.lock import Lock
from rdmtools.logger.path import run_file
from rdmtools.logger.samples import probe_samples
from rdmtools.logger.segment import Segment, Sync
from rdmtools.logger.values import as_losses, as_number
from rdmtools.schema import (
    JOURNAL_FOLDER,
    SAMPLES_FILE,
    STEP,
    companion,
)
from rdmtools.table import write_table

Dtype = Literal["float32", "float64"]
_MOST_BYTES = 1 << 31  # the most that one system call takes

# Journals that loggers of this process have open.
_OPEN: "weakref.WeakValueDictionary[Path, ProbeLogger]" = weakref.WeakValueDictionary()


class _Refusal(ParameterError):
    """Why a record was not taken: `reason` is its key in `ProbeLogger.refused`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProbeLogger:
    """Records the losses of fixed probe samples during training; ``run.parquet`` is there once it is closed.

    Parameters
    ----------
    path
        Where the run goes: a local name that ends in ``.parquet``. Folders on the way are made.
    samples
        What the probe samples are: None (as many as the first losses), their number, their ids (int or str),
        or a table: a dict of columns, pandas, polars, pyarrow. Its column `sample_id` has the ids, without it
        they are 0 ... n-1; columns such as `group`, `label` and `text` are kept for the analysis.
    metadata
        Anything JSON can hold; `rdmtools.compare` shows it as columns.
    unit
        Of the losses.
    dtype
        "float32" or "float64": how the losses are kept.
    resume
        Go on with a run that is already there, after a crash or from a checkpoint: a new attempt, whose first
        step and all after it supersede what earlier attempts logged from there on. Same samples (None: those
        of the run, in the order of its first logger), same unit; `metadata` adds to what the run has. Without
        a run, it is simply begun.
    overwrite
        Delete a run that is already there, and what was analysed of it. Without either, a run that is there
        is an error. An open logger of this process (of a notebook's cell run before) is ended by both; one of
        another process is never touched: of several ranks, log from one.
    sync
        When rows reach the disk itself, against power loss: about once a "second", "always" before a call
        returns, or "never" on purpose. Against a killed process they are safe as soon as the call returns.

    Attributes
    ----------
    path : Path
    rows : int
        Rows of losses accepted.
    refused : Counter[str]
        Calls not accepted, by reason: "step" (does not rise), "values" (wrong shape, not numbers), "write"
        (the system did not take it, or the journal was removed), "closed", "fork" (not the process that
        opened the run).
    nonfinite : int
        Losses accepted (draws too) that were NaN or inf. They are data, and written as they are.

    Raises
    ------
    ParameterError
        At construction and at the first call each of `log`, `scalars` and `draws`: arguments that do not
        fit. Later calls never raise: refused ones are counted, and warned of once a reason (RdmtoolsWarning).

    Examples
    --------
    >>> import tempfile, rdmtools
    >>> with rdmtools.ProbeLogger(tempfile.mkdtemp() + "/run.parquet", samples=3) as log:
    ...     for step in range(0, 60, 20):
    ...         log(step, [0.5, 0.4, 2.0 / (1 + step)])
    ...         log.scalars(step, test_acc=0.9)
    >>> log
    ProbeLogger('run.parquet': closed, 3 rows of 3 samples, last step 40)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        samples: Any = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        unit: str = "nats",
        dtype: Dtype = "float32",
        resume: bool = False,
        overwrite: bool = False,
        sync: Sync = "second",
    ) -> None:
        for option, value, choices in (("dtype", dtype, get_args(Dtype)), ("sync", sync, get_args(Sync))):
            if value not in choices:
                raise ParameterError(f"{option} is {value!r}; needed one of {', '.join(map(repr, choices))}")
        if resume and overwrite:
            raise ParameterError("resume and overwrite are both True; needed one of them: go on, or delete")
        self.path = run_file(path)
        ids, columns = probe_samples(samples)
        self._manifest = Manifest(
            name=self.path.stem,
            unit=unit,
            dtype=dtype,
            samples=ids,
            metadata=_checked_metadata(metadata or {}),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._folder = companion(self.path)
        self._journal = self._folder / JOURNAL_FOLDER
        self._resumed = resume
        self.refused: Counter[str] = Counter()
        self.nonfinite = 0
        self._accepted: Counter[Kind] = Counter()
        try:
            self._take_over(overwrite)
            self._attempt = next_attempt(self._journal)
            self._attempt.mkdir(parents=True)  # exclusively: of two processes, one gets an error
            self._writing = Lock(self._attempt)
        except OSError as error:
            raise ParameterError(f"{self.path} cannot be written ({error}); choose another path") from error
        self._values = self._manifest.values
        self._samples = len(self._manifest.sample_ids)
        try:
            told = self._folder / SAMPLES_FILE
            # A run that goes on keeps what is known of its samples, unless more is told than ids.
            if columns is not None and not (resume and told.exists() and columns.num_columns == 1):
                write_table(told, columns, about=about(self._manifest))
            write_manifest(self._attempt, self._manifest)
            self._segment = Segment(self._attempt / SEGMENT_FILE, sync)
        except Exception as error:  # the system's, JSON's or pyarrow's
            self._writing.release()
            shutil.rmtree(self._attempt, ignore_errors=True)
            self._remove_empty()
            raise ParameterError(
                f"{self.path} cannot be begun ({error}); make room or correct that"
            ) from error
        self._last: dict[Kind, int] = {}
        self._called: set[Kind] = set()
        self._warned: set[str] = set()
        self._sealed = self._closed = False
        self._pid = os.getpid()
        self._lock = threading.RLock()
        # At exit too; turning it into Parquet is left to close().
        weakref.finalize(self, _end, self._segment, self._writing)
        _OPEN[self._journal.resolve()] = self

    def _take_over(self, overwrite: bool) -> None:
        """Refuse, delete or continue what lies at the path; an open logger of this process is ended first."""
        own = _OPEN.get(self._journal.resolve())
        if own is not None and (overwrite or self._resumed):
            own.end_for_another()
        if own is None or overwrite or self._resumed:
            refuse_live(self.path)
        if self._resumed:
            self._manifest = continued(self.path, self._manifest)
        elif overwrite:
            delete(self.path)
        else:
            refuse(self.path)

    @property
    def rows(self) -> int:
        """Rows of losses accepted."""
        return self._accepted[Kind.LOSSES]

    def log(self, step: int, losses: Any) -> None:
        """Record the losses (samples,) of `step`, which must rise. Accepted once this returns."""
        self._record(Kind.LOSSES, step, losses)

    __call__ = log

    def scalars(self, step: int, /, **values: Any) -> None:
        """Record named numbers of `step`, which must not fall; several calls at one step make one row."""
        self._record(Kind.SCALARS, step, values)

    def draws(self, step: int, losses: Any) -> None:
        """Record the losses (draws, samples) of `step` under draws of the parameters. Steps must rise."""
        self._record(Kind.DRAWS, step, losses)

    def flush(self) -> None:
        """Put what was accepted on disk before returning; a failure is warned of once."""
        if os.getpid() == self._pid:
            try:
                self._segment.flush()
            except OSError as error:
                self._warn("sync", f"{self.path}: rows are written but not on disk yet ({error})")

    def close(self) -> None:
        """Turn the journal into ``run.parquet`` and its companions, and remove it; once done, do nothing.

        A run without losses leaves no ``run.parquet``, and a warning.

        Raises
        ------
        FormatError
            What was recorded could not be written out. The journal stays and reads as it is; `close` may be
            called again. Or the journal was removed meanwhile, and the rows with it. At the end of a `with`
            block both are warnings: what follows the training must not be lost over it.
        """
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._closed:
                return
            self._sealed = True
            removed = self._segment.removed
            _end(self._segment, self._writing)
            if removed:
                self._closed = True
                raise FormatError(
                    f"{self.path} not written: {self._journal} was removed while it was open, "
                    f"{self.rows} rows with it; keep others out of that folder"
                )
            try:
                attempts = read_attempts(self._journal)
                written = write_tables(self.path, attempts, accepted=self._accepted, refused=self.refused)
            except Exception as error:
                raise FormatError(
                    f"{self.path} not written ({error}); its {self.rows} rows are safe in {self._journal}: "
                    "make room and call close() again, or read the run as it is"
                ) from error
            self._closed = True
            with suppress(OSError):  # what cannot be removed does no harm
                put_away(self._journal, written)
            self._remove_empty()
        if not self.path.exists():
            self._warn("empty", f"no losses were recorded, so {self.path} is not written; log them first")

    def end_for_another(self) -> None:
        """End this logger: another of its process overwrites the run. Harmless when closed already."""
        if os.getpid() == self._pid:
            with self._lock:
                self._sealed = self._closed = True
                _end(self._segment, self._writing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `close`, but a failure is warned of: what follows the training must not be lost over it."""
        try:
            self.close()
        except FormatError as failure:
            self._warn("close", str(failure))

    def __repr__(self) -> str:
        parts = ["closed" if self._sealed else "open", f"{self.rows} rows of {self._samples or '?'} samples"]
        if self.rows:
            parts.append(f"last step {self._last[Kind.LOSSES]}")
        parts += [f"{count} refused ({reason})" for reason, count in self.refused.items()]
        parts += [f"{self.nonfinite} losses not finite"] if self.nonfinite else []
        return f"ProbeLogger({self.path.name!r}: {', '.join(parts)})"

    def _record(self, kind: Kind, step: Any, values: Any) -> None:
        first = kind not in self._called
        self._called.add(kind)
        try:
            if os.getpid() != self._pid:
                raise _Refusal("fork", "another process opened this run; needed a call from that one")
            with self._lock:
                self._append(kind, step, values)
        except ParameterError as error:
            reason = error.reason if isinstance(error, _Refusal) else "values"
            if first and reason in ("step", "values"):
                raise ParameterError(f"{_what(kind, step)} not recorded: {error}") from error
            self._refuse(reason, f"{_what(kind, step)} not recorded: {error}")
        except (OSError, MemoryError) as error:
            self._refuse("write", f"{_what(kind, step)} not recorded ({error}); make room for more")

    def _append(self, kind: Kind, step: Any, values: Any) -> None:
        if self._sealed:
            raise _Refusal("closed", "the run is closed; needed a call before close(): open another run")
        before = self._last.get(kind)
        step = _checked_step(step, before, repeats=kind is Kind.SCALARS)
        nonfinite = 0
        if kind is Kind.SCALARS:
            payload = _scalars_payload(values)
        else:
            losses = self._checked_losses(values, draws=kind is Kind.DRAWS)
            payload = losses.tobytes()  # a copy: the caller may change its array, from another thread even
            nonfinite = losses.size - int(np.count_nonzero(np.isfinite(losses)))
        header = record_header(kind, step, time.time(), payload)
        # Before the write: an interrupt right after it may cost the step, but can never write it twice.
        self._last[kind] = step
        try:
            self._segment.append(header, payload)
        except OSError:
            del self._last[kind]
            if before is not None:
                self._last[kind] = before
            raise
        self._accepted[kind] += 1
        self.nonfinite += nonfinite

    def _checked_losses(self, values: Any, *, draws: bool) -> NDArray[Any]:
        losses = as_losses(values, self._values)
        fits = losses.ndim == 1 + draws and losses.size > 0
        if fits and self._manifest.samples is None:
            known = replace(self._manifest, samples=losses.shape[-1])
            write_manifest(self._attempt, known)
            self._manifest, self._samples = known, losses.shape[-1]
        if not fits or losses.shape[-1] != self._samples:
            samples = self._samples or "samples"
            needed = f"(draws, {samples})" if draws else f"({samples},)"
            raise ParameterError(f"losses have shape {losses.shape}; needed {needed}: one for each sample")
        if losses.nbytes >= _MOST_BYTES:
            raise ParameterError(
                f"losses take {losses.nbytes} bytes; needed less than 2 GiB: log fewer draws"
            )
        return losses

    def _refuse(self, reason: str, message: str) -> None:
        self.refused[reason] += 1
        self._warn(reason, f"{message} (the next are only counted, in .refused)", stacklevel=5)

    def _warn(self, reason: str, message: str, stacklevel: int = 3) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            warnings.warn(message, RdmtoolsWarning, stacklevel=stacklevel)

    def _remove_empty(self) -> None:
        """Leave no folders and no samples behind where nothing was logged."""
        with suppress(OSError):
            if not (self._accepted or self._resumed):
                (self._folder / SAMPLES_FILE).unlink(missing_ok=True)
            for folder in (self._journal, self._folder):
                if folder.exists():
                    folder.rmdir()  # where it is empty


def _end(segment: Segment, writing: Lock) -> None:
    segment.seal()
    writing.release()


def _scalars_payload(values: dict[str, Any]) -> bytes:
    if not values or STEP in values:
        raise ParameterError(f"scalars are named {list(values)}; needed at least one, and none named 'step'")
    return json.dumps({name: as_number(name, value) for name, value in values.items()}).encode()


def _checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if not all(isinstance(name, str) for name in metadata):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("a name that is not str")
        return json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"metadata cannot be JSON ({error}); needed numbers, text, lists or dicts by name: try float(x)"
        ) from error


def _what(kind: Kind, step: Any) -> str:
    return kind.name.lower() + (f" of step {step}" if isinstance(step, int | np.integer) else "")


def _checked_step(step: Any, before: int | None, *, repeats: bool) -> int:
    try:
        number = operator.index(step)
    except Exception as error:  # not TypeError alone: a step on a device can fail as the device does
        raise _Refusal("step", f"step is a {type(step).__name__}; needed an integer") from error
    if not -(2**63) <= number < 2**63:
        raise _Refusal("step", f"step is {number}; needed a 64-bit integer")
    if before is not None and (number < before or (number == before and not repeats)):
        raise _Refusal("step", f"step {number} follows step {before}; needed steps that rise")
    return number
