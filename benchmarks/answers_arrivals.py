"""Do intervals of arrivals hold the truth, and is the group that moves first said to be first?

    python benchmarks/answers_arrivals.py             # planted worlds of odd seeds
    python benchmarks/answers_arrivals.py even        # those on which Q was chosen
    python benchmarks/answers_arrivals.py CORPUS      # its runs of narrow_finetuning and deep_linear

Worlds: four groups each, whose means go from one level to another as a step or a sigmoid of 5 to 80 rows (10
to 90 %), at times of their own, under AR(1) noise of rho 0 to .9, of which the change is 2 to 16 deviations;
150 or 400 rows. The truth is the middle of the sigmoid. A group that is not seen to move has no interval.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

import rdmtools as rdm
from rdmtools.analysis.arrivals import arrivals, is_before

ROWS, WIDTHS, CORRELATIONS, CHANGES = (150, 400), (0, 5, 10, 20, 40, 80), (0.0, 0.3, 0.6, 0.9), (2, 4, 8, 16)
WORLDS, GROUPS = 10, 4


def autoregressive(rng: np.random.Generator, rows: int, count: int, rho: float) -> np.ndarray:
    noise = rng.standard_normal((rows, count))
    noise[1:] *= np.sqrt(1 - rho**2)
    for row in range(1, rows):
        noise[row] += rho * noise[row - 1]
    return noise


def world(
    rng: np.random.Generator, rows: int, width: float, rho: float, change: float, tied: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Losses of groups, (rows, groups), and the row at which each was half-way."""
    middle = rng.uniform(0.25, 0.75, 1 if tied else GROUPS) * rows * np.ones(GROUPS)
    away = np.arange(rows)[:, None] - middle
    way = (away >= 0).astype(float) if width == 0 else 1 / (1 + np.exp(-away / (width / (2 * np.log(9)))))
    return -change * way + autoregressive(rng, rows, GROUPS, rho), middle


def rate(hits: int, of: int) -> str:
    low, high = binomtest(hits, of).proportion_ci(method="exact") if of else (np.nan, np.nan)
    return f"{hits}/{of} = {hits / max(of, 1):.3f} [{low:.3f}, {high:.3f}]"


def covered(seeds: Iterable[int]) -> None:
    held: dict[tuple[str, object], list[bool]] = defaultdict(list)
    errors: dict[tuple[str, object], list[float]] = defaultdict(list)
    widths: dict[tuple[str, object], list[float]] = defaultdict(list)
    still, right, wrong, unresolved = 0, 0, 0, 0
    for seed, rows, width, rho, change in itertools.product(seeds, ROWS, WIDTHS, CORRELATIONS, CHANGES):
        rng = np.random.default_rng([seed, rows, width, int(100 * rho), change])
        series, middle = world(rng, rows, width, rho, change)
        found = arrivals(series)
        assert found is not None
        moved = [index for index, one in enumerate(found) if one is not None]
        still += GROUPS - len(moved)
        for index in moved:
            one = found[index]
            keys = [("all", ""), ("rows", rows), ("width", width), ("rho", rho), ("change", change)]
            for key in keys:
                held[key].append(one.low <= middle[index] <= one.high)
                errors[key].append(abs(one.half - middle[index]))
                widths[key].append(one.high - one.low)
        if len(moved) == GROUPS:
            first = min(moved, key=lambda index: found[index].half)
            alone = all(is_before(found[first], found[other]) for other in moved if other != first)
            right += alone and first == int(middle.argmin())
            wrong += alone and first != int(middle.argmin())
            unresolved += not alone
    print(f"{'worlds':>14} {'intervals that hold the truth':<34} {'median width':>12} {'error':>12}, rows")
    for key, holds in held.items():
        name, value = key
        numbers = f"{np.median(widths[key]):12.1f} {np.median(errors[key]):12.1f}"
        print(f"{name:>8} {value!s:>5} {rate(sum(holds), len(holds)):<34} {numbers}")
    print(f"not seen to move: {still}")
    print(f"named as first, rightly: {rate(right, right + wrong)}; unresolved {unresolved}")


def ties(seeds: Iterable[int]) -> None:
    """How often one is called first of four that are half-way at one time."""
    called, worlds = 0, 0
    for seed, rows, width, rho, change in itertools.product(seeds, ROWS, WIDTHS, CORRELATIONS, CHANGES):
        rng = np.random.default_rng([7, seed, rows, width, int(100 * rho), change])
        found = arrivals(world(rng, rows, width, rho, change, tied=True)[0]) or []
        moved = [one for one in found if one is not None]
        if len(moved) < 2:
            continue
        first = min(moved, key=lambda one: one.half)
        worlds += 1
        called += all(is_before(first, other) for other in moved if other is not first)
    print(f"of groups that are half-way at one time one is called first: {rate(called, worlds)}")


def runs_of(folder: Path) -> None:
    """Fine-tuning: the trained questions before all others. Deep linear: the modes in their order."""
    before, told, runs = 0, 0, 0
    for path in sorted(folder.glob("narrow_finetuning/transition_*.parquet")):
        table = rdm.analyze(path).arrivals
        whole = table[table["event"].isna() & table["half_step"].notna()].sort_values("half_step")
        falling = whole[whole["loss_change"] < 0]
        trained = falling["group"] == "in-domain trained"
        steps = falling["half_step"]
        runs += 1
        before += bool(trained.any() and steps[trained].max() < steps[~trained].min())
        lead = whole.iloc[0]
        told += lead["group"] == "in-domain trained" and lead["outcome"] == "first"
        print(path.name, whole[["group", "loss_change", "half_step", "outcome"]].to_numpy().tolist())
    print(f"trained before the others: {rate(before, runs)}; called first: {rate(told, runs)}")
    ordered, pairs = 0, 0
    for path in sorted(folder.glob("deep_linear/transition_*.parquet")):
        table = rdm.analyze(path).arrivals
        half = table[table["event"].isna()].set_index("group")["half_step"]
        for one, other in itertools.combinations(("mode 1", "mode 2", "mode 3"), 2):
            pairs += 1
            ordered += bool(half[one] < half[other])
    print(f"deep linear, pairs of modes in their order: {rate(ordered, pairs)}")


def main() -> None:
    words = sys.argv[1:]
    if words and words != ["even"]:
        runs_of(Path(words[0]))
        return
    seeds = range(0, 2 * WORLDS, 2) if words else range(1, 2 * WORLDS, 2)
    covered(seeds)
    ties(seeds)


if __name__ == "__main__":
    main()
