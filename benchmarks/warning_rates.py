"""Is a stated false-alarm rate kept? Thresholds from runs in which nothing happens, judged on others.

    python benchmarks/warning_rates.py make FOLDER --runs 200 --windows 80 --window 20   # --world AR --jobs 2
    python benchmarks/warning_rates.py fit FOLDER
    python benchmarks/warning_rates.py judge FOLDER [--rate 0.05]
    python benchmarks/warning_rates.py long                  # 20,000 rows of AR(1) .9, per 80 windows

`make` appends to a table in FOLDER how high each statistic of each run comes within 20 windows, and within 80
where it was made that long, in sigma above the dead zone: over its cost that is the score, so that other
costs need no other runs. Both parts, "fit" and "judge", share no seed; what is there already is not made
again. `fit` prints the least thresholds that keep a rate in every promised world, and who asks for most;
`judge` what is realised on the other part with the thresholds of `rdmtools.alarms.thresholds`, with exact
95 % intervals, corrected over the worlds. A cell is a world at one window.

Of the baselines, each a rule of its own with the thresholds of the rule, `fit` prints the least costs that
keep them, and `judge` their worst cells.
"""

# pyright: basic

import argparse
import os
import zlib
from multiprocessing import Pool
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
import pandas as pd
from null_worlds import PROMISED, WORLDS, autoregression
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import beta

from rdmtools.alarms.one_signal import DEAD_ZONE, Signal
from rdmtools.alarms.scatter import Scatter
from rdmtools.alarms.self_normalised import BASELINES, SIGNALS, watched
from rdmtools.alarms.thresholds import THRESHOLDS, threshold
from rdmtools.analysis.gram import row_geometry, tile_rows
from rdmtools.analysis.log_energies import log_energies
from rdmtools.analysis.moments import moments
from rdmtools.analysis.windows import Windows

SEEDS = {"fit": 10, "judge": 11}  # rules were chosen on 0 and 1
BATCH = 50
FEWEST = 200  # runs of a cell that takes part in a fit
WHERE = ("part", "world", "window", "windows", "batch")
# Those of the rule, and others that it could have; "calm" is the mean of the lowest two thirds.
STATISTICS = {
    "shc": ("mean", "calm", "jump"),
    "mean_slope": ("mean", "ramp"),
    **{baseline.name: ("mean",) for baseline in BASELINES if baseline.name != "mean_slope"},
}
WATCHED = (*SIGNALS, *(baseline for baseline in BASELINES if baseline.name != "mean_slope"))
NAMES = [f"{signal} {name}" for signal, names in STATISTICS.items() for name in names]
COSTS = {
    f"{signal.name} {'calm' if name == 'mean' and signal.trimmed == 3 else name}": cost
    for signal in SIGNALS
    for name, cost in signal.costs.items()
}
BASELINE_COSTS = {baseline.name: {f"{baseline.name} mean": baseline.costs["mean"]} for baseline in BASELINES}
COLUMNS = (*WHERE, "run", *(f"{name} {horizon}" for horizon in THRESHOLDS for name in NAMES))


def values_of_runs(losses: np.ndarray, window: int) -> dict[str, np.ndarray]:
    """u of each signal, (runs, rows), of runs laid end to end; windows that hold rows of two are left out."""
    runs, rows, samples = losses.shape
    half = window // 2
    together = losses.reshape(runs * rows, samples)
    geometry = row_geometry([together], rows=len(together), lags=half, tile=tile_rows(samples))
    places = Windows(length=half, first=0, count=len(together) - half + 1)
    of_windows = moments(geometry.distances, [places], rows=lambda start, stop: together[start:stop])
    u = log_energies(of_windows[0], geometry, places)
    whole = [slice(run * rows, (run + 1) * rows - half + 1) for run in range(runs)]
    return {name: np.array([values[one] for one in whole]) for name, values in u.items()}


