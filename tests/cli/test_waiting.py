"""Work that takes long shows one bar on a terminal, and an interrupt ends it at once and leaves nothing."""

import io
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rdmtools_cli import console

ROWS, SAMPLES = 60, 4


@pytest.fixture
def shown(monkeypatch):
    """What a terminal that is asked for at once shows."""
    file = io.StringIO()
    monkeypatch.setattr(console, "PATIENCE_S", -1)
    monkeypatch.setattr(console, "ERR", Console(file=file, force_terminal=True, width=120, color_system=None))
    return file


def test_one_bar_has_phase_amount_and_time_left(shown):
    with console.patient_progress("[run]") as phase:
        opening, analysing = phase("opening"), phase("analysing", console.in_rows)
        opening(400_000_000, 2_400_000_000)
        opening(2_400_000_000, 2_400_000_000)
        analysing(100, 1234)
        analysing(1100, 1234)
    first, *_, last = re.findall(r"(?:opening|analysing)[^\r\n]*", re.sub("[━╸╺]", "", shown.getvalue()))
    assert re.fullmatch(r"opening \[run\] +400\.0 MB of 2\.4 GB -:--:--", first)
    assert re.fullmatch(r"analysing \[run\] +1,100 of 1,234 rows [-0-9:]+", last)


def test_amounts_are_rows_and_bytes():
    assert console.in_rows(1000, 20_000, row_bytes=16) == "1,000 of 20,000 rows, 16.0 kB of 320.0 kB"


def test_nothing_is_shown_where_nobody_looks_or_work_is_short(shown, monkeypatch):
    monkeypatch.setattr(console, "PATIENCE_S", 3600)
    with console.patient_progress("run") as phase:
        phase("opening")(1, 2)
    monkeypatch.setattr(console, "PATIENCE_S", -1)
    monkeypatch.setattr(console, "ERR", Console(file=shown, force_terminal=False))
    with console.patient_progress("run") as phase:
        phase("opening")(1, 2)
    assert shown.getvalue() == ""


# The command as it is, but that all is long, and that it says when it is in the midst of it, and stays there.
COMMAND = """
import os, sys, time
from rdmtools_cli import console, main
import rdmtools.analysis.spans
from rdmtools.read import out_of_core, ranges, scratch
console.PATIENCE_S = -1
out_of_core.LARGE_ROWS, out_of_core.BATCH_ROWS, scratch.RANGE_ROWS = 0, 20, 40
def halting(work, count):
    calls = []
    def halts(*given, **named):
        calls.append(1)
        if len(calls) == count:
            os.write(1, b"halfway\\n")
            for _ in range(10_000):
                time.sleep(0.01)
        return work(*given, **named)
    return halts
place, name, count = sys.argv.pop(1).split(":")
owner = eval(place)
setattr(owner, name, halting(getattr(owner, name), int(count)))
main.main()
"""

PHASES = {
    "rows are put on disk": ("rdmtools.read.scratch.Scratch:append:3", "opening"),
    "ranges are put in order": ("rdmtools.read.ranges:places:3", "opening"),
    "losses are looked at": ("rdmtools.read.out_of_core._Block:read_all:3", "opening"),
    "the run is analysed": ("rdmtools.analysis.spans:observables:1", "analysing"),
}


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal of its own")
@pytest.mark.parametrize("when", PHASES)
@pytest.mark.parametrize("command", ["analyze", "compare"])
def test_an_interrupt_in_the_midst_of_it_leaves_no_traceback_and_no_file(command, when, tmp_path):
    at, phase = PHASES[when]
    path, folder = tmp_path / "run.parquet", tmp_path / "scratch"
    folder.mkdir()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "step": np.repeat(np.arange(ROWS), SAMPLES),
            "sample_id": np.tile(np.arange(SAMPLES), ROWS),
            "loss": rng.random(ROWS * SAMPLES),
        }
    )
    frame.sample(frac=1, random_state=0).to_parquet(path, index=False)
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, at, command, str(path)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TMPDIR": str(folder), "TERM": "xterm", "COLUMNS": "120"},
    ) as child:
        os.close(theirs)
        assert child.stdout.readline() == "halfway\n"
        assert list(folder.iterdir()) == []  # what is there has no name
        child.send_signal(signal.SIGINT)
        told = b""
        with suppress(OSError):  # how Linux says that nobody has the terminal open any more
            while more := os.read(ours, 1 << 16):
                told += more
        assert child.wait() == 130
        assert child.stdout.read() == ""
    os.close(ours)
    for word in (b"Traceback", b"rror", b"Interrupt"):
        assert word not in told
    assert f"{phase} run".encode() in told
    assert told.rindex(b"\x1b[?25h") > told.rindex(b"\x1b[?25l")  # the cursor is back
    assert {each.name for each in tmp_path.iterdir()} == {"run.parquet", "scratch"}
    assert list(folder.iterdir()) == []
