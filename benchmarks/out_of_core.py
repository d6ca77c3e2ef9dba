"""How long does a run of 2 GB of losses take from its file, in how much memory, and where does the time go?

    python benchmarks/out_of_core.py [rounds] [rows] [samples]

Writes a canonical file into a temporary folder (TMPDIR says where; up to 2 GB), and takes turns, one BLAS
thread, the file warm:

- `read_run` and `analyze` in a fresh process, its imports apart (benchmarks/clocks.py; its peak takes Linux);
- the `loss` column read by pyarrow, row group after row group, nothing verified and nothing kept (with
  pyarrow's own threads, on both sides);
- the kernel: every window of some rows in memory, as much longer as the file is.

The least that it could take is the latter two together.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
import pyarrow.parquet as pq
from turns import Figure, beside, print_times, take_turns
from windows import every_window, noise

from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.format.write_table import write_losses

WINDOW = 64
IN_MEMORY = 8192
BLOCK = 500
CLOCKS = Path(__file__).with_name("clocks.py")
WHOLE, LEAST = "read_run and analyze", "the column and the kernel"
COLUMN, KERNEL = "the column, by pyarrow", "the kernel, from memory"


@dataclass(kw_only=True)
class Fresh:
    """What fresh processes told of themselves, one after another."""

    path: Path
    told: list[dict] = field(default_factory=list)

    def analyse(self) -> None:
        words = [sys.executable, str(CLOCKS), str(self.path), str(WINDOW)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        self.told.append(json.loads(done.stdout))


def write(path: Path, rows: int, samples: int) -> None:
    """Noise about a level that falls, as losses are."""
    rng = np.random.default_rng(0)

    def block(start: int) -> tuple[np.ndarray, np.ndarray]:
        steps = np.arange(start, min(start + BLOCK, rows))
        level = 2 * np.exp(-3 * steps / rows, dtype=np.float32)
        losses = rng.standard_normal((len(steps), samples), dtype=np.float32)
        return 20 * steps, level.astype(np.float32)[:, None] * (1 + np.float32(0.1) * losses)

    write_losses(path, map(block, range(0, rows, BLOCK)), np.arange(samples))


def read_column(path: Path) -> None:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            file.read_row_group(group, ["loss"])


def figures(rounds: int = 3, rows: int = 125_000, samples: int = 4096) -> Iterator[Figure]:
    """Print the times and the parts, and yield what they come to."""
    settings = AnalysisSettings(windows=(WINDOW,))
    few = min(IN_MEMORY, rows)
    memory = noise(few, samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.parquet")
        write(path, rows, samples)
        fresh = Fresh(path=path)
        bytes_stored = path.stat().st_size
        taken = take_turns(
            {
                "a fresh process, imports and all": (fresh.analyse, 1.0),
                COLUMN: (lambda: read_column(path), 1.0),
                KERNEL: (lambda: every_window(memory, settings), rows / few),
            },
            rounds,
        )
    told = fresh.told[-rounds:]
    taken = {
        **taken,
        WHOLE: [each["seconds"] for each in told],
        LEAST: [sum(both) for both in zip(taken[COLUMN], taken[KERNEL], strict=True)],
    }
    raw = 4 * rows * samples
    size = f"file of {rows:,} rows, n = {samples:,}, W = {WINDOW}"
    print_times(taken, f"{size} ({raw / 1e9:.2f} GB of losses, {bytes_stored / 1e9:.2f} GB stored)")
    print("  of it, share of the whole and seconds:")
    for name in sorted(told[0]["parts"], key=lambda name: -told[0]["parts"][name]):
        seconds = median(each["parts"].get(name, 0.0) for each in told)
        share = median(each["parts"].get(name, 0.0) / each["seconds"] for each in told)
        print(f"    {name:40}{100 * share:5.0f} %{seconds:8.2f} s")
    yield beside(taken, WHOLE, LEAST, size=size, most=3.5)
    yield Figure(
        size=size,
        what=f"{WHOLE}, peak memory",
        beside="",
        values=[each["peak_bytes"] / 1e6 for each in told],
        unit="MB",
        most=600,
    )
    for part in ("opening", "analysis"):
        shares = [
            sum(seconds for name, seconds in each["parts"].items() if name.startswith(part)) / each["seconds"]
            for each in told
        ]
        yield Figure(size=size, what=f"{WHOLE}, {part}", beside="", values=shares, unit="of the time")


def main(rounds: int = 3, rows: int = 125_000, samples: int = 4096) -> None:
    for figure in figures(rounds, rows, samples):
        print(figure)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
