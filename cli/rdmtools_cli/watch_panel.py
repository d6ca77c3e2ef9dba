"""What does a terminal show while runs are watched? Scores and their line, the ledger, the last events."""

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rdmtools.results.words import number, shown
from rdmtools.watch.follow import Status
from rdmtools_cli import console

_WIDTH, _LINE = 24, 18
_EVENTS, _GROUPS = 5, 8


class Panel:
    """Drawn anew with each look; where nobody would see it, nothing."""

    def __init__(self, live: bool) -> None:
        self._events: deque[str] = deque(maxlen=_EVENTS)
        self._live = Live(console=console.OUT, auto_refresh=False, transient=False) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def add(self, line: str) -> None:
        """An event."""
        self._events.append(line)

    def show(self, runs: Mapping[str, Status]) -> None:
        """How the runs stand now."""
        if self._live is not None:
            self._live.update(drawn(runs, [*self._events]), refresh=True)


def drawn(runs: Mapping[str, Status], events: list[str]) -> Group:
    """The panel."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, right in (("run", False), ("rows", True), ("step", True), ("score", False), ("", False)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for name, status in runs.items():
        step = "–" if status.step is None else f"{status.step:,}"
        table.add_row(Text(shown(name, 40)), f"{status.rows:,}", step, _bar(status.score), _state(status))
    parts = [table]
    for name, status in runs.items():
        if status.groups and len(runs) <= 2:
            parts.append(_ledger(name, status))
    told = [Text(f"  {line}") for line in events] or [Text("  no events yet", "dim")]
    return Group(*parts, Text("last events", "dim"), *told)


def _bar(score: float) -> Text:
    """The score, and the line that fires at three quarters of the way."""
    if score != score:
        return Text(" " * _LINE + "│" + " " * (_WIDTH - _LINE) + "  – ", "dim")
    filled = min(max(round(score * _LINE), 0), _WIDTH)
    cells = ["━" if place < filled else " " for place in range(_WIDTH)]
    cells.insert(_LINE, "│")
    return Text("".join(cells) + f" {max(score, 0):4.0%}", "red" if score >= 1 else "")


def _state(status: Status) -> Text:
    if status.trouble is not None:
        return Text("waiting", "yellow")
    return Text("complete" if status.complete else "", "dim")


def _ledger(name: str, status: Status) -> Table:
    """Mean losses of the groups: at first, the lowest, now; those that moved most come first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (f"group of {shown(name, 30)}", "first", "best", "now"):
        table.add_column(heading, justify="left" if heading.startswith("group") else "right", no_wrap=True)
    ranked = sorted(status.groups.items(), key=lambda group: -abs(group[1][2] - group[1][0]))
    for group, losses in ranked[:_GROUPS]:
        table.add_row(Text(shown(group, 30)), *map(number, losses))
    return table
