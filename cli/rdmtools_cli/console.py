"""What every command prints where: results to stdout, progress and problems to stderr."""

import json
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rdmtools.errors import RdmtoolsError, RdmtoolsWarning
from rdmtools.results.summary import plain
from rdmtools.results.words import shown
from rdmtools_cli.in_flags import in_flags

Given = TypeVar("Given")

# Names and numbers come from the user's files: never markup, emoji codes or highlighting.
OUT = Console(highlight=False, emoji=False)
ERR = Console(stderr=True, highlight=False, emoji=False)

# Work that takes longer than this shows a progress bar.
PATIENCE_S = 1.0


def print_line(*parts: str | tuple[str, str]) -> None:
    """One line to stdout, of plain and of styled parts."""
    OUT.print(Text.assemble(*parts), soft_wrap=True)


def print_text(text: str, style: str = "") -> None:
    """Words to stdout, as wide as the terminal."""
    OUT.print(Text(text, style))


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json_line(value))


def json_line(value: dict[str, Any]) -> str:
    """One JSON object on one line."""
    return json.dumps(plain(value), allow_nan=False) + "\n"


def print_error(error: RdmtoolsError, run: str | None, as_json: bool) -> None:
    """One line: to stderr for people, to stdout as JSON for machines."""
    message = in_flags(str(error))
    if as_json:
        print_json({"run": run, "error": message, "kind": type(error).__name__})
    else:
        prefix = f"{run}: " if run is not None and run not in message else ""
        line = shown(prefix + message, 4096)  # a file's name may hold a line break
        ERR.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


def print_note(note: str) -> None:
    """One line to stderr: something was guessed, left out or dropped."""
    ERR.print(Text(f"note: {shown(in_flags(note), 4096)}", "yellow"), soft_wrap=True)


@contextmanager
def warnings_as_notes() -> Generator[None]:
    """What rdmtools warns of, as notes on stderr."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, RdmtoolsWarning):
            print_note(str(message))
        else:
            usual(message, category, *where, **more)

    usual = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always", RdmtoolsWarning)
        warnings.showwarning = show
        yield


def all_done(runs: Mapping[str, Given], work: Callable[[str, Given], None], as_json: bool) -> bool:
    """Do the `work` on each run by its name; a bad run is told in one line, and the rest are done."""
    failed = False
    for name, run in runs.items():
        try:
            work(name, run)
        except RdmtoolsError as error:
            print_error(error, str(run), as_json)
            failed = True
    return not failed


def all_taken(
    runs: Mapping[str, object],
    answers: Iterable[Given | RdmtoolsError],
    take: Callable[[str, Given], None],
    as_json: bool,
) -> bool:
    """The same of runs that others work on: `take` their answer for each, in order, with one bar for all."""
    failed = False
    with patient_progress(f"{len(runs)} runs") as phase:
        tell = phase("analysing", in_runs)
        for done, ((name, run), answer) in enumerate(zip(runs.items(), answers, strict=True), start=1):
            if isinstance(answer, RdmtoolsError):
                print_error(answer, str(run), as_json)
                failed = True
            else:
                take(name, answer)
            tell(done, len(runs))
    return not failed


class Column(NamedTuple):
    """One column of a printed table."""

    heading: str
    cells: Sequence[str]
    right: bool = False
    narrowest: int | None = None
    """Characters to which a narrow terminal may cut its cells, visibly; None where it must not."""


def print_table(columns: Sequence[Column]) -> None:
    """A table to stdout; where it is wider than the terminal the lines go on, for no number is ever cut."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    for column in columns:
        # Headings wrap between words; what stands below them does not.
        widest = max(map(cell_len, [*column.heading.split(), *column.cells]))
        table.add_column(
            Text(column.heading),
            justify="right" if column.right else "left",
            min_width=widest if column.narrowest is None else min(widest, column.narrowest),
            no_wrap=column.narrowest is not None,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    needed = OUT.measure(table).minimum
    OUT.print(table, width=max(OUT.width, needed), crop=False, no_wrap=True, overflow="ignore")


class Phase(Protocol):
    """A callback (done, in all) for a part of the work that has a label and an amount."""

    def __call__(self, label: str, amount: Callable[[int, int], str] = ...) -> Callable[[int, int], None]: ...


def in_bytes(done: int, total: int) -> str:
    return f"{decimal(done)} of {decimal(total)}"


def quietly(label: str, amount: Callable[[int, int], str] = in_bytes) -> Callable[[int, int], None]:
    """A phase that nobody watches."""
    return lambda done, total: None


@contextmanager
def patient_progress(name: str) -> Generator[Phase]:
    """One bar on stderr for all phases of the work on `name`, once it has lasted a second."""
    started = time.monotonic()
    bar: Progress | None = None

    def phase(label: str, amount: Callable[[int, int], str] = in_bytes) -> Callable[[int, int], None]:
        described = escape(f"{label} {name}")

        def update(done: int, total: int) -> None:
            nonlocal bar
            if bar is None and time.monotonic() - started > PATIENCE_S and ERR.is_terminal:
                bar = _bar()
                bar.add_task(described, total=total, amount=amount(done, total))
                bar.start()
            if bar is None:
                return
            [task] = bar.tasks
            if task.description != described:  # the time left is that of the phase
                bar.reset(task.id, description=described, total=total, amount=amount(done, total))
            bar.update(task.id, completed=done, total=total, amount=amount(done, total))

        return update

    try:
        yield phase
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
    )


def in_runs(done: int, total: int) -> str:
    return f"{done:,} of {total:,} runs"


def in_rows(done: int, total: int, row_bytes: int = 0) -> str:
    """Rows, and bytes where it is known how many a row has."""
    rows = f"{done:,} of {total:,} rows"
    return f"{rows}, {in_bytes(row_bytes * done, row_bytes * total)}" if row_bytes else rows
