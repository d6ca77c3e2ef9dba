"""`rdmtools watch`: runs while they are logged -> a line for each event, and what is to be done about it."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdmtools.errors import FormatError, ParameterError
from rdmtools.read.formats import format_of
from rdmtools.read.paths import local_path, named_paths
from rdmtools.results.words import shown
from rdmtools.run.rules import Rules
from rdmtools.watch.actions import Action, command, webhook
from rdmtools.watch.beside import Beside, News, Wanted, about_of
from rdmtools.watch.event import Rate
from rdmtools_cli import console
from rdmtools_cli.commands import Asked
from rdmtools_cli.watch_panel import Panel

_SHORTEST_S = 0.05


def watch(
    runs: list[str],
    *,
    asked: Asked,
    group: str | None,
    run_command: str | None,
    address: str | None,
    refresh: float,
    once: bool,
    until_end: bool,
    rules: Rules,
    as_json: bool,
) -> bool:
    """Warn while it trains: follow runs that are being logged, and tell each event once."""
    if not refresh > 0:
        raise ParameterError(f"--refresh is {refresh:g}; needed seconds above 0, such as --refresh 1")
    rates = [
        Rate(window=window, false_alarms=asked.false_alarms, horizon=asked.horizon)
        for window in dict.fromkeys(asked.windows)
    ]
    paths = {name: Path(str(path)) for name, path in named_paths(map(local_path, runs)).items()}
    endless = [path for path in paths.values() if format_of(path) is not None] if until_end else []
    if endless:
        raise ParameterError(
            f"{endless[0]} does not tell when it ends; needed a run that a logger writes; take --once instead"
        )
    actions: list[Action] = []
    if run_command is not None:
        actions.append(command(run_command))
    if address is not None:
        actions.append(webhook(address))
    wanted = Wanted(group=group, direction=asked.direction)
    watched = {name: Beside(name, path, rates, rules, wanted, actions) for name, path in paths.items()}
    return _Watching(watched, actions, as_json, once=once, until_end=until_end).go_on(refresh)


class _Watching:
    """All runs, look by look."""

    def __init__(
        self,
        runs: Mapping[str, Beside],
        actions: Sequence[Action],
        as_json: bool,
        *,
        once: bool,
        until_end: bool,
    ) -> None:
        self._runs = dict(runs)
        self._actions, self._as_json = actions, as_json
        self._once, self._until_end = once, until_end
        self._said: dict[str, str | None] = {}  # the last trouble of each run
        self._failed = False

    def go_on(self, refresh: float) -> bool:
        """Look until the end; whether nothing was wrong."""
        live = console.OUT.is_terminal and not self._as_json and not self._once
        with Panel(live) as panel:
            try:
                while self._runs:
                    began = time.monotonic()
                    self._look(panel)
                    panel.show({name: run.status for name, run in self._runs.items()})
                    if self._ended():
                        break
                    took = time.monotonic() - began
                    time.sleep(max(refresh - took, took, _SHORTEST_S))
                for action in self._actions:
                    action.finish()
            finally:
                self._withdraw()  # after an interrupt
                self._settle()
                for run in self._runs.values():
                    run.close()
                    self._tell_notes(run)
        return not self._failed

    def _ended(self) -> bool:
        if self._once:
            return True
        runs = self._runs.values()
        return self._until_end and all(run.status.complete and run.idle for run in runs)

    def _look(self, panel: Panel) -> None:
        self._settle()
        for name, run in [*self._runs.items()]:
            try:
                for news in run.look(final=self._once):
                    self._tell(run, news, panel)
            except FormatError as error:
                console.print_error(error, str(run.path), self._as_json)
                self._failed = True
                run.close()
                del self._runs[name]
                continue
            self._tell_notes(run)
            self._tell_trouble(name, run)

    def _settle(self) -> None:
        for action in self._actions:
            for outcome in action.outcomes():
                name, _ = about_of(outcome.about)
                if name in self._runs:
                    self._runs[name].ended(outcome)

    def _withdraw(self) -> None:
        """What is not begun yet is left to the next watch."""
        for action in self._actions:
            for name, key in map(about_of, action.withdraw()):
                if name in self._runs:
                    self._runs[name].withdrawn(key, action.name)

    def _tell(self, run: Beside, news: News, panel: Panel) -> None:
        event: dict[str, Any] = {"run": run.name, "path": str(run.path), **news.event}
        if self._as_json:
            console.print_json(event)
            sys.stdout.flush()
        else:
            line = in_words(event)
            panel.add(line)
            console.print_line((shown(run.name), "bold"), f"  {line}", hanging=2, whole=True)
        run.begin(news, console.json_line(event).encode())

    def _tell_notes(self, run: Beside) -> None:
        for note in run.notes:
            console.print_note(f"{run.name}: {note}")
        run.notes.clear()

    def _tell_trouble(self, name: str, run: Beside) -> None:
        """What is wrong with a run, once: it may be that it is not there yet."""
        trouble = run.status.trouble
        if trouble == self._said.get(name):
            return
        self._said[name] = trouble
        if trouble is not None and self._once:
            console.print_error(FormatError(trouble), str(run.path), self._as_json)
            self._failed = True
        elif trouble is not None:
            console.print_note(f"{run.name}: waiting ({trouble})")


def in_words(event: Mapping[str, Any]) -> str:
    """One line of an event."""
    kinds = {"shc": "SHC", "mean_slope": "mean slope"}
    words = [
        f"step {event['alarm_step']:,}: {kinds.get(event['signal'], event['signal'])} rises since step "
        f"{event['floor_step']:,}, score {event['score']:.2f} of {event['threshold']:.2f}"
    ]
    if event["kind"] is not None:
        words += [event["kind"], f"losses {event['direction']}"]
    if event["top_group"] is not None:
        words.append(f"group {shown(event['top_group'], 40)}")
    if event["checkpoint"] is not None:
        words.append(f"last checkpoint {shown(event['checkpoint'])}")
    return ", ".join(words)
