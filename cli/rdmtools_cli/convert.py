"""`rdmtools convert`: losses in some other form -> run.parquet."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rdmtools.read.convert import converted
from rdmtools.read.formats import suffixes
from rdmtools.read.read import read_run
from rdmtools.run.quality import counted
from rdmtools.run.rules import Rules
from rdmtools_cli import console, options


class Layout(StrEnum):
    """`LAYOUTS`, as typer asks for a choice."""

    long = "long"
    wide = "wide"
    lists = "lists"
    samples = "samples"


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help=f"A {', '.join(suffixes())} or .parquet file, a TensorBoard log, a folder of step=0, "
            "step=10 and so on, or one of training dynamics from dataset cartography.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="RUN", help="The run to write; by default beside SOURCE."),
    ] = None,
    layout: Annotated[
        Layout | None,
        typer.Option(help="A row a step and sample, a row a step, lists, or a row a sample; else guessed."),
    ] = None,
    *,
    rules: Annotated[Rules, options.Without({"group_by"})],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Turn per-sample losses in some other form into run.parquet.

    What was guessed, left out or dropped is told on stderr, with --json in the object.
    """
    path, notes = converted(source, out, layout, rules, overwrite)
    run = read_run(path)
    rows, samples = run.shape
    notes += run.quality.notes()
    if as_json:
        console.print_json(
            {"run": run.name, "path": str(path), "rows": rows, "samples": samples, "notes": notes}
        )
        return
    for note in notes:
        console.print_note(note)
    console.print_path(
        path,
        after=f": {counted(rows, 'row')} × {counted(samples, 'sample')}, "
        f"steps {run.steps[0]} to {run.steps[-1]}",
    )
