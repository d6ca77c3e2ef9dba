"""Are the groups of samples that move together found without labels, none where there are none, and how fast?

    python benchmarks/answers_factors.py [runs] [corpus folder]

- planted: AR(1) (rho .9 to .99), walk and sigmoid courses (at least 30 rows apart), 3 to 8 of them, of 5 to
  100 samples each, of either sign and loadings .5 to 2; white noise as loud as each sample's signal; up to 60
  samples of noise alone; 400 to 2,000 rows. How many runs have an adjusted Rand index of .9 or more between
  factors and courses, where samples of none are a class too. Sigmoids at any time overlap: told apart.
- noise: every sample by itself, white or AR(1) to rho .95; how many runs have no factor.
- beside it, the definition that was started from: the same clusters found again in odd and in even rows, and
  no surrogates.
- corpus: runs by setting, and the groups that are factors of their own: |both| / |either| at least .8.
- seconds of `find_groups`, and of all four tables within an analysis.

Thresholds were chosen on seeds below 6,000; these are seeds from 20,000 on. Intervals are exact, 95 %.
"""

import os
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster
from scipy.signal import lfilter
from scipy.stats import binomtest

import rdmtools as rdm
from rdmtools.analysis import factors as definition
from rdmtools.analysis.factor_tables import factor_courses_table, find_factors, mode_tracks_table
from rdmtools.analysis.factors import find_groups
from rdmtools.analysis.histories import histories_of

FIRST_SEED = 20_000
OWN = 0.8
WORLDS = ("AR", "walk", "sigmoid", "sigmoid at any time")


def autoregressive(rng, rows, count, rho):
    drawn = rng.standard_normal((rows + 200, count))
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], drawn, axis=0)[200:]


def planted(seed, world):
    """Losses, and the course of each sample from 1; 0 of noise alone."""
    rng = np.random.default_rng(seed)
    rows, count = int(rng.choice([400, 700, 1000, 2000])), int(rng.integers(3, 9))
    sizes = np.exp(rng.uniform(np.log(5), np.log(101), count)).astype(int)
    if world == "AR":
        courses = autoregressive(rng, rows, count, rng.uniform(0.9, 0.99))
    elif world == "walk":
        courses = rng.standard_normal((rows, count)).cumsum(axis=0)
    else:
        at, apart = np.zeros(count), 30 if world == "sigmoid" else -1
        while np.diff(np.sort(at)).min() < apart or not at.any():
            at = rng.uniform(0.05 * rows, 0.95 * rows, count)
        width = rng.uniform(2, 10, count)
        courses = -1 / (1 + np.exp(-np.clip((np.arange(rows)[:, None] - at) / width, -50, 50)))
    courses = (courses - courses.mean(axis=0)) / courses.std(axis=0)
    labels = np.append(np.repeat(np.arange(1, count + 1), sizes), np.zeros(int(rng.integers(0, 60)), int))
    against = 0.1 if world.startswith("sigmoid") else 0.3
    loading = rng.uniform(0.5, 2, len(labels)) * np.where(rng.random(len(labels)) < against, -1, 1)
    losses = 3 + np.abs(loading) * rng.standard_normal((rows, len(labels)))
    moving = labels > 0
    losses[:, moving] += courses[:, labels[moving] - 1] * loading[moving]
    order = rng.permutation(len(labels))
    return losses[:, order], labels[order]


def noise(seed):
    """Losses of samples that each move by themselves, and the correlation from row to row."""
    rng = np.random.default_rng(seed)
    rows, samples = int(rng.choice([40, 100, 200, 400, 1000, 2000])), int(rng.choice([50, 200, 500, 1000]))
    rho = float(rng.choice([0, 0.5, 0.8, 0.9, 0.95]))
    return autoregressive(rng, rows, samples, rho), rho


