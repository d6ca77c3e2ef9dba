"""How long does a command take from the shell's prompt back to it, and what does it load?

    python benchmarks/command.py [rounds]           whole commands, beside importing what they stand on
    python benchmarks/command.py tree WORDS...      what `rdmtools WORDS` imports, the slowest first

Whole processes take turns, one thread each, on warm files: a round is each of them once. CPU seconds, user
and system, for the wall clock of a busy machine tells of others; only ratios carry over. The imports alone
are numpy, pandas and pyarrow, and nothing done with them. The run has 400 rows of 128 samples in 3 groups, 3
scalars and 3 events, as a logger leaves it; the sample run, of 88 samples, is that of sample_data. Last come
300 runs of 400 x 128 compared, for the first and for the second time, once each.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np

import rdmtools as rdm

IMPORTS = "import numpy, pandas, pyarrow.parquet"
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
    analyze = ["analyze", "--fresh"]
    commands = {
        "--version": ["--version"],
        "--help": ["--help"],
        "analyze --help": ["analyze", "--help"],
        "info": ["info", str(run)],
        "analyze": [*analyze, str(run)],
        "analyze, the sample run": [*analyze, str(sample_run)],
        "analyze --no-report": [*analyze, str(run), "--no-report"],
        "analyze, nothing changed": ["analyze", str(sample_run)],
    }
    return {"the imports alone": ["-c", IMPORTS]} | {
        what: ["-m", "rdmtools_cli", *words] for what, words in commands.items()
    }


def cpu_s(words: list[str]) -> float:
    """CPU seconds of a process and of those that it waited for."""
    before = os.times()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, env=ENVIRONMENT, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def tree(words: list[str], most: int = 30) -> None:
    """What a command imports: milliseconds with all that each brings, indented below who asked for it."""
    command = [sys.executable, "-X", "importtime", "-m", "rdmtools_cli", *words]
    told = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False).stderr
    found = re.findall(r"import time: +\d+ \| +(\d+) \|( +)(\S+)", told)
    slowest = sorted((int(us) for us, _, _ in found), reverse=True)[:most]
    for us, depth, module in reversed(found):  # who asks is told after what it asked for
        if slowest and int(us) >= slowest[-1]:
            print(f"{int(us) / 1000:8.1f} ms {depth}{module}")


def compared(folder: Path, runs: int = 300) -> None:
    """The same many runs twice."""
    rng = np.random.default_rng(0)
    for seed in range(runs):
        rows = np.arange(ROWS)[:, None]
        losses = 2 + 0.05 * rng.standard_normal((ROWS, SAMPLES)) + np.exp(-rows / 80)
        if seed % 2:
            losses[:, :50] -= 0.8 / (1 + np.exp(-(rows - 220) / 10))
        with rdm.ProbeLogger(folder / f"r{seed}.parquet", metadata={"seed": seed}) as log:
            for row in range(ROWS):
                log(10 * row, losses[row])
    words = ["-m", "rdmtools_cli", "compare", str(folder / "*.parquet")]
    for time in ("first", "second"):
        print(f"{f'compare, {runs} runs, the {time} time':36}{cpu_s(words):6.2f}")


def main(rounds: int = 9) -> None:
    with tempfile.TemporaryDirectory() as name:
        run, sample_run = Path(name, "run.parquet"), Path(name, SAMPLE_RUN.name)
        write_run(run)
        shutil.copy(SAMPLE_RUN, sample_run)
        beside = SAMPLE_RUN.with_suffix(".rdm")
        shutil.copytree(beside, Path(name, beside.name))
        each = contenders(run, sample_run)
        for words in each.values():  # files into the cache
            cpu_s(words)
        taken: dict[str, list[float]] = {what: [] for what in each}
        order = list(each.items())
        for _ in range(rounds):
            order.append(order.pop(0))
            for what, words in order:
                taken[what].append(cpu_s(words))
        print(f"median of {rounds} rounds, CPU seconds (least to most)")
        least = median(taken["the imports alone"])
        for what, times in taken.items():
            middle = median(times)
            print(
                f"{what:36}{middle:6.2f}  ({min(times):.2f} to {max(times):.2f})"
                f"{middle / least:7.2f} times the imports"
            )
        Path(name, "many").mkdir()
        compared(Path(name, "many"))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        if sys.argv[1:2] == ["tree"]:
            tree(sys.argv[2:])
        else:
            main(*map(int, sys.argv[1:]))
