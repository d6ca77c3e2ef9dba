"""Does a run's own past tell that it is outside of what the rate was checked for?

    python benchmarks/warning_own_past.py --window 20 --windows 20 --runs 100 [--world wave]
    python benchmarks/warning_own_past.py --corpus FOLDER

Of every null world: the share of runs that alarm at a stated 5 %, that `alarms.own_past` flags, and, of those
that alarm, the share flagged by then. With a corpus: which of its runs are flagged, and the highest beat.
"""

# pyright: basic

import argparse
import os
import zlib
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
from null_worlds import BROKEN, PROMISED, WORLDS, World, oscillation
from warning_rates import values_of_runs

import rdmtools as rdm
from rdmtools.alarms.own_past import OUTSIDE, beat
from rdmtools.alarms.self_normalised import SIGNALS, watched
from rdmtools.alarms.thresholds import threshold
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.evaluation.corpus import read_corpus

PERIODS = 1.5, 1.75, 1.9, 2.1, 2.25, 2.5, 3
WAVES = [
    World(name=f"wave of {period:g} W{told}", kind=BROKEN, losses=oscillation(period, noise))
    for noise, told in ((0.1, ""), (1.0, " in noise"))
    for period in PERIODS
]


def highest(u: dict[str, np.ndarray], window: int) -> np.ndarray:
    """The highest beat of the rule's signals at each row, NaN where none is known."""
    return np.fmax.reduce([beat(u[signal.name], window) for signal in SIGNALS])


def of_worlds(window: int, windows: int, runs: int, chosen: str) -> None:
    at = threshold(0.05, windows)
    shares = []
    for world in [*WORLDS, *WAVES]:
        if chosen not in world.name or world.samples > 64:
            continue
        rng = np.random.default_rng([24, zlib.crc32(f"{world.name} {window} {windows}".encode())])
        alarmed, flagged, by_then, count = 0, 0, 0, max(int(runs * world.share), 20)
        few = max(20_000_000 // (windows * window * world.samples), 1)
        for first in range(0, count, few):
            losses = world.losses(rng, min(few, count - first), windows * window, world.samples, window)
            u = values_of_runs(losses, window)
            for run in range(len(losses)):
                of_run = {name: values[run] for name, values in u.items()}
                events = watched(of_run, window=window, threshold=at).events
                outside = highest(of_run, window) >= OUTSIDE
                flagged += bool(outside.any())
                if events:
                    alarmed += 1
                    by_then += bool(outside[: events[0].alarm + 1].any())
        shares.append((world.kind, flagged / count))
        then = f"{by_then}/{alarmed}" if alarmed else "-"
        print(
            f"  {world.name:32} {world.kind:9} alarm {alarmed / count:6.1%}  "
            f"flagged {flagged / count:6.1%}  by the first alarm {then}  of {count}",
            flush=True,
        )
    kept = [share for kind, share in shares if kind == PROMISED]
    if kept:
        print(f"promised worlds: flagged {np.mean(kept):.2%} on average, {max(kept):.1%} at most")


def of_corpus(folder: Path, window: int) -> None:
    cells: dict[str, list[float]] = {}
    for entry in read_corpus(folder):
        u = log_energies_of(np.asarray(rdm.read_run(entry.path).losses), window)
        name = f"{entry.setting} {entry.control or 'transition'}"
        cells.setdefault(name, []).append(float(np.nanmax([0.0, *highest(u, window)])))
    for name, top in cells.items():
        flagged = sum(value >= OUTSIDE for value in top)
        print(f"  {name:40} flagged {flagged}/{len(top)}, highest beat {max(top):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--windows", type=int, choices=[20, 80], default=20, help="that a run is long")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--world", default="", help="only worlds whose name holds this")
    parser.add_argument("--corpus", type=Path)
    given = parser.parse_args()
    if given.corpus:
        of_corpus(given.corpus, given.window)
    else:
        of_worlds(given.window, given.windows, given.runs, given.world)


if __name__ == "__main__":
    main()
