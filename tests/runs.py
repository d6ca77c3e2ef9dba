"""Small runs with known truth, for tests of everything downstream of the mathematics."""

import numpy as np

from rdmtools.run.run import Run

ROWS, SAMPLES, EVERY = 150, 14, 10


def with_event(seed=0, name="event", **kwargs):
    """Quiet noise in which the eight samples of group "learned" fall together around step 900."""
    rng = np.random.default_rng(seed)
    losses = 2 + 0.01 * rng.standard_normal((ROWS, SAMPLES))
    fall = 1 / (1 + np.exp(-(np.arange(ROWS) - 90) / 3))
    losses[:, :8] -= fall[:, None] * np.linspace(0.8, 1.2, 8)
    steps = EVERY * np.arange(ROWS)
    defaults = {
        "samples": {"sample_id": np.arange(SAMPLES), "group": ["learned"] * 8 + ["other"] * 6},
        "scalars": {"step": steps, "accuracy": fall},
        "metadata": {"lr": 0.1, "seed": seed},
    }
    return Run.from_arrays(steps, losses, name=name, **(defaults | kwargs))


def without_event(seed=0, name="quiet", **kwargs):
    rng = np.random.default_rng(seed)
    losses = 2 + 0.01 * rng.standard_normal((ROWS, SAMPLES))
    defaults = {"metadata": {"lr": 0.0, "seed": seed}}
    return Run.from_arrays(EVERY * np.arange(ROWS), losses, name=name, **(defaults | kwargs))
