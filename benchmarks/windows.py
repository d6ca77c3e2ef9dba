"""How long does every window take, beside the fewest flops that could do, and beside an SVD of each?

    python benchmarks/windows.py [rounds]

One thread, float32 losses in memory; all contenders of a size take turns in one run. Last, in the same run,
the errors on 50-digit references: whoever is fast must also be right.

- every window: all observables of every trailing window (SHC, PR, total variance, drift share,
  autocorrelation, mean baselines) and the map of SHC, as arrays. `analyze` makes tables of them and looks for
  events.
- dgemm: the time of the 2 n W flops a row that products of each row with W others take, at the speed of one
  2048 x 2048 x 2048 product of float64; and, for interest, at the speed of products of (W, n) with (n, W).
- SVD: the singular values of each centred float64 window, which give SHC and PR alone; of a few windows,
  multiplied.
- Gram: X X' of each centred float64 window, and from it SHC and PR alone, without any eigenvalue: 2 n W**2
  flops a window. Of a few windows, multiplied.
- cov + eigvalsh: numpy.cov and all eigenvalues of the n x n matrix, likewise of a few windows.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
from accuracy import CASES, worst_errors
from turns import Contenders, Figure, Seconds, beside, print_times, take_turns

import rdmtools as rdm
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.spans import SpanValues, joined, span_values, spans

SIDE = 2048
DGEMM, SGEMM = "dgemm of as many flops", "sgemm of as many flops"
SAME_SHAPE = "dgemm of as many flops, in products of (W, n) by (n, W)"
SVD, GRAM, COV = "SVD per window", "Gram matrix per window", "cov + eigvalsh per window"
EVERY, ANALYZE = "every window", "analyze"
LINEAR, SINGLE = "every window, detrend='linear'", "every window, precision='single'"
HARDEST = ("large_offset_small_fluctuation", "quiet_after_a_jump")


def noise(rows: int, samples: int) -> rdm.Run:
    losses = np.random.default_rng(0).standard_normal((rows, samples), dtype=np.float32)
    return rdm.Run.from_arrays(np.arange(rows), losses)


def every_window(run: rdm.Run, settings: AnalysisSettings) -> SpanValues:
    """What `analyze` computes before it makes tables."""
    return joined([span_values(span) for span in spans(run.stored, run.steps, settings, apart=False)])


def svd_of(losses: np.ndarray, starts: range, window: int) -> np.ndarray:
    """SHC of some windows, by the singular values of each."""
    samples = losses.shape[1]
    found: list[float] = []
    for start in starts:
        block = losses[start : start + window].astype(np.float64)
        values = np.linalg.svd(block - block.mean(axis=0), compute_uv=False) ** 2 / (window - 1)
        found.append(np.sum(values**2) / samples - (np.sum(values) / samples) ** 2)
    return np.array(found)


def gram_of(losses: np.ndarray, starts: range, window: int) -> np.ndarray:
    """SHC of some windows, by the inner products of each one's rows."""
    samples = losses.shape[1]
    found: list[float] = []
    for start in starts:
        block = losses[start : start + window].astype(np.float64)
        block -= block.mean(axis=0)
        gram = block @ block.T / (window - 1)
        found.append(np.sum(gram * gram) / samples - (np.trace(gram) / samples) ** 2)
    return np.array(found)


def covariance_of(losses: np.ndarray, starts: range, window: int) -> np.ndarray:
    """SHC of some windows, by the eigenvalues of the covariance matrix."""
    parts = (losses[start : start + window].astype(np.float64) for start in starts)
    return np.array([np.var(np.linalg.eigvalsh(np.cov(part, rowvar=False))) for part in parts])


def products(flops: float, samples: int, window: int) -> Contenders:
    """As many flops as one large product, and as products of the windows' own shape."""
    rng = np.random.default_rng(0)
    square, other = rng.standard_normal((2, SIDE, SIDE))
    single = square.astype(np.float32), other.astype(np.float32)
    wide, tall = rng.standard_normal((window, samples)), rng.standard_normal((samples, window))
    times = 2 * SIDE**3 // (2 * samples * window**2)

    def same_shape() -> None:
        for _ in range(times):
            np.matmul(wide, tall)

    return {
        DGEMM: (lambda: square @ other, flops / (2 * SIDE**3)),
        SGEMM: (lambda: single[0] @ single[1], flops / (2 * SIDE**3)),
        SAME_SHAPE: (same_shape, flops / (2 * samples * window**2 * times)),
    }


def agrees(run: rdm.Run, window: int, starts: range, other: Callable[..., np.ndarray]) -> None:
    """What is timed is the same thing."""
    found = every_window(run, AnalysisSettings(windows=(window,))).observables[0]["shc"][starts]
    np.testing.assert_allclose(found, other(run.losses, starts, window), rtol=1e-9)