def statistics(u: np.ndarray, signal: Signal, window: int) -> np.ndarray:
    """How far each statistic of many runs is above the dead zone, in sigma: (statistics, runs, rows).

    The rule while nothing fires, of all runs at once, which the rule itself does not need.
    """
    half, few, many = window // 2, window // 4, 3 * window // 2
    values = sliding_window_view(u, many, axis=1)
    mean = values.mean(axis=2)
    calm = np.sort(values, axis=2)[:, :, : -(-2 * many // 3)].mean(axis=2)
    line = sliding_window_view(u, half, axis=1)
    times = np.arange(half) - (half - 1) / 2
    slope = line @ times / (times @ times)
    about = line - line.mean(axis=2, keepdims=True) - slope[:, :, None] * times
    end = line.mean(axis=2) + slope * times[-1] - 2 * np.sqrt((about**2).sum(axis=2) / (half - 2))
    jump = sliding_window_view(u, few, axis=1).mean(axis=2)
    each = {"mean": mean, "calm": calm, "jump": jump[:, many - few :], "ramp": end[:, many - half :]}
    level = {name: np.minimum.accumulate(calm if name == "calm" else mean, axis=1) for name in each}
    second = np.abs(u[:, window : -2 * window] - 0.5 * (u[:, 2 * window : -window] + u[:, : -3 * window]))
    sigma = np.full(u.shape, signal.prior)
    for run, differences in enumerate(second.tolist()):
        scatter = Scatter(window, prior=signal.prior, prior_windows=signal.prior_windows)
        for row, difference in enumerate(differences, start=3 * window):
            scatter.add(difference)
            sigma[run, row] = scatter.sigma
    names = STATISTICS[signal.name]
    above = [(each[name] - level[name] - DEAD_ZONE) / sigma[:, many - 1 :] for name in names]
    return np.concatenate([np.full((len(above), len(u), many - 1), -np.inf), above], axis=2)


def assert_is_the_rule(u: dict[str, np.ndarray], apart: np.ndarray, window: int) -> None:
    """Of one run: the highest of the statistics over their costs is the score, and that of each baseline."""
    rules = [(SIGNALS, COSTS), *(((each,), BASELINE_COSTS[each.name]) for each in BASELINES)]
    for signals, costs in rules:
        score = watched(u, window=window, threshold=np.inf, signals=signals).score
        highest = np.max([apart[NAMES.index(name)] / cost for name, cost in costs.items()], axis=0)
        judged = ~np.isnan(score)
        assert np.array_equal(judged, highest > -np.inf)
        assert np.allclose(highest[judged], score[judged], atol=1e-9)


def made(job):
    """The scores of a batch of runs."""
    place, window, windows, part, batch = job
    world = WORLDS[place]
    name = f"{world.name} {window} {windows}"
    rng = np.random.default_rng([SEEDS[part], zlib.crc32(name.encode()), batch])
    rows = []
    few = max(min(BATCH, 20_000_000 // (windows * window * world.samples)), 1)
    for first in range(0, BATCH, few):
        losses = world.losses(rng, min(few, BATCH - first), windows * window, world.samples, window)
        u = values_of_runs(losses, window)
        stops = (20 * window - window // 2 + 1, u["shc"].shape[1] if windows == 80 else 0)
        apart = np.concatenate([statistics(u[signal.name], signal, window) for signal in WATCHED])
        assert_is_the_rule({name: values[0] for name, values in u.items()}, apart[:, 0], window)
        tops = [np.max(apart[:, :, :stop], axis=2, initial=0.0) for stop in stops]
        for run, highest in enumerate(np.concatenate(tops).T, start=first):
            rows.append((part, world.name, window, windows, batch, run, *highest))
    return rows


def make(folder: Path, runs: int, windows: int, window: int, chosen: str, jobs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"scores_{window}_{windows}.csv"
    if not path.exists():
        path.write_text(",".join(f'"{name}"' for name in COLUMNS) + "\n")
    there = set(pd.read_csv(path, usecols=list(WHERE)).itertuples(index=False, name=None))
    wanted = [
        (place, window, windows, part, batch)
        for batch in range(runs // BATCH)
        for place, world in enumerate(WORLDS)
        if chosen in world.name and batch < max(runs * world.share, 50) // BATCH
        for part in SEEDS
        if (part, world.name, window, windows, batch) not in there
    ]
    with Pool(jobs) as pool:
        for done, rows in enumerate(pool.imap(made, wanted), start=1):
            lines = pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(
                header=False, index=False, float_format="%.5f"
            )
            with path.open("a") as file:
                file.write(lines)
            print(f"\r{done} of {len(wanted)}", end="", flush=True)
    print()


def scores(
    folder: Path, part: str, horizon: int, costs: dict[str, float] = COSTS
) -> dict[tuple[str, int], np.ndarray]:
    """Of each cell: its runs' highest scores within the horizon, in descending order."""
    table = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("scores_*.csv"))])
    table = table[(table["part"] == part) & (table["windows"] == horizon)]
    above = [table[f"{name} {horizon}"] / cost for name, cost in costs.items()]
    table["score"] = np.max(above, axis=0)
    cells = table.groupby(["world", "window"], sort=False)["score"]
    return {cell: np.sort(of_cell.to_numpy())[::-1] for cell, of_cell in cells}


def promised(world: str) -> bool:
    return next(each.kind for each in WORLDS if each.name == world) == PROMISED


def upper(alarms: int, runs: int, tail: float) -> float:
    """Exact limit that the true rate exceeds with no more than that probability."""
    return 1.0 if alarms >= runs else float(beta.ppf(1 - tail, alarms + 1, runs - alarms))


def least_threshold(found: np.ndarray, rate: float, tail: float | None) -> float:
    """Just above the first run that may not alarm; with `tail`, the limit keeps the rate, or NaN."""
    allowed = int(rate * len(found) + 1e-9)
    while tail is not None and allowed >= 0 and upper(allowed, len(found), tail) > rate:
        allowed -= 1
    return float(np.nextafter(found[allowed], np.inf)) if allowed >= 0 else np.nan


def fit(folder: Path) -> None:
    for horizon in THRESHOLDS:
        every = scores(folder, "fit", horizon)
        cells = {cell: found for cell, found in every.items() if promised(cell[0]) and len(found) >= FEWEST}
        if not cells:
            continue
        print(
            f"\n{horizon} windows, {len(cells)} cells, {min(map(len, cells.values()))} runs or more in each"
        )
        for rate in (0.2, 0.05, 0.01):
            for name, tail in (("realised", None), ("limit", 0.05 / len(cells))):
                each = {cell: least_threshold(found, rate, tail) for cell, found in cells.items()}
                known = [cell for cell in each if not np.isnan(each[cell])]
                worst = sorted(known, key=each.__getitem__, reverse=True)[:5]
                told = ", ".join(f"{world} (W {window}) {each[world, window]:.3f}" for world, window in worst)
                print(f"  {rate:4.0%} {name:>8}, {len(known)} cells: {told}")


def fit_baselines(folder: Path) -> None:
    """The least cost of each, as the worst world, rate and horizon ask for it."""
    print("\ncosts of the baselines, and who asks for them")
    for baseline in BASELINES:
        asked = []
        for horizon, thresholds in THRESHOLDS.items():
            every = scores(folder, "fit", horizon, {f"{baseline.name} mean": 1.0})
            for cell, found in every.items():
                if not promised(cell[0]) or len(found) < FEWEST:
                    continue
                asked += [
                    (least_threshold(found, rate, None) / at, rate, horizon, *cell)
                    for rate, at in thresholds.items()
                ]
        for rate in THRESHOLDS[20]:
            cost, _, horizon, world, window = max(each for each in asked if each[1] == rate)
            print(
                f"  {baseline.name:20} {rate:4.0%} {cost:.3f}: {world} (W {window}), {horizon} windows"
                f"   given {baseline.costs['mean']:g}, prior {baseline.prior:g}"
            )


def judge_baselines(folder: Path, rate: float) -> None:
    for horizon in THRESHOLDS:
        at = threshold(rate, horizon)
        print(f"\n{horizon} windows, stated {rate:.0%}: the worst promised cells of the baselines")
        for name, costs in BASELINE_COSTS.items():
            cells = scores(folder, "judge", horizon, costs)
            rates = {cell: np.mean(found >= at) for cell, found in cells.items() if promised(cell[0])}
            worst = sorted(rates, key=rates.__getitem__, reverse=True)[:3]
            told = ", ".join(f"{cell[0]} (W {cell[1]}) {rates[cell]:.1%}" for cell in worst)
            print(f"  {name:20} {told}")


def judge(folder: Path, rate: float) -> None:
    for horizon in THRESHOLDS:
        cells = scores(folder, "judge", horizon)
        at = threshold(rate, horizon)
        print(f"\n{horizon} windows, stated {rate:.0%}, threshold {at:.3f}; intervals for {len(cells)} cells")
        for (world, window), found in sorted(cells.items(), key=lambda cell: -np.mean(cell[1] >= at)):
            alarms, runs, tail = int(np.sum(found >= at)), len(found), 0.025 / len(cells)
            low = 0.0 if not alarms else float(beta.ppf(tail, alarms, runs - alarms + 1))
            interval = f"{alarms / runs:7.2%} ({low:.2%} to {upper(alarms, runs, tail):.2%})"
            remark = "" if promised(world) else "   no rate promised"
            print(f"  {world:32} W {window:3} {interval:28} of {runs}{remark}")


def long(rows: int = 20_000, runs: int = 20, window: int = 20) -> None:
    losses = autoregression(np.random.default_rng(7), runs, rows, 64, (0.9,))
    u = values_of_runs(losses, window)
    for rate in (0.2, 0.05, 0.01):
        at = threshold(rate, 80)
        alarms = 0
        for run in range(runs):
            found = watched({name: values[run] for name, values in u.items()}, window=window, threshold=at)
            alarms += len(found.events)
        stretches = runs * rows / window / 80
        print(f"stated {rate:.0%} per 80 windows: {alarms} alarms in {stretches:.0f} times 80 windows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["make", "fit", "judge", "long"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("warning_rates"))
    parser.add_argument("--runs", type=int, default=200, help="of each part, world and window")
    parser.add_argument("--windows", type=int, choices=[20, 80], default=20, help="that a run is long")
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--world", default="", help="only worlds whose name holds this")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.05)
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, given.runs, given.windows, given.window, given.world, given.jobs)
    elif given.what == "fit":
        fit(given.folder)
        fit_baselines(given.folder)
    elif given.what == "judge":
        judge(given.folder, given.rate)
        judge_baselines(given.folder, given.rate)
    else:
        long()


if __name__ == "__main__":
    main()
