"""How does a sealed segment become a part without the training noticing? Slowly, in a thread of its own.

What would stall the training is not the disk but Python's lock: a thread that computes holds it for up to
5 ms whenever the training lets go of it, as each call to the logger does. So the work comes in slices of a
millisecond, each followed by nine of sleep; encoding and compression, which need no lock, run at the lowest
priority that the system has.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.format.marks import remove_segments
from rdmtools.format.ours import is_file
from rdmtools.format.records import (
    Kind,
    Manifest,
    is_segment,
    part_file,
    replacing,
    segment_file,
    sync_folder,
)
from rdmtools.format.write_table import write_losses
from rdmtools.journal.segments import open_segment
from rdmtools.logger.segment import Segment

_SLICE_S = 1e-3
_SLEEPS = 9.0
_LONGEST_SLEEP_S = 0.2
_BLOCK_VALUES = 1 << 16
_NICE = 19
_SPARE = 1 << 20

Pace = Callable[[], None]
"""Called between small pieces of work."""


def started(work: Callable[[], None], name: str) -> threading.Thread | None:
    """A thread that does not keep the process from ending; None where the system has none to give."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


class _Stopped(Exception):
    """The logger is being closed; what is begun is left."""


class Compactor:
    """Turns segments into parts, one after the other, from the first `add` until `stop`."""

    def __init__(self, folder: Path, segments_folder: Path) -> None:
        self._folder, self._segments_folder = folder, segments_folder
        self._waiting: SimpleQueue[tuple[int, Segment, Manifest] | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._since = 0.0

    def add(self, number: int, segment: Segment, manifest: Manifest) -> None:
        """Seal `segment`, the one with this number, and compact it, when its turn comes."""
        self._waiting.put((number, segment, manifest))
        if self._thread is None:
            self._thread = started(self._work, "rdmtools-compaction")

    def stop(self) -> None:
        """Leave what is not done, and wait until no file is being written."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere a priority is the whole process's
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._stopping.is_set() and (found := self._waiting.get()) is not None:
            number, segment, manifest = found
            self._since = time.perf_counter()
            with suppress(Exception):  # whatever it is, the segment reads as well, and the next one may do
                segment.seal()
                compact(self._folder, self._segments_folder, number, manifest, self._pace)

    def _pace(self) -> None:
        if self._stopping.is_set():
            raise _Stopped
        worked = time.perf_counter() - self._since
        if worked > _SLICE_S:
            time.sleep(min(_SLEEPS * worked, _LONGEST_SLEEP_S))
            self._since = time.perf_counter()


def compact(
    folder: Path, segments_folder: Path, number: int, manifest: Manifest, pace: Pace = lambda: None
) -> bool:
    """Turn one sealed segment of losses into a part and remove it; whether that was done.

    A segment that does not read whole stays as it is, and so does one that cannot be written out (a full
    disk): it reads as well, and whoever merges the journal tells.
    """
    path = segments_folder / segment_file(Kind.LOSSES, number)
    try:
        order = np.argsort(manifest.sample_ids, kind="stable")
        segment = open_segment(path, manifest, order, pace=pace)
        rows = len(segment.steps)
        if segment.bytes_left or not rows or not room_for(path.stat().st_size, folder) or not is_file(path):
            return False

        def blocks() -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
            most = max(1, _BLOCK_VALUES // len(order))
            for first in range(0, rows, most):
                last = min(first + most, rows)
                yield segment.steps[first:last], segment.read(first, last)
                pace()

        write_losses(
            folder / part_file(number),
            blocks(),
            manifest.sample_ids[order],
            dtype=manifest.dtype,
            about=about(manifest) | {"ended": segment.ended},
        )
        path.unlink()  # in a folder that this logger made, by a name that it gave
        sync_folder(path.parent)
    except _Stopped:
        raise
    except Exception:  # the system's, Arrow's, or a warning that is to be an error
        return False
    return True


def about(manifest: Manifest) -> dict[str, Any]:
    """What every table of a run says of itself."""
    return {name: getattr(manifest, name) for name in ("name", "unit", "created", "metadata")}


def room_for(size: int, folder: Path) -> bool:
    """Whether `folder` has room for `size` bytes, and some to spare: no disk is filled to its last byte."""
    return shutil.disk_usage(folder).free >= size + _SPARE


def move_segments(scratch: Path, folder: Path) -> list[Path]:
    """Bring segments in `scratch`, which is ours, to `folder`, each whole or not at all, and remove it.

    Returns what is left of `scratch`: what is not ours.
    """
    copy_segments(scratch, folder)
    return remove_segments(scratch)


def copy_segments(scratch: Path, folder: Path) -> None:
    """Copy the segments in `scratch` to `folder`, each whole or not at all."""
    for segment in sorted(scratch.iterdir()):
        if is_segment(segment.name) and is_file(segment):
            with replacing(folder / segment.name) as file, segment.open("rb") as source:
                shutil.copyfileobj(source, file)
