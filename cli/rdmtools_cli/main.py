"""Where the command begins: streams that print any name, and interrupts that are quiet at once."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn


def main() -> None:
    """Run the command of `sys.argv`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name or a sign that the terminal's encoding lacks
            stream.reconfigure(errors="replace")
    try:
        from rdmtools_cli.app import app

        app()
    except KeyboardInterrupt:
        _leave(130)
    except SystemExit as done:
        _leave(done.code)


def _leave(code: str | int | None) -> NoReturn:
    """End, also where a store was given up that still sends bytes: what reads it would not end."""
    patience = sys.modules.get("rdmtools.read.patience")
    if patience is not None and patience.waiting() and not isinstance(code, str):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code or 0)
    sys.exit(code)
