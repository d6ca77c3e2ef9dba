"""What do the sums over windows cost: beside one large product, and a line taken out beside a mean taken out?

    python benchmarks/engine.py [rounds]

One thread, float32 losses in memory, everything in turns in one run; CPU seconds, so that a busy machine
shows less. Two tables:

- every window beside a dgemm of as many flops, as `windows.py` has it; of noise.
- every window with detrend="linear" beside the same with "constant"; of noise, and of smooth runs: falling
  exponentials with 0.3 % noise, of whose windows a line leaves next to nothing. Beside it the worst relative
  difference of what that gives from the same windows' rows without their lines, in float64 of their own.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import process_time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
from turns import Contenders, Figure, beside, take_turns
from windows import DGEMM, EVERY, LINEAR, every_window, noise, products

import rdmtools as rdm
from rdmtools.analysis.moments import residual
from rdmtools.analysis.settings import AnalysisSettings

# Rows, samples, window; at most so many times a product's time; at most so many times as long for a line.
SIZES = (
    (4000, 512, 20, 5.0, 1.3),
    (4000, 4096, 64, 2.7, 1.3),
    (5000, 256, 200, None, 2.5),
    (4000, 64, 20, 15.0, 1.6),
)
CHECKED = 40


def smooth(rows: int, samples: int) -> rdm.Run:
    """Exponential descents, of a rate and a height for all and a share for each, with 0.3 % noise."""
    rng = np.random.default_rng(0)
    scatter = rng.standard_normal((rows, samples), dtype=np.float32)
    descent = np.exp(-np.linspace(0, 3, rows))[:, None] * rng.uniform(0.5, 1.5, samples)
    return rdm.Run.from_arrays(np.arange(rows), (2 * descent + 0.003 * scatter).astype(np.float32))


def worst_error(run: rdm.Run, settings: AnalysisSettings) -> float:
    """Of some windows' SHC, PR and total variance, relative to those of their rows without their lines."""
    [window] = settings.windows
    found = every_window(run, settings).observables[0]
    samples, worst = run.losses.shape[1], 0.0
    ends = np.linspace(window, len(run.losses), CHECKED).astype(int)
    for stop in ends.tolist():
        field = residual(run.losses[stop - window : stop].astype(np.float64), degree=1)
        gram = field @ field.T / (window - 2)
        total, square = np.trace(gram), np.sum(gram * gram)
        exact = {
            "total_variance": total,
            "pr": total**2 / square,
            "shc": (square - total**2 / samples) / samples,
        }
        errors = [abs(found[name][stop - window] / value - 1) for name, value in exact.items()]
        worst = max(worst, *errors)
    return worst


def figures(rounds: int = 7) -> Iterator[Figure]:
    """Print errors, and yield what the times come to: first beside a product, then lines beside means."""
    lines: list[Figure] = []
    for rows, samples, window, most, most_linear in SIZES:
        size = f"{rows:,} rows, n = {samples:,}, W = {window}"
        constant = AnalysisSettings(windows=(window,))
        linear = AnalysisSettings(windows=(window,), detrend="linear")
        for kind, make in (("noise", noise), ("smooth", smooth)):
            run = make(rows, samples)
            contenders: Contenders = {
                EVERY: (lambda run=run, how=constant: every_window(run, how), 1.0),
                LINEAR: (lambda run=run, how=linear: every_window(run, how), 1.0),
            }
            if make is noise:
                contenders[DGEMM] = products(2.0 * samples * window * rows, samples, window)[DGEMM]
            taken = take_turns(contenders, rounds, clock=process_time)
            if make is noise:
                yield beside(taken, EVERY, DGEMM, size=size, most=most)
            lines.append(beside(taken, LINEAR, EVERY, size=f"{size}, {kind}", most=most_linear))
            print(f"  {size}, {kind}: worst relative error about lines {worst_error(run, linear):.1e}")
    yield from lines


def main(rounds: int = 7) -> None:
    for figure in [*figures(rounds)]:
        print(f"{figure.size:38}{figure}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
