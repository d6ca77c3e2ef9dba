"""What every command prints where: results to stdout, progress and problems to stderr."""

import json
import re
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rdmtools.errors import RdmtoolsError, RdmtoolsWarning
from rdmtools.results.plain import plain
from rdmtools.results.words import ELLIPSIS, shown
from rdmtools_cli.in_flags import in_flags

Given = TypeVar("Given")

# Names and numbers come from the user's files: never markup, emoji codes or highlighting.
OUT = Console(highlight=False, emoji=False)
ERR = Console(stderr=True, highlight=False, emoji=False)

# Work that takes longer than this shows a progress bar.
PATIENCE_S = 1.0


def print_line(*parts: str | tuple[str, str], indent: int = 0, hanging: int = 0, whole: bool = False) -> None:
    """Plain and styled parts to stdout; where they go on, lines begin `hanging` further in than the first.

    No word is broken where they are left `whole`, as paths are that somebody pastes.
    """
    _print_wrapped(OUT, Text.assemble(*parts), indent=indent, hanging=hanging, whole=whole)


def print_text(text: str, style: str = "", indent: int = 0) -> None:
    """Words to stdout, as wide as the terminal."""
    _print_wrapped(OUT, Text(text, style), indent=indent)


def print_path(path: object, before: str = "", after: str = "") -> None:
    """A path to be pasted: never broken, and alone on its line where it does not fit between the words."""
    name = shown(path, 4096)
    if cell_len(f"{before}{name}{after}") <= OUT.width:
        OUT.print(Text.assemble((before, "dim"), name, (after, "dim")), soft_wrap=True)
        return
    if before:
        OUT.print(Text(before.rstrip(), "dim"), soft_wrap=True)
    OUT.print(Text(name), soft_wrap=True)
    if after:
        _print_wrapped(OUT, Text(after.lstrip(" :"), "dim"), indent=2)


def _print_wrapped(
    console: Console, text: Text, *, indent: int = 0, hanging: int = 0, whole: bool = False
) -> None:
    """Lines no wider than the console, unless a single word is; it is broken, or left `whole`."""
    width = max(console.width - indent - hanging, 1)
    lines = text.divide(_between_words(text.plain, width)) if whole else text.wrap(console, width)
    for number, line in enumerate(lines):
        margin = " " * (indent + (hanging if number else 0))
        line.rstrip()
        console.print(Text.assemble(margin, line), soft_wrap=True)


def _between_words(text: str, width: int) -> list[int]:
    """Where lines of at most that width begin, but for the first; a longer word has one of its own."""
    begins: list[int] = []
    start = 0
    for word in re.finditer(r"\S+", text):
        if word.start() > start and cell_len(text[start : word.end()]) > width:
            start = word.start()
            begins.append(start)
    return begins


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


def print_note(note: str, where: str = "", *, result: bool = False) -> None:
    """To stderr that something was guessed, left out or dropped; to stdout where it is a `result`."""
    words = Text(f"note{where}: {shown(in_flags(note), 4096)}", "yellow")
    _print_wrapped(OUT if result else ERR, words, hanging=2, whole=True)


@contextmanager
def warnings_as_notes(say: Callable[[str], None] = print_note) -> Generator[None]:
    """What rdmtools warns of, as notes on stderr, or as `say` tells them."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, RdmtoolsWarning):
            say(str(message))
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
    """A table to stdout; each row as words where it is wider than the terminal, for no number is ever cut."""
    widths = _widths(columns, OUT.width)
    rows = zip(*(column.cells for column in columns), strict=True)
    if widths is None:
        for first, *cells in rows:
            named = [f"{column.heading} {cell}" for column, cell in zip(columns[1:], cells, strict=True)]
            print_line((first, "bold"), f": {', '.join(named)}", hanging=2)
        return
    headings = [_wrapped(column.heading, width) for column, width in zip(columns, widths, strict=True)]
    depth = max(map(len, headings))
    for line in zip(*([""] * (depth - len(heading)) + heading for heading in headings), strict=True):
        OUT.print(Text(_row(columns, line, widths), "dim"), soft_wrap=True)
    for cells in rows:
        OUT.print(Text(_row(columns, cells, widths)), soft_wrap=True)


def _row(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        " " * (width - cell_len(cell)) + cell if column.right else cell + " " * (width - cell_len(cell))
        for column, cell, width in zip(columns, map(_cut, cells, widths), widths, strict=True)
    ]
    return " ".join(padded).rstrip()


def _wrapped(heading: str, width: int) -> list[str]:
    return [line.plain.rstrip() for line in Text(heading).divide(_between_words(heading, width))]


def _cut(cell: str, width: int) -> str:
    return cell if cell_len(cell) <= width else set_cell_size(cell, width - 1) + ELLIPSIS


def fits(columns: Sequence[Column]) -> bool:
    """Whether a table of these columns is no wider than the terminal."""
    return _widths(columns, OUT.width) is not None


def _widths(columns: Sequence[Column], room: int) -> list[int] | None:
    """Of each column, in a table as wide as `room`; None where they do not fit.

    Headings wrap between words; what stands below them does not. What room is left goes to the cells that
    were cut, then to headings.
    """
    widest = [max(map(cell_len, [*column.heading.split(), *column.cells])) for column in columns]
    widths = [min(wide, column.narrowest or wide) for wide, column in zip(widest, columns, strict=True)]
    left = room - sum(widths) - (len(columns) - 1)
    if left < 0:
        return None
    for wanted in (widest, [cell_len(column.heading) for column in columns]):
        for place, want in enumerate(wanted):
            more = min(max(want - widths[place], 0), left)
            widths[place] += more
            left -= more
    return widths


def open_page(path: Path) -> None:
    """Show a page in the browser; where there is none, that is told, and nothing else goes wrong."""
    import webbrowser  # what few commands need

    try:
        opened = webbrowser.open(path.absolute().as_uri())
    except (webbrowser.Error, OSError, ValueError):
        opened = False
    if not opened:
        print_note("no browser was found here that could open the page")


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
