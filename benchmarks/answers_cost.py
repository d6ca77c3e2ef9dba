"""What do the answers add to `analyze`? CPU seconds with and without them, in one run, and memory at most.

    python benchmarks/answers_cost.py [rounds]          # about two minutes, Linux

4,000 rows x 4,096 samples, W = 64: descents at times of their own with AR(1) noise, a `group` column of four
groups and two more columns; and the same with four events, one a group. In memory `find` takes turns with
itself less its answers: histories, samples, ledger, factors, arrivals, leads, explained, lift, loud rows,
order, and modes and groups of draws are then made of nothing. The command (`analyze --fresh`, report and all)
is a process of its own, which tells its CPU seconds and its memory at most; without answers it has none of
their sections and lines. Medians; only the ratios carry over. The aim is a ratio of 1.5 for the command.

The split of every sample's history is timed by itself: of 1,000 blocks, and of 4,000 rows.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any
from unittest.mock import patch

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
import pandas as pd
import pyarrow as pa

import rdmtools as rdm
from rdmtools.analysis import events, findings, spans
from rdmtools.analysis.histories import Blocks, histories_of
from rdmtools.analysis.ledger import EarlyFall
from rdmtools.analysis.modes import window_modes
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.splits import split
from rdmtools.analysis.tables import typed
from rdmtools.format.names import REPORT_FILE
from rdmtools.format.write_table import write_losses, write_table
from rdmtools.results import answers

ROWS, SAMPLES, WINDOW = 4000, 4096, 64
SETTINGS = AnalysisSettings(windows=(WINDOW,))
WITH, WITHOUT = "with", "without"
EMPTY = (
    *("samples", "ledger", "arrivals", "leads", "order", "lift", "explained"),
    *("factors", "factor_samples", "factor_courses", "mode_tracks"),
)


def run_of(*, with_events: bool) -> rdm.Run:
    rng = np.random.default_rng(7)
    group = np.arange(SAMPLES) % 4
    when, scale = rng.uniform(200, 3600, SAMPLES), rng.uniform(30, 300, SAMPLES)
    if with_events:
        when = np.array([900, 1700, 2500, 3300])[group] + rng.normal(0, 5, SAMPLES)
        scale = rng.uniform(4, 10, SAMPLES)
    high = rng.uniform(1, 3, SAMPLES)
    fall = high * rng.uniform(0, 0.9, SAMPLES) * (rng.random(SAMPLES) < 0.7)
    noise = 0.05 * rng.standard_normal((ROWS, SAMPLES))
    for row in range(1, ROWS):
        noise[row] += 0.6 * noise[row - 1]
    way = 1 / (1 + np.exp(-np.clip((np.arange(ROWS)[:, None] - when) / scale, -60, 60)))
    samples = pd.DataFrame(
        {
            "sample_id": np.arange(SAMPLES),
            "group": [f"group {each + 1}" for each in group],
            "level": rng.uniform(0, 1, SAMPLES).round(3),
            "kind": rng.choice(["x", "y", "z"], SAMPLES),
        }
    )
    losses = np.abs(high - fall * way + noise).astype(np.float32)
    return rdm.Run.from_arrays(np.arange(ROWS), losses, samples=samples)


class _NoBlocks:
    """Means of blocks that nobody asks for."""

    def __init__(self, *_: int) -> None: ...

    def take(self, *_: Any) -> None: ...

    def result(self) -> Blocks:
        return Blocks(means=np.zeros((1, 1)), ends=np.zeros((2, 1)))


@contextmanager
def without_answers() -> Iterator[None]:
    """An analysis as it was before there were answers."""

    def nothing(*_: Any, **__: Any) -> Any:
        return []

    def of_nothing(name: str) -> Callable[..., pd.DataFrame]:
        return lambda *_, **__: typed(name, [])

    one = histories_of(np.zeros((1, 1)), [0])
    early = EarlyFall(share=0.0, step=0, window=WINDOW)
    still = window_modes(np.zeros((WINDOW, SAMPLES)), count=1)
    with ExitStack() as changed:
        for where, name, instead in (
            (spans, "BlockMeans", _NoBlocks),
            (findings, "histories", lambda *_: one),
            (findings, "groupings", nothing),
            (findings, "run_change", nothing),
            (findings, "event_changes", nothing),
            (findings, "drawn_modes", nothing),
            (findings, "early_fall", lambda *_: early),
            *((findings, f"{name}_table", of_nothing(name)) for name in EMPTY),
            (events, "group_lifts", lambda of_events, _: [[] for _ in of_events]),
            (events, "loud_row", lambda *_, **__: None),
            (events, "top_mode", lambda *_, **__: still),
            (events, "movement", lambda *_: still.loadings[0]),
            (answers, "ANSWERS", []),
        ):
            changed.enter_context(patch.object(where, name, instead))
        yield


def command(file: str, out: str, answered: str) -> None:
    """The command in this process, and then its CPU seconds and memory at most, MiB."""
    with ExitStack() as changed:
        if answered == WITHOUT:
            from rdmtools.report import sections

            changed.enter_context(without_answers())
            changed.enter_context(patch.object(sections, "SECTIONS", []))
        sys.argv = ["rdmtools", "analyze", "--fresh", file, "--window", str(WINDOW), "--out", out]
        with suppress(SystemExit):
            runpy.run_module("rdmtools_cli", run_name="__main__")
    assert Path(out, REPORT_FILE).is_file(), out
    status = Path("/proc/self/status").read_text()
    print(f"\n{process_time()} {int(status.split('VmHWM:')[1].split()[0]) / 1024}")


def of_command(file: Path, answered: str) -> tuple[float, float]:
    words = [sys.executable, __file__, "--command", str(file), str(file.with_suffix("")) + answered, answered]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    seconds, memory = told.splitlines()[-1].split()
    return float(seconds), float(memory)


def in_memory(run: rdm.Run, answered: str) -> float:
    with ExitStack() as changed:
        if answered == WITHOUT:
            changed.enter_context(without_answers())
        start = process_time()
        findings.find(run, SETTINGS)
        return process_time() - start


def write_run(run: rdm.Run, path: Path) -> None:
    write_losses(path, [(run.steps, run.losses)], run.samples["sample_id"].tolist())
    path.with_suffix(".rdm").mkdir()
    columns = {name: run.samples[name].tolist() for name in run.samples}
    write_table(path.with_suffix(".rdm") / "samples.parquet", pa.table(columns))


def told(what: str, seconds: dict[str, list[float]]) -> None:
    with_them, without = (median(seconds[each]) for each in (WITH, WITHOUT))
    ratios = [one / other for one, other in zip(seconds[WITH], seconds[WITHOUT], strict=True)]
    print(
        f"  {what}: {without:.2f} s without, {with_them:.2f} s with: {with_them / without:.2f} times "
        f"(rounds: {min(ratios):.2f} to {max(ratios):.2f})"
    )


def main(rounds: int) -> None:
    for kind in ("no event", "four events"):
        run = run_of(with_events=kind != "no event")
        events_found = len(findings.find(run, SETTINGS).events)
        print(f"{kind} ({events_found} found), {ROWS:,} rows x {SAMPLES:,} samples, W = {WINDOW}")
        taken: dict[str, list[float]] = {WITH: [], WITHOUT: []}
        for _ in range(rounds):
            for each, seconds in taken.items():
                seconds.append(in_memory(run, each))
        told("in memory, CPU", taken)
        with tempfile.TemporaryDirectory() as folder:
            write_run(run, Path(folder) / "run.parquet")
            taken, memory = {WITH: [], WITHOUT: []}, {WITH: 0.0, WITHOUT: 0.0}
            for _ in range(rounds):
                for each, seconds in taken.items():
                    found = of_command(Path(folder) / "run.parquet", each)
                    seconds.append(found[0])
                    memory[each] = max(memory[each], found[1])
        told("the command, CPU", taken)
        print(f"  the command, memory at most: {memory[WITHOUT]:.0f} MiB without, {memory[WITH]:.0f} with")
    rows = run.losses.astype(np.float64)
    for what, series in (
        ("1,000 blocks", histories_of(run.losses, run.steps).losses),
        ("4,000 rows", rows),
    ):
        start = process_time()
        split(series)
        print(f"the split of {SAMPLES:,} histories of {what}: {process_time() - start:.2f} s of CPU")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--command"]:
        command(*sys.argv[2:])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 5)
