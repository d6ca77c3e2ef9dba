"""What does logging cost the training? Microseconds a call, beside the same row as a SQLite blob.

    python benchmarks/logging_cost.py

Medians over calls taken in turn, so that the machine's moods fall on all alike. SQLite keeps a write-ahead
log and never waits for the disk; nor does the logger. `empty` is a call that does nothing.

Recorded on 2 shared cores, Python 3.11, NumPy 2.4:

         n  rdmtools us  sqlite us  ratio empty us  close s  bytes / raw
       256          8.6       10.1    1.2     0.18     0.20         0.77
      4096         24.7       27.7    1.1     0.20     0.44         0.76
     65536        241.4      258.2    1.1     0.42     1.32         0.76
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rdmtools


def medians_us(calls: dict[str, Callable[[int, np.ndarray], object]], rows: np.ndarray) -> dict[str, float]:
    """Median time of one call of each, in microseconds."""
    times = {name: np.empty(len(rows)) for name in calls}
    for step, row in enumerate(rows):
        for name, call in calls.items():
            begin = time.perf_counter_ns()
            call(step, row)
            times[name][step] = (time.perf_counter_ns() - begin) / 1e3
    return {name: float(np.median(taken)) for name, taken in times.items()}


def main() -> None:
    """Print one line a size."""
    print(
        f"{'n':>6} {'rdmtools us':>12} {'sqlite us':>10} {'ratio':>6} {'empty us':>8}  close s  bytes / raw"
    )
    generator = np.random.default_rng(0)
    for samples, steps in ((256, 4000), (4096, 2000), (65536, 300)):
        noise = generator.normal(size=(steps, samples))
        rows = (np.exp(-np.linspace(0, 3, steps))[:, None] + 0.05 * noise).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            database = sqlite3.connect(Path(folder, "run.sqlite"), isolation_level=None)
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = off")
            database.execute("create table losses (step integer primary key, row blob)")
            insert = "insert into losses values (?, ?)"

            def peer(
                step: int, row: np.ndarray, into: sqlite3.Connection = database, text: str = insert
            ) -> None:
                into.execute(text, (step, row.tobytes()))

            log = rdmtools.ProbeLogger(Path(folder, "run.parquet"), samples)
            found = medians_us({"log": log, "peer": peer, "empty": lambda step, row: None}, rows)
            begin = time.perf_counter()
            log.close()
            closed_s = time.perf_counter() - begin
            database.close()
            share = log.path.stat().st_size / rows.nbytes
        ratio = found["peer"] / found["log"]
        print(
            f"{samples:>6} {found['log']:>12.1f} {found['peer']:>10.1f} {ratio:>6.1f} {found['empty']:>8.2f}"
            f"  {closed_s:>7.2f}  {share:>11.2f}"
        )


if __name__ == "__main__":
    main()
