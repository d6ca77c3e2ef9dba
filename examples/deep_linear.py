"""A deep linear network learns its teacher's modes one after another; a probe set watches.

Three layers of width 24 and small random weights, trained by SGD in plain NumPy on fresh batches from a
linear teacher with singular values 4, 2 and 1 and label noise. Each mode waits on a plateau, then is learned
within a few hundred steps, the strongest first (Saxe, McClelland & Ganguli 2014, arXiv:1312.6120).

    python examples/deep_linear.py deep_linear.parquet
    python examples/deep_linear.py quiet.parquet --start solution    # the control: there is nothing to learn

The logged scalars `mode_1` .. `mode_3` are how much of each teacher mode the network has, as a share of the
teacher's: its transitions (T10, T50, T90) are where they cross 0.1, 0.5 and 0.9.
"""

import argparse
from dataclasses import dataclass

import numpy as np

import rdmtools as rdm

WIDTH = 24
SINGULAR_VALUES = np.array([4.0, 2.0, 1.0])
NOISE = 0.3
RANDOM_PROBES, PROBES_PER_MODE = 64, 8


@dataclass(frozen=True, kw_only=True)
class Teacher:
    left: np.ndarray  # (width, modes)
    right: np.ndarray  # (width, modes)

    @property
    def map(self) -> np.ndarray:
        return self.left * SINGULAR_VALUES @ self.right.T

    def labels(self, inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return inputs @ self.map.T + NOISE * rng.standard_normal(inputs.shape)


def make_teacher(rng: np.random.Generator) -> Teacher:
    left, right = (np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0] for _ in range(2))
    modes = len(SINGULAR_VALUES)
    return Teacher(left=left[:, :modes], right=right[:, :modes])


def make_probe(teacher: Teacher, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Random inputs, and for each mode inputs that lie along it; with the group of each."""
    inputs = [rng.standard_normal((RANDOM_PROBES, WIDTH))]
    groups = ["random"] * RANDOM_PROBES
    for mode, direction in enumerate(teacher.right.T, start=1):
        along = 2 * rng.standard_normal((PROBES_PER_MODE, 1)) * direction
        inputs.append(along + 0.1 * rng.standard_normal((PROBES_PER_MODE, WIDTH)))
        groups += [f"mode {mode}"] * PROBES_PER_MODE
    return np.concatenate(inputs), groups


def initial_weights(start: str, teacher: Teacher, rng: np.random.Generator) -> list[np.ndarray]:
    """Three layers, the first to meet the input first: small and random, or the teacher's map already."""
    if start == "random":
        return [0.05 / np.sqrt(WIDTH) * rng.standard_normal((WIDTH, WIDTH)) for _ in range(3)]
    root = np.cbrt(SINGULAR_VALUES)
    middle = np.zeros((WIDTH, WIDTH))
    first, last = middle.copy(), middle.copy()
    first[: len(root)] = root[:, None] * teacher.right.T
    middle[range(len(root)), range(len(root))] = root
    last[:, : len(root)] = teacher.left * root
    return [first, middle, last]


def gradients(weights: list[np.ndarray], inputs: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Of half the squared error, averaged over the batch."""
    first, middle, last = weights
    hidden_1 = inputs @ first.T
    hidden_2 = hidden_1 @ middle.T
    error = (hidden_2 @ last.T - labels) / len(inputs)
    back_2 = error @ last
    back_1 = back_2 @ middle
    return [back_1.T @ inputs, back_2.T @ hidden_1, error.T @ hidden_2]


def train(
    path: str, *, start: str, seed: int, steps: int, log_every: int, learning_rate: float, batch: int
) -> None:
    rng = np.random.default_rng(seed)
    teacher = make_teacher(rng)
    weights = initial_weights(start, teacher, rng)
    probe_inputs, groups = make_probe(teacher, rng)
    probe_labels = teacher.labels(probe_inputs, rng)
    metadata = {
        "example": "deep_linear",
        "start": start,
        "seed": seed,
        "learning_rate": learning_rate,
        "batch": batch,
    }
    with rdm.ProbeLogger(
        path, samples={"group": groups}, metadata=metadata, unit="sq. error", overwrite=True
    ) as log:
        for step in range(steps + 1):
            if step % log_every == 0:
                network = weights[2] @ weights[1] @ weights[0]
                log(step, 0.5 * np.sum((probe_inputs @ network.T - probe_labels) ** 2, axis=1))
                learned = np.sum(teacher.left * (network @ teacher.right), axis=0) / SINGULAR_VALUES
                log.scalars(step, **{f"mode_{k}": share for k, share in enumerate(learned, start=1)})
            inputs = rng.standard_normal((batch, WIDTH))
            slopes = gradients(weights, inputs, teacher.labels(inputs, rng))
            weights = [layer - learning_rate * slope for layer, slope in zip(weights, slopes, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", help="where the run goes, such as deep_linear.parquet; overwritten")
    parser.add_argument("--start", choices=["random", "solution"], default="random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--log-every", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--batch", type=int, default=32)
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
