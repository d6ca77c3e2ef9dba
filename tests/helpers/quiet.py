"""Runs of AR(1) noise, made alike, in which nothing happens; and one in which something does."""

import numpy as np
import pandas as pd

from rdmtools.run.run import Run

EVERY = 10


def noise(seed, rows=120, samples=6):
    losses = np.random.default_rng(seed).standard_normal((rows, samples))
    for now in range(1, rows):
        losses[now] += 0.8 * losses[now - 1]
    return 1 + 0.01 * losses


def quiet(seed, rows=120, samples=6, **more):
    return Run.from_arrays(
        EVERY * np.arange(rows), noise(seed, rows, samples), **({"name": f"q{seed}"} | more)
    )


def quiet_runs(count, first=0):
    return [quiet(seed) for seed in range(first, first + count)]


def bursting(seed=77, rows=120, since=80):
    losses = noise(seed, rows)
    losses[since:, :3] -= 0.08 * np.arange(rows - since)[:, None]
    return Run.from_arrays(EVERY * np.arange(rows), losses, name="burst")


def write(run, path):
    """The run as a table of losses in a Parquet file."""
    rows, samples = run.shape
    table = {
        "step": np.repeat(run.steps, samples),
        "sample_id": np.tile(np.arange(samples), rows),
        "loss": np.asarray(run.losses).ravel(),
    }
    pd.DataFrame(table).to_parquet(path, index=False)
    return path
