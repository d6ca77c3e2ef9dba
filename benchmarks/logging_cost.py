"""What does logging cost the training? Microseconds a call, beside those who write the same row.

    python benchmarks/logging_cost.py

A row is written by each in turn, so that the machine's moods fall on all alike: by the logger; as a bare
`writev` of the same bytes after a CRC-32 of them, the least that a checksummed journal can cost; as a SQLite
blob (write-ahead log, never waiting for the disk). Where torch and tensorboard are installed, TensorBoard's
`add_tensor` follows by itself, for its thread would disturb the others. Medians and 99th percentiles. Lines
with "compacting" are of calls while a thread turns full segments into Parquet parts. Then the file's size, of
raw float32, with ids 0 ... n-1 and with sparse ones, and (on Linux) the memory over what importing numpy and
pyarrow takes, merging at the end included.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

import rdmtools
from rdmtools.logger import writer

Call = Callable[[int, np.ndarray], object]
SIZES = ((256, 20_000), (4096, 4_000), (65536, 1_000))


def bare(folder: Path) -> Call:
    fd = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def call(step: int, row: np.ndarray) -> None:
        header = b"0123456789012345678901234567" + zlib.crc32(row).to_bytes(4, "little")
        os.writev(fd, (header, row))

    return call


def sqlite(folder: Path) -> Call:
    database = sqlite3.connect(folder / "run.sqlite", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = off")
    database.execute("create table losses (step integer primary key, row blob)")
    return lambda step, row: database.execute("insert into losses values (?, ?)", (step, row.tobytes()))


def losses(samples: int, steps: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(steps, samples))
    return (np.exp(-np.linspace(0, 3, steps))[:, None] + 0.05 * noise).astype(np.float32)


def times_us(calls: dict[str, Call], rows: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """Microseconds of each call of each."""
    times = {name: np.empty(steps) for name in calls}
    order = list(calls.items())
    for step in range(steps):
        row = rows[step % len(rows)]
        order.append(order.pop(0))  # who comes first finds the row in no cache
        for name, call in order:
            begin = time.perf_counter_ns()
            call(step, row)
            times[name][step] = (time.perf_counter_ns() - begin) / 1e3
    return times


def tensorboard_us(folder: Path, rows: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """The same for TensorBoard; nothing where it is not installed."""
    try:
        import torch
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return {}
    with SummaryWriter(folder / "tensorboard") as summary:
        tensor: Call = lambda step, row: summary.add_tensor("losses", torch.from_numpy(row), step)  # noqa: E731
        return times_us({"TensorBoard": tensor}, rows, steps)


def cost(samples: int, steps: int, compacting: bool) -> None:
    writer._SEGMENT_BYTES = (4 << 20) if compacting else (64 << 20)
    rows = losses(samples, 200)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = rdmtools.ProbeLogger(folder / "run.parquet", samples)
        calls: dict[str, Call] = {"rdmtools": log, "writev+CRC": bare(folder), "SQLite": sqlite(folder)}
        found = times_us(calls, rows, steps)
        log.close(merge=False)
        if not compacting:
            found |= tensorboard_us(folder, rows, min(steps, 1000))
    words = [
        f"{name} {np.median(taken):.1f} / {np.percentile(taken, 99):.1f}" for name, taken in found.items()
    ]
    print(f"n = {samples:>6}{', compacting' if compacting else '':<12}  {'; '.join(words)}")


def sizes() -> None:
    """Bytes of the file, of raw float32."""
    for samples in (256, 4096, 65536, 65537):
        rows = losses(samples, max(64, 2_000_000 // samples))
        sparse = np.sort(np.random.default_rng(1).choice(50_000_000, samples, replace=False)).tolist()
        shares: list[str] = []
        for ids in (samples, sparse):
            with tempfile.TemporaryDirectory() as folder:
                with rdmtools.ProbeLogger(Path(folder, "run.parquet"), ids) as log:
                    for step, row in enumerate(rows):
                        log(step, row)
                shares.append(f"{log.path.stat().st_size / rows.nbytes:.3f}")
        print(f"file of raw float32, n = {samples:>6}: ids 0 ... n-1 {shares[0]}, sparse ids {shares[1]}")


MEMORY = """
import tempfile
import numpy, pyarrow.parquet
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
row = numpy.random.default_rng(0).normal(size=65536).astype("f4")
before = peak()
import rdmtools
from rdmtools.logger import compaction
compaction._SLEEPS = 0.0
with tempfile.TemporaryDirectory() as folder:
    log = rdmtools.ProbeLogger(folder + "/run.parquet", 65536)
    for step in range(1200):
        log(step, row)
    log.close(merge=True)
print(peak() - before)
"""


def main() -> None:
    """Print a line for each measurement."""
    print("microseconds a call, median / 99th percentile")
    for compacting in (False, True):
        for samples, steps in SIZES:
            cost(samples, steps, compacting)
    sizes()
    if sys.platform == "linux":
        found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
        print(f"memory, n = 65536, 315 MB logged, compacted and merged: {float(found.stdout):.0f} MB")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
