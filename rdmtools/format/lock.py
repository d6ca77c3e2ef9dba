"""Is a run being written right now? Its attempt holds a lock, dropped by the system when a process ends."""

import os
import socket
import sys
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LOCK_FILE = "lock"
_TRIES = 20
_LOCKED_BYTE = 1 << 20  # where nothing is written: Windows lets nobody read what is locked


_held: "weakref.WeakSet[Lock]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: [lock.forked() for lock in list(_held)])


class Lock:
    """Held on one attempt's folder from construction until `release`, or until the process ends.

    A file system without locks gives none: there, nobody is told of a run that is open.
    """

    def __init__(self, folder: Path) -> None:
        self._pid = os.getpid()
        # In a folder that this logger has just made, alone; what is there is never cut short.
        self._fd: int | None = os.open(folder / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            os.write(self._fd, f"process {os.getpid()} on {socket.gethostname()}".encode())
        except OSError:
            os.close(self._fd)
            raise
        _held.add(self)
        for _ in range(_TRIES):  # whoever looks at it holds it for a moment
            with suppress(OSError):
                _take(self._fd)
                break
            time.sleep(1e-3)

    def release(self) -> None:
        """Give it up; harmless when done again, and in a forked child, which has the file open too."""
        if os.getpid() == self._pid:
            self._end(_give_up, os.close)

    def forked(self) -> None:
        """In a child: close its copy of the file, or a child that lives longer would hold the lock."""
        self._end(os.close)

    def _end(self, *actions: Callable[[int], None]) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            for action in actions:
                with suppress(OSError):
                    action(fd)


def holder(folder: Path) -> str | None:
    """Who holds the lock on one attempt's folder; None where nobody does."""
    return _look(folder) or None


def can_tell(folder: Path) -> bool:
    """Whether the file system of one attempt's folder tells who holds its lock."""
    return _look(folder) is not None


def _look(folder: Path) -> str | None:
    """Who holds the lock on one attempt's folder; "" where nobody does, None where that cannot be told."""
    try:
        fd = os.open(folder / LOCK_FILE, _LOOK)
    except OSError:
        return None
    try:
        _take(fd, shared=True)
    except BlockingIOError:
        return " ".join(os.read(fd, 300).decode(errors="replace").split()) or "another process"
    except OSError:
        return None
    finally:
        os.close(fd)
    return ""


@contextmanager
def guarded(folder: Path) -> Generator[None]:
    """Alone among processes with `folder`, which exists, while the block runs; best effort.

    Where the system cannot lock a folder (Windows, some network file systems) nobody waits.
    """
    with ExitStack() as held:
        if sys.platform != "win32":
            with suppress(OSError):
                while not _lock_folder(folder, held):
                    held.close()  # removed while we waited: lock the one that is there now
        yield


def _lock_folder(folder: Path, held: ExitStack) -> bool:
    """Lock the folder until `held` is closed; whether that is the one that is there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY)
    held.callback(os.close, fd)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        return os.fstat(fd).st_ino == os.stat(folder).st_ino
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    _LOOK = os.O_RDWR

    def _take(fd: int, shared: bool = False) -> None:
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

    # A reader may not be allowed to write there; and to open a pipe of that name would wait for ever.
    _LOOK = os.O_RDONLY | os.O_NONBLOCK

    def _take(fd: int, shared: bool = False) -> None:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _give_up(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
