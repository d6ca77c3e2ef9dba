"""Where does a record go? To the segment of its kind; one that is large or old is followed by another.

    append -> losses-000003.rdj                     the caller, one system call
              losses-000002.rdj -> .parquet         `rdmtools.logger.compaction`

Losses alone are compacted: they are what a run is made of. Scalars and draws stay as they are until the end.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from rdmtools.format.records import Kind, Manifest, record_header, segment_file, segments
from rdmtools.logger.compaction import Compactor, compact, move_segments, started
from rdmtools.logger.segment import Segment

Sync = Literal["second", "always", "never"]

_SEGMENT_BYTES = 64 << 20
_SEGMENT_S = 900.0
_SYNC_EVERY_S = 1.0


class Process:
    """The process we are in; known without asking the system in every call."""

    pid = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: setattr(Process, "pid", os.getpid()))


class Writer:
    """Appends records to the segments of one attempt.

    Parameters
    ----------
    folder
        The attempt's, where parts go.
    segments_folder
        Where segments go.
    manifest
        What their records hold.
    sync
        When records go to the disk itself: about once a "second" from a thread of its own, "always" before
        `append` returns, or "never" (when the system sees fit).
    """

    def __init__(self, folder: Path, segments_folder: Path, manifest: Manifest, sync: Sync) -> None:
        self._folder, self._segments_folder = folder, segments_folder
        self.manifest = manifest
        """What the records hold, once that is known."""
        self._sync: Sync = sync
        self._pid = os.getpid()
        self._number = 0
        self._began = time.time()
        self._open = {Kind.LOSSES: self._segment(Kind.LOSSES)}
        self._retired: list[Segment] = []
        self._compactor = Compactor(folder, segments_folder)
        self._unsynced = False
        self._sealed = False  # no Event: its lock could be held when a signal's handler seals
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def append(self, kind: Kind, step: int, payload: bytes) -> None:
        """Write one record, all of it or nothing. Raises OSError where the system does not take it."""
        now = time.time()
        header = record_header(kind, step, now, payload)
        segment = self._open.get(kind)
        if segment is None:
            if self._sealed:
                raise OSError("the journal is sealed")
            segment = self._open[kind] = self._segment(kind)
        elif segment.size >= _SEGMENT_BYTES or now - self._began > _SEGMENT_S:
            segment = self._next(kind, segment, now)
        segment.append(header, payload, now)
        if self._sync == "second":
            self._unsynced = True
            if self._thread is None:
                self._thread = started(self._keep_syncing, "rdmtools-sync")

    @property
    def removed(self) -> bool:
        """Whether somebody deleted the journal while it was open, and all that was written with it."""
        return any(segment.removed for segment in self._open.values())

    def flush(self) -> None:
        """Put every record on disk before returning. Raises OSError where that fails."""
        self._unsynced = False
        for segment in [*self._retired, *self._open.values()]:
            segment.flush()

    def seal(self) -> None:
        """Flush and close; later appends are refused. Harmless when done again, and in a forked child."""
        self._sealed = True
        for segment in [*self._retired, *self._open.values()]:
            segment.seal()

    def end(self) -> None:
        """`seal`, and wait until nothing is being compacted."""
        self.seal()
        if self.ours:
            self._ended.set()
            self._compactor.stop()

    @property
    def ours(self) -> bool:
        """Whether this is the process that opened it."""
        return os.getpid() == self._pid

    @property
    def place(self) -> Path:
        """Where records are, or those of the last while."""
        return self._segments_folder

    def bring_home(self) -> list[Path]:
        """After `end`, bring segments that are elsewhere to the attempt's folder; what is left there.

        The folder is the one that this logger made. Raises OSError.
        """
        if self._segments_folder == self._folder:
            return []
        left = move_segments(self._segments_folder, self._folder)
        self._segments_folder = self._folder
        return left

    def settle(self) -> None:
        """After `end` and `bring_home`, turn the segments of losses that are left into parts."""
        for number in segments(self._folder, Kind.LOSSES):
            compact(self._folder, self._folder, number, self.manifest)

    def _segment(self, kind: Kind) -> Segment:
        number = self._number if kind is Kind.LOSSES else 0
        path = self._segments_folder / segment_file(kind, number)
        return Segment(path, number, always=self._sync == "always")

    def _next(self, kind: Kind, full: Segment, now: float) -> Segment:
        """The segment after one of losses that is full; another kind's goes on."""
        if kind is not Kind.LOSSES or not full.size:
            return full
        before, self._number = self._number, self._number + 1
        try:
            segment = self._segment(kind)
        except FileExistsError:  # an interrupt came after it was made: it stays empty
            return full
        except OSError:  # no room for another: the full one goes on
            self._number = before
            return full
        self._open[kind], self._began = segment, now
        self._retired = [older for older in self._retired if not older.sealed] + [full]
        self._compactor.add(full.number, full, self.manifest)
        return segment

    def _keep_syncing(self) -> None:
        while not self._ended.wait(_SYNC_EVERY_S) and not self._sealed:
            for segment in self._retired:  # on disk now, whenever its turn to be compacted comes
                segment.seal()
            if self._unsynced:
                with suppress(OSError):  # the disk may recover; flush() and close() tell whoever asks
                    self.flush()
                    continue
                self._unsynced = True
