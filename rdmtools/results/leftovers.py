"""What did a killed job leave beside its results? Folders with names of its own, which nobody works on now.

    .analysis.4711-3f2a9c0d5b1e7a42.new     results half written, by process 4711
    .analysis.4711-3f2a9c0d5b1e7a42.old     earlier results, which were to be replaced

The eight digits after the process stand for its machine: a folder may lie on a disk that several share.
"""

import hashlib
import os
import re
import socket
import time
from pathlib import Path

HERE = hashlib.blake2b(socket.gethostname().encode(errors="replace"), digest_size=4).hexdigest()
"""This machine, in eight hexadecimal digits."""
_LONG_AGO_S = 24 * 3600


def abandoned(target: Path) -> list[Path]:
    """Folders beside `target` that a job which replaced it left, latest first. Raises OSError."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(\d{{1,9}})-([0-9a-f]{{8}})?[0-9a-f]{{8}}\.(new|old)")
    found: list[tuple[float, Path]] = []
    for entry in os.scandir(target.parent) if target.parent.is_dir() else ():
        if (name := pattern.fullmatch(entry.name)) and entry.is_dir(follow_symlinks=False):
            changed = entry.stat(follow_symlinks=False).st_mtime
            ours = name[2] in (HERE, None)  # earlier releases did not say
            if time.time() - changed > _LONG_AGO_S or (ours and not _is_running(int(name[1]))):
                found.append((changed, target.with_name(entry.name)))
    return [place for _, place in sorted(found, reverse=True)]


def _is_running(process: int) -> bool:
    """Whether there is such a process here; where that cannot be asked without harm, there is."""
    if os.name != "posix":  # elsewhere a signal of 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
