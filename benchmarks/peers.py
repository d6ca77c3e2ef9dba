"""How long do others take who compute something of it? Each on the same data, at a size that it can bear.

    pip install ewstools deeptime      # optional, as each is; "not installed" is said of what is absent
    python benchmarks/peers.py [rounds]

One thread, float32 losses in memory. Ours is all observables of every window; of the others, what each
computes:

- pandas, `DataFrame.rolling(W).cov()`: the (n, n) covariance matrix of every window, by running sums for each
  pair of samples, all of them in memory at once: rows x n x n. SHC then takes their eigenvalues.
- numpy.cov: the covariance matrix of one window, of which few are timed and multiplied.
- deeptime, `Covariance(remove_data_mean=True)`: the covariance matrix of the rows it was fitted to. It takes
  rows in (`partial_fit`) but none out, so each window is a new fit; few are timed and multiplied.
- ewstools, `TimeSeries.compute_var` and `compute_auto`: variance and lag-1 autocorrelation of one series, so
  it gets the mean loss, which is made for it outside the clock. It says nothing of samples or covariance.

Every peer's values are compared with ours before it is timed, where both compute the same thing; the lag-1
autocorrelation of the mean is not ours, which is that of the whole loss field.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
import pandas as pd
from turns import Contenders, Figure, beside, print_times, take_turns
from windows import EVERY, every_window, noise

import rdmtools as rdm
from rdmtools.analysis.settings import AnalysisSettings

OPTIONAL = ("ewstools", "deeptime")
Matrices = Iterable[np.ndarray]


def peer_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"not installed (pip install {name})"


def rolling_matrices(losses: np.ndarray, starts: range, window: int) -> np.ndarray:
    """pandas': all windows at once, whatever `starts`."""
    table = pd.DataFrame(losses.astype(np.float64)).rolling(window).cov()
    return table.to_numpy().reshape(len(losses), losses.shape[1], -1)[window - 1 :]


def numpy_matrices(losses: np.ndarray, starts: range, window: int) -> Iterator[np.ndarray]:
    for start in starts:
        yield np.cov(losses[start : start + window].astype(np.float64), rowvar=False)


def deeptime_matrices(losses: np.ndarray, starts: range, window: int) -> Iterator[np.ndarray]:
    from deeptime.covariance import Covariance

    for start in starts:
        fitted = Covariance(remove_data_mean=True).fit(losses[start : start + window].astype(np.float64))
        yield np.asarray(fitted.fetch_model().cov_00)


def each(matrices: Matrices) -> None:
    for _ in matrices:
        pass


def heat_capacity(matrices: Matrices) -> np.ndarray:
    """SHC of each, by its eigenvalues."""
    return np.array([np.var(np.linalg.eigvalsh(matrix)) for matrix in matrices])


def covariances(rounds: int, rows: int, samples: int, window: int, pandas: bool) -> Iterator[Figure]:
    """Those that make covariance matrices; pandas where asked, for it makes all of them."""
    run = noise(rows, samples)
    settings = AnalysisSettings(windows=(window,))
    windows = rows - window + 1
    starts = range(0, windows, windows // 8)
    scale = windows / len(starts)
    shc = every_window(run, settings).observables[0]["shc"]
    contenders: Contenders = {EVERY: (lambda: every_window(run, settings), 1.0)}
    makers: dict[str, Callable[..., Matrices]] = {"numpy.cov": numpy_matrices}
    if find_spec("deeptime"):
        makers["deeptime Covariance"] = deeptime_matrices

    for name, make in makers.items():
        np.testing.assert_allclose(shc[starts], heat_capacity(make(run.losses, starts, window)), rtol=1e-6)

        def alone(make: Callable[..., Matrices] = make) -> None:
            each(make(run.losses, starts, window))

        def solved(make: Callable[..., Matrices] = make) -> None:
            heat_capacity(make(run.losses, starts, window))

        contenders[f"{name} per window"] = alone, scale
        contenders[f"{name} per window, + eigvalsh"] = solved, scale
    if pandas:
        every = range(windows)
        found = heat_capacity(rolling_matrices(run.losses, every, window))
        np.testing.assert_allclose(shc, found, rtol=1e-6)
        contenders["pandas rolling.cov"] = lambda: rolling_matrices(run.losses, every, window), 1.0
        contenders["pandas rolling.cov, + eigvalsh"] = (
            lambda: heat_capacity(rolling_matrices(run.losses, every, window)),
            1.0,
        )
    size = f"{rows:,} rows, n = {samples:,}, W = {window}"
    taken = take_turns(contenders, rounds)
    print_times(taken, size)
    for name in taken:
        if name != EVERY:
            yield beside(taken, EVERY, name, size=size)


def mean_loss(rounds: int, rows: int = 4000, samples: int = 4096, window: int = 64) -> Iterator[Figure]:
    """ewstools on the mean loss, beside everything of all samples."""
    with warnings.catch_warnings(action="ignore"):  # what its own dependencies are warned of
        import ewstools
    run = noise(rows, samples)
    settings = AnalysisSettings(windows=(window,))
    series = pd.Series(run.losses.mean(axis=1, dtype=np.float64))
    ours = rdm.analyze(run, settings).observables

    def variance() -> pd.DataFrame:
        each = ewstools.TimeSeries(series)
        each.compute_var(rolling_window=window)
        return each.ews

    def both() -> pd.DataFrame:
        each = ewstools.TimeSeries(series)
        each.compute_var(rolling_window=window)
        each.compute_auto(rolling_window=window, lag=1)
        return each.ews

    np.testing.assert_allclose(
        both()["variance"].to_numpy()[window - 1 :], ours["mean_loss_variance"], rtol=1e-6
    )
    size = f"{rows:,} rows, n = {samples:,} (their mean for ewstools), W = {window}"
    taken = take_turns(
        {
            EVERY: (lambda: every_window(run, settings), 1.0),
            "ewstools, variance of the mean": (variance, 1.0),
            "ewstools, variance and autocorrelation of the mean": (both, 1.0),
        },
        rounds,
    )
    print_times(taken, size)
    for name in taken:
        if name != EVERY:
            yield beside(taken, EVERY, name, size=size)


def figures(rounds: int = 5) -> Iterator[Figure]:
    """Print the times, and yield what they come to."""
    yield from covariances(rounds, 1000, 64, 20, pandas=True)
    yield from covariances(rounds, 4000, 512, 20, pandas=False)
    if find_spec("ewstools"):
        yield from mean_loss(rounds)


def main(rounds: int = 5) -> None:
    for name in ("numpy", "pandas", *OPTIONAL):
        print(f"{name} {peer_version(name)}")
    for figure in figures(rounds):
        print(figure)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
