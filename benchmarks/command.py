"""How long does the command take from the shell's prompt back to it, beside importing what it stands on?

    python benchmarks/command.py [rounds]

Whole processes take turns, one thread each, on warm files: a round is each of them once. The imports alone
are numpy, pyarrow and matplotlib's figures, and nothing done with them. The run has 400 rows of 128 samples
in 3 groups, 3 scalars and 3 events, as a logger leaves it; the sample run, of 88 samples, is that of
sample_data. Medians; only the ratios carry over.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

import rdmtools as rdm

IMPORTS = "import numpy, pyarrow, matplotlib.figure"
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # what pip installs has its bytecode
SAMPLE_RUN = Path(__file__).parents[1] / "sample_data" / "deep_linear.parquet"
ROWS, SAMPLES, EVENTS = 400, 128, 3


def write_run(path: Path) -> None:
    """Quiet losses in which three groups fall, one after another; the scalars tell how far each is."""
    rng = np.random.default_rng(0)
    groups = np.arange(SAMPLES) % EVENTS
    rows = np.arange(ROWS)[:, None]
    fallen = 1 / (1 + np.exp(-(rows - np.array([100, 200, 300])) / 4))
    losses = 3 - fallen[:, groups] + 0.01 * rng.standard_normal((ROWS, SAMPLES))
    names = [f"group {group + 1}" for group in groups]
    with rdm.ProbeLogger(path, {"sample_id": range(SAMPLES), "group": names}, metadata={"lr": 0.1}) as log:
        for row in range(ROWS):
            log(10 * row, losses[row])
            log.scalars(10 * row, **{f"fallen_{group + 1}": fallen[row, group] for group in range(EVENTS)})
    assert len(rdm.analyze(rdm.read_run(path)).events) == EVENTS


def contenders(run: Path, sample_run: Path) -> dict[str, list[str]]:
    """What each is called, and its words after `python`; the imports first."""
    command = ["-m", "rdmtools_cli"]
    return {
        "the imports alone": ["-c", IMPORTS],
        "analyze": [*command, "analyze", "--fresh", str(run)],
        "analyze, the sample run": [*command, "analyze", "--fresh", str(sample_run)],
        "analyze --no-report": [*command, "analyze", "--fresh", str(run), "--no-report"],
        "analyze --no-report, the sample run": [
            *command,
            "analyze",
            "--fresh",
            str(sample_run),
            "--no-report",
        ],
        "info": [*command, "info", str(run)],
        "--version": [*command, "--version"],
    }


def seconds(words: list[str]) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, env=ENVIRONMENT, check=True)
    return perf_counter() - start


def main(rounds: int = 15) -> None:
    with tempfile.TemporaryDirectory() as name:
        run, sample_run = Path(name, "run.parquet"), Path(name, SAMPLE_RUN.name)
        write_run(run)
        shutil.copy(SAMPLE_RUN, sample_run)
        beside = SAMPLE_RUN.with_suffix(".rdm")
        shutil.copytree(beside, Path(name, beside.name))
        each = contenders(run, sample_run)
        for words in each.values():  # files into the cache, fonts into matplotlib's list
            seconds(words)
        taken: dict[str, list[float]] = {what: [] for what in each}
        order = list(each.items())
        for _ in range(rounds):
            order.append(order.pop(0))
            for what, words in order:
                taken[what].append(seconds(words))
    print(f"median of {rounds} rounds, seconds (least to most)")
    least = median(taken["the imports alone"])
    for what, times in taken.items():
        middle = median(times)
        print(
            f"{what:36}{middle:6.2f}  ({min(times):.2f} to {max(times):.2f})"
            f"{middle / least:7.2f} times the imports"
        )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
