"""Which column tells a change, and how often does noise name one?

    python benchmarks/answers_explained.py noise             # 3 x 400 runs without an event; 3 min
    python benchmarks/answers_explained.py beside            # noise beside a column that does tell the change
    python benchmarks/answers_explained.py corpus FOLDER     # narrow fine-tuning, runs of odd seeds
    python benchmarks/answers_explained.py time              # 100,000 samples x 30 columns

Noise: runs of 200 rows and 64 or 160 samples with 1, 5 or 30 columns of all kinds, which have nothing to do
with the losses; these are Gaussian, heavy-tailed, of unequal size, or autocorrelated. A run counts where any
of its changes names a column or a pair.
"""

# pyright: basic

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import binomtest

import rdmtools as rdm
from rdmtools.analysis.explained import Columns


def of(count: int, every: int) -> str:
    low, high = binomtest(count, every).proportion_ci(method="exact")
    return f"{count} of {every} ({count / every:.1%}, {low:.1%} to {high:.1%})"


def table(samples: int, columns: int, rng: np.random.Generator) -> pd.DataFrame:
    """Columns of two and four values, numbers, texts that repeat, and mostly zeros with gaps."""
    kinds = [
        lambda: rng.integers(0, 2, samples),
        lambda: rng.integers(0, 4, samples).astype(str),
        lambda: rng.lognormal(size=samples),
        lambda: rng.integers(0, samples // 6, samples).astype(str),
        lambda: rng.choice([0.0, 0, 0, 1, np.nan], samples),
    ]
    return pd.DataFrame({f"column {at}": kinds[at % len(kinds)]() for at in range(columns)})


def losses(kind: int, rows: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_t(3, (rows, samples)) if kind == 1 else rng.standard_normal((rows, samples))
    if kind == 2:
        noise *= np.exp(rng.standard_normal(samples))
    if kind == 3:
        noise = lfilter([1], [1, -0.95], noise, axis=0)
    return 5 + 0.1 * noise


def noise() -> None:
    for columns in (1, 5, 30):
        named = low = 0
        for seed in range(400):
            rng = np.random.default_rng([columns, seed])
            samples = (64, 160)[seed % 2]
            about = table(samples, columns, rng)
            run = rdm.Run.from_arrays(np.arange(200), losses(seed // 2 % 4, 200, samples, rng), samples=about)
            found = rdm.analyze(run).explained
            named += bool(found["named"].any())
            low += bool((found.query("place == 'run'")["p_value"] <= 0.05).any())
        print(f"{columns} columns: names something {of(named, 400)}; p <= 0.05 of the run {of(low, 400)}")


def beside() -> None:
    """A column tells 80, 50 or 20 % of the change, ten others are noise: what is named?"""
    for share in (0.8, 0.5, 0.2):
        right = more = pairs = 0
        for seed in range(200):
            rng = np.random.default_rng([int(100 * share), seed])
            about = table(128, 10, rng)
            answer = rng.permutation(np.arange(128) % 2)
            about.insert(5, "answer", answer)
            change = np.sqrt(share) * (2 * answer - 1) + np.sqrt(1 - share) * rng.standard_normal(128)
            found = [each for each in Columns(about).explain(change) if each.named]
            single = [each.column for each in found if each.with_column is None]
            right += single == ["answer"]
            more += bool(single) and single != ["answer"]
            pairs += any(each.with_column is not None for each in found)
        print(f"{share:.0%}: named {of(right, 200)}, another column {of(more, 200)}, a pair {of(pairs, 200)}")


def corpus(folder: Path) -> None:
    rows = []
    for path in sorted(folder.glob("narrow_finetuning/transition_*[13579].parquet")):
        analysis = rdm.analyze(path)
        found = analysis.explained
        for (event, place), here in found.groupby(["event", "place"], dropna=False, sort=False):
            single = here[here["with_column"].isna() & (here["status"] == "usable")].set_index("column")
            rows.append(
                {
                    "run": path.stem,
                    "event": event,
                    "place": place,
                    "first": single["share"].idxmax(),
                    "named": ", ".join(here.loc[here["named"] & here["with_column"].isna(), "column"]),
                    **single["share"].round(3).to_dict(),
                }
            )
    every = pd.DataFrame(rows)
    print(every.to_string(index=False))
    for place, here in every.groupby("place"):
        first, named = (int((here[name] == "answer").sum()) for name in ("first", "named"))
        print(f"{place}: answer first {of(first, len(here))}, named {of(named, len(here))}")


def seconds() -> None:
    rng = np.random.default_rng(0)
    about = table(100_000, 30, rng)
    change = rng.standard_normal(100_000)
    began = time.perf_counter()
    columns = Columns(about)
    put = time.perf_counter()
    columns.explain(change)
    asked = time.perf_counter()
    columns.explain(-change)
    print(
        f"100,000 x 30: levels {put - began:.2f} s, first change {asked - put:.2f} s, "
        f"each further one {time.perf_counter() - asked:.2f} s"
    )


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else "noise"
    if what == "corpus":
        corpus(Path(sys.argv[2]))
    else:
        {"noise": noise, "beside": beside, "time": seconds}[what]()


if __name__ == "__main__":
    main()
