"""A JAX loop learns XOR and logs a probe, under draws of the parameters too: python jax_probe.py [RUN]"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from rdmtools import ProbeLogger
from rdmtools.integrations import probe_set
from rdmtools.integrations.jax import GaussianProbe, per_sample_losses


def loss(params, sample):
    point, label = sample
    return -jax.nn.log_softmax(jnp.tanh(point @ params["in"] + params["bias"]) @ params["out"])[label]


@jax.jit
def train_step(params, batch):
    gradient = jax.grad(lambda params: jax.vmap(loss, (None, 0))(params, batch).mean())(params)
    return jax.tree.map(lambda value, slope: value - 0.5 * slope, params, gradient)


path = sys.argv[1] if len(sys.argv) > 1 else "jax_probe.parquet"
rng = np.random.default_rng(0)
points = rng.uniform(-1, 1, (1024, 2)).astype(np.float32)
labels = (points.prod(axis=1) > 0).astype(int)
chosen = probe_set(points, 64, stratify=2 * (points[:, 0] > 0) + (points[:, 1] > 0))
probe = points[chosen.indices], labels[chosen.indices]
params = {"in": rng.normal(size=(2, 32)) / 20, "bias": np.zeros(32), "out": rng.normal(size=(32, 2)) / 20}
nearby = GaussianProbe(loss, 0.05, draws=4, seed=0, relative=True)
with ProbeLogger(path, chosen.samples, overwrite=True) as log:
    for step in range(1201):
        if step % 10 == 0:
            log(step, per_sample_losses(loss, params, probe))
            log.draws(step, nearby(step, params, probe))
        rows = rng.integers(len(points), size=32)
        params = train_step(params, (points[rows], labels[rows]))
print(f"rdmtools analyze {path}")
