"""Does the ledger say lost, learned and kept where that is so, and lost nowhere else?

    python benchmarks/answers_ledger.py worlds [--runs 400] [--seed 50000]
    python benchmarks/answers_ledger.py stream CORPUS/stream      # runs of examples/stream.py
    python benchmarks/answers_ledger.py splits                    # seconds, and how far a split is from T50

Worlds: groups whose mean is stationary AR(1) noise (30 % of the level, rho 0 to .95), alone or after
an exponential descent, over 300 and 1,000 rows. Nothing is lost in any of them. The defaults' seeds
played no part in any choice.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import binomtest

import rdmtools as rdm
from rdmtools.analysis.groups import groupings
from rdmtools.analysis.histories import histories_of
from rdmtools.analysis.ledger import ledger_table
from rdmtools.analysis.splits import split
from rdmtools.analysis.states import LOST, REGAINED

GROUPS, EACH = 6, 12
DOUBLING_ROWS = 20


def share(count: int, of: int) -> str:
    low, high = binomtest(count, of).proportion_ci(method="exact")
    return f"{count} of {of} ({100 * low:.1f}-{100 * high:.1f} %)"


def noise(rng: np.random.Generator, rows: int, series: int, rho: float) -> np.ndarray:
    """Stationary AR(1) of unit variance."""
    shocks = rng.standard_normal((rows + 400, series)) * np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], shocks, axis=0)[400:]


def world(seed: int, rows: int, rho: float, *, descends: bool) -> rdm.Run:
    rng = np.random.default_rng(seed)
    level = np.ones((rows, GROUPS))
    if descends:
        level = 0.2 + 2 * np.exp(-np.arange(rows)[:, None] / rng.uniform(rows / 40, rows / 5, GROUPS))
    groups = np.abs(level * (1 + 0.3 * noise(rng, rows, GROUPS, rho)))
    losses = np.repeat(groups, EACH, axis=1) * np.exp(0.2 * rng.standard_normal((rows, GROUPS * EACH)))
    names = np.repeat([f"group {number}" for number in range(GROUPS)], EACH)
    return rdm.Run.from_arrays(np.arange(rows), losses, samples={"group": names})


def ledger_of(run: rdm.Run, **options: bool) -> pd.DataFrame:
    past = histories_of(run.losses, run.steps)
    table = ledger_table(run, past, split(past.losses), groupings(run, ("group",)), **options)
    return table[table["column"] == "group"]


def worlds(runs: int, seed: int) -> None:
    for descends in (False, True):
        for rows in (300, 1000):
            for rho in (0.0, 0.5, 0.9, 0.95):
                tables = [
                    ledger_of(world(seed + number, rows, rho, descends=descends)) for number in range(runs)
                ]
                lost = sum((table["status"] == LOST).any() for table in tables)
                once = sum(table["status"].isin([LOST, REGAINED]).any() for table in tables)
                counts = pd.concat(tables)["status"].value_counts().to_dict()
                what = "descent" if descends else "stationary"
                print(
                    f"{what:10} rows {rows:5} rho {rho:4}: runs with lost {share(lost, runs)}, "
                    f"lost or regained {share(once, runs)}; groups {counts}"
                )


def stream(folder: Path) -> None:
    for kind in ("transition", "starved", "steady"):
        paths = sorted(folder.glob(f"{kind}_*.parquet"))
        right, wrong, learned, come, delays = 0, 0, 0, 0, []
        for path in paths:
            run = rdm.read_run(path)
            table = ledger_of(run).set_index("group")
            starved, comes = run.metadata["starved"], run.metadata["comes"]
            never = {f"task {number}" for number in (6, 7, 8)} - set(comes)
            lost = set(table.index[table["status"] == LOST])
            right += starved in lost
            wrong += bool(lost - {starved} - never)
            come += len(comes)
            learned += sum(
                table.loc[task, "status"] == "learned" and table.loc[task, "t50_step"] > step
                for task, step in comes.items()
            )
            if starved in lost:
                inside = (run.samples["group"] == starved).to_numpy()
                mean = pd.Series(run.losses[:, inside].mean(axis=1))
                centred = mean.rolling(DOUBLING_ROWS, center=True, min_periods=1).mean().to_numpy()
                best = int(centred.argmin())
                doubled = best + int(np.argmax(centred[best:] >= 2 * centred[best]))
                row = int(np.searchsorted(run.steps, table.loc[starved, "lost_step"]))
                delays.append(row - doubled)
        told = f"{kind:10} runs with another trained group lost: {share(wrong, len(paths))}"
        if delays:
            told += f"; starved lost: {share(right, len(paths))}"
            told += f", {min(delays)} to {max(delays)} rows after its doubling"
        if come:
            told += f"; new tasks learned after they came {share(learned, come)}"
        print(told)


def splits() -> None:
    losses = np.random.default_rng(0).standard_normal((4000, 4096))
    begin = time.perf_counter()
    split(losses)
    print(f"4,000 rows x 4,096 samples, every row: {time.perf_counter() - begin:.2f} s")
    begin = time.perf_counter()
    histories = histories_of(losses, np.arange(4000))
    split(histories.losses)
    seconds = time.perf_counter() - begin
    print(f"the same, as histories keep them ({len(histories.steps)} blocks): {seconds:.2f} s")
    row, rng = np.arange(400)[:, None], np.random.default_rng(1)
    at = rng.uniform(100, 300, 500)
    shapes = {"step": (row >= at) * 1.0}
    shapes |= {f"sigmoid of width {w}": 1 / (1 + np.exp(-(row - at) / w * 4.4)) for w in (10, 40)}
    for name, course in shapes.items():
        found = split(course + 0.1 * rng.standard_normal(course.shape))
        off = np.abs(found.index - at)
        middle, most = np.median(off), np.quantile(off, 0.9)
        print(f"{name}: a split is off T50 by {middle:.0f} rows (median), {most:.0f} (9 of 10)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("worlds", "stream", "splits"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=50_000)
    given = parser.parse_args()
    if given.what == "worlds":
        worlds(given.runs, given.seed)
    elif given.what == "stream":
        stream(given.folder)
    else:
        splits()


if __name__ == "__main__":
    main()
