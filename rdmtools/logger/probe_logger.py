"""How does a training job record its per-sample losses? One call a step, which never stops the training.

    begin    what lies at the path is refused, deleted or continued, and the attempt is made   `begin`
    a call   is checked (`accept`, `cuda`), and appended to the journal in microseconds        `writer`
    close    the journal becomes ``run.parquet``                                               `merge`

Whatever happens in between, what was accepted can be read (`rdmtools.format.records`).
"""

import os
import sys
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning
from rdmtools.format.lock import guarded
from rdmtools.format.names import JOURNAL_FOLDER, companion
from rdmtools.format.records import Kind, Manifest
from rdmtools.format.trusted import writable
from rdmtools.logger.accept import (
    Refusal,
    as_losses,
    check_shape,
    checked_metadata,
    checked_step,
    checked_unit,
    count_nonfinite,
    scalars_payload,
)
from rdmtools.logger.begin import begin, remove_empty, run_file
from rdmtools.logger.cuda import Leaving, on_gpu
from rdmtools.logger.merge import Merge, close_attempt
from rdmtools.logger.ranks import rank_and_world_size
from rdmtools.logger.samples import probe_samples
from rdmtools.logger.writer import Process, Sync

Dtype = Literal["float32", "float64"]
# Each call asks for them a few times; as names of the module they cost a fifth.
_LOSSES, _SCALARS, _DRAWS = Kind
_MEND = "make room, or correct that"

