"""Which notes are told when? Those of one run at once; of several, each once, after the last of them.

Many runs of one job tell the same, and a screen of it would hide what they differ in.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rdmtools.read.paths import companion_of
from rdmtools.results.words import shown
from rdmtools_cli import console

Answer = TypeVar("Answer")


class Notes:
    """Notes of the runs of one command, by what they say."""

    def __init__(self, runs: Mapping[str, object]) -> None:
        self._runs = runs
        self._now: str | None = None  # the run that is worked on
        self._told: dict[tuple[str, bool], list[tuple[str, str]]] = {}

    @contextmanager
    def of(self, run: str) -> Generator[None]:
        """What is noted meanwhile is of that run."""
        before, self._now = self._now, run
        try:
            yield
        finally:
            self._now = before

    def of_each(self, runs: Iterable[str], answers: Iterator[tuple[str, Answer]]) -> Iterator[Answer]:
        """The answer for each run, in order; what is noted until it comes is of that run."""
        for run in runs:
            with self.of(run):
                _, answer = next(answers)
            yield answer

    def hear(self, note: str) -> None:
        """One that somebody warned of."""
        self.add([note])

    def add(self, notes: Iterable[str], *, result: bool = False) -> None:
        """Some of the run that is worked on; `result`s go where results go."""
        for note in notes:
            if self._now is None or len(self._runs) == 1:
                console.print_note(note, result=result)
                continue
            same = self._told.setdefault((self._nameless(note), result), [])
            if self._now not in [run for run, _ in same]:
                same.append((self._now, note))

    @contextmanager
    def all_told(self) -> Generator[None]:
        """Warnings are notes meanwhile; in the end those of several runs are told."""
        with console.warnings_as_notes(self.hear):
            yield
        for (nameless, result), same in self._told.items():
            if len(same) > 1:
                where, note = f" ({len(same)} of {len(self._runs)} runs)", nameless
            else:
                [(run, note)] = same
                where = "" if nameless != note else f" ({shown(run, 60)})"  # a path names the run already
            console.print_note(note, where, result=result)
        self._told.clear()

    def _nameless(self, note: str) -> str:
        """The note without the names of the run's own files, by which those of many runs would differ."""
        path = self._runs[self._now or ""]
        if isinstance(path, Path):
            note = note.replace(str(companion_of(path)), "RUN.rdm").replace(str(path), "RUN")
        return note
