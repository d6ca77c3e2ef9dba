"""Does a killed job lose a row whose call had returned? `kill -9` at random moments; all rows are compared.

    python benchmarks/kills.py [--kills 200]

Each training logs rows of known values, closes its run every few rows and resumes it, so that kills fall into
logging, closing (the journal is being turned into Parquet) and opening alike. It notes each step in shared
memory once its call has returned; all steps noted must read back, with their values.
"""

import argparse
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import rdmtools

TRAINING = """
import mmap, sys
import numpy as np
import rdmtools
path, note, samples, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open(note, "r+b") as file:
    noted = np.frombuffer(mmap.mmap(file.fileno(), 16), np.int64)
    ramp = np.arange(samples, dtype=np.float32)
    step = 0
    while True:
        noted[1] = 1  # opening, and resuming
        log = rdmtools.ProbeLogger(path, samples, resume=True)
        noted[1] = 2  # logging
        for _ in range(rows):
            log(step, ramp + step)
            step += 1
            noted[0] = step
        noted[1] = 3  # closing
        log.close()
"""


def kill_once(samples: int, rows: int, wait_s: float) -> tuple[str, int, int, int]:
    """Where the kill fell; rows noted, read back, and with wrong values."""
    with tempfile.TemporaryDirectory() as folder:
        path, note = Path(folder, "run.parquet"), Path(folder, "note")
        note.write_bytes(bytes(16))
        words = [sys.executable, "-c", TRAINING, str(path), str(note), str(samples), str(rows)]
        training = subprocess.Popen(words)
        with note.open("r+b") as file:
            noted = np.frombuffer(mmap.mmap(file.fileno(), 16), np.int64)
            while not noted[0]:
                time.sleep(0.001)
            time.sleep(wait_s)
            os.kill(training.pid, signal.SIGKILL)
            training.wait()
            accepted, phase = int(noted[0]), ("", "opening", "logging", "closing")[int(noted[1])]
        run = rdmtools.read_run(path)
        found = np.isin(np.arange(accepted), run.steps)
        expected = np.arange(samples, dtype=np.float32) + run.steps[:, None].astype(np.float32)
        wrong = int((run.losses != expected).any(axis=1).sum())
        return phase, accepted, int(found.sum()), wrong


def main() -> None:
    """Print one line a size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200, help="at each size")
    kills = parser.parse_args().kills
    chance = random.Random(0)
    print("     n  kills  logging  closing  opening  accepted  lost  wrong")
    for samples, rows in ((256, 300), (65536, 12)):
        phases: Counter[str] = Counter()
        accepted = lost = wrong = 0
        for _ in range(kills):
            phase, noted, found, bad = kill_once(samples, rows, chance.uniform(0, 0.4))
            phases[phase] += 1
            accepted, lost, wrong = accepted + noted, lost + noted - found, wrong + bad
        fell = "".join(f"{phases[phase]:>9}" for phase in ("logging", "closing", "opening"))
        print(f"{samples:>6} {kills:>6}{fell} {accepted:>9} {lost:>5} {wrong:>6}")


if __name__ == "__main__":
    main()
