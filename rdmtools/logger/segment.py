"""When is a record safe? From kill -9 when `append` returns; from power loss when `flush` has.

One process writes a segment, one system call a record. What a full disk cuts short is taken back at once.
"""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

# A journal that somebody removes takes everything with it; to ask each time would cost as much as the write.
_LOOK_EVERY_S = 0.05
_SMALL = 1 << 13


class Segment:
    """A segment file open for appending, created exclusively.

    Parameters
    ----------
    path, number
        The file, which must not exist, and which one it is.
    always
        Whether records go to the disk itself before `append` returns.
    """

    def __init__(self, path: Path, number: int, *, always: bool) -> None:
        # Exclusively: no file that was there, nor what a link points to, is ever written or cut short.
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._fd: int | None = os.open(path, flags, 0o666)
        self.number = number
        self._pid = os.getpid()
        self._always = always
        self._torn = False  # whether a cut record follows `size` bytes that could not be taken back yet
        self._looked = 0.0
        self._flushing = threading.RLock()  # the handler of a signal may come while it is held
        self.size = 0
        """Bytes of the records that were written whole."""

    def append(self, header: bytes, payload: bytes, now: float) -> None:
        """Write one record at the time `now`, all of it or nothing.

        Raises OSError where the system does not take it.
        """
        if self._fd is None:
            raise OSError("the segment is sealed")
        if self._torn:
            self._take_back(self._fd)
        if not 0 <= now - self._looked < _LOOK_EVERY_S:
            if self.removed:
                raise OSError("the journal was removed")
            self._looked = now
        length = len(header) + len(payload)
        try:
            if (written := _write(self._fd, header, payload)) != length:
                raise OSError(f"{written} of {length} bytes written; is the disk full?")
            if self._always:
                _to_disk(self._fd)
        except BaseException:
            self._torn = True
            # a signal's handler may have sealed it meanwhile
            if self._fd is not None:  # pyright: ignore[reportUnnecessaryComparison]
                with suppress(OSError):  # then before the next record
                    self._take_back(self._fd)
            raise
        self.size += length

    @property
    def removed(self) -> bool:
        """Whether somebody deleted the file while it was open, and all that was written with it."""
        return self._fd is not None and not os.fstat(self._fd).st_nlink

    @property
    def sealed(self) -> bool:
        return self._fd is None

    def flush(self) -> None:
        """Put every record on disk before returning. Raises OSError where that fails."""
        with self._flushing:
            if self._fd is not None:
                _to_disk(self._fd)

    def seal(self) -> None:
        """Flush and close; later appends are refused. Harmless when done again, and in a forked child."""
        if os.getpid() != self._pid:  # the lock may be held for ever by a thread that was not forked
            return
        with self._flushing:
            fd, self._fd = self._fd, None
            if fd is not None:
                with suppress(OSError):
                    if self._torn:
                        self._take_back(fd)
                with suppress(OSError):
                    _to_disk(fd)
                with suppress(OSError):  # it is closed whatever close says
                    os.close(fd)

    def _take_back(self, fd: int) -> None:
        os.ftruncate(fd, self.size)
        self._torn = False


def _write(fd: int, header: bytes, payload: bytes) -> int:
    if len(payload) < _SMALL or sys.platform == "win32":
        return os.write(fd, header + payload)  # a copy takes less time than to tell of two buffers
    return os.writev(fd, (header, payload))


def _to_disk(fd: int) -> None:
    if sys.platform == "darwin":  # fsync leaves the data in the drive's cache
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif sys.platform == "win32":
        os.fsync(fd)
    else:
        os.fdatasync(fd)
