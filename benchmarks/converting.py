"""How much memory and time does a long table take that is larger than memory should be, to become a run?

    python benchmarks/converting.py [rows] [samples] [csv, feather or parquet] [--with polars]

Writes a shuffled table of that many rows and samples to a temporary folder (22 bytes a row as CSV), then
converts it in a process of its own: the peak is that process's. What it wrote is compared with the losses.

`--with polars` has polars alone put it in order: scan, sort, sink, and no rule. On two busy cores:

                                           rdmtools                    polars 2.1
    4000 10000 csv      40 M rows    36 s, 21 s CPU, 0.45 GB      41 s, 31 s CPU, 2.71 GB
    8000 10000 parquet  80 M rows    29 s, 18 s CPU, 0.38 GB      94 s, 54 s CPU, 3.68 GB

The memory of a sort grows with the file, ours does not. Arrow's reader of text, which polars' replaced, took
20 s CPU and 0.44 GB in the same hour, and 0.9 GB where the cores were free to read ahead.
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
MEASURED = """
import sys, time, polars, rdmtools.read.convert
def peak():
    with open("/proc/self/status") as file:
        return next(line.split()[1] for line in file if line.startswith("VmHWM:"))
before, begun = peak(), time.process_time()
{work}
print(before, peak(), time.process_time() - begun)
"""
WORK = {
    "rdmtools": "rdmtools.convert(sys.argv[1], sys.argv[2])",
    "polars": """
scan = {"csv": polars.scan_csv, "feather": polars.scan_ipc, "parquet": polars.scan_parquet}[sys.argv[3]]
scan(sys.argv[1]).sort("step", "sample_id").sink_parquet(sys.argv[2])
""",
}


def main(rows: int = 15_000, samples: int = 4096, form: str = "csv", by: str = "rdmtools") -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / f"long.{form}", Path(folder) / "run.parquet"
        write(source, rows, samples)
        start = perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED.replace("{work}", WORK[by]), source, target, form],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = perf_counter() - start
        *memory, cpu = done.stdout.split()
        before, peak = (int(word) * 1024 / 1e9 for word in memory)
        run = read_run(target)
        for first in range(0, rows, 256):
            block = run.rows(first, min(first + 256, rows))
            cells = np.arange(first * samples, first * samples + block.size)
            np.testing.assert_array_equal(block.reshape(-1).astype(np.float32), losses_of(cells))
        size = source.stat().st_size / 1e9
        print(
            f"{rows:,} rows x {samples:,} samples, {form} of {size:.2f} GB by {by}: {seconds:.0f} s, "
            f"{cpu.partition('.')[0]} of the processor "
            f"({rows * samples / seconds / 1e6:.1f} million losses a second), peak memory {peak:.2f} GB "
            f"({before:.2f} GB of it imports), run of {target.stat().st_size / 1e9:.2f} GB"
        )


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--with"]
    main(*map(int, words[:2]), *words[2:])
