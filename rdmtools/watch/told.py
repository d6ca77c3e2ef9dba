"""Which events of a run were told before, and what was done about each? A file beside the run.

    run.rdm/watch/watch.json   events by window and alarm; of each action whether it was begun, done, failed
    run.rdm/watch/lock         held by the watch that keeps the file

What is to be done about an event is written down before it is begun. So nothing is done twice, whenever a
watch is killed; what it had begun just then may not have ended, and is told. An event that a training which
went back meets again, at the same step, is the one that is known.

The file is trusted like any other: where it does not read, it is told in one line, and what is there of
events then counts as done, for what was done cannot be known. One of another run, that lay here before, holds
nothing of this one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rdmtools.errors import FormatError, one_line
from rdmtools.format.lock import Lock, holder
from rdmtools.format.ours import is_file
from rdmtools.format.records import check_version, replacing, versioned
from rdmtools.format.trusted import from_json, is_count
from rdmtools.watch.event import Event

STATE_FILE = "watch.json"
_CONTENTS = "rdmtools watch"
_MOST_BYTES = 1 << 26
_NAMED = 5  # steps in a line
_INT64 = 1 << 63

BEGUN, DONE, FAILED, UNKNOWN = "begun", "done", "failed", "unknown"
_STATES = (BEGUN, DONE, FAILED, UNKNOWN)

Key = tuple[int, int]
"""Window and step of the alarm."""


def key_of(event: Event) -> Key:
    return event.window, event.alarm_step


@dataclass(slots=True)
class Told:
    """The events of one run that are known, and what was done about them, by action."""

    created: str | None = None
    """When the run began."""
    events: dict[Key, dict[str, str]] = field(default_factory=dict[Key, dict[str, str]])
    rows: int = 0
    """How far the run was looked at."""

    def of_run(self, created: str | None) -> None:
        """The run began then: what is told of another that lay here before is not of it."""
        if created is not None and self.created is not None and created != self.created:
            self.events.clear()
        self.created = created or self.created

    def new(self, key: Key, actions: Iterable[str]) -> list[str]:
        """Which of the actions were not begun for that event."""
        known = self.events.get(key, {})
        return [action for action in actions if action not in known]

    def note(self, key: Key, actions: Iterable[str], state: str) -> None:
        self.events.setdefault(key, {}).update(dict.fromkeys(actions, state))

    def unfinished(self) -> list[tuple[Key, str]]:
        """What an earlier watch had begun, and maybe not ended."""
        return [
            (key, action)
            for key, actions in self.events.items()
            for action, state in actions.items()
            if state == BEGUN
        ]


def read_told(folder: Path) -> Told | None:
    """What is known beside a run, in its folder for that; None without a file.

    Raises FormatError where that is no file of ours, or what is in it is not as needed.
    """
    file = folder / STATE_FILE
    try:
        if not is_file(file):
            if not file.exists() and not file.is_symlink():
                return None
            raise ValueError("no plain file")
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError("larger than 64 MiB")
        found = from_json(file.read_bytes())
        if not isinstance(found, dict) or cast(dict[str, Any], found).get("contents") != _CONTENTS:
            raise ValueError(f"its contents are not {_CONTENTS!r}")
        check_version(cast(dict[str, Any], found), file)
        return _told(cast(dict[str, Any], found))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{file} is no state of a watch ({one_line(repr(error))}); it is begun anew, and nothing is done "
            "about events that are there already"
        ) from error


def _told(found: Mapping[str, Any]) -> Told:
    created, rows, events = found["created"], found["rows"], found["events"]
    if not (created is None or (isinstance(created, str) and len(created) < 100)):
        raise ValueError("created is no time")
    if not is_count(rows) or not isinstance(events, list):
        raise ValueError("rows or events are not as needed")
    told = Told(created=created, rows=rows)
    for event in cast(list[Any], events):
        window, step, done = event["window"], event["alarm_step"], event["done"]
        if not is_count(window) or isinstance(step, bool) or not isinstance(step, int):
            raise ValueError("an event without window or step")
        if not -_INT64 <= step < _INT64 or not isinstance(done, dict):
            raise ValueError("an event with a step of no run, or nothing of what was done")
        for action, state in cast(dict[Any, Any], done).items():
            if not isinstance(action, str) or len(action) > 40 or state not in _STATES:
                raise ValueError("an action that is not as needed")
        told.events[window, step] = cast(dict[str, str], done)
    return told


class Keeper:
    """Keeps what is told of one run beside it, as the only watch that does.

    Parameters
    ----------
    folder
        ``run.rdm/watch``: made where it is not there, alone.

    Attributes
    ----------
    told : Told
    doubt : bool
        Whether the file did not read: what was done about events that are there cannot be known.

    Raises
    ------
    FormatError
        Where another watch keeps it, or nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.told, self.doubt = Told(), False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (who := holder(folder)) is not None:
                raise FormatError(
                    f"{folder} is kept by another watch ({who}); needed one for each run: end that one first"
                )
            self._lock = Lock(folder)
        except OSError as error:
            raise FormatError(
                f"{folder} cannot be written ({one_line(error)}); needed it to know what was done"
            ) from error

    def read(self) -> str | None:
        """Read what is known; what is to be said of a file that does not read."""
        try:
            self.told = read_told(self._folder) or Told()
        except FormatError as error:
            self.told, self.doubt = Told(), True
            return str(error)
        return None

    def write(self) -> None:
        """Put it on disk, whole. Raises FormatError."""
        events = [
            {"window": window, "alarm_step": step, "done": done}
            for (window, step), done in self.told.events.items()
        ]
        content = {"contents": _CONTENTS, "created": self.told.created, "rows": self.told.rows}
        try:
            with replacing(self._folder / STATE_FILE) as file:
                file.write(json.dumps(versioned(content | {"events": events})).encode())
        except OSError as error:
            raise FormatError(
                f"{self._folder / STATE_FILE} cannot be written ({one_line(error)}); nothing is done about "
                "events until it can; make room, or correct that"
            ) from error

    def close(self) -> None:
        self._lock.release()


def begun_before(told: Told) -> list[str]:
    """A line for each kind of action that an earlier watch had begun and did not see end."""
    steps: dict[str, list[int]] = {}
    for (_, step), action in told.unfinished():
        steps.setdefault(action, []).append(step)
    return [
        f"{action} for {_named(of_action)} was begun by a watch that ended; whether it came to its end is "
        "not known, and it is not done again"
        for action, of_action in steps.items()
    ]


def _named(steps: Sequence[int]) -> str:
    if len(steps) == 1:
        return f"the event at step {steps[0]}"
    more = f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else ""
    return f"the events at steps {', '.join(map(str, steps[:_NAMED]))}{more}"
