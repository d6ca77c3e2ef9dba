"""Is there room for what is to be written? Asked first, so that no disk is filled to its last byte."""

import shutil
from pathlib import Path

from rdmtools.errors import FormatError

_SPARE = 1 << 20


def room_for(size: int, folder: Path) -> bool:
    """Whether `folder` has room for `size` bytes, and some to spare."""
    return shutil.disk_usage(folder).free >= size + _SPARE


def check_room(path: Path, size: int) -> None:
    """Raise FormatError where there is no room for `path` and `size` bytes more, beside what is there."""
    needed = size + (path.stat().st_size if path.exists() else 0)
    if not room_for(needed, path.parent):
        free = shutil.disk_usage(path.parent).free
        raise FormatError(
            f"{needed / 1e6:,.1f} MB to write, {free / 1e6:,.1f} MB free in {path.parent}; make room for more"
        )
