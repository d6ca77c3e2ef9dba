"""A Keras fit learns XOR while a callback watches a probe: python keras_probe.py [RUN]

On the backend that Keras is told: KERAS_BACKEND=torch, jax or tensorflow.
"""

import sys

import keras
import numpy as np

from rdmtools.integrations import probe_set
from rdmtools.integrations.keras import ProbeCallback

path = sys.argv[1] if len(sys.argv) > 1 else "keras_probe.parquet"
keras.utils.set_random_seed(0)
points = np.random.default_rng(0).uniform(-1, 1, (1024, 2)).astype("float32")
labels = (points.prod(axis=1) > 0).astype("int64")
quadrant = 2 * (points[:, 0] > 0) + (points[:, 1] > 0)
chosen = probe_set(points, 64, stratify=quadrant)
probe = [(points[chosen.indices], labels[chosen.indices])]
watch = ProbeCallback(path, probe, every=4, samples=chosen.samples, overwrite=True)
hidden = [
    keras.layers.Dense(32, "tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=scale))
    for scale in (0.05, 0.2)
]
model = keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(2, "softmax")])
model.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(points, labels, batch_size=32, epochs=25, verbose=0, callbacks=[watch])
print(f"rdmtools analyze {path}")
