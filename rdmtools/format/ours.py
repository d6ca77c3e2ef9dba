"""Which files may be removed? Ours by name, in a folder that is ours; one by one, and then it, if empty.

A folder is ours where we choose its place ourselves and the name tells (``run.rdm/journal/rank0-attempt0``),
or where it bears our mark (`rdmtools.format.marks`, the summary of an analysis). A path that a file names is
never enough. Nothing is removed as a tree; links are neither followed nor removed; what else lies there
stays, and is told.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from rdmtools.format.lock import LOCK_FILE
from rdmtools.format.names import (
    ANALYSIS_MARK,
    ANALYSIS_TABLES,
    CARDS_FILE,
    FIGURES_FOLDER,
    REPORT_FILE,
    SAMPLES_FILE,
    SUMMARY_FILE,
)
from rdmtools.format.records import MANIFEST_FILE, is_attempt, is_part, is_segment

_FIGURE = re.compile(r"(overview|comparison|event_[0-9]+)\.(png|svg|pdf)")
_ANALYSIS = {SUMMARY_FILE, CARDS_FILE, REPORT_FILE, *(f"{table}.parquet" for table in ANALYSIS_TABLES)}
_UNFINISHED = ".tmp"


def is_file(path: Path) -> bool:
    """Whether `path` is a plain file: no link to one, no pipe, no device."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder, and no link to one."""
    return stat.S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):  # a name that no file can have, too
        return 0
    # Windows has a second kind of link, which looks like a folder.
    is_link = getattr(found, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    return 0 if is_link else found.st_mode


def remove(
    folder: Path, ours: Callable[[str], bool], *, first: str | None = None, last: str | None = None
) -> list[Path]:
    """Remove the plain files of `folder` that are `ours` by name, then it; what is left, in it or of it.

    `folder` must be known to be ours. The file named `first` goes before all others, so that a kill leaves
    nothing that looks whole; the one named `last`, our mark, only where nothing else is left. A folder that
    is a link is left as it is. Raises OSError where a file of ours cannot be removed.
    """
    if not is_folder(folder):
        return [folder] if os.path.lexists(folder) else []
    names = sorted(os.listdir(folder), key=lambda name: name != first)
    left: list[Path] = []
    for name in names:
        if name != last:
            if ours(name) and is_file(folder / name):
                (folder / name).unlink(missing_ok=True)
            else:
                left.append(folder / name)
    if last is not None and not left:
        if is_file(folder / last):
            (folder / last).unlink(missing_ok=True)
        elif os.path.lexists(folder / last):
            left.append(folder / last)
    if not left:
        try:
            folder.rmdir()
        except OSError:  # something came meanwhile, or a file system keeps what is open under another name
            left = [folder] if folder.exists() else []
    return left


def remove_attempt(folder: Path) -> list[Path]:
    """Remove what a logger wrote into the folder of an attempt, and it; what is left, all if it is none."""
    return remove(folder, _is_of_attempt, first=MANIFEST_FILE) if is_attempt(folder.name) else [folder]


def remove_journal(journal: Path, but: Iterable[Path] = ()) -> list[Path]:
    """Remove the attempts in a journal, `but` some, and it where it is empty then; what else is left in it.

    `journal` is ours by its place: the folder of that name in a run's companion.
    """
    if not is_folder(journal):
        return [journal] if os.path.lexists(journal) else []
    spared = set(but)
    entries = [entry for entry in sorted(journal.iterdir()) if entry not in spared]
    left = [rest for entry in entries for rest in remove_attempt(entry)]
    with suppress(OSError):  # where it is empty
        journal.rmdir()
    return left


def _is_of_attempt(name: str) -> bool:
    name = name.removesuffix(_UNFINISHED)
    return name in (MANIFEST_FILE, LOCK_FILE, SAMPLES_FILE) or is_segment(name) or is_part(name)


def is_analysis(folder: Path) -> bool:
    """Whether `folder` holds an analysis that we wrote, as its summary says."""
    summary = folder / SUMMARY_FILE
    if not (is_folder(folder) and is_file(summary)):
        return False
    try:
        found = json.loads(summary.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and cast(dict[str, Any], found).get("contents") == ANALYSIS_MARK


def remove_analysis(folder: Path) -> list[Path]:
    """Remove what `is_analysis` tells to be ours, its summary last; what is left."""
    if not is_analysis(folder):
        return [folder] if os.path.lexists(folder) else []
    left = remove(folder / FIGURES_FOLDER, lambda name: _FIGURE.fullmatch(name) is not None)
    others = remove(folder, _ANALYSIS.__contains__, last=SUMMARY_FILE)
    return [each for each in others if each.name != FIGURES_FOLDER] + left
