"""Can the order of SHC and PR tell a bottleneck from a plateau, and both from neither? Three rules on worlds.

    python benchmarks/answers_order.py             # 20 odd seeds of each world
    python benchmarks/answers_order.py noise       # the same worlds with noise four times as large
    python benchmarks/answers_order.py spread      # the same worlds with samples and modes further apart

- bottleneck: one direction is learned, and half a window to a window later four to seven others (SHC first).
- plateau: four to seven directions begin to fluctuate, then one is learned (PR first).
- neither: one direction; several at one time; of several sizes; fluctuation that begins and stays; samples
  that are learned at times of their own; a long ramp along one direction.

Rules: `lag`, the sign of the lag in the table of order where its interval leaves out 0. `rise`, whether PR's
largest rise, a tenth of a decade at least, from a window before the floor to two after the peak, is half
done before SHC's. `directions`: the participation ratio of eigenvalues above the noise at the floor, at the
alarm and at the peak, and how much of what follows lies outside the directions of the alarm; its thresholds
were chosen on other seeds.
"""

import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

import rdmtools as rdm
from rdmtools.analysis.modes import window_modes

SAMPLES, ROWS, WINDOW = 64, 320, 20
SHC, PR, UNRESOLVED = "SHC first", "PR first", "unresolved"
WORLDS = {
    "bottleneck": SHC,
    "plateau": PR,
    "one": UNRESOLVED,
    "at once": UNRESOLVED,
    "of several sizes": UNRESOLVED,
    "fluctuation": UNRESOLVED,
    "one by one": UNRESOLVED,
    "ramp": UNRESOLVED,
}


def sigmoid(middle: float | np.ndarray, width: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.arange(ROWS)[:, None] - middle) / width))


def wander(rng: np.random.Generator, count: int) -> np.ndarray:
    series = rng.standard_normal((ROWS, count))
    for row in range(1, ROWS):
        series[row] = 0.8 * series[row - 1] + 0.6 * series[row]
    return series


def world(kind: str, seed: int, noise: float, spread: float) -> rdm.Run:
    rng = np.random.default_rng([seed, list(WORLDS).index(kind)])
    others = int(rng.integers(4, 8))
    patterns = np.sqrt(SAMPLES) * np.linalg.qr(rng.standard_normal((SAMPLES, others + 1)))[0].T
    middle, width, size = rng.uniform(120, 180), rng.uniform(2, 5), rng.uniform(0.3, 1.0)
    losses = 3 + noise * rng.standard_normal((ROWS, SAMPLES))

    def learned(pattern: np.ndarray, at: float, how_much: float, how_fast: float) -> np.ndarray:
        return -how_much * sigmoid(at, how_fast) * pattern

    if kind == "bottleneck":
        losses += learned(patterns[0], middle, size, width)
        later = middle + rng.uniform(0.5, 1.0) * WINDOW
        for pattern in patterns[1:]:
            losses += learned(
                pattern, later + rng.uniform(0, 0.7) * WINDOW, size * rng.uniform(0.8, 1.3), width
            )
    elif kind == "plateau":
        losses += 0.3 * size * (sigmoid(middle, 4) * wander(rng, others)) @ patterns[1:]
        losses += learned(patterns[0], middle + rng.uniform(1, 2) * WINDOW, 3 * size, width)
    elif kind == "one":
        losses += learned(patterns[0], middle, size, width)
    elif kind == "at once":
        for pattern in patterns:
            at = middle + 3 * spread * rng.uniform(-1, 1)
            losses += learned(pattern, at, size * rng.uniform(0.7, 1.3), rng.uniform(2, 5))
    elif kind == "of several sizes":
        for place, pattern in enumerate(patterns):
            losses += learned(pattern, middle, size * 0.5**place, rng.uniform(2, 5))
    elif kind == "fluctuation":
        losses += 0.5 * size * (sigmoid(middle, 3) * wander(rng, others)) @ patterns[1:]
    elif kind == "one by one":
        losses -= 2 * size * sigmoid(middle + 4 * spread * rng.standard_normal(SAMPLES), width)
    else:
        losses -= size * np.clip((np.arange(ROWS)[:, None] - middle) / 60, 0, 1) * patterns[0]
    return rdm.Run.from_arrays(np.arange(ROWS), losses)


