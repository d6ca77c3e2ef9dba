"""`rdmtools convert`: losses in some other form -> run.parquet."""

from pathlib import Path

from rdmtools.read.convert import converted
from rdmtools.read.read import read_run
from rdmtools.run.quality import counted
from rdmtools.run.rules import Rules
from rdmtools_cli import console
from rdmtools_cli.commands import Layout


def convert(
    source: str, out: Path | None, layout: Layout | None, *, rules: Rules, overwrite: bool, as_json: bool
) -> None:
    """Turn per-sample losses in some other form into run.parquet."""
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
