"""The command: run here, or in a process of its own, as people and machines run it.

Both give a `subprocess.CompletedProcess`. A process of its own costs a second of imports; it is for tests of
streams, encodings, signals, process pools and what is loaded.
"""

import gc
import io
import os
import runpy
import subprocess
import sys

import pytest
from rich.console import Console

from rdmtools_cli import console

VARIABLES = {"COLUMNS": "140", "NO_COLOR": "1"}
# What a console of rich takes from its environment and streams when it is made, once in a process.
_SEEN = ("_width", "_height", "no_color", "_color_system", "_force_terminal", "legacy_windows", "is_jupyter")


def rdmtools_process(*words, cwd, **variables):
    """`python -m rdmtools_cli`, with `variables` set in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "rdmtools_cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **VARIABLES, **variables},
        check=False,
    )


def rdmtools(*words, cwd, **variables):
    """The same in this process: the module is run as `python -m` runs it, to the same streams and exit code.

    Here warnings are errors, and what the command does not handle is raised rather than printed.
    """
    out, err = _stream(), _stream()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name, value in (VARIABLES | variables).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["rdmtools", *map(str, words)])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "excepthook", sys.excepthook)  # typer sets its own
        patch.setattr(gc, "freeze", lambda: None)  # the garbage of other tests is not the command's to keep
        for shared in (console.OUT, console.ERR):
            fresh = Console(stderr=shared.stderr)
            for name in _SEEN:
                patch.setattr(shared, name, getattr(fresh, name))
        try:
            runpy.run_module("rdmtools_cli", run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as ended:
            code = ended.code
        written = [_text(out), _text(err)]
    if code is None or isinstance(code, str):
        raise AssertionError(f"the command ended with {code!r}; needed a number")
    return subprocess.CompletedProcess(["rdmtools", *words], code, *written)


def _stream():
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def _text(stream):
    """What was written, with its ends of lines as `text=True` has them."""
    stream.flush()
    return io.TextIOWrapper(io.BytesIO(stream.buffer.getvalue()), encoding="utf-8").read()