def adjusted_rand(one, other):
    table = pd.crosstab(one, other).to_numpy()

    def pairs(counts):
        return float((counts * (counts - 1) / 2).sum())

    both, every = pairs(table), pairs(np.array([len(one)]))
    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected, most = rows * columns / every, (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def found(losses):
    return find_groups(histories_of(losses, np.arange(len(losses))).losses).labels


def as_started_from(losses):
    """Clusters that are found again in odd and in even rows (Jaccard at least .5), without surrogates."""

    def clusters(rows):
        field = definition.scaled(definition.coarse(rows))
        space = definition.signal_space(field)
        labels = np.zeros(rows.shape[1], int)
        if space is None:
            return labels
        moves, kept = space.moves(field)
        ids = np.flatnonzero(kept)
        if (tree := definition._tree(moves[:, ids])) is None:
            return labels
        flat = fcluster(tree, definition.CUT, "distance")
        large = np.flatnonzero(np.bincount(flat) >= definition.LEAST)
        for number, name in enumerate(large, start=1):
            labels[ids[flat == name]] = number
        return labels

    rows = histories_of(losses, np.arange(len(losses))).losses
    whole, halves = clusters(rows), [clusters(rows[half::2]) for half in (0, 1)]
    labels = np.zeros_like(whole)
    for number in range(1, whole.max() + 1):
        inside = whole == number
        again = [
            max(
                (
                    np.sum(inside & (half == n)) / np.sum(inside | (half == n))
                    for n in range(1, half.max() + 1)
                ),
                default=0,
            )
            for half in halves
        ]
        if min(again) >= 0.5:
            labels[inside] = labels.max() + 1
    return labels


def told(count, of):
    low, high = binomtest(count, of).proportion_ci(method="exact")
    return f"{count} of {of} ({100 * low:.1f} to {100 * high:.1f} %)"


def score(runs, name, find):
    print(f"{name}:")
    for world in WORLDS:
        indexes = []
        for seed in range(FIRST_SEED, FIRST_SEED + runs):
            losses, truth = planted(seed, world)
            indexes.append(adjusted_rand(truth, find(losses)))
        quantiles = ", ".join(f"{value:.2f}" for value in np.quantile(indexes, [0, 0.05, 0.5]))
        good = told(int(np.sum(np.array(indexes) >= 0.9)), runs)
        print(f"  {world:20} index >= .9 in {good}; least, 5 %, median {quantiles}", flush=True)
    named = {}
    for seed in range(FIRST_SEED, FIRST_SEED + 2 * runs):
        losses, rho = noise(seed)
        named.setdefault(rho, []).append(int(find(losses).max() > 0))
    every = [one for several in named.values() for one in several]
    by_rho = ", ".join(f"rho {rho:g}: {sum(named[rho])} of {len(named[rho])}" for rho in sorted(named))
    print(f"  noise: none in {told(len(every) - sum(every), len(every))}; some with {by_rho}", flush=True)


def corpus(folder):
    """By setting: how many factors runs have, and groups that are a factor of their own, in how many runs."""
    for setting in sorted(path for path in folder.iterdir() if path.is_dir()):
        for kind in sorted({path.stem.rpartition("_")[0] for path in setting.glob("*_*.parquet")}):
            counts, own, inside_one, runs = [], {}, {}, 0
            for path in sorted(setting.glob(f"{kind}_[0-9]*.parquet")):
                run = rdm.read_run(path)
                labels = found(np.asarray(run.losses, float))
                counts.append(int(labels.max()))
                runs += 1
                for group, overlap, inside in beside(labels, run.samples["group"].astype(str).to_numpy()):
                    own[group] = own.get(group, 0) + (overlap >= OWN)
                    inside_one[group] = inside_one.get(group, 0) + (inside >= OWN)
            print(f"  {setting.name}, {kind}: {runs} runs, {np.min(counts)} to {np.max(counts)} factors")
            for group in own:
                if own[group] or inside_one[group]:
                    print(
                        f"    {group}: a factor of its own in {told(own[group], runs)}, "
                        f"{100 * OWN:.0f} % of it in one factor in {inside_one[group]}",
                        flush=True,
                    )


def beside(labels, groups):
    """Each group, its largest overlap with a factor, and the largest share of it that is in one."""
    for group in dict.fromkeys(groups):
        inside = groups == group
        factors = [labels == number for number in range(1, labels.max() + 1)]
        overlaps = [np.sum(inside & factor) / np.sum(inside | factor) for factor in factors]
        shares = [np.sum(inside & factor) / np.sum(inside) for factor in factors]
        yield group, max(overlaps, default=0.0), max(shares, default=0.0)


def seconds():
    for rows, samples in ((1000, 1024), (1000, 4096), (335, 100_000)):
        walks = np.random.default_rng(0).standard_normal((rows, samples)).cumsum(axis=0)
        history = histories_of(walks, np.arange(rows))
        ran = []
        for _ in range(3):
            begin = time.perf_counter()
            factors = find_factors(history)
            factor_courses_table(factors)
            between = time.perf_counter()
            mode_tracks_table(history, factors, window=64, count=3)
            ran.append((between - begin, time.perf_counter() - between))
        best = np.min(ran, axis=0)
        print(f"  {rows:,} x {samples:,}: factors {best[0]:.2f} s, tracks {best[1]:.2f} s", flush=True)


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"numpy {np.__version__}, seeds from {FIRST_SEED:,} on")
    score(runs, "factors", found)
    score(runs, "as started from", as_started_from)
    print("seconds, one thread, the best of 3:")
    seconds()
    if len(sys.argv) > 2:
        print("corpus:")
        corpus(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
