"""Small runs with known truth, for tests of everything downstream of the mathematics."""

import numpy as np
import pandas as pd

from rdmtools.run.run import Run

HOSTILE = (
    "</title><script>document.title='owned'</script>",
    "<img src=x onerror=alert(1)>",
    "$x_{$ \\frac{",
    "\x00\x07\x1b[31m\u202eevil",
    "日本語 🦜",
    "{{ 7 * 7 }} {% raw %}",
    "long " * 5000,
    "_hidden",
    '" onload="alert(1)',
)

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


def hostile_run():
    run = with_event()
    words = [HOSTILE[index % len(HOSTILE)] for index in range(14)]
    samples = pd.DataFrame(
        {"sample_id": [f"{index} {text[:99]}" for index, text in enumerate(words)], "group": words}
    )
    for number, text in enumerate(HOSTILE):
        samples[f"{text[:300]}{number}"] = words
    scalars = pd.DataFrame({"step": run.steps})
    for number, text in enumerate(HOSTILE):
        scalars[f"{text[:300]}{number if text != '_hidden' else ''}"] = run.losses[:, number]
    return Run.from_arrays(
        run.steps,
        run.losses,
        samples=samples,
        scalars=scalars,
        metadata={text[:300]: text for text in HOSTILE},
        name="\ud800" + " ".join(text[:99] for text in HOSTILE),
        unit="<b>$nats_{",
    )
