"""Losses of a few samples as a tidy table."""

import numpy as np
import pyarrow as pa

ROWS, SAMPLES = 11, 4
STEPS = np.cumsum(np.arange(1, ROWS + 1)) * 10
LOSSES = np.random.default_rng(0).random((ROWS, SAMPLES), dtype=np.float32)
WORDS = ["img_0", "img_1", "img_10", "img_2"]  # in order, as strings are


def tidy(ids=range(SAMPLES), steps=STEPS, losses=LOSSES):
    return pa.table(
        {
            "step": np.repeat(steps, len(ids)),
            "sample_id": np.tile(list(ids), len(steps)),
            "loss": np.asarray(losses).ravel(),
        }
    )
