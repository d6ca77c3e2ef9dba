"""How much memory and time does it take to open a shuffled Parquet file that is larger than memory should be?

    python benchmarks/unsorted.py [rows] [samples] [rows of a row group]

Writes a shuffled table of that many rows and samples to a temporary folder, then opens it as a run and reads
all losses, in a process of its own: the peaks are that process's. All losses are compared with those written.

On two cores: 150 million rows, 1.2 GB of Parquet, are opened in 21 s with 0.37 GB of memory; as a single row
group in 17 s with 0.33 GB. In memory, 41 million rows take 3.6 s and 1.5 GB.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from converting import write

# Linux alone: what getrusage tells there includes the process that started this one.
READ = """
import sys, time
import numpy as np
import rdmtools.read.read
from converting import losses_of
def peak():
    with open("/proc/self/status") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmHWM:"))) * 1024 / 1e9
before, start = peak(), time.perf_counter()
run = rdmtools.read.read.read_run(sys.argv[1])
opened, peak_opened, start = time.perf_counter() - start, peak(), time.perf_counter()
for _ in run.blocks(): pass
read, peak_read = time.perf_counter() - start, peak()
rows, samples = run.shape
for first in range(0, rows, 256):
    block = run.rows(first, min(first + 256, rows))
    cells = np.arange(first * samples, first * samples + block.size)
    np.testing.assert_array_equal(block.reshape(-1), losses_of(cells))
print(f"opened in {opened:.0f} s ({rows * samples / opened / 1e6:.1f} million rows a second), peak memory "
      f"{peak_opened:.2f} GB ({before:.2f} GB of it imports)")
print(f"all losses read in {read:.1f} s, peak memory {peak_read:.2f} GB")
"""


def main(rows: int = 36_700, samples: int = 4096, group: int = 1 << 20) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shuffled.parquet"
        write(path, rows, samples, group)
        print(
            f"{rows:,} rows x {samples:,} samples, {rows * samples / 1e6:.0f} million tidy rows, "
            f"{path.stat().st_size / 1e9:.2f} GB of Parquet, {rows * samples * 16 / 1e9:.1f} GB in memory"
        )
        subprocess.run([sys.executable, "-c", READ, path], check=True, cwd=Path(__file__).parent)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
