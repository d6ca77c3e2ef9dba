"""Losses that walk, and what must be the same to the bit whoever analyses them."""

import numpy as np
import pandas as pd

import rdmtools as rdm

TABLES = ("observables", "events", "modes", "groups", "spectra", "shc_map")


def walk(rows, samples, seed=0, dtype=np.float32, **kwargs):
    rng = np.random.default_rng(seed)
    losses = (3 + np.cumsum(rng.standard_normal((rows, samples)), axis=0)).astype(dtype)
    steps = np.cumsum(rng.integers(1, 9, rows))
    return rdm.Run.from_arrays(steps, losses, **kwargs)


def stored(tmp_path, rows=700, samples=260, group=64):
    """A run in a file of several row groups, none of which begins where a span does."""
    run = walk(rows, samples)
    frame = pd.DataFrame(
        {
            "step": np.repeat(run.steps, samples),
            "sample_id": np.tile(np.arange(samples), rows),
            "loss": run.losses.ravel(),
        }
    )
    frame.to_parquet(tmp_path / "run.parquet", row_group_size=group * samples, index=False)
    return rdm.read_run(tmp_path / "run.parquet")


def assert_same(found, expected):
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)
