"""Log a small run where only numpy and pyarrow are installed; prove that nothing else is there."""

import importlib.util
import sys

import numpy as np

import rdmtools as rdm

absent = ("pandas", "polars", "matplotlib", "scipy", "rich", "typer", "jinja2", "jaxtyping")
present = [name for name in absent if importlib.util.find_spec(name) is not None]
if present:
    sys.exit(f"this environment has {', '.join(present)}; it proves nothing")

rng = np.random.default_rng(0)
with rdm.ProbeLogger(sys.argv[1], samples={"group": ["a"] * 5 + ["b"] * 6}, metadata={"lr": 1e-3}) as log:
    for step in range(0, 300, 10):
        log(step, rng.random(11))
        log.scalars(step, accuracy=step / 300)
print(log)