def lag(analysis: rdm.Analysis) -> str:
    row = analysis.order.iloc[0]
    if not np.isfinite(row["lag_low"]) or row["lag_low"] <= 0 <= row["lag_high"]:
        return UNRESOLVED
    return SHC if row["lag_low"] > 0 else PR


def rise(analysis: rdm.Analysis) -> str:
    event, table = analysis.events.iloc[0], analysis.observables.set_index("step")
    floor, peak = event["floor_step"], event["shc_peak_step"]
    pr, shc = (
        np.log10(table["pr"].loc[floor - WINDOW : peak + 2 * WINDOW]),
        np.log10(table["shc"].loc[floor:peak]),
    )
    up = pr - pr.cummin()
    top = up.idxmax()
    bottom = pr.loc[:top].idxmin()
    if up.max() < 0.1:
        return UNRESOLVED
    half = [
        part.index[int((part >= (part.iloc[0] + part.iloc[-1]) / 2).to_numpy().argmax())]
        for part in (pr.loc[bottom:top], shc)
    ]
    return PR if half[0] < half[1] else SHC


def directions(analysis: rdm.Analysis) -> str:
    run, event = analysis.run, analysis.events.iloc[0]
    floor, alarm, peak = event["floor_step"], event["alarm_step"], event["shc_peak_step"]
    end = ROWS - 1 if pd.isna(event["end_step"]) else int(event["end_step"])

    def eigenvalues(last: int) -> np.ndarray:
        return window_modes(run.rows(last - WINDOW + 1, last + 1), count=1).eigenvalues

    quiet = eigenvalues(floor)
    ratios: list[float] = []
    for last in range(alarm, end + 1):
        over = eigenvalues(last)
        over = over[over > 1.5 * quiet[0]] - np.median(quiet)
        ratios.append(over.sum() ** 2 / (over**2).sum() if len(over) else np.nan)
    found = np.array(ratios)
    early, bump = np.nanmedian(found[: WINDOW // 2]), np.nanmax(found) - np.nanmin(found[:3])
    shc = np.log10(analysis.observables.set_index("step")["shc"])
    climb = shc[peak] - shc.loc[alarm + WINDOW // 2 - 3 : alarm + WINDOW // 2 + 3].median()
    many = max(round(float(np.nanmedian(found[:5]))), 1)
    first = window_modes(run.rows(alarm + 3 - WINDOW, alarm + 3), count=many).loadings
    later = run.rows(alarm + 2, end + 1) - run.rows(alarm + 2, end + 1).mean(axis=0)
    new = 1 - ((later @ first.T) ** 2).sum() / (later**2).sum()
    if early <= 1.01 and bump >= 0.1 and new >= 0.8:
        return SHC
    if early >= 1.25 and found[peak - alarm] <= 0.9 * early and climb >= 1.6 and new >= 0.85:
        return PR
    return UNRESOLVED


RULES: dict[str, Callable[[rdm.Analysis], str]] = {"lag": lag, "rise": rise, "directions": directions}


def main() -> None:
    noise = 0.2 if "noise" in sys.argv else 0.05
    spread = 2.0 if "spread" in sys.argv else 1.0
    for kind, truth in WORLDS.items():
        told = {name: Counter[str]() for name in RULES}
        for seed in range(1, 41, 2):
            analysis = rdm.analyze(world(kind, seed, noise, spread), window=WINDOW)
            for name, rule in RULES.items():
                told[name][rule(analysis) if len(analysis.events) else "no event"] += 1
        print(f"{kind} ({truth})")
        for name, counts in told.items():
            print(f"    {name:<12}" + ", ".join(f"{count} {said}" for said, count in counts.most_common()))


if __name__ == "__main__":
    main()
