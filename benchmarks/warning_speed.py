"""How long does a warning take: of one row while training goes on, and of a whole run afterwards?

    python benchmarks/warning_speed.py [samples] [window]

One thread. `update`: the signals of a new row, `LatestRows`, and the rule, `SelfNormalised`; the aim is 300
microseconds at 4,096 samples and windows of 20. `Watcher`: both, with all that `rdmtools.Watcher` checks and
knows besides. `whole`: the same of rows in memory, per row, beside all observables of every window.
"""

# pyright: basic

import os
import sys
from time import perf_counter

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np

import rdmtools as rdm
from rdmtools.alarms.self_normalised import SelfNormalised, watched
from rdmtools.alarms.thresholds import threshold
from rdmtools.analysis.latest_rows import LatestRows
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.spans import span_values, spans


def main(samples: int = 4096, window: int = 20, rows: int = 3000) -> None:
    losses = np.random.default_rng(0).standard_normal((rows, samples), dtype=np.float32)
    at = threshold(0.05, 80)
    latest, rule = LatestRows(window, samples), SelfNormalised(window, at)
    signals, rules = np.empty(rows), np.empty(rows)
    for row, row_losses in enumerate(losses):
        begin = perf_counter()
        values = latest.update(row_losses)
        middle = perf_counter()
        rule.update(values)
        signals[row], rules[row] = middle - begin, perf_counter() - middle
    for name, times in (("signals", signals), ("rule", rules), ("update", signals + rules)):
        median, late = np.quantile(times[10 * window :], [0.5, 0.99]) * 1e6
        print(f"{name:10} {median:7.0f} us a row (99 %: {late:.0f})")
    watcher, times = rdm.Watcher(window), np.empty(rows)
    for row, row_losses in enumerate(losses):
        begin = perf_counter()
        watcher.update(row, row_losses)
        times[row] = perf_counter() - begin
    median, late = np.quantile(times[10 * window :], [0.5, 0.99]) * 1e6
    print(f"Watcher    {median:7.0f} us an update (99 %: {late:.0f})")
    begin = perf_counter()
    u = log_energies_of(losses, window)
    middle = perf_counter()
    watched(u, window=window, threshold=at)
    end = perf_counter()
    run = rdm.Run.from_arrays(np.arange(rows), losses)
    settings = AnalysisSettings(windows=(window,))
    every = [span_values(span) for span in spans(run.stored, run.steps, settings, apart=False)]
    beside = perf_counter() - end
    assert every
    for name, seconds in (("signals", middle - begin), ("rule", end - middle), ("observables", beside)):
        print(f"whole: {name:12} {seconds / rows * 1e6:7.1f} us a row")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
