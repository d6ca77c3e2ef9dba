"""How long does a window take, beside an SVD per window and beside the fewest flops that could do?

    python benchmarks/windows.py                        # n = 4096, W = 64 and n = 512, W = 20
    OPENBLAS_NUM_THREADS=1 python benchmarks/windows.py # one core

All contenders take turns in one run, and each figure is a median over rounds. Absolute times belong to the
machine; only their ratios mean anything.

- rdmtools: every trailing window's SHC, PR, total variance, drift share, autocorrelation and mean baselines,
  from float32 losses in memory.
- svd: the singular values of each centred float64 window (SHC and PR alone), on a sample of windows.
- cov + eigvalsh: numpy.cov and the eigenvalues of the n x n matrix, where n is small enough to wait for.
- limit: W products of two rows, 2 n W flops a window, at the speed of one large matrix product here.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from rdmtools.analysis.gram import row_geometry
from rdmtools.analysis.observables import observables


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ours(losses: np.ndarray, window: int, detrend: str) -> None:
    geometry = row_geometry([losses], rows=len(losses), lags=window)
    observables(
        geometry,
        np.arange(len(losses)),
        window=window,
        detrend=detrend,
        rows=lambda start, stop: losses[start:stop],
    )


def svd_per_window(losses: np.ndarray, window: int, count: int) -> None:
    for start in range(count):
        block = losses[start : start + window].astype(np.float64)
        eigenvalues = np.linalg.svd(block - block.mean(axis=0), compute_uv=False) ** 2 / (window - 1)
        _ = np.sum(eigenvalues**2), np.sum(eigenvalues)


def covariance_per_window(losses: np.ndarray, window: int, count: int) -> None:
    for start in range(count):
        np.linalg.eigvalsh(np.cov(losses[start : start + window], rowvar=False))


def limit(samples: int, window: int) -> float:
    side = 2048
    matrix = np.random.default_rng(0).standard_normal((side, side))
    flops_per_second = 2 * side**3 / min(seconds(lambda: matrix @ matrix) for _ in range(3))
    return 2 * samples * window / flops_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print("microseconds a window, median of", rounds, "rounds (least to most)")
    for samples, window, rows in ((4096, 64, 4096), (512, 20, 20_000)):
        rng = np.random.default_rng(0)
        losses = rng.standard_normal((rows, samples)).astype(np.float32)
        windows = rows - window + 1
        contenders: dict[str, tuple[Callable[[], object], int]] = {
            "rdmtools": (lambda: ours(losses, window, "constant"), windows),  # noqa: B023
            "rdmtools, linear": (lambda: ours(losses, window, "linear"), windows),  # noqa: B023
            "svd": (lambda: svd_per_window(losses, window, 20), 20),  # noqa: B023
        }
        if samples <= 512:
            contenders["cov + eigvalsh"] = (lambda: covariance_per_window(losses, window, 5), 5)  # noqa: B023
        times: dict[str, list[float]] = {name: [] for name in contenders}
        limits: list[float] = []
        for _ in range(rounds):
            for name, (work, count) in contenders.items():
                times[name].append(1e6 * seconds(work) / count)
            limits.append(1e6 * limit(samples, window))
        base = statistics.median(times["rdmtools"])
        print(f"\nn = {samples}, W = {window}, {rows} rows of float32")
        for name, taken in [*times.items(), ("limit", limits)]:
            middle = statistics.median(taken)
            print(
                f"  {name:18}{middle:10.1f}  ({min(taken):.1f} to {max(taken):.1f})"
                f"{middle / base:10.2f} times rdmtools"
            )


if __name__ == "__main__":
    main()
