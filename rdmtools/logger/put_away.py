"""What becomes of a journal that is written out? Its files go, one by one; what is not a logger's stays.

journal -> journal.gone -> nothing        at once for whoever looks, then from the disk
journal -> journal.damaged                where it has more than could be merged (`more`)
"""

import os
import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

from rdmtools.errors import one_line
from rdmtools.format.marks import kept_beside, removable_beside, remove_segments
from rdmtools.format.names import JOURNAL_FOLDER
from rdmtools.format.ours import is_folder, remove_journal
from rdmtools.format.records import is_attempt
from rdmtools.journal.attempts import Attempt
from rdmtools.logger.compaction import copy_segments, move_segments

_GONE = re.compile(rf"{JOURNAL_FOLDER}\.gone(-[0-9]+)?")


def put_away(journal: Path, attempts: Sequence[Attempt], more: str | None) -> list[str]:
    """Remove a journal that is written out; one that has `more` is kept, under that name. What is to be told.

    Only what is ours goes: the attempts' files by their names, segments elsewhere by their mark. A user's
    file in the journal stays where it is.
    """
    name = f"{journal.name}.{more or 'gone'}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    away = next(path for path in map(journal.with_name, names) if not os.path.lexists(path))
    ours = {attempt.folder.name: removable_beside(attempt.folder, attempt.manifest) for attempt in attempts}
    left = [place for attempt in attempts for place in kept_beside(attempt.folder, attempt.manifest)]
    copied = {
        attempt.folder.name: attempt.scratch for attempt in attempts if more and not ours[attempt.folder.name]
    }
    journal.rename(away)  # gone at once for whoever looks, then from the disk
    _put_back(away, journal)
    for attempt, scratch in ours.items():
        if scratch is not None:
            left += move_segments(scratch, away / attempt) if more else remove_segments(scratch)
    for attempt, scratch in copied.items():
        if scratch is not None:
            copy_segments(scratch, away / attempt)
    for gone in sorted(
        journal.parent.glob(f"{journal.name}.gone*")
    ):  # one that a kill left half removed, too
        if _GONE.fullmatch(gone.name):
            try:
                left += remove_journal(gone)
            except OSError:  # the rows are in the run: what the system keeps is left
                left.append(gone)
    told = left_behind(left)
    return [told] if told else []


def _put_back(away: Path, journal: Path) -> None:
    """Bring back what is no attempt's from a journal that was put `away`."""
    users = (
        [entry for entry in sorted(away.iterdir()) if not is_attempt(entry.name)] if is_folder(away) else []
    )
    for entry in users:
        journal.mkdir(exist_ok=True)
        entry.rename(journal / entry.name)


def left_behind(left: Sequence[Path]) -> str | None:
    """What to say of what was not removed, None if nothing was."""
    if not left:
        return None
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return (
        f"left {one_line(str(left[0]))}{more} where it is: no file of a logger, or none that bears its mark"
    )
