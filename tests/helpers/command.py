"""The command in a process of its own, as people and machines run it."""

import os
import subprocess
import sys


def rdmtools(*words, cwd, **variables):
    environment = {**os.environ, "COLUMNS": "140", "NO_COLOR": "1", **variables}
    return subprocess.run(
        [sys.executable, "-m", "rdmtools_cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        check=False,
    )