def large(rounds: int, rows: int = 4000, samples: int = 4096, window: int = 64) -> tuple[str, Seconds]:
    run = noise(rows, samples)
    plain = AnalysisSettings(windows=(window,))
    linear = AnalysisSettings(windows=(window,), detrend="linear")
    single = AnalysisSettings(windows=(window,), precision="single")
    windows = rows - window + 1
    starts = range(0, windows, windows // 10)
    agrees(run, window, starts, svd_of)
    agrees(run, window, starts, gram_of)
    taken = take_turns(
        {
            EVERY: (lambda: every_window(run, plain), 1.0),
            ANALYZE: (lambda: rdm.analyze(run, plain), 1.0),
            LINEAR: (lambda: every_window(run, linear), 1.0),
            SINGLE: (lambda: every_window(run, single), 1.0),
            **products(2.0 * samples * window * rows, samples, window),
            GRAM: (lambda: gram_of(run.losses, starts, window), windows / len(starts)),
            SVD: (lambda: svd_of(run.losses, starts, window), windows / len(starts)),
        },
        rounds,
    )
    return f"{rows:,} rows, n = {samples:,}, W = {window}", taken


def middling(rounds: int, rows: int = 20_000, samples: int = 512, window: int = 20) -> tuple[str, Seconds]:
    run = noise(rows, samples)
    settings = AnalysisSettings(windows=(window,))
    windows = rows - window + 1
    starts, few = range(0, windows, windows // 50), range(0, windows, windows // 3)
    agrees(run, window, starts, svd_of)
    agrees(run, window, starts, gram_of)
    agrees(run, window, few, covariance_of)
    taken = take_turns(
        {
            EVERY: (lambda: every_window(run, settings), 1.0),
            DGEMM: products(2.0 * samples * window * rows, samples, window)[DGEMM],
            GRAM: (lambda: gram_of(run.losses, starts, window), windows / len(starts)),
            SVD: (lambda: svd_of(run.losses, starts, window), windows / len(starts)),
            COV: (lambda: covariance_of(run.losses, few, window), windows / len(few)),
        },
        rounds,
    )
    return f"{rows:,} rows, n = {samples:,}, W = {window}", taken


def small(rounds: int, rows: int = 40_000, samples: int = 128, window: int = 20) -> tuple[str, Seconds, int]:
    run = noise(rows, samples)
    settings = AnalysisSettings(windows=(window,))
    windows = rows - window + 1
    starts = range(0, windows, windows // 200)
    agrees(run, window, starts, svd_of)
    agrees(run, window, starts, gram_of)
    taken = take_turns(
        {
            EVERY: (lambda: every_window(run, settings), 1.0),
            ANALYZE: (lambda: rdm.analyze(run, settings), 1.0),
            DGEMM: products(2.0 * samples * window * rows, samples, window)[DGEMM],
            GRAM: (lambda: gram_of(run.losses, starts, window), windows / len(starts)),
            SVD: (lambda: svd_of(run.losses, starts, window), windows / len(starts)),
        },
        rounds,
    )
    return f"{rows:,} rows, n = {samples:,}, W = {window}", taken, windows


def figures(rounds: int = 7) -> Iterator[Figure]:
    """Print the times, and yield what they come to."""
    size, taken = large(rounds)
    print_times(taken, size)
    yield beside(taken, EVERY, DGEMM, size=size, most=3.5)
    yield beside(taken, EVERY, SAME_SHAPE, size=size)
    yield beside(taken, EVERY, GRAM, size=size)
    yield beside(taken, EVERY, SVD, size=size, most=1 / 150)
    yield beside(taken, ANALYZE, DGEMM, size=size)
    yield beside(taken, SINGLE, DGEMM, size=size)
    yield beside(taken, SINGLE, SGEMM, size=size)
    yield beside(taken, SINGLE, EVERY, size=size)
    yield beside(taken, LINEAR, EVERY, size=size)
    size, taken = middling(rounds)
    print_times(taken, size)
    for other, most in ((DGEMM, None), (GRAM, None), (SVD, None), (COV, 1 / 2500)):
        yield beside(taken, EVERY, other, size=size, most=most)
    size, taken, windows = small(rounds)
    print_times(taken, size)
    yield Figure(
        size=size,
        what=EVERY,
        beside="",
        values=[1e6 * seconds / windows for seconds in taken[EVERY]],
        unit="µs a window",
        most=1.0,
    )
    for other in (DGEMM, GRAM, SVD):
        yield beside(taken, EVERY, other, size=size)
    yield beside(taken, ANALYZE, EVERY, size=size)


def hardest() -> dict[str, dict[str, float]]:
    """Worst relative errors where digits are easiest lost, of observables and of eigenvalues."""
    found: dict[str, dict[str, float]] = {}
    for name in HARDEST:
        errors = worst_errors(case for case in CASES if case["name"] == name)
        kinds = {quantity: "eigenvalue" if "eigenvalue" in quantity else "observable" for quantity in errors}
        found[name] = {
            kind: max(error for quantity, (error, _) in errors.items() if kinds[quantity] == kind)
            for kind in ("observable", "eigenvalue")
        }
    return found


def main(rounds: int = 7) -> None:
    for figure in figures(rounds):
        print(figure)
    print("\nworst relative error on 50-digit references, either detrending:")
    for name, errors in hardest().items():
        print(f"  {name}: {', '.join(f'{error:.1e} of any {kind}' for kind, error in errors.items())}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
