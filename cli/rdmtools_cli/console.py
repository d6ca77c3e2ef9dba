"""What every command prints where: results to stdout, progress and problems to stderr."""

import json
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rdmtools.errors import RdmtoolsError

# Names and numbers come from the user's files: never markup, emoji codes or highlighting.
OUT = Console(highlight=False, emoji=False)
ERR = Console(stderr=True, highlight=False, emoji=False)

# Work that takes longer than this shows a progress bar.
PATIENCE_S = 1.0


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def print_error(error: RdmtoolsError, run: str | None, as_json: bool) -> None:
    """One line: to stderr for people, to stdout as JSON for machines."""
    if as_json:
        print_json({"run": run, "error": str(error), "kind": type(error).__name__})
    else:
        prefix = f"{run}: " if run is not None and run not in str(error) else ""
        ERR.print(Text.assemble(("error: ", "bold red"), prefix + str(error)), soft_wrap=True)


@contextmanager
def one_line_errors(as_json: bool) -> Generator[None]:
    """Turn what rdmtools raises into one line and exit code 1."""
    try:
        yield
    except RdmtoolsError as error:
        print_error(error, None, as_json)
        raise typer.Exit(1) from None


@contextmanager
def patient_progress(label: str) -> Generator[Callable[[int, int], None]]:
    """A callback (done, in all) that shows a bar on stderr once the work has lasted a second."""
    started = time.monotonic()
    bar: Progress | None = None

    def update(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - started > PATIENCE_S and ERR.is_terminal:
            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeRemainingColumn(),
                console=ERR,
                transient=True,
            )
            bar.add_task(escape(label), total=total)
            bar.start()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done)

    try:
        yield update
    finally:
        if bar is not None:
            bar.stop()
