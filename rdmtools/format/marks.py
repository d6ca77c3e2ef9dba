"""Whose are the segments in a folder that a manifest names? Those of the attempt that its mark names.

journal_dir/run-rank0-attempt0-k3x9q2ab/     on a disk of the machine, made for one attempt
  rdmtools-attempt.json                      the mark: which attempt this is, and where the rest of it lies
  losses-000003.rdj                          its segments

A manifest may come from a stranger, or from a copy of a run: what it names is read only where the mark is
that of the attempt, and removed only where the mark says, too, that the attempt lies where it is. Earlier
loggers left no mark: their folders are read, where the name tells of the attempt, and never removed.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, cast

from rdmtools.format.ours import is_file, is_folder, remove
from rdmtools.format.records import Manifest, identity, is_segment, replacing, versioned

MARK_FILE = "rdmtools-attempt.json"
_MOST_BYTES = 1 << 16


def write_mark(scratch: Path, folder: Path, manifest: Manifest) -> None:
    """Say in `scratch`, which was made for it, that it has segments of the attempt in `folder`."""
    said = versioned({"attempt": identity(folder, manifest), "folder": str(folder)})
    with replacing(scratch / MARK_FILE) as file:
        file.write(json.dumps(said).encode())


def segments_beside(folder: Path, manifest: Manifest) -> Path | None:
    """The folder that the manifest of the attempt in `folder` names, where its segments are the attempt's."""
    scratch = _named(manifest)
    if scratch is None or not is_folder(scratch):
        return None
    mark = _read_mark(scratch)
    if mark is None:
        before_marks = re.fullmatch(rf".*-{re.escape(folder.name)}-[a-z0-9_]{{8}}", scratch.name, re.DOTALL)
        return None if before_marks is None else scratch
    return scratch if mark.get("attempt") == identity(folder, manifest) else None


def removable_beside(folder: Path, manifest: Manifest) -> Path | None:
    """The folder that the manifest names, where its mark says that it is of the attempt in `folder`."""
    scratch = _named(manifest)
    return scratch if scratch is not None and _may_remove(scratch, folder, manifest) else None


def kept_beside(folder: Path, manifest: Manifest) -> list[Path]:
    """What the manifest names and is there, and is not to be removed."""
    scratch = _named(manifest)
    there = scratch is not None and os.path.lexists(scratch)
    return [scratch] if scratch and there and not _may_remove(scratch, folder, manifest) else []


def _may_remove(scratch: Path, folder: Path, manifest: Manifest) -> bool:
    mark = _read_mark(scratch) if is_folder(scratch) else None
    if not mark or mark.get("attempt") != identity(folder, manifest):
        return False
    try:
        return Path(mark["folder"]).samefile(folder)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def remove_segments(scratch: Path) -> list[Path]:
    """Remove segments and mark from a folder that we made, or that is `removable_beside`; what is left."""
    return remove(scratch, _is_in_scratch, last=MARK_FILE)


def _is_in_scratch(name: str) -> bool:
    return is_segment(name) or name == MARK_FILE + ".tmp"


def _named(manifest: Manifest) -> Path | None:
    """What the manifest names, where a logger can have written that."""
    if manifest.segments is None or "\0" in manifest.segments:
        return None
    scratch = Path(manifest.segments)
    return scratch if scratch.is_absolute() and ".." not in scratch.parts else None


def _read_mark(scratch: Path) -> dict[str, Any] | None:
    """What the mark in `scratch` says, nothing where it does not read; None without one."""
    mark = scratch / MARK_FILE
    try:
        if not is_file(mark):
            return {} if mark.is_symlink() or mark.exists() else None
        with mark.open("rb") as file:
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
