"""What is there to tell of one run now, and what is to be done about it? Each event once, whatever restarts.

    Follower -> events -> known already? (`told`) -> kind and group (`at_alarm`) -> written down -> told, done

Nothing is told or done before it is written down, and that happens at most once a second.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from rdmtools.errors import FormatError, RdmtoolsError
from rdmtools.format.names import WATCH_FOLDER
from rdmtools.read.paths import companion_of
from rdmtools.run.rules import Rules
from rdmtools.watch.actions import Action, Outcome
from rdmtools.watch.alarms import Opened
from rdmtools.watch.at_alarm import at_alarm
from rdmtools.watch.event import Rate
from rdmtools.watch.follow import Follower, Status
from rdmtools.watch.told import (
    BEGUN,
    DONE,
    FAILED,
    UNKNOWN,
    Keeper,
    Key,
    Told,
    begun_before,
    key_of,
)

_TELL = "told"
_WRITE_S = 1.0
_PROGRESS_S = 10.0
_TRIES = 5

NO_DETAILS: dict[str, Any] = dict.fromkeys(
    ("kind", "movement", "drift_share", "direction", "top_group", "group_status")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are told."""

    group: str | None = None
    """Those of this group alone."""
    direction: str | None = None
    """Those whose losses go that way along the top mode at the alarm."""

    def wants(self, details: dict[str, Any]) -> bool:
        return self.group in (None, details["top_group"]) and self.direction in (None, details["direction"])


class News(NamedTuple):
    """An event to be told, all that is known of it by name."""

    key: Key
    event: dict[str, Any]
    actions: list[str]
    """What is to be done about it."""


def about_of(about: object) -> tuple[str, Key]:
    """Which run and event an action is about, as `Beside.begin` hands it over."""
    return cast("tuple[str, Key]", about)


class Beside:
    """The watch of one run.

    Parameters
    ----------
    name, path
        Of the run, on this machine.
    rates, rules
        As `Follower` takes them.
    wanted
        Which events are told; the others are let be.
    actions
        What is done about each.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        rates: Sequence[Rate],
        rules: Rules,
        wanted: Wanted,
        actions: Sequence[Action],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.path = name, path
        self.notes: list[str] = []
        """Lines to be told since the last look."""
        self._follower = Follower(path, rates, rules)
        self._wanted, self._actions, self._clock = wanted, {each.name: each for each in actions}, clock
        self._keeper: Keeper | None = None
        self._memory = Told()  # where nothing can be kept
        self._met = False
        self._pending: list[tuple[Opened, bool]] = []
        self._tries = 0
        self._written, self._changed = -1e9, False
        self._running: set[tuple[Key, str]] = set()

    @property
    def status(self) -> Status:
        return self._follower.status

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be told or done."""
        return not self._pending and not self._running

    def look(self, *, final: bool = False) -> list[News]:
        """The events that are to be told now; what is to be done about them is begun.

        Raises
        ------
        FormatError
            Where something is to be done about events, and nothing can be kept beside the run.
        """
        opened = self._follower.look(final=final)
        if self.status.trouble is None and not self._met:
            self._meet()
        if self.status.trouble is None:
            self._told.of_run(self.status.created)
        for each in opened:
            known = any(each.event == other.event for other, _ in self._pending)
            if not known and self._told.new(key_of(each.event), [_TELL, *self._actions]):
                self._pending.append((each, self._keeper is not None and self._keeper.doubt))
        if self._keeper is not None and self.status.trouble is None:
            self._keeper.doubt = False  # what comes after the first look is news
        self._told.rows = self.status.rows
        due = self._clock() - self._written
        if self._pending and (due >= _WRITE_S or final):
            return self._announced()
        if (self._changed and due >= _WRITE_S) or due >= _PROGRESS_S:
            self._write()
        return []

    def begin(self, news: News, line: bytes) -> None:
        """Do what is to be done about an event that was told, a line of JSON."""
        for name in news.actions:
            self._running.add((news.key, name))
            self._actions[name].begin((self.name, news.key), line)

    def ended(self, outcome: Outcome) -> None:
        """An action about an event of this run came to its end."""
        _, key = about_of(outcome.about)
        self._running.discard((key, outcome.action))
        self._told.note(key, [outcome.action], FAILED if outcome.fault else DONE)
        self._changed = True
        if outcome.fault:
            self.notes.append(f"{outcome.action} failed for the event at step {key[1]} ({outcome.fault})")

    def withdrawn(self, key: Key, action: str) -> None:
        """An action about an event of this run was not begun after all: the next watch may."""
        self._running.discard((key, action))
        self._told.events.get(key, {}).pop(action, None)
        self._changed = True

    def close(self) -> None:
        """Write down what is known, and let others watch."""
        if self._keeper is not None:
            self._told.rows = self.status.rows
            self._write()
            self._keeper.close()

    @property
    def _told(self) -> Told:
        return self._memory if self._keeper is None else self._keeper.told

    def _meet(self) -> None:
        """The run is there: what is known of it?"""
        self._met = True
        try:
            self._keeper = Keeper(companion_of(self.path) / WATCH_FOLDER)
        except FormatError as error:
            if self._actions:
                raise
            self.notes.append(f"{error}; events are told, and nothing is kept")
            return
        if (fault := self._keeper.read()) is not None:
            self.notes.append(fault)
        told = self._keeper.told
        self.notes += begun_before(told)
        for key, action in told.unfinished():
            told.note(key, [action], UNKNOWN)
            self._changed = True

    def _announced(self) -> list[News]:
        """The events that wait, as far as they are wanted, written down."""
        details = self._details()
        if details is None:
            return []
        before = {key: {**done} for key, done in self._told.events.items()}
        news: list[News] = []
        for (opened, doubted), known in zip(self._pending, details, strict=True):
            key = key_of(opened.event)
            todo = self._told.new(key, [_TELL, *self._actions])
            if not todo or not self._wanted.wants(known):
                continue
            actions = [action for action in todo if action != _TELL]
            self._told.note(key, [_TELL] if _TELL in todo else [], DONE)
            self._told.note(key, actions, UNKNOWN if doubted else BEGUN)
            news.append(News(key, {**opened.event.to_dict(), **known}, [] if doubted else actions))
        if news and not self._write():
            self._told.events = before  # to be told when it can be written down
            return []
        self._pending = []
        return news

    def _details(self) -> list[dict[str, Any]] | None:
        """Of each event that waits its kind, direction and group; None where the run is to be read again."""
        last_rows, groups = self._follower.last_rows, self._follower.groups
        try:
            found = [at_alarm(opened.event, last_rows, groups) for opened, _ in self._pending]
        except (RdmtoolsError, OSError):
            self._tries += 1
            if self._tries < _TRIES:
                return None
            found = [None for _ in self._pending]
        self._tries = 0
        return [details or NO_DETAILS for details in found]

    def _write(self) -> bool:
        self._written, self._changed = self._clock(), False
        if self._keeper is None or not self._met:
            return True
        try:
            self._keeper.write()
        except FormatError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))
            return False
        return True
