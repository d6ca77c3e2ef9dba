"""Is a run being written right now? Its attempt holds a lock, dropped by the system when a process ends."""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

LOCK_FILE = "lock"
_LOCKED_BYTE = 1 << 20  # where nothing is written: Windows lets nobody read what is locked


class Lock:
    """Held on one attempt's folder from construction until `release`, or until the process ends.

    A file system without locks gives none: there, nobody is told of a run that is open.
    """

    def __init__(self, folder: Path) -> None:
        self._pid = os.getpid()
        self._fd: int | None = os.open(folder / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o666)
        os.write(self._fd, f"process {os.getpid()} on {socket.gethostname()}".encode())
        with suppress(OSError):
            _take(self._fd)

    def release(self) -> None:
        """Give it up; harmless when done again, and in a forked child, which has the file open too."""
        if self._fd is not None and os.getpid() == self._pid:
            with suppress(OSError):
                _give_up(self._fd)
            os.close(self._fd)
            self._fd = None


def holder(folder: Path) -> str | None:
    """Who holds the lock on one attempt's folder; None where nobody does."""
    try:
        fd = os.open(folder / LOCK_FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        _take(fd)
    except BlockingIOError:
        return os.read(fd, 300).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


if sys.platform == "win32":
    import msvcrt

    def _take(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
        finally:
            os.lseek(fd, 0, os.SEEK_SET)

    def _give_up(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _give_up(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
