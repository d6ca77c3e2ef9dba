"""The `rdmtools` command, its subcommands and its exit codes.

0 done, alarms or not; 1 a problem with the input; 2 wrong usage, values of options too; 130 interrupted.
"""

import typer

from rdmtools import __version__
from rdmtools_cli.analyze import analyze
from rdmtools_cli.compare import compare
from rdmtools_cli.convert import convert
from rdmtools_cli.info import info
from rdmtools_cli.options import command
from rdmtools_cli.recover import recover
from rdmtools_cli.reference import reference
from rdmtools_cli.score import score
from rdmtools_cli.watch import watch

app = typer.Typer(
    name="rdmtools",
    help="Early warnings of training transitions from per-sample losses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for function in (analyze, info, compare, convert, recover, reference, score, watch):
    app.command()(command(function))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rdmtools {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
    ),
) -> None:
    del version
