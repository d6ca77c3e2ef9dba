"""How long does it take to read eight million losses, beside what one would write by hand?

    python benchmarks/reading.py [rows] [samples]

Each line is the median of five, everything in one run on one machine; only the ratios carry over.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from rdmtools.cleaning import Rules, Tidy, grid
from rdmtools.load import read_run
from rdmtools.table import write_losses

REPEATS = 5


def timed(work: Callable[[], object]) -> float:
    """Median time of `work`, in seconds."""
    times: list[float] = []
    for _ in range(REPEATS):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times)


def factorize_and_scatter(frame: pd.DataFrame) -> np.ndarray:
    """Fast by hand, and blind to doubles, gaps and the order of steps."""
    rows, steps = pd.factorize(frame["step"])
    columns, samples = pd.factorize(frame["sample_id"])
    losses = np.empty((len(steps), len(samples)), np.float32)
    losses[rows, columns] = frame["loss"]
    return losses


def main(rows: int = 2000, samples: int = 4096) -> None:
    rng = np.random.default_rng(0)
    losses = rng.random((rows, samples), dtype=np.float32)
    steps = np.arange(rows) * 20
    frame = pd.DataFrame(
        {
            "step": np.repeat(steps, samples),
            "sample_id": np.tile(np.arange(samples, dtype=np.int32), rows),
            "loss": losses.ravel(),
        }
    )
    shuffled = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)

    def gridded(table: pd.DataFrame) -> np.ndarray:
        columns = (table[name].to_numpy() for name in ("step", "sample_id", "loss"))
        return grid(Tidy(**dict(zip(("steps", "samples", "losses"), columns, strict=True))), Rules()).losses

    def pivot() -> np.ndarray:
        return shuffled.pivot(index="step", columns="sample_id", values="loss").to_numpy()

    for table in (frame, shuffled):
        np.testing.assert_array_equal(gridded(table), losses)
    in_memory = {
        "grid, canonical order": timed(lambda: gridded(frame)),
        "grid, shuffled": timed(lambda: gridded(shuffled)),
        "factorize and scatter, shuffled, unchecked": timed(lambda: factorize_and_scatter(shuffled)),
        "pandas pivot, shuffled": timed(pivot),
    }
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / "run.parquet", Path(folder) / "shuffled.parquet"
        write_losses(path, [(steps, losses)], np.arange(samples))
        shuffled.to_parquet(other)
        from_file = {
            "read_run, canonical, opened and verified": timed(lambda: read_run(path)),
            "read_run, canonical, all losses": timed(lambda: read_run(path).losses),
            "pyarrow read of that file, no more": timed(lambda: pq.ParquetFile(path).read()),
            "read_run, shuffled, all losses": timed(lambda: read_run(other).losses),
            "pyarrow read of that file, no more ": timed(lambda: pq.ParquetFile(other).read()),
        }
    print(f"{rows} rows x {samples} samples")
    for times in (in_memory, from_file):
        first = next(iter(times.values()))
        for name, seconds in times.items():
            print(f"{name:45s} {1000 * seconds:8.0f} ms   x {seconds / first:5.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
