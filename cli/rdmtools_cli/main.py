"""Where the command begins: streams that print any name, and interrupts that are quiet at once."""

import gc
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command of `sys.argv`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name or a sign that the terminal's encoding lacks
            stream.reconfigure(errors="replace")
    try:
        # What is imported stays; to look for garbage in it, then and later, took a tenth of the time.
        gc.disable()
        from rdmtools_cli.app import app  # pandas and all: long enough to be interrupted

        gc.freeze()
        gc.enable()
        app()
    except KeyboardInterrupt:
        sys.exit(130)
