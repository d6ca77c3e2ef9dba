"""How long does it take to read eight million losses, beside what one would write by hand?

    python benchmarks/reading.py [rows] [samples]

Contenders take turns; told are medians, and what they are beside the first of their table. Only the ratios
carry over to another machine.

The lookup-table scatter knows all steps and samples beforehand and checks nothing: it is the floor. Ours
finds them, and tells doubles, gaps and superseded rows.

On two cores, both idle: scatter as one writes it 126 ms, in chunks 69, ours 81 (0.64 and 1.17 times these),
factorize and scatter 160.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rdmtools.format.write_table import write_losses
from rdmtools.read.read import read_run
from rdmtools.run.clean import grid
from rdmtools.run.columns import find_columns, tidy_rows
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

REPEATS = 9
CHUNK = 1 << 16


def told(title: str, contenders: Mapping[str, Callable[[], object]]) -> None:
    """Median time of each contender, beside the first."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(REPEATS):
        for name, work in contenders.items():
            start = perf_counter()
            work()
            times[name].append(perf_counter() - start)
    print(title)
    first = median(next(iter(times.values())))
    for name, seconds in times.items():
        print(f"  {name:50s} {1000 * median(seconds):7.0f} ms   x {median(seconds) / first:5.2f}")


def gridded(table: pa.Table) -> np.ndarray:
    return grid(tidy_rows(table, find_columns(table.schema, None)), Rules()).losses


def main(rows: int = 2000, samples: int = 4096) -> None:
    rng = np.random.default_rng(0)
    losses = rng.random((rows, samples), dtype=np.float32)
    steps = np.arange(rows) * 20
    table = pa.table(
        {
            "step": np.repeat(steps, samples),
            "sample_id": np.tile(np.arange(samples, dtype=np.int32), rows),
            "loss": losses.ravel(),
        }
    )
    shuffled = pa.table(table.to_pandas().iloc[rng.permutation(len(table))].reset_index(drop=True))
    doubled = pa.concat_tables([shuffled, shuffled.slice(0, 1000)]).combine_chunks()
    attempts = np.where(np.asarray(shuffled["step"]) < steps[rows // 2], 0, 1)
    again = shuffled.append_column("attempt", pa.array(attempts))
    step, sample, loss = (shuffled[name].chunk(0).to_numpy() for name in ("step", "sample_id", "loss"))
    row_of_step = np.zeros(steps[-1] + 1, np.intp)
    row_of_step[steps] = np.arange(rows)
    column_of_sample = np.arange(samples)

    def scatter() -> np.ndarray:
        out = np.empty((rows, samples), np.float32)
        out[row_of_step[step], column_of_sample[sample]] = loss
        return out

    def scatter_in_chunks() -> np.ndarray:
        out = np.empty(rows * samples, np.float32)
        for start in range(0, len(step), CHUNK):
            part = slice(start, start + CHUNK)
            cells = row_of_step.take(step[part], mode="clip") * samples
            out[cells + column_of_sample.take(sample[part], mode="clip")] = loss[part]
        return out.reshape(rows, samples)

    def factorize_and_scatter() -> np.ndarray:
        """Blind to doubles, gaps and the order of steps."""
        row, found = pd.factorize(step)
        column, ids = pd.factorize(sample)
        out = np.empty((len(found), len(ids)), np.float32)
        out[row, column] = loss
        return out

    def pivot() -> np.ndarray:
        return shuffled.to_pandas().pivot(index="step", columns="sample_id", values="loss").to_numpy()

    for found in (gridded(table), gridded(shuffled), gridded(doubled), scatter(), scatter_in_chunks()):
        np.testing.assert_array_equal(found, losses)
    print(f"{rows} rows x {samples} samples")
    told(
        "Arrow columns in memory, shuffled",
        {
            "scatter alone, as one writes it": scatter,
            "scatter alone, in chunks that stay in cache": scatter_in_chunks,
            "ours, all checks": lambda: gridded(shuffled),
            "ours, with doubles": lambda: gridded(doubled),
            "ours, with two attempts": lambda: gridded(again),
            "ours, as a Run with finite losses": lambda: Run.from_frame(shuffled),
            "factorize both, and scatter": factorize_and_scatter,
            "pandas pivot": pivot,
        },
    )
    told("Arrow columns in memory, canonical order", {"ours, all checks": lambda: gridded(table)})
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / "run.parquet", Path(folder) / "shuffled.parquet"
        write_losses(path, [(steps, losses)], np.arange(samples))
        pq.write_table(shuffled, other)
        told(
            "a file in canonical order",
            {
                "pyarrow reads it, no more": lambda: pq.ParquetFile(path).read(),
                "read_run, opened and verified": lambda: read_run(path),
                "read_run, all losses": lambda: read_run(path).losses,
            },
        )
        told(
            "a shuffled file",
            {
                "pyarrow reads it, no more": lambda: pq.ParquetFile(other).read(),
                "read_run, all losses": lambda: read_run(other).losses,
            },
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
