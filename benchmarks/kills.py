"""Does a killed job lose a row whose call had returned? `kill -9` at 200 moments; every row is compared.

    python benchmarks/kills.py [--kills 200]

Each training logs rows of known values into small segments, which are compacted without a rest, closes its
run now and then and resumes it, so that kills fall into logging, compacting, merging and opening alike; half
of them wait until a part, or the run itself, is being written. The training notes each step in shared memory
once its call has returned: all steps noted must read back, with their values. Then, with the same journals,
the last 1,001 bytes of the last segment are cut, zeroed and flipped: only rows that lie in them may be
missing, and the reader must say how many bytes it left.
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
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import numpy as np

import rdmtools

TRAINING = """
import mmap, sys
import numpy as np
import rdmtools
from rdmtools.logger import compaction, writer
path, note, samples, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
row_bytes = 32 + 4 * samples
writer._SEGMENT_BYTES = rows // 5 * row_bytes
compaction._SLEEPS = 0.0
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
        noted[1] = 3  # merging
        log.close()
"""
DAMAGED = 1001


@dataclass
class Tally:
    """What the kills at one size left."""

    phases: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    lost: int = 0
    wrong: int = 0
    damaged: int = 0
    beyond: int = 0  # rows missing that did not lie in the damaged bytes
    unsaid: int = 0  # damage that the reader did not tell


def phase_of(path: Path, doing: int) -> str:
    """Where the kill fell: a part or the run half written tells more than the training can."""
    if any(path.with_suffix(".rdm").glob("journal/*/*.parquet.tmp")):
        return "compacting"
    if path.with_name(path.name + ".tmp").exists():
        return "merging"
    return ("", "opening", "logging", "merging")[doing]


def check(path: Path, samples: int, accepted: int) -> tuple[int, int, rdmtools.Run]:
    """Rows noted that are missing, rows with wrong values, and the run."""
    run = rdmtools.read_run(path)
    found = np.isin(np.arange(accepted), run.steps)
    expected = np.arange(samples, dtype=np.float32) + run.steps[:, None].astype(np.float32)
    return int((~found).sum()), int((run.losses != expected).any(axis=1).sum()), run


def damage(path: Path, samples: int, accepted: int, tally: Tally) -> None:
    """Spoil the end of the last segment in three ways."""
    segments = sorted(path.with_suffix(".rdm").glob("journal/*/losses-*.rdj"))
    if not segments or segments[-1].stat().st_size <= DAMAGED:
        return
    whole = segments[-1].read_bytes()
    if segments[-1].with_suffix(".parquet").exists():
        return
    tails = (b"", bytes(DAMAGED), bytes(255 - byte for byte in whole[-DAMAGED:]))
    hit = -(-DAMAGED // (32 + 4 * samples)) + 1
    for tail in tails:
        segments[-1].write_bytes(whole[:-DAMAGED] + tail)
        missing, wrong, run = check(path, samples, accepted)
        tally.damaged += 1
        tally.beyond += max(0, missing - hit)
        tally.wrong += wrong
        cut_clean = not tail and (len(whole) - DAMAGED) % (32 + 4 * samples) == 0
        # a journal that was merged just before the kill is in the file already: nothing of it is missing
        tally.unsaid += missing > 0 and not run.quality.bytes_left and not cut_clean
    segments[-1].write_bytes(whole)


def kill_once(samples: int, rows: int, wait_s: float, aim: str | None, tally: Tally) -> None:
    """Start a training, kill it, and read what it left; `aim` is a file that must be there to be killed."""
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
            until = time.monotonic() + 5
            while aim and time.monotonic() < until and not glob(aim, root_dir=folder):
                pass
            os.kill(training.pid, signal.SIGKILL)
            training.wait()
            accepted, doing = int(noted[0]), int(noted[1])
        tally.phases[phase_of(path, doing)] += 1
        lost, wrong, _ = check(path, samples, accepted)
        tally.accepted, tally.lost, tally.wrong = (
            tally.accepted + accepted,
            tally.lost + lost,
            tally.wrong + wrong,
        )
        damage(path, samples, accepted, tally)


def main() -> None:
    """Print one line a size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200, help="at each size")
    kills = parser.parse_args().kills
    chance = random.Random(0)
    aims = (None, "run.rdm/journal/*/*.parquet.tmp", None, "run.parquet.tmp")
    phases = ("logging", "compacting", "merging", "opening")
    print("     n  kills" + "".join(f"{phase:>12}" for phase in phases), end="")
    print("  accepted  lost  wrong | damaged tails  rows beyond  unsaid")
    for samples, rows in ((256, 3000), (65536, 40)):
        tally = Tally()
        for kill in range(kills):
            kill_once(samples, rows, chance.uniform(0, 0.3), aims[kill % len(aims)], tally)
        fell = "".join(f"{tally.phases[phase]:>12}" for phase in phases)
        print(
            f"{samples:>6} {kills:>6}{fell}  {tally.accepted:>8} {tally.lost:>5} {tally.wrong:>6}", end=" | "
        )
        print(f"{tally.damaged:>13} {tally.beyond:>12} {tally.unsaid:>7}")


if __name__ == "__main__":
    main()
