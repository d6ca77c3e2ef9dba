"""What happens to an open logger when its process is told to end? It is sealed: its rows reach the disk.

Killed processes lose nothing that a call returned for, but a job that is pre-empted may lose its machine
seconds after SIGTERM. Turning the journal into Parquet is left to whoever comes back; there may be no time.
"""

import os
import signal
import threading
from types import FrameType

from rdmtools.logger.writer import Writer

_open: set[Writer] = set()


def seal_at_sigterm(writer: Writer) -> None:
    """Seal `writer` when SIGTERM comes; then the process ends by it as it would have.

    Where the training has a handler of its own, that one stays, and nothing is done here.
    """
    _open.add(writer)
    if threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _seal_and_end)


def forget(writer: Writer) -> None:
    """It was sealed; after the last one the signal is as it was."""
    _open.discard(writer)
    if (
        not _open
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is _seal_and_end
    ):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _seal_and_end(number: int, frame: FrameType | None) -> None:
    for writer in list(_open):
        writer.seal()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
