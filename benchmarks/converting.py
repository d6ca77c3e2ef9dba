"""How much memory and time does a long table take that is larger than memory should be, to become a run?

    python benchmarks/converting.py [rows] [samples] [csv, feather or parquet]

Writes a shuffled table of that many rows and samples to a temporary folder (22 bytes a row as CSV), then
converts it in a process of its own: the peak is that process's. What it wrote is compared with the losses.

On two cores: CSV of 1.25 GB 22 s and 0.94 GB of memory, CSV of 2.54 GB 43 s and 0.93 GB (most of it Arrow's
reading ahead), Parquet of 61 million rows 20 s and 0.37 GB, Feather the same. Read at once, such CSV takes
18 s and 3.8 GB; a sort in polars 2.1, streaming and with no rule applied, 29 s and 3.6 GB.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from rdmtools.read.read import read_run

BATCH = 2_000_000


def losses_of(cells: np.ndarray) -> np.ndarray:
    """A loss that tells which cell it is of."""
    return (cells * 0.618034 % 1).astype(np.float32)


def write(path: Path, rows: int, samples: int, group: int = 1 << 20) -> None:
    """A long table in random order; Parquet in row groups of that many rows."""
    order = np.random.default_rng(0).permutation(rows * samples)
    schema = pa.schema([("step", pa.int64()), ("sample_id", pa.int32()), ("loss", pa.float32())])
    if path.suffix == ".csv":
        writer = csv.CSVWriter(path, schema)
    elif path.suffix == ".feather":
        writer = pa.ipc.new_file(path, schema)
    else:
        writer = pq.ParquetWriter(path, schema)
    batch = max(BATCH, group)
    with writer:
        for start in range(0, len(order), batch):
            cells = order[start : start + batch]
            columns = [20 * (cells // samples), (cells % samples).astype(np.int32), losses_of(cells)]
            table = pa.table(columns, schema=schema)
            if isinstance(writer, pq.ParquetWriter):
                writer.write_table(table, row_group_size=group)
            else:
                writer.write_table(table)


# Linux alone: what getrusage tells there includes the process that started this one.
CONVERT = """
import sys, rdmtools.read.convert
def peak():
    with open("/proc/self/status") as file:
        return next(line.split()[1] for line in file if line.startswith("VmHWM:"))
before = peak()
rdmtools.convert(sys.argv[1], sys.argv[2])
print(before, peak())
"""


def main(rows: int = 15_000, samples: int = 4096, form: str = "csv") -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / f"long.{form}", Path(folder) / "run.parquet"
        write(source, rows, samples)
        start = perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", CONVERT, source, target], capture_output=True, text=True, check=True
        )
        seconds = perf_counter() - start
        before, peak = (int(word) * 1024 / 1e9 for word in done.stdout.split())
        run = read_run(target)
        for first in range(0, rows, 256):
            block = run.rows(first, min(first + 256, rows))
            cells = np.arange(first * samples, first * samples + block.size)
            np.testing.assert_array_equal(block.reshape(-1).astype(np.float32), losses_of(cells))
        size = source.stat().st_size / 1e9
        print(
            f"{rows:,} rows x {samples:,} samples, {form} of {size:.2f} GB: {seconds:.0f} s "
            f"({rows * samples / seconds / 1e6:.1f} million losses a second), peak memory {peak:.2f} GB "
            f"({before:.2f} GB of it imports), run of {target.stat().st_size / 1e9:.2f} GB"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
