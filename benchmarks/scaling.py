"""How does the time grow with rows, samples and windows, and how does it shrink with workers?

    python benchmarks/scaling.py [rounds]

One thread a process; all contenders of a question take turns in one run.

- slopes: of log time over log size, a line through four sizes, each twice the one before. 1 is
  in proportion.
- several window lengths: from one pass, beside the longest alone.
- workers: `analyze` of a canonical Parquet file on a pool of two processes that are there already, beside a
  pool of one: the share of the time that is left, and beside it the share that two such processes leave of
  one's time for products of 2048 x 2048 x 2048. On a machine whose cores are busy neither is a half.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import numpy as np
from turns import Contenders, Figure, Seconds, beside, print_times, take_turns
from windows import EVERY, SIDE, every_window, noise

import rdmtools as rdm
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.format.write_table import write_losses

PRODUCTS = 5
WINDOW = 64


def several_lengths(rounds: int, rows: int = 4000, samples: int = 4096) -> Iterator[Figure]:
    run = noise(rows, samples)
    three, one = AnalysisSettings(windows=(16, 32, 64)), AnalysisSettings(windows=(64,))
    size = f"{rows:,} rows, n = {samples:,}"
    lengths, longest = f"{EVERY} of 16, 32 and 64 rows", "of 64 rows alone"
    taken = take_turns(
        {
            lengths: (lambda: every_window(run, three), 1.0),
            longest: (lambda: every_window(run, one), 1.0),
        },
        rounds,
    )
    print_times(taken, size)
    yield beside(taken, lengths, longest, size=size, most=1.3)


def growth(
    name: str, sizes: Sequence[int], run_of: Callable[[int], rdm.Run], window_of: Callable[[int], int]
) -> Contenders:
    """Every window at each of some sizes."""

    def work(size: int) -> Callable[[], object]:
        run, settings = run_of(size), AnalysisSettings(windows=(window_of(size),))
        return lambda: every_window(run, settings)

    return {f"{name} = {size:,}": (work(size), 1.0) for size in sizes}


def slopes(taken: Seconds, sizes: Sequence[int]) -> list[float]:
    """Of the line through the logarithms, in each round."""
    times = np.log(np.array(list(taken.values())))
    return [float(np.polyfit(np.log(sizes), each, 1)[0]) for each in times.T]


def slope_figures(rounds: int) -> Iterator[Figure]:
    wide = noise(4000, 4096)
    asked = (
        ("rows", (2000, 4000, 8000, 16_000), 1.05, "n = 1,024, W = 64"),
        ("samples", (512, 1024, 2048, 4096), 1.05, "4,000 rows, W = 64"),
        ("window", (16, 32, 64, 128), None, "4,000 rows, n = 4,096"),
    )
    runs: dict[str, Callable[[int], rdm.Run]] = {
        "rows": lambda rows: noise(rows, 1024),
        "samples": lambda samples: noise(4000, samples),
        "window": lambda _: wide,
    }
    for name, sizes, most, rest in asked:
        taken = take_turns(
            growth(name, sizes, runs[name], lambda size, name=name: size if name == "window" else WINDOW),
            rounds,
        )
        print_times(taken, f"{EVERY}, {rest}")
        values = slopes(taken, sizes)
        what = f"slope of log time over log {name}, {sizes[0]:,} to {sizes[-1]:,}"
        yield Figure(size=rest, what=what, beside="", values=values, unit="", most=most)


def multiply(_: int) -> None:
    one, other = np.random.default_rng(0).standard_normal((2, SIDE, SIDE))
    for _ in range(PRODUCTS):
        np.matmul(one, other)


def multiply_in(executor: Executor, processes: int) -> None:
    """As many products in each process."""
    for _ in executor.map(multiply, range(processes)):
        pass


def worker_figures(rounds: int, rows: int = 40_000, samples: int = 4096) -> Iterator[Figure]:
    settings = AnalysisSettings(windows=(WINDOW,))
    spawn = get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, spawn) as one,
        ProcessPoolExecutor(2, spawn) as two,
    ):
        path = Path(folder, "run.parquet")
        rng = np.random.default_rng(0)
        blocks = (
            (np.arange(start, start + 500), rng.standard_normal((500, samples), dtype=np.float32))
            for start in range(0, rows, 500)
        )
        write_losses(path, blocks, np.arange(samples))
        run = rdm.read_run(path)
        size = f"file of {rows:,} rows, n = {samples:,}, W = {WINDOW}, opened"
        taken = take_turns(
            {
                "analyze, no pool": (lambda: rdm.analyze(run, settings), 1.0),
                "analyze, pool of one": (lambda: rdm.analyze(run, settings, executor=one), 1.0),
                "analyze, pool of two": (lambda: rdm.analyze(run, settings, executor=two), 1.0),
                "products, one process": (lambda: multiply_in(one, 1), 1.0),
                "as many, shared by two processes": (lambda: multiply_in(two, 2), 0.5),
            },
            rounds,
        )
    print_times(taken, size)
    shares: dict[str, list[float]] = {}
    for what, two_of, one_of in (
        ("analyze", "analyze, pool of two", "analyze, pool of one"),
        ("products", "as many, shared by two processes", "products, one process"),
    ):
        pairs = zip(taken[two_of], taken[one_of], strict=True)
        shares[what] = [shared / alone for shared, alone in pairs]
        yield Figure(
            size=size,
            what=f"time that a second worker leaves, {what}",
            beside="",
            values=shares[what],
            unit="of one's",
        )
    yield Figure(
        size=size,
        what="time that a second worker leaves, analyze",
        beside="the same for products",
        values=[mine / theirs for mine, theirs in zip(shares["analyze"], shares["products"], strict=True)],
        unit="× as much",
        most=1 / 0.9,
    )
    yield beside(taken, "analyze, pool of one", "analyze, no pool", size=size)


def figures(rounds: int = 5) -> Iterator[Figure]:
    """Print the times, and yield what they come to."""
    yield from several_lengths(rounds)
    yield from slope_figures(rounds)
    yield from worker_figures(rounds)


def main(rounds: int = 5) -> None:
    for figure in figures(rounds):
        print(figure)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