# Journals that loggers of this process have open, and as which rank.
_OPEN: "weakref.WeakValueDictionary[tuple[Path, int], ProbeLogger]" = weakref.WeakValueDictionary()


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
        Of the losses, such as "nats"; None where it is not known.
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
        another process is never touched.
    rank, world_size
        Which process of how many this is, where several log to one path, each the losses of its own samples:
        by default as torch.distributed says, or RANK and WORLD_SIZE in the environment. The run has all their
        samples, at the steps that all of them logged; the last one to close merges. A job that logs from one
        rank alone needs neither.
    journal_dir
        A folder on a disk of this machine to which rows are appended first, where the run itself goes to a
        slow or shared one. About every 64 MiB or quarter of an hour they move to the run's journal; what has
        not moved is out of reach while this machine is.
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
        unit: str | None = None,
        dtype: Dtype = "float32",
        resume: bool = False,
        overwrite: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
        journal_dir: str | os.PathLike[str] | None = None,
        sync: Sync = "second",
    ) -> None:
        for option, value, choices in (("dtype", dtype, get_args(Dtype)), ("sync", sync, get_args(Sync))):
            if value not in choices:
                raise ParameterError(f"{option} is {value!r}; needed one of {', '.join(map(repr, choices))}")
        if resume and overwrite:
            raise ParameterError("resume and overwrite are both True; needed one of them: go on, or delete")
        self.path = run_file(path)
        ids, columns = probe_samples(samples)
        rank, world_size = rank_and_world_size(rank, world_size)
        manifest = Manifest(
            name=writable(self.path.stem),
            unit=checked_unit(unit),
            dtype=dtype,
            samples=ids,
            metadata=checked_metadata(metadata or {}),
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            rank=rank,
            world_size=world_size,
        )
        self.refused: Counter[str] = Counter()
        self.nonfinite = 0
        self._accepted: Counter[Kind] = Counter()
        self._last: dict[Kind, int] = {}
        self._called: set[Kind] = set()
        self._warned: set[str] = set()
        self._leaving: list[tuple[Kind, int, Leaving]] = []
        self._sealed = self._closing = self._closed = False
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._values = manifest.values
        self._journal = companion(self.path) / JOURNAL_FOLDER
        place = self._journal.resolve(), rank
        with guarded(companion(self.path)):
            if (before := _OPEN.get(place)) is not None and (resume or overwrite):
                before.end_for_another()
            ours = before is not None and not (resume or overwrite)
            self._attempt = begin(
                self.path, manifest, columns, sync, journal_dir, resume=resume, overwrite=overwrite, ours=ours
            )
        self._writer = self._attempt.writer
        self._know_samples(self._writer.manifest.count)
        # At exit too; turning the journal into Parquet is left to close().
        weakref.finalize(self, self._attempt.end, self._leaving)
        _OPEN[place] = self

    @property
    def rows(self) -> int:
        """Rows of losses accepted."""
        return self._accepted[_LOSSES]

    def log(self, step: int, losses: Any) -> None:
        """Record the losses (samples,) of `step`, which must rise. Accepted once this returns.

        A CUDA tensor is copied while the training goes on, and accepted with the next call, or `flush`.
        """
        self._record(_LOSSES, step, losses)

    __call__ = log

    def scalars(self, step: int, /, **values: Any) -> None:
        """Record named numbers of `step`, which must not fall; several calls at one step make one row."""
        self._record(_SCALARS, step, values)

    def draws(self, step: int, losses: Any) -> None:
        """Record the losses (draws, samples) of `step` under draws of the parameters. Steps must rise."""
        self._record(_DRAWS, step, losses)

    def flush(self) -> None:
        """Put what was accepted on disk before returning; a failure is warned of once."""
        if os.getpid() == self._pid:
            with self._lock:
                self._settle()
            try:
                self._writer.flush()
            except OSError as error:
                self._warn("sync", f"{self.path}: rows are written but not on disk yet ({error})")

    def close(self, merge: Merge = "auto") -> None:
        """Turn the journal into ``run.parquet`` and its companions, and remove it; once done, do nothing.

        Of several ranks the last one to close does that. A run without losses leaves no ``run.parquet``, and
        a warning.

        Parameters
        ----------
        merge
            True merges a run of any size. "auto" leaves one of more than 256 MB in its journal, as Parquet
            parts that read as well, and warns: `rdmtools recover` merges it at a better time. False leaves it
            so without a warning.

        Raises
        ------
        FormatError
            What was recorded could not be written out. The journal stays and reads as it is; `close` may be
            called again. Or the journal was removed meanwhile, and the rows with it. At the end of a `with`
            block both are warnings: what follows the training must not be lost over it.
        """
        if merge not in get_args(Merge):
            raise ParameterError(f'merge is {merge!r}; needed "auto", True or False')
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._closed or self._closing:  # the handler of a signal may come while it is closing
                return
            self._closing = True
            try:
                left = self._close(merge)
            finally:
                self._closing = False
        if left is not None:
            self._warn("merge", left)
        elif not self._accepted[_LOSSES] and not self.path.exists() and not self._journal.exists():
            self._warn("empty", f"no losses were recorded, so {self.path} is not written; log them first")

    def _close(self, merge: Merge) -> str | None:
        """What `close` does; if merging is left for later, why."""
        self._settle()
        self._sealed = True
        removed = self._writer.removed
        self._attempt.seal()
        if removed:
            self._closed = True
            self._attempt.lock.release()
            raise FormatError(
                f"{self.path} not written: {self._writer.place} was removed while it was open, "
                f"with the rows in it ({self.rows} were accepted in all); keep others out of that folder"
            )
        try:
            left = close_attempt(self._attempt, self._accepted, self.refused, merge)
        except Exception as error:
            rows = "1 row is" if self.rows == 1 else f"{self.rows} rows are"
            raise FormatError(
                f"{self.path} not written ({error}); its {rows} safe in "
                f"{self._writer.place}: {_MEND}, and call close() again"
            ) from error
        self._closed = True
        remove_empty(self.path)
        return left

    def end_for_another(self) -> None:
        """End this logger: another of its process overwrites the run. Harmless when closed already."""
        if os.getpid() == self._pid:
            with self._lock:
                self._settle()
                self._sealed = self._closed = True
                self._attempt.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """As `close`, but a failure is warned of: what follows the training must not be lost over it."""
        try:
            self.close()
        except Exception as failure:
            self._warn("close", str(failure))

    def __repr__(self) -> str:
        rows, samples = f"{self.rows} row{'s' * (self.rows != 1)}", f"sample{'s' * (self._samples != 1)}"
        parts = ["closed" if self._sealed else "open", f"{rows} of {self._samples or '?'} {samples}"]
        if self.rows:
            parts.append(f"last step {self._last[_LOSSES]}")
        parts += [f"{count} refused ({reason})" for reason, count in self.refused.items()]
        parts += [f"{self.nonfinite} losses not finite"] if self.nonfinite else []
        return f"ProbeLogger({self.path.name!r}: {', '.join(parts)})"

    def _record(self, kind: Kind, step: Any, values: Any) -> None:
        first = kind not in self._called
        self._called.add(kind)
        try:
            if self._pid != Process.pid:
                raise Refusal("fork", "another process opened this run; needed a call from that one")
            with self._lock:
                self._append(kind, step, values)
        except ParameterError as error:
            reason = error.reason if isinstance(error, Refusal) else "values"
            if first and reason in ("step", "values"):
                raise ParameterError(f"{_what(kind, step)} not recorded: {error}") from error
            self._refuse(reason, f"{_what(kind, step)} not recorded: {error}")
        except Exception as error:  # the system's, or what nobody thought of: the training goes on
            self._refuse("write", f"{_what(kind, step)} not recorded ({error}); {_MEND}")

    def _append(self, kind: Kind, step: Any, values: Any) -> None:
        if self._leaving:
            self._settle()
        if self._sealed:
            raise Refusal("closed", "the run is closed; needed a call before close(): open another run")
        before = self._last.get(kind)
        step = checked_step(step, before, repeats=kind is _SCALARS)
        if kind is _SCALARS:
            payload, nonfinite = scalars_payload(values), 0
        elif type(values) is not np.ndarray and on_gpu(values):
            self._check_shape(tuple(values.shape), draws=kind is _DRAWS)
            self._leaving.append((kind, step, Leaving(values, self._values)))
            self._last[kind] = step
            return
        else:
            losses = self._checked_losses(values, draws=kind is _DRAWS)
            payload = losses.tobytes()  # a copy: the caller may change its array, from another thread even
            nonfinite = count_nonfinite(losses)
        # Before the write: an interrupt right after it may cost the step, but can never write it twice.
        self._last[kind] = step
        self._write(kind, step, payload, nonfinite, before)

    def _write(self, kind: Kind, step: int, payload: bytes, nonfinite: int, before: int | None) -> None:
        """Write a record, and count it; where that fails, `before` is the last step again."""
        try:
            self._writer.append(kind, step, payload)
        except OSError:
            del self._last[kind]
            if before is not None:
                self._last[kind] = before
            raise
        self._accepted[kind] += 1
        self.nonfinite += nonfinite

    def _settle(self) -> None:
        """Write what was on its way from a GPU at the last call."""
        while self._leaving:
            kind, step, leaving = self._leaving.pop(0)
            try:
                losses = leaving.arrived()
                self._write(kind, step, losses.tobytes(), count_nonfinite(losses), step)
            except Exception as error:  # the system's or the device's
                reason = "write" if isinstance(error, OSError) else "values"
                self._refuse(reason, f"{_what(kind, step)} not recorded ({error}); {_MEND}")

    def _know_samples(self, samples: int) -> None:
        self._samples, self._shape = samples, (samples,) if samples else None

    def _checked_losses(self, values: Any, *, draws: bool) -> NDArray[Any]:
        plain = not draws and type(values) is np.ndarray and values.shape == self._shape
        if plain and values.dtype == self._values:
            return values
        losses = as_losses(values, self._values)
        self._check_shape(losses.shape, draws=draws)
        return losses

    def _check_shape(self, shape: tuple[int, ...], *, draws: bool) -> None:
        """Raise ParameterError where losses of `shape` do not fit; the first say how many samples it is."""
        check_shape(shape, self._samples, self._values, draws=draws)
        if not self._samples:
            self._attempt.know_samples(shape[-1])
            self._know_samples(shape[-1])

    def _refuse(self, reason: str, message: str) -> None:
        self.refused[reason] += 1
        self._warn(reason, f"{message} (the next are only counted, in .refused)", stacklevel=5)

    def _warn(self, reason: str, message: str, stacklevel: int = 3) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            try:
                warnings.warn(message, RdmtoolsWarning, stacklevel=stacklevel)
            except RdmtoolsWarning:  # where warnings are to be errors: the training is not to end by them
                print(f"{RdmtoolsWarning.__name__}: {message}", file=sys.stderr)


def _what(kind: Kind, step: Any) -> str:
    return kind.word + (f" of step {step}" if isinstance(step, int | np.integer) else "")
