"""The `rdmtools` command, its subcommands and its exit codes.

0 done, alarms or not; 1 a problem with the input; 2 wrong usage, values of options too; 130 interrupted.
"""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

from rdmtools import __version__
from rdmtools_cli.commands import COMMANDS
from rdmtools_cli.options import command

app = typer.Typer(
    name="rdmtools",
    help="Early warnings of training transitions from per-sample losses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _when_called(name: str) -> Callable[..., bool | None]:
    """The function of that name in the module of that name, which is loaded once it is called."""

    def work(**given: Any) -> bool | None:
        # What is imported stays; to look for garbage in it, then and later, took a tenth of the time.
        gc.disable()
        module = import_module(f"rdmtools_cli.{name}")
        gc.freeze()
        gc.enable()
        return getattr(module, name)(**given)

    return work


for function in COMMANDS:
    app.command()(command(function, _when_called(function.__name__)))


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
